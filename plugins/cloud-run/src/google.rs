//! The interfaces of Google's cloud as requests in JSON, and what their failures mean. The host puts the token on.

use crate::settings::RunSettings;
use gateway_plugin::http::{Effect, Request, Response};
use gateway_plugin::{Error, FailureCategory, Host, Result, Wake};
use serde_json::Value;
use std::time::Duration;

/// The signer for Google's interfaces.
pub const SIGNER: &str = "google";
/// The signer for what runs behind Google's front.
pub const IDENTITY: &str = "google-id-token";

/// What one request may take with all its repetitions. A control plane that needs longer is not well.
const TIMEOUT_MS: u32 = 10_000;

/// Before what may be repeated is sent again.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// An interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Cloud Run Admin v2.
    Run,
    /// Secret Manager v1.
    Secrets,
    /// Resource Manager v1.
    Projects,
}

impl Service {
    /// Its name, and the beginning of its host's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Secrets => "secretmanager",
            Self::Projects => "cloudresourcemanager",
        }
    }

    const fn version(self) -> &'static str {
        match self {
            Self::Run => "v2",
            Self::Secrets | Self::Projects => "v1",
        }
    }
}

/// Requests to the interfaces.
#[derive(Debug, Clone, Copy)]
pub struct Api<'a> {
    host: &'a Host,
    settings: &'a RunSettings,
}

impl<'a> Api<'a> {
    /// The interfaces as the settings have them.
    #[must_use]
    pub fn new(host: &'a Host, settings: &'a RunSettings) -> Self {
        Self { host, settings }
    }

    /// The URL of a resource.
    #[must_use]
    pub fn url(&self, service: Service, path: &str) -> String {
        let name = service.name();
        let base = match self.settings.endpoints.get(name) {
            Some(base) => base.trim_end_matches('/').to_owned(),
            None => format!("https://{name}.googleapis.com"),
        };
        format!("{base}/{}/{path}", service.version())
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// As the interface says, by its category; `what` completes "failed to …".
    pub fn get(&self, service: Service, path: &str, what: &str) -> Result<Value> {
        self.send(Request::get(self.url(service, path)), what)
    }

    /// Sends JSON. `repeatable`: sent twice, it does nothing twice.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub fn post(
        &self,
        service: Service,
        path: &str,
        body: &Value,
        effect: Effect,
        repeatable: bool,
        what: &str,
    ) -> Result<Value> {
        let request = Request { repeatable, ..Request::post(self.url(service, path), effect) };
        self.send(request.json(body)?, what)
    }

    /// Sends a request whose body is made already.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub fn send(&self, request: Request, what: &str) -> Result<Value> {
        let request = Request { timeout_ms: TIMEOUT_MS, ..request.signed_by(SIGNER) };
        let mut pauses = PAUSES.iter().filter(|_| request.repeatable);
        loop {
            let response = self.host.http().send(&request).map_err(|error| match error.category() {
                // No answer in time may be one later: only the plugin's own waiting for a service is not repeated.
                FailureCategory::Timeout => Error::retryable(format!("{what}: {error}")).step(step(what)),
                _ => error.step(step(what)),
            })?;
            if !response.is_success() {
                return Err(classify(what, &response));
            }
            // An answer that was cut off on its way is no answer; what it was about may have happened.
            let error = match serde_json::from_slice(&response.body) {
                Ok(answer) => return Ok(answer),
                Err(error) => Error::retryable(format!("{what}: its answer cannot be read: {error}")),
            };
            match pauses.next() {
                Some(pause) if self.host.sleep(*pause) == Wake::Elapsed => {}
                _ => return Err(error.step(step(what))),
            }
        }
    }
}

/// The first word names the step.
fn step(what: &str) -> String {
    what.split(' ').next().unwrap_or_default().to_owned()
}

