//! The whole front against a pool whose servers are small scripted loops, over real sockets and in-memory streams.

mod asking;
mod calls;
mod changes;
mod checks;
mod client;
mod connections;
mod eras;
mod hardening;
mod lists;
mod logging;
mod many;
mod matrix;
mod mirror;
mod properties;
mod resuming;
mod server;
mod sessions;
mod sse;
mod streams;
mod subscribing;
mod surface;
mod world;
