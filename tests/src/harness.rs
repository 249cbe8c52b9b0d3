//! What a program test is told with: a [`Scene`] with files, the program in it, [`Client`]s that speak to it, and, at the end, nothing
//! that is left.
//!
//! Relies on the program's standard streams, exit codes, sockets and files, and never on what is inside it. A harness cannot go on when
//! something is missing, so it ends the test with what it saw, and with what the program had written until then.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is part of tests: what is not as the story says ends the test there"
)]

mod client;
mod cloud;
mod finished;
mod gateway;
mod http;
mod link;
mod parts;
mod patience;
mod scene;
mod stdio;

pub use client::{Answer, Client, ERAS, Era, InFlight, RpcError};
pub use cloud::{CloudRunDouble, Disturbance, ServiceAccountFile, StandIn};
pub use finished::{Finished, redacted};
pub use gateway::{Ended, Gateway, Signal};
pub use http::{Endpoint, Reply};
pub use parts::part;
pub use patience::{PATIENCE, eventually, patiently};
pub use scene::{Scene, TOKEN};
