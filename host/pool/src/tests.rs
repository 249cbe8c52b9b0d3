//! The pool against the fake provisioner, with servers that are tasks of the test.

mod again;
mod asking;
mod calls;
mod endings;
mod harness;
mod http;
mod lists;
mod meta;
mod shaking;
mod sharing;
mod streams;
mod turns;
mod words;
