//! `gateway completions SHELL`.

use crate::args::Cli;
use crate::exit;
use crate::output::print;
use clap::CommandFactory;
use clap_complete::Shell;

pub(super) fn run(shell: Shell) -> u8 {
    // Into memory first: the generator panics when a pager closes the pipe.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gateway", &mut script);
    print(String::from_utf8_lossy(&script).trim_end());
    exit::DONE
}