/// Makes a failure of an answer whose status is not 2xx.
#[must_use]
pub fn classify(what: &str, response: &Response) -> Error {
    let json = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
    let word = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (status, message) = (word("/error/status"), word("/error/message"));
    let category = category(&status, response.status);
    let reason = if status.is_empty() { format!("status {}", response.status) } else { status.clone() };
    let mut error = Error::new(category, format!("{what}: {reason}")).step(step(what));
    if !message.is_empty() {
        error = error.detail(message.clone());
    } else if let Some(line) =
        String::from_utf8_lossy(&response.body).lines().next().filter(|_| json.is_null())
    {
        error = error.detail(line.chars().take(200).collect::<String>());
    }
    let after = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    if let Some(seconds) = after.and_then(|(_, value)| value.trim().parse().ok()) {
        error = error.retry_after(Duration::from_secs(seconds));
    }
    match hint(&status, category, &message) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn category(status: &str, code: u16) -> FailureCategory {
    use FailureCategory::{Config, Conflict, NotFound, Permanent, Permission, Quota, Retryable, Unsupported};
    match status {
        "PERMISSION_DENIED" | "UNAUTHENTICATED" => Permission,
        "NOT_FOUND" => NotFound,
        "ALREADY_EXISTS" | "ABORTED" => Conflict,
        "RESOURCE_EXHAUSTED" => Quota,
        "UNAVAILABLE" | "INTERNAL" | "DEADLINE_EXCEEDED" | "CANCELLED" | "UNKNOWN" => Retryable,
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => Config,
        "UNIMPLEMENTED" => Unsupported,
        _ if code == 429 => Quota,
        _ if code >= 500 || matches!(code, 408 | 425) => Retryable,
        _ if matches!(code, 401 | 403) => Permission,
        _ if matches!(code, 404 | 410) => NotFound,
        _ if code == 409 => Conflict,
        _ => Permanent,
    }
}

fn hint(status: &str, category: FailureCategory, message: &str) -> Option<String> {
    if message.contains("has not been used in project") || message.contains("it is disabled") {
        return Some("enable that interface: `gcloud services enable run.googleapis.com secretmanager.googleapis.com cloudresourcemanager.googleapis.com`".to_owned());
    }
    match category {
        FailureCategory::Permission if status == "UNAUTHENTICATED" => {
            Some("the gateway has no application-default credentials that hold; `gcloud auth application-default login`, or run it as a service account".to_owned())
        }
        FailureCategory::Permission => {
            Some("give the gateway's identity the role that is missing; the page of the plugin lists them".to_owned())
        }
        FailureCategory::Quota => Some("ask Google for a higher quota of Cloud Run, or release something".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::classify;
    use gateway_plugin::FailureCategory::{self, Config, Conflict, NotFound, Permission, Quota, Retryable};
    use gateway_plugin::http::Response;

    #[test]
    fn the_words_of_the_interfaces_become_categories() {
        let cases: [(u16, &str, FailureCategory, &str); 9] = [
            (
                403,
                r#"{"error": {"status": "PERMISSION_DENIED", "message": "no"}}"#,
                Permission,
                "PERMISSION_DENIED",
            ),
            (
                401,
                r#"{"error": {"status": "UNAUTHENTICATED", "message": "no"}}"#,
                Permission,
                "UNAUTHENTICATED",
            ),
            (404, r#"{"error": {"status": "NOT_FOUND", "message": "no"}}"#, NotFound, "NOT_FOUND"),
            (409, r#"{"error": {"status": "ALREADY_EXISTS", "message": "no"}}"#, Conflict, "ALREADY_EXISTS"),
            (
                429,
                r#"{"error": {"status": "RESOURCE_EXHAUSTED", "message": "no"}}"#,
                Quota,
                "RESOURCE_EXHAUSTED",
            ),
            (
                400,
                r#"{"error": {"status": "INVALID_ARGUMENT", "message": "no"}}"#,
                Config,
                "INVALID_ARGUMENT",
            ),
            (503, "<html>\nbusy", Retryable, "status 503"),
            (502, "", Retryable, "status 502"),
            (500, r#"{"error": {"status": "INTERNAL"}}"#, Retryable, "INTERNAL"),
        ];
        for (status, body, category, word) in cases {
            let error = classify("create service `a`", &Response::new(status, body.as_bytes().to_vec()));
            assert_eq!(error.category(), category, "{body}");
            assert_eq!(error.to_string(), format!("create service `a`: {word}"));
            assert_eq!(error.failure().hint.is_some(), matches!(category, Permission | Quota), "{body}");
        }
    }
}
