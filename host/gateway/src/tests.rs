//! The whole front against a pool whose servers are small scripted loops, over real sockets and in-memory streams.

mod asking;
mod calls;
mod changes;
mod checks;
mod client;
mod connections;
mod eras;
mod lists;
mod logging;
mod resuming;
mod server;
mod sessions;
mod sse;
mod streams;
mod subscribing;
mod surface;
mod world;
