//! The gateway program: arguments, assembly, signals, exit codes. It must never know how anything works inside.
//!
//! `assemble` is the one place that names every crate and joins them; `commands` has a file per command.

mod args;
mod assemble;
mod bundled;
mod commands;
mod control;
mod environment;
mod exit;
mod logging;
mod output;
mod signals;
mod streams;

use args::{Cli, Command, ToolsCommand};
use clap::Parser;
use environment::Environment;
use std::ffi::OsString;

/// Runs the program with these arguments, the first of which is its own name, and gives its exit code (`exit.rs`).
#[must_use]
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = as_called(arguments);
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(text) = args::instead(&error, &arguments) {
                output::say(&format!("error: {text}"));
                return exit::USAGE;
            }
            // Help and version are no errors; clap knows where each of them is printed.
            let code = if error.use_stderr() { exit::USAGE } else { exit::DONE };
            let _ = error.print();
            return code;
        }
    };
    let environment = Environment::of_process();
    let tells_failures = matches!(cli.command, Command::Tools(_));
    logging::start(&environment, verbose(&cli.command), tells_failures);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::failed(&anyhow::Error::new(error).context("start the runtime")),
    };
    let code = runtime.block_on(commands::run(cli.command, &environment));
    // A thread that is stuck in a file or a name look-up must not keep the program from ending.
    runtime.shutdown_background();
    match code {
        Ok(code) => code,
        Err(error) => output::failed(&error),
    }
}

/// `cluster-tools ARGUMENTS…`, as scripts of the original call it, is `gateway cluster ARGUMENTS…`; switches are as in the original.
fn as_called(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.first().is_some_and(|program| commands::cluster::is_called(program)) {
        arguments.insert(1, "cluster".into());
    }
    args::plain_switches(arguments)
}

fn verbose(command: &Command) -> bool {
    match command {
        Command::Run(run) => run.source.verbose,
        Command::Tools(ToolsCommand::List { source, .. } | ToolsCommand::Call { source, .. }) => {
            source.verbose
        }
        _ => false,
    }
}
