//! An MCP server that knows what time it is, anywhere, and how far apart two moments are.
//!
//! The zone data is inside the program: a component sees neither the clock settings nor the zone files of its host.

mod moment;
mod tools;
mod zone;

#[cfg(test)]
mod tests;

use std::io;

use jiff::Timestamp;

fn main() -> io::Result<()> {
    tools::server(Timestamp::now).serve(io::stdin().lock(), io::stdout().lock())
}
