//! The whole front against a pool whose servers are small scripted loops, over real sockets and in-memory streams.

mod calls;
mod changes;
mod client;
mod connections;
mod eras;
mod lists;
mod server;
mod sessions;
mod streams;
mod surface;
mod world;
