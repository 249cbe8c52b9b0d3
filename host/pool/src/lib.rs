//! One MCP client per server and owner: acquire, keep, evict, release.
//!
//! The pool asks a provisioner to bring a server up, agrees with it on an era, and hands out clients that send raw messages and get raw
//! messages back. It relies on `host-message` for what it must read of a message, and on the trait of `host-provisioner`; it must never know
//! who implements that trait, what a platform is, the value of a secret, or what is in front of the gateway.
//!
//! *Invariant:* every lease that a provisioner gave is given back exactly once, whoever is cancelled; every task is tracked and ends with
//! [`Pool::shutdown`].

// What is tried again here also stands in `tests/fuzz`, to which this crate is another one.
#[cfg(test)]
extern crate self as host_pool;

mod again;
mod asked;
mod attempt;
mod capabilities;
mod client;
mod config;
mod connect;
mod core;
mod error;
mod event;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod handshake;
mod in_flight;
mod keeper;
mod list;
mod listen;
mod outgoing;
mod pending;
mod pool;
mod reader;
mod server;
mod start;
mod status;
mod tail;
mod throttle;
mod wire;
mod writer;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

pub use asked::{Declared, ServerRequest};
pub use capabilities::RawCapabilities;
pub use client::{Client, InUse, Renewals};
pub use config::{Owner, PoolConfig, ServerEntry};
pub use error::{AcquireError, CallError, ListError, SendError};
pub use event::{Changed, Event};
pub use in_flight::InFlight;
pub use list::{ListKind, Listing};
pub use outgoing::Outgoing;
pub use pending::Incoming;
pub use pool::{Pool, ShutdownReport, Unfinished};
pub use status::{ServerState, ServerStatus};
