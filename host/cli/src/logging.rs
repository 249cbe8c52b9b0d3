//! The log: everything for people goes to standard error; standard output belongs to the protocol or to data.
//!
//! *Invariant:* no line of it holds a value that a server or plugin was given, whoever wrote it (`Resolver::find_any`).

use crate::environment::{self, Environment};
use host_resolver::Resolver;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, OnceLock};
use tracing_subscriber::EnvFilter;

/// Knows the values that must not be in it.
static KNOWS: OnceLock<Arc<Resolver>> = OnceLock::new();

/// Turns the log on. A second call does nothing, so that tests may call it.
///
/// `tells_failures`: the command itself says which servers did not come up, so that the log need not.
pub(crate) fn start(environment: &Environment, verbose: bool, tells_failures: bool) {
    // The cluster's client logs each failed request without saying which; whoever asked says it. What plugins change on platforms is told always
    // (`wit/v0.1/http.wit`), what they read with `audit=debug`.
    let filter = match environment.get(environment::LOG) {
        Some(text) => EnvFilter::new(text),
        None if verbose => EnvFilter::new(
            "info,kube_client=off,host_pool=debug,host_wasm=debug,host_gateway=debug,host_cli=debug",
        ),
        None if tells_failures => EnvFilter::new("warn,audit=info,kube_client=off,host_pool::start=error"),
        None => EnvFilter::new("warn,audit=info,kube_client=off,host_wasm::swap=info"),
    };
    let colours = std::io::stderr().is_terminal() && environment.get(environment::NO_COLOR).is_none();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Blotting(std::io::stderr()))
        .with_ansi(colours)
        .with_target(verbose)
        .without_time()
        .compact()
        .try_init();
}

/// Keeps the values that this resolver gives out of the log. A process has one; further ones change nothing.
pub(crate) fn hide_values_of(resolver: &Arc<Resolver>) {
    let _ = KNOWS.set(Arc::clone(resolver));
}

/// Writes lines without values. The log writes a line at once.
struct Blotting<W>(W);

impl<W: Write> Write for Blotting<W> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        match KNOWS.get() {
            Some(knows) => self.0.write_all(&knows.find_any(line).without(line))?,
            None => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
