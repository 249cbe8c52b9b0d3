//! The program. Everything is in the library, so that tests run the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(host_cli::main_with(std::env::args_os()))
}
