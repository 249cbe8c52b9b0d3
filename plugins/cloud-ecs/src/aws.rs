//! The APIs of AWS as requests: JSON 1.1 for most services, forms and XML for EC2, STS and IAM. The host signs; there is no key here.

mod errors;
mod table;

pub use errors::{classify, has_code};
pub use table::{OPERATIONS, Operation, Service, operation};

use crate::settings::EcsSettings;
use gateway_plugin::http::{BodyPart, Effect, Request, Response};
use gateway_plugin::types::Signing;
use gateway_plugin::{Error, FailureCategory, Host, Result, Wake};
use serde_json::Value;
use std::time::Duration;

/// The signer that the grant names for AWS.
pub const SIGNER: &str = "aws";

/// What one request may take with all its repetitions. A control plane that needs longer is not well.
const TIMEOUT_MS: u32 = 10_000;

/// Before what may be repeated is sent again.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// What came of one request.
enum Came {
    /// An answer.
    Answer(Value),
    /// Nothing that would not pass in a moment.
    Passing(Error),
}

/// The services of one region, as the settings say where they answer.
#[derive(Debug, Clone, Copy)]
pub struct Api<'a> {
    host: &'a Host,
    settings: &'a EcsSettings,
    region: &'a str,
}

impl<'a> Api<'a> {
    /// The services of a region.
    #[must_use]
    pub fn new(host: &'a Host, settings: &'a EcsSettings, region: &'a str) -> Self {
        Self { host, settings, region }
    }

    /// A question in JSON.
    ///
    /// # Errors
    /// As the service says, by its category; `retryable` for an answer that cannot be read.
    pub fn ask(&self, name: &str, body: &Value) -> Result<Value> {
        self.send(name, vec![BodyPart::Bytes(serde_json::to_vec(body)?)], Effect::Reads, true)
    }

    /// A request in JSON that changes something. `repeatable`: sent twice, it does nothing twice.
    ///
    /// # Errors
    /// As [`Api::ask`].
    pub fn act(&self, name: &str, body: &Value, effect: Effect, repeatable: bool) -> Result<Value> {
        self.send(name, vec![BodyPart::Bytes(serde_json::to_vec(body)?)], effect, repeatable)
    }

