//! The metadata service of a Google machine, Cloud Run or a cluster with workload identity.

use super::{Answer, HINT, IDENTITY_LIVES, Token, Wanted, ask};
use crate::body::percent;
use crate::error::{Error, ErrorKind};
use crate::surroundings::Surroundings;
use bytes::Bytes;
use http::Request;

/// Where it is unless `GCE_METADATA_HOST` says otherwise, as for Google's own programs.
const HOST: &str = "metadata.google.internal";

pub(super) async fn token(around: &Surroundings, wanted: &Wanted) -> Result<Token, Error> {
    let host = around.variable("GCE_METADATA_HOST").unwrap_or(HOST);
    let account = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default");
    let url = match wanted {
        Wanted::Access(scopes) => {
            format!("{account}/token?scopes={}", percent(scopes.join(",").as_bytes(), true))
        }
        Wanted::Identity(audience) => {
            format!("{account}/identity?format=full&audience={}", percent(audience.as_bytes(), true))
        }
    };
    let request = Request::builder().uri(&url).header("metadata-flavor", "Google").body(Bytes::new());
    let answer = ask(&url, request).await.map_err(|error| match error.kind {
        ErrorKind::Unreachable | ErrorKind::Timeout => {
            Error::credentials("the gateway has no Google credentials", HINT)
        }
        _ => error,
    })?;
    match wanted {
        Wanted::Access(_) => serde_json::from_slice::<Answer>(&answer)
            .map_err(|_| Error::credentials("the metadata service answered with what is no token", HINT))?
            .token(wanted),
        Wanted::Identity(_) => {
            let text = std::str::from_utf8(&answer).map_err(|_| {
                Error::credentials("the metadata service answered with what is no token", HINT)
            })?;
            Ok(Token::new(text.trim().to_owned(), IDENTITY_LIVES))
        }
    }
}
