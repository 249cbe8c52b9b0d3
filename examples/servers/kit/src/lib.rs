//! An MCP server over blocking standard streams, for programs that become WASI components.
//!
//! A server is built from [`Tool`]s, [`Prompt`]s and at most one set of [`Resources`], and then answers one message a
//! line until its input ends: [`Server::serve`]. It speaks both protocol eras, the one that starts with `initialize`
//! (2024-11-05 to 2025-11-25) and the one where every request stands alone (2026-07-28); the first request decides.
//! There is no runtime and there are no threads: the whole start is reading a line, which is what keeps a cold start
//! at a few milliseconds.
//!
//! This crate knows nothing about what a server does, and never reads a file or the environment.

mod arguments;
mod methods;
mod pages;
mod server;
mod session;
mod wire;

pub use arguments::{Arguments, nearest, object};
pub use server::{Call, Prompt, Resources, Server, Tool, ToolOutput};

#[cfg(test)]
mod tests;
