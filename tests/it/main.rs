//! The one integration binary; modules by area. `README.md` beside this folder says which kind of test goes where.

mod contract;
mod docker;
mod endings;
mod hostile;
mod plugins;
mod program;
mod run;
mod tidy;
mod upstream;
