//! Outbound HTTP, signed by the host, so that credentials never enter a plugin. Grant: `http`.

use crate::host::{Host, millis, side};
use crate::types::{Header, ObjectRef, Signing};
use crate::value::text;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use crate::generated::gateway::provisioner::http as real;

pub use crate::generated::gateway::provisioner::http::{
    BodyPart, Effect, EncodedValue, Encoding, Request, Response,
};

/// What the host may take for a request unless the plugin says otherwise: long enough for a slow control plane, and far below the
/// deadline of a call.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What is read of an answer unless the plugin says otherwise.
const RESPONSE_LIMIT: u32 = 1024 * 1024;

impl Request {
    fn new(method: &str, url: impl Into<String>, effect: Effect) -> Self {
        Self {
            method: method.to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            effect,
            repeatable: false,
            signing: None,
            tls: None,
            timeout_ms: millis(TIMEOUT),
            response_limit: RESPONSE_LIMIT,
        }
    }

    /// A `GET` that changes nothing and may be repeated.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self { repeatable: true, ..Self::new("GET", url, Effect::Reads) }
    }

    /// A `POST` with this effect. Not repeated unless [`Request::repeatable`] says so.
    #[must_use]
    pub fn post(url: impl Into<String>, effect: Effect) -> Self {
        Self::new("POST", url, effect)
    }

    /// A `DELETE` of this object, which may be repeated.
    #[must_use]
    pub fn delete(url: impl Into<String>, object: ObjectRef) -> Self {
        Self { repeatable: true, ..Self::new("DELETE", url, Effect::Removes(object)) }
    }

    /// The same with a header of plain text.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Header { name: name.into(), value: text(value) });
        self
    }

    /// The same with this value as JSON for a body, and the content type that says so.
    ///
    /// # Errors
    ///
    /// `permanent` if the value cannot be JSON.
    pub fn json(mut self, body: &impl Serialize) -> Result<Self> {
        self.body = vec![BodyPart::Bytes(serde_json::to_vec(body)?)];
        Ok(self.header("content-type", "application/json"))
    }

    /// The same, signed by this signer of the grant.
    #[must_use]
    pub fn signed_by(mut self, signer: impl Into<String>) -> Self {
        self.signing = Some(Signing { signer: signer.into(), parameters: Vec::new() });
        self
    }

    /// The same, marked as doing the same when sent twice (a client token, or its nature).
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

impl Response {
    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as a type.
    ///
    /// # Errors
    ///
    /// `permanent` if it is not that JSON.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The answer if it is 2xx, else a failure whose category follows from the status and whose text completes "failed to …".
    ///
    /// # Errors
    ///
    /// 401 and 403 `permission`, 404 and 410 `not-found`, 408, 425 and 5xx `retryable`, 409 and 412 `conflict`, 429 `quota`, everything
    /// else `permanent`; with the beginning of the body as a detail and `Retry-After` where it is a number of seconds.
    pub fn success(self, attempted: &str) -> Result<Self> {
        if self.is_success() {
            return Ok(self);
        }
        let text = format!("{attempted}: status {}", self.status);
        let error = match self.status {
            401 | 403 => Error::permission(text),
            404 | 410 => Error::not_found(text),
            409 | 412 => Error::conflict(text),
            429 => Error::quota(text),
            408 | 425 | 500..=599 => Error::retryable(text),
            _ => Error::permanent(text),
        };
        let error = match self.retry_after() {
            Some(wait) => error.retry_after(wait),
            None => error,
        };
        let body: String = String::from_utf8_lossy(&self.body).chars().take(1000).collect();
        Err(if body.trim().is_empty() { error } else { error.detail(body) })
    }

    fn retry_after(&self) -> Option<Duration> {
        let (_, value) = self.headers.iter().find(|(name, _)| name == "retry-after")?;
        value.trim().parse().ok().map(Duration::from_secs)
    }
}

/// See [`Host::http`].
#[derive(Debug, Clone, Copy)]
pub struct Http<'a> {
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only the fake side is an object"))]
    pub(crate) host: &'a Host,
}

impl Http<'_> {
    /// Sends a request. Any status is an answer; [`Response::success`] makes failures of the unwanted ones.
    ///
    /// # Errors
    ///
    /// `retryable` or `timeout` if there was no answer, `permission` if it was refused, for example a creation that no checkpoint or
    /// recorded object precedes, `permanent` if the answer was too long.
    pub fn send(&self, request: &Request) -> Result<Response> {
        side!(real => Ok(real::send(request)?), fake => self.host.fake.http_send(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureCategory;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        Response {
            status,
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_category_follows_from_the_status() {
        for (status, category) in [
            (400, FailureCategory::Permanent),
            (403, FailureCategory::Permission),
            (404, FailureCategory::NotFound),
            (409, FailureCategory::Conflict),
            (429, FailureCategory::Quota),
            (503, FailureCategory::Retryable),
        ] {
            let error = answer(status, &[], "").success("start task").expect_err("not 2xx");
            assert_eq!(error.category(), category, "{status}");
            assert_eq!(error.to_string(), format!("start task: status {status}"));
        }
        assert_eq!(answer(204, &[], "").success("start task").expect("2xx").status, 204);
    }

    #[test]
    fn a_refusal_carries_the_platforms_words_and_its_not_before() {
        let error = answer(429, &[("retry-after", "7")], "slow down").success("start task").expect_err("429");
        assert_eq!(error.failure().retry_after_ms, Some(7000));
        assert_eq!(error.failure().details, ["slow down"]);
        let error = answer(503, &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], " ").success("x");
        assert_eq!(error.expect_err("503").failure().retry_after_ms, None);
    }
}
