//! `gateway-bridge`: a TCP port (or a unix socket) in front of an MCP server that speaks over standard streams. Each connection is one run of
//! the server's program: what arrives is its standard input, what it writes goes back.
//!
//! With `--attached` it is instead in front of a tool that runs once, for whoever attaches to its container.
//!
//! It is made to be copied into other images: one static file, no shell, no settings but its arguments. It must never know about MCP beyond
//! "bytes", and it imports nothing of the gateway.
//!
//! *Invariant:* a connection that sends nothing starts nothing, so that probes of a port cost nothing.
//!
//! *Invariant:* a program and what it started are gone when its connection is, and a connection is closed when its program is.

#[cfg(unix)]
mod args;
#[cfg(unix)]
mod attached;
#[cfg(unix)]
mod health;
#[cfg(unix)]
mod install;
#[cfg(unix)]
mod listen;
#[cfg(unix)]
mod log;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod session;
#[cfg(unix)]
mod token;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use clap::Parser;
    let args = args::Args::parse();
    if let Some(target) = &args.install {
        return install::install(target);
    }
    if let Some(address) = &args.probe {
        return health::probe(*address);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if args.attached {
        return match runtime {
            // The thread that reads standard input may wait for ever; the process does not wait for it.
            Ok(runtime) => runtime.block_on(attached::run(&args.program)),
            Err(error) => {
                log::line(format_args!("start: {error}"));
                std::process::ExitCode::FAILURE
            }
        };
    }
    match runtime.map(|runtime| runtime.block_on(serve::serve(args))) {
        Ok(Ok(())) => std::process::ExitCode::SUCCESS,
        Ok(Err(error)) => {
            log::line(format_args!("{error}"));
            std::process::ExitCode::FAILURE
        }
        Err(error) => {
            log::line(format_args!("start: {error}"));
            std::process::ExitCode::FAILURE
        }
    }
}

/// Process groups and unix sockets are what this program is made of.
#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
