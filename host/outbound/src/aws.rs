//! AWS Signature Version 4, in headers.

pub(crate) mod credentials;
#[cfg(test)]
mod vectors;

use crate::error::{Error, ErrorKind};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sigv4};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, HOST, HeaderName};
use reqsign_aws_core::Credential;
use std::time::SystemTime;

/// Headers that only the signer sets.
pub(crate) const OWN_HEADERS: [&str; 5] =
    ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "x-amz-region-set"];

/// Where and when a signature is good for.
pub(crate) struct Scope<'a> {
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) time: SystemTime,
    pub(crate) settings: SigningSettings,
}

/// Adds the headers of the signature. Every header that is there is signed, so none may be added afterwards.
///
/// # Errors
/// The request cannot be signed.
pub(crate) fn sign(
    request: &mut Request<Bytes>,
    credential: &Credential,
    scope: Scope<'_>,
) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Refused, format!("the request cannot be signed for AWS: {error}"))
    };
    let identity = Credentials::new(
        credential.access_key_id.clone(),
        credential.secret_access_key.clone(),
        credential.session_token.clone(),
        None,
        "gateway",
    )
    .into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(scope.time)
        .settings(scope.settings)
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let uri = request.uri().to_string();
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| Ok((name.as_str(), value.to_str().map_err(|_| failed(&"a header is no text"))?)))
        .collect::<Result<Vec<_>, Error>>()?;
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body)
        .map_err(|error| failed(&error))?;
    let (instructions, _) = sigv4(signable, &parameters).map_err(|error| failed(&error))?.into_parts();
    instructions.apply_to_request_http1x(request);
    for name in [AUTHORIZATION, HeaderName::from_static("x-amz-security-token")] {
        if let Some(value) = request.headers_mut().get_mut(&name) {
            value.set_sensitive(true);
        }
    }
    // The client writes it from the URL, as it was signed.
    request.headers_mut().remove(HOST);
    Ok(())
}
