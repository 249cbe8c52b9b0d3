//! An MCP server for Markdown notes in a folder: tools, resources and a prompt over the same files.
//!
//! The folder is `/notes`, where a gateway mounts it, or the first argument.

mod name;
mod resources;
mod store;
mod tools;

#[cfg(test)]
mod tests;

use std::io;

use store::Store;

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| "/notes".into());
    tools::server(Store::new(folder)).serve(io::stdin().lock(), io::stdout().lock())
}
