//! Requests that somebody was allowed to send, signed with the gateway's own credentials: AWS Signature Version 4, Google access and identity
//! tokens. Who may send what, and which secrets stand where, is decided before; this crate sends, repeats, paces, and cleans what comes back.
//!
//! It must never know plugins, the contract, MCP or the operator's files. It reads no environment: [`Surroundings`] says what there is.
//!
//! *Invariant:* a credential leaves this crate only inside a signed request, to the host that it was asked for; none stands in an error or a log.
//!
//! *Invariant:* the address that is connected to is the one that was checked ([`host_web::Access`]), each time, also for credentials.

mod answer;
mod aws;
mod body;
mod client;
mod coding;
mod error;
mod google;
mod operation;
mod pace;
mod place;
mod retry;
mod scrub;
pub mod secrets;
mod surroundings;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use body::{Encoding, NotEncoded, encode};
pub use client::{Client, Outgoing};
pub use error::{Error, ErrorKind};
pub use operation::operations;
pub use place::{Place, Unplaced, place_of};
pub use scrub::{SHORTEST, Scrubber};
pub use surroundings::Surroundings;

use std::sync::Arc;

/// Takes a text out of a document so that it is wiped.
pub(crate) fn wiped<'de, D: serde::Deserializer<'de>>(
    document: D,
) -> Result<zeroize::Zeroizing<String>, D::Error> {
    serde::Deserialize::deserialize(document).map(zeroize::Zeroizing::new)
}

/// The same where there may be none.
pub(crate) fn wiped_or_none<'de, D: serde::Deserializer<'de>>(
    document: D,
) -> Result<Option<zeroize::Zeroizing<String>>, D::Error> {
    let text: Option<String> = serde::Deserialize::deserialize(document)?;
    Ok(text.map(zeroize::Zeroizing::new))
}

/// How a request is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// AWS Signature Version 4.
    Aws {
        /// The service of the scope: `ecs`.
        service: String,
        /// Its region; `None`: that of the gateway's surroundings.
        region: Option<String>,
    },
    /// A Google access token.
    GoogleAccess {
        /// What it is good for.
        scopes: Vec<String>,
    },
    /// A Google identity token.
    GoogleIdentity {
        /// Whom it is for.
        audience: String,
        /// The header that carries it, in lower case.
        header: String,
    },
    /// A token that the caller has.
    Bearer(Arc<zeroize::Zeroizing<String>>),
}