    /// The same with a body that holds values.
    ///
    /// # Errors
    /// As [`Api::ask`].
    pub fn send(&self, name: &str, body: Vec<BodyPart>, effect: Effect, repeatable: bool) -> Result<Value> {
        let operation = operation(name)?;
        let request = Request {
            body,
            repeatable,
            timeout_ms: TIMEOUT_MS,
            signing: Some(self.signing(operation)),
            ..Request::post(self.url(operation.service), effect)
        }
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("{}.{}", operation.service.target(), operation.name));
        let mut pauses = PAUSES.iter().filter(|_| repeatable);
        loop {
            let error = match self.once(operation, &request)? {
                Came::Answer(answer) => return Ok(answer),
                Came::Passing(error) => error,
            };
            // What the host repeats by itself is over here; what only this service's words tell is the plugin's to repeat.
            match pauses.next() {
                Some(pause) if self.host.sleep(*pause) == Wake::Elapsed => {}
                _ => return Err(error),
            }
        }
    }

    fn once(&self, operation: &Operation, request: &Request) -> Result<Came> {
        let response = self.answered(operation, request)?;
        if !response.is_success() {
            let error = classify(operation, self.region, &response);
            // "Slow down", hidden in a 400.
            let hidden = response.status == 400 && error.failure().retry_after_ms.is_some();
            return if hidden { Ok(Came::Passing(error)) } else { Err(error) };
        }
        // Only the log service answers with nothing at all.
        if response.body.is_empty() && operation.service == Service::Logs {
            return Ok(Came::Answer(Value::Null));
        }
        // An answer that was cut off on its way is no answer; what it was about may have happened.
        Ok(match serde_json::from_slice(&response.body) {
            Ok(answer) => Came::Answer(answer),
            Err(error) => Came::Passing(
                Error::retryable(format!("read the answer to {}: {error}", operation.action()))
                    .step(operation.name),
            ),
        })
    }

    /// A question to a service that takes forms and answers in XML.
    ///
    /// # Errors
    /// As [`Api::ask`].
    pub fn query(&self, name: &str, parameters: &[(String, String)]) -> Result<String> {
        let operation = operation(name)?;
        let mut form = format!("Action={}&Version={}", operation.name, operation.service.version());
        for (key, value) in parameters {
            form.push_str(&format!("&{}={}", percent(key), percent(value)));
        }
        let request = Request {
            body: vec![BodyPart::Bytes(form.into_bytes())],
            repeatable: true,
            timeout_ms: TIMEOUT_MS,
            signing: Some(self.signing(operation)),
            ..Request::post(self.url(operation.service), Effect::Reads)
        }
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let response = self.answered(operation, &request)?;
        let text = String::from_utf8_lossy(&self.success(operation, response)?.body).into_owned();
        let end = format!("</{}Response>", operation.name);
        if text.trim_end().ends_with(&end) {
            return Ok(text);
        }
        Err(Error::retryable(format!("read the answer to {}: it is not whole", operation.action()))
            .step(operation.name))
    }

    /// Sends a request. No answer in time may be one later: only the plugin's own waiting for a task is not repeated.
    fn answered(&self, operation: &Operation, request: &Request) -> Result<Response> {
        self.host.http().send(request).map_err(|error| match error.category() {
            FailureCategory::Timeout => {
                Error::retryable(format!("{}: {error}", operation.action())).step(operation.name)
            }
            _ => error.step(operation.name),
        })
    }

    fn success(&self, operation: &Operation, response: Response) -> Result<Response> {
        if response.is_success() {
            return Ok(response);
        }
        Err(classify(operation, self.region, &response))
    }

    fn signing(&self, operation: &Operation) -> Signing {
        let parameters = [("service", operation.service.name()), ("region", self.signed_region(operation))];
        Signing {
            signer: SIGNER.to_owned(),
            parameters: parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        }
    }

    /// IAM is one for all regions, and signed for the first of them.
    fn signed_region(&self, operation: &Operation) -> &str {
        if operation.service == Service::Iam { "us-east-1" } else { self.region }
    }

    fn url(&self, service: Service) -> String {
        let name = service.name();
        match self.settings.endpoints.get(name).or(self.settings.endpoint.as_ref()) {
            Some(base) => format!("{}/", base.trim_end_matches('/')),
            None if service == Service::Iam => "https://iam.amazonaws.com/".to_owned(),
            None if self.region.starts_with("cn-") => {
                format!("https://{}.{}.amazonaws.com.cn/", service.host(), self.region)
            }
            None => format!("https://{}.{}.amazonaws.com/", service.host(), self.region),
        }
    }
}

/// Whether the thing was not there: every service has another word and another status for it.
#[must_use]
pub fn is_gone(error: &Error) -> bool {
    error.category() == FailureCategory::NotFound
}

/// For forms (RFC 3986, 2.3).
fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What stands between the tags of this name, in order. Enough for answers whose elements hold no elements of their own name.
pub fn elements<'x>(xml: &'x str, name: &str) -> Vec<&'x str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    let mut found = Vec::new();
    while let Some((_, after)) = rest.split_once(&open) {
        let Some((inside, after)) = after.split_once(&close) else { break };
        found.push(inside);
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{elements, percent};

    #[test]
    fn forms_are_encoded_and_elements_found() {
        assert_eq!(percent("arn:aws:iam::1/ä"), "arn%3Aaws%3Aiam%3A%3A1%2F%C3%A4");
        let xml = "<a><id>1</id><b/><id>2</id></a>";
        assert_eq!(elements(xml, "id"), ["1", "2"]);
        assert_eq!(elements(xml, "none"), [""; 0]);
        assert_eq!(elements("<id>cut", "id"), [""; 0]);
    }
}
