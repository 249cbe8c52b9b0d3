//! `gateway run`: what flags and files together ask of the front, then the assembly, then serving (`serve.rs`), or the plan of a dry run.

use crate::args::{RunArgs, TransportArg};
use crate::assemble::{App, Inputs};
use crate::commands::serve::{self, Listener, Watching};
use crate::environment::{self, Environment};
use crate::output::{Usage, say};
use anyhow::Result;
use host_config::FrontTransport;
use host_gateway::Home;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// The port of the original.
const PORT: u16 = 8811;

pub(super) async fn run(args: RunArgs, environment: &Environment) -> Result<u8> {
    let mut inputs = Inputs::load(&args.source, environment)?;
    inputs.settings.pool.prestart |= args.prestart;
    let transport = transport(&args, &inputs)?;
    let token = match &transport {
        Transport::Stdio => None,
        Transport::Http(address, _) => token(&args, address.ip(), environment)?,
    };
    let mut app = App::assemble(inputs, environment).await?;
    app.check_calls(&args.checks);
    if args.dry_run {
        return crate::commands::plan::run(app, args.json).await;
    }
    let listener = match transport {
        Transport::Stdio => Listener::Stdio,
        Transport::Http(address, home) => serve::bind(address, home, token).await?,
    };
    if let Some(age) = args.cleanup_stale {
        let (kubernetes, environment) = (args.source.kubernetes.clone(), environment.clone());
        // Beside the start: no client waits for what is dead.
        tokio::spawn(async move {
            let lines = crate::commands::cluster::sweep_at_start(age, &kubernetes, &environment).await;
            lines.iter().for_each(|line| say(line));
        });
    }
    // As the original: files are watched unless it runs in its container. Plugins, which are code, only if asked for.
    let in_container = environment.get(environment::IN_CONTAINER) == Some("1");
    let files = args.watch.unwrap_or(!in_container);
    serve::serve(app, listener, Watching { files, plugins: args.watch == Some(true) }).await
}

enum Transport {
    Stdio,
    Http(SocketAddr, Home),
}

/// The flag, else the file, else stdio.
fn transport(args: &RunArgs, inputs: &Inputs) -> Result<Transport> {
    let front = &inputs.settings.front;
    let kind = args.transport.or(front.transport.map(|transport| match transport {
        FrontTransport::Stdio => TransportArg::Stdio,
        FrontTransport::Streaming => TransportArg::Streaming,
        FrontTransport::Sse => TransportArg::Sse,
    }));
    match kind.unwrap_or(TransportArg::Stdio) {
        TransportArg::Stdio => {
            let flags = [
                ("--port", args.port.is_some()),
                ("--host", args.host.is_some()),
                ("--allow-unauthenticated", args.allow_unauthenticated),
            ];
            if let Some((flag, _)) = flags.iter().find(|(_, given)| *given) {
                let text = format!("cannot use {flag} with --transport=stdio; add `--transport streaming`");
                return Err(Usage(text).into());
            }
            Ok(Transport::Stdio)
        }
        kind @ (TransportArg::Streaming | TransportArg::Sse) => {
            let home = if kind == TransportArg::Sse { Home::Sse } else { Home::Streaming };
            let host = args.host.as_deref().or(front.host.as_deref()).unwrap_or("127.0.0.1");
            let port = args.port.or(front.port).unwrap_or(PORT);
            let address = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next());
            address
                .map(|address| Transport::Http(address, home))
                .ok_or_else(|| Usage(format!("`--host {host}` is no address of this machine")).into())
        }
    }
}

/// The bearer token: from the environment, or random; `None` only if asked for, and only on loopback.
fn token(args: &RunArgs, address: IpAddr, environment: &Environment) -> Result<Option<serve::Token>> {
    let given = environment.get(environment::AUTH_TOKEN);
    if args.allow_unauthenticated {
        if !address.is_loopback() {
            return Err(Usage(format!(
                "`--allow-unauthenticated` is for loopback addresses, not for {address}"
            ))
            .into());
        }
        if given.is_some() {
            say(&format!(
                "warning: {} is ignored, because of --allow-unauthenticated",
                environment::AUTH_TOKEN
            ));
        }
        return Ok(None);
    }
    serve::Token::from(given).map(Some)
}
