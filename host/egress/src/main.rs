//! `gateway-egress`: the only way out of the network of one MCP server. It runs in a container that stands in two networks: an internal one
//! that it shares with the server, and one from which the world is reached. What it does not let through cannot be reached, because
//! there is no other way.
//!
//! Four doors, all of which follow the same rules (`rules.rs`):
//!
//! * an HTTP proxy, for programs that honour `http_proxy` and `https_proxy`: `CONNECT`, and requests with a whole URL (`proxy.rs`);
//! * the ports of the rules, for programs that connect to a name themselves, whose names lead here: by the name in the TLS
//!   hello, by the `Host` of HTTP, and for plain TCP by the port (`transparent.rs`);
//! * a name server that knows the names of the rules, all of them at its own address, and nothing else (`dns.rs`);
//! * the other way round, ports of the server, for the gateway (`ingress.rs`).
//!
//! What it is to do comes on standard input, a line each, up to `start` (`settings.rs`). It answers `listening` on standard output, or
//! `failed` and why, and ends when its standard input does: nobody who was killed leaves one that runs. Refusals are on standard error.
//!
//! The program has no dependencies and is built static, so that an image of it needs nothing else. It must never know about MCP, Docker or
//! the gateway.

mod address;
mod dns;
mod ingress;
mod listen;
mod log;
mod proxy;
mod resolve;
mod rules;
mod settings;
mod sniff;
mod splice;
mod transparent;

use settings::Settings;
use std::io::{BufRead, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let mut input = std::io::stdin().lock();
    let begun = read(&mut input).and_then(|settings| open(&Arc::new(settings)));
    let answer = match &begun {
        Ok(()) => "listening\n".to_owned(),
        Err(why) => format!("failed {why}\n"),
    };
    let mut output = std::io::stdout().lock();
    // Nobody who could hear it is there any more, and then the input is at its end too.
    let _ = output.write_all(answer.as_bytes()).and_then(|()| output.flush());
    if begun.is_err() {
        return ExitCode::FAILURE;
    }
    // Everything happens in threads; the process ends with this one.
    let _ = std::io::copy(&mut input, &mut std::io::sink());
    ExitCode::SUCCESS
}

fn read(input: &mut impl BufRead) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let mut line = String::new();
    loop {
        line.clear();
        let read = input.by_ref().take(4096).read_line(&mut line);
        match read {
            Err(error) => return Err(format!("the settings cannot be read: {error}")),
            Ok(0) => return Err("the settings ended before `start`".to_owned()),
            Ok(_) if line.trim() == "start" => return settings.checked(),
            Ok(_) => settings.add(line.trim())?,
        }
    }
}

/// Opens every door. One that cannot be opened is an error of all: a server would otherwise fail later and nobody would know why.
fn open(settings: &Arc<Settings>) -> Result<(), String> {
    if let Some(port) = settings.proxy {
        listen::tcp(settings.inside, port, settings, proxy::serve)?;
    }
    for port in settings.rules.ports() {
        if settings.proxy != Some(port) {
            listen::tcp(settings.inside, port, settings, move |settings, stream| {
                transparent::serve(settings, port, stream);
            })?;
        }
    }
    if settings.names {
        dns::listen(settings)?;
    }
    ingress::listen(settings)
}
