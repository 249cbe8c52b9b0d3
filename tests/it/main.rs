//! The one integration binary; modules by area. `README.md` beside this folder says which kind of test goes where.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests and what they share: what is not as the story says ends the test there, and a skipped one says so"
)]

mod calls;
mod cloud;
mod contract;
mod docker;
mod endings;
mod hostile;
mod kubernetes;
mod leaks;
mod memory;
mod outbound;
mod planted;
mod plugins;
mod program;
mod quickstart;
mod run;
mod secrets;
mod signatures;
mod tidy;
mod upstream;
