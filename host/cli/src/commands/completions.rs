//! `gateway completions SHELL`.

use crate::args::Cli;
use crate::exit;
use clap::CommandFactory;
use clap_complete::Shell;

pub(super) fn run(shell: Shell) -> u8 {
    clap_complete::generate(shell, &mut Cli::command(), "gateway", &mut std::io::stdout().lock());
    exit::DONE
}
