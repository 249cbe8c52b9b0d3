//! JSON-RPC messages whose payload stays raw: one validating scan in, splices instead of serialisation out.
//!
//! The relay reads of a message only what it must rewrite (id, method, a handful of members of `params` and `_meta`) and passes
//! everything else on as the bytes it came as, so unknown fields survive because they are never understood. Nothing here
//! allocates per field, and nothing here panics on any input.
//!
//! *Invariant:* a value of type [`Envelope`] or [`Params`] holds complete, valid JSON in UTF-8 with at most [`MAX_DEPTH`] levels and
//! without duplicates of the keys this crate asks for. Must never know sessions, servers, pools or transports.

// What is tried again here also stands in `tests/fuzz`, to which this crate is another one.
#[cfg(test)]
extern crate self as host_message;

mod envelope;
mod error;
mod level;
mod mirror;
mod names;
mod object;
mod params;
mod revision;
mod scan;
mod splice;
mod text;
mod write;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

pub use envelope::{Envelope, ErrorBody, Kind, MAX_BATCH, RawId};
pub use error::EnvelopeError;
pub use level::Level;
pub use mirror::{Mirror, Mirrored, mirrors};
pub use names::{code, meta, method};
pub use object::{Elements, JsonKind, Member, Members, elements, find_member, members};
pub use params::Params;
pub use revision::{Era, Revision};
pub use scan::MAX_DEPTH;
pub use splice::{Splice, SpliceError};
pub use text::{Digits, decode_string, write_string};
pub use write::{error, notification, request, response, write_request_head};
