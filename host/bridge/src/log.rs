//! Lines for people, on standard error. Nothing else of this program is ever written there, except what its servers complain about.

use std::fmt::Arguments;
use std::io::Write;

/// Writes one line. Whoever closed standard error does not want it, which is no reason to end.
pub(crate) fn line(text: Arguments<'_>) {
    let line = format!("gateway-bridge: {text}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
