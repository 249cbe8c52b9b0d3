//! The MCP front: what clients see of all the servers together.
//!
//! Transports, sessions, both protocol eras towards clients, one merged catalogue, and the way of a request to the server that
//! answers it. Relies on `host-pool` for clients of servers and on `host-message` for messages. It must never know how a server is
//! brought up, what a container or a plugin is, or where settings come from.

// What is tried again here also stands in `tests/fuzz`, to which this crate is another one.
#[cfg(test)]
extern crate self as host_gateway;

mod announce;
mod answer;
mod asks;
mod call;
mod caller;
mod calls;
mod checks;
mod config;
mod directory;
mod dispatch;
pub mod error;
mod front;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod hello;
mod http;
mod listen;
mod names;
mod replay;
mod session;
mod stdio;
mod subscriptions;
mod unasked;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

pub use checks::{Checks, Inspector, Interceptor, When};
pub use config::{FrontConfig, Home, HttpConfig, Names, Stop, Token, ToolFilter};
pub use front::Front;
