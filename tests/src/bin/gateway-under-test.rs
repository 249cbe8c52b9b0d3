//! The program under test: the same library entry as `gateway`, because a package can only name its own programs.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(host_cli::main_with(std::env::args_os()))
}
