//! HTTP to the outside: one [`Endpoint`] is one URL that somebody was allowed to reach, with the headers that it must be shown.
//!
//! The address that is connected to is the address that was checked, so neither a name that changes its meaning nor a redirect leads anywhere
//! else. Proxies of the environment are not used. The crate must never know about plugins, servers or where a header's value comes from, and of MCP
//! only the names of its headers.
//!
//! *Invariant:* the headers of an endpoint are sent to its own origin and to nowhere else, and never stand in an error or a log.
//!
//! *Invariant:* an address that is not public, and HTTP without TLS, are used only where [`Access`] grants them.

mod access;
mod address;
mod body;
mod channel;
mod connector;
mod endpoint;
mod error;
mod stream;
mod tls;
mod url;

#[cfg(test)]
mod tests;

pub use access::{Access, Grant};
pub use address::is_public;
pub use body::Body;
pub use endpoint::{Endpoint, EndpointConfig};
pub use error::{Error, ErrorKind};
pub use url::Target;
