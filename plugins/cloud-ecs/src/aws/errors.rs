//! What an answer that is no success means: one place for the words of eight services (`kubernetes-and-cloud-patterns.md` 13, 16).

use super::table::Operation;
use gateway_plugin::http::Response;
use gateway_plugin::{Error, FailureCategory};
use serde_json::Value;
use std::time::Duration;

/// A platform that says "slow down" and not for how long.
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// The platform's own word for an error, and its sentence.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    code: String,
    message: String,
}

/// Makes a failure of an answer whose status is not 2xx.
#[must_use]
pub fn classify(operation: &Operation, region: &str, response: &Response) -> Error {
    let said = said(response);
    let action = operation.action();
    let category = category(&said, response.status);
    let reason = if said.code.is_empty() { format!("status {}", response.status) } else { said.code.clone() };
    let mut error = Error::new(category, format!("{action}: {reason}")).step(operation.name);
    if !said.message.is_empty() {
        error = error.detail(said.message.clone());
    } else if said.code.is_empty() && !response.body.is_empty() {
        // A proxy's page, or a double's: its first line is better than nothing.
        let text = String::from_utf8_lossy(&response.body);
        error = error.detail(text.lines().next().unwrap_or_default().chars().take(200).collect::<String>());
    }
    if let Some(id) = header(response, "x-amzn-requestid").or_else(|| header(response, "x-amz-request-id")) {
        error = error.detail(format!("request {id}"));
    }
    if let Some(wait) = header(response, "retry-after").and_then(|text| text.trim().parse().ok()) {
        error = error.retry_after(Duration::from_secs(wait));
    } else if category == FailureCategory::Quota && is_throttled(&said) {
        error = error.retry_after(SLOW_DOWN);
    }
    match hint(&said, category, &action, region) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Whether a failure of [`classify`] has this word of the platform.
#[must_use]
pub fn has_code(error: &Error, code: &str) -> bool {
    error.to_string().ends_with(&format!(": {code}"))
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response
        .headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// `__type`, a header, or an element of XML; with a namespace before and an address behind.
fn said(response: &Response) -> Said {
    let text = String::from_utf8_lossy(&response.body);
    let mut said = Said::default();
    if let Ok(json) = serde_json::from_slice::<Value>(&response.body) {
        let word = |names: &[&str]| {
            names.iter().find_map(|name| json.get(name)?.as_str()).unwrap_or_default().to_owned()
        };
        said = Said { code: word(&["__type", "code", "Code"]), message: word(&["message", "Message"]) };
    } else if text.trim_start().starts_with('<') && text.contains("<Code>") {
        let first = |name| super::elements(&text, name).first().map(|text| (*text).to_owned());
        said =
            Said { code: first("Code").unwrap_or_default(), message: first("Message").unwrap_or_default() };
    }
    if said.code.is_empty() {
        said.code = header(response, "x-amzn-errortype").unwrap_or_default().to_owned();
    }
    let code = said.code.rsplit('#').next().unwrap_or_default();
    said.code = code.split(':').next().unwrap_or_default().to_owned();
    said
}

fn is_throttled(said: &Said) -> bool {
    let code = said.code.as_str();
    code.starts_with("Throttl")
        || ["RequestLimitExceeded", "TooManyRequestsException", "SlowDown", "RequestThrottled"]
            .contains(&code)
        || said.message.contains("Rate exceeded")
}

fn category(said: &Said, status: u16) -> FailureCategory {
    use FailureCategory::{
        Config, Conflict, Image, NotFound, Permanent, Permission, Quota, Retryable, Unsupported,
    };
    if is_throttled(said) {
        return Quota;
    }
    match said.code.as_str() {
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthFailure"
        | "BlockedException"
        | "OptInRequired" => Permission,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized" => Permission,
        "LimitExceededException" | "ServiceQuotaExceededException" | "LimitExceeded" => Quota,
        "ResourceNotFoundException"
        | "NoSuchEntity"
        | "NoSuchResourceException"
        | "NoSuchResource"
        | "InvalidNetworkInterfaceID.NotFound" => NotFound,
        "ImageNotFoundException" | "RepositoryNotFoundException" => Image,
        "ResourceExistsException"
        | "ResourceAlreadyExistsException"
        | "ConflictException"
        | "OperationAbortedException" => Conflict,
        "ClusterNotFoundException"
        | "InvalidParameterException"
        | "InvalidRequestException"
        | "InvalidParameterValue"
        | "InvalidSubnetID.NotFound"
        | "InvalidGroup.NotFound"
        | "InvalidSubnetID.Malformed"
        | "InvalidGroupId.Malformed"
        | "ValidationException"
        | "PlatformTaskDefinitionIncompatibilityException"
        | "PlatformUnknownException" => Config,
        "UnsupportedFeatureException" => Unsupported,
        _ if status == 429 => Quota,
        _ if status >= 500 || matches!(status, 408 | 425) => Retryable,
        _ if matches!(status, 401 | 403) => Permission,
        _ if matches!(status, 404 | 410) => NotFound,
        _ => Permanent,
    }
}

fn hint(said: &Said, category: FailureCategory, action: &str, region: &str) -> Option<String> {
    match said.code.as_str() {
        "UnrecognizedClientException" | "InvalidClientTokenId" => {
            return Some(
                "AWS does not know the gateway's credentials; see which profile or variables it uses"
                    .to_owned(),
            );
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            return Some("the gateway's credentials are over; log in again, or let it use a role".to_owned());
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            return Some(
                "the secret key is not that of the key id, or the clock of this machine is wrong".to_owned(),
            );
        }
        "ClusterNotFoundException" => {
            return Some(format!(
                "make the cluster, or name another in `cluster`; it must be in region `{region}`"
            ));
        }
        "InvalidSubnetID.NotFound" | "InvalidGroup.NotFound" => {
            return Some(format!(
                "correct `subnets` and `securityGroups`; they must be in region `{region}`"
            ));
        }
        _ => {}
    }
    match category {
        FailureCategory::Permission => {
            Some(format!("allow the gateway `{action}`; the whole policy is on the page of the plugin"))
        }
        FailureCategory::Quota if !is_throttled(said) => {
            Some("ask AWS for a higher quota, or release something".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{classify, has_code};
    use crate::aws::operation;
    use gateway_plugin::FailureCategory::{
        self, Config, Conflict, Image, NotFound, Permanent, Permission, Quota, Retryable,
    };
    use gateway_plugin::http::Response;

    fn failed(status: u16, body: &str) -> gateway_plugin::Error {
        let operation = operation("RunTask").expect("known");
        classify(operation, "eu-central-1", &Response::new(status, body.as_bytes().to_vec()))
    }

    #[test]
    fn every_service_s_words_become_categories() {
        let cases: [(u16, &str, FailureCategory, &str); 16] = [
            (
                400,
                r#"{"__type": "ClusterNotFoundException", "message": "no"}"#,
                Config,
                "ClusterNotFoundException",
            ),
            (
                400,
                r#"{"__type": "com.amazon#ThrottlingException", "Message": "slow"}"#,
                Quota,
                "ThrottlingException",
            ),
            (400, r#"{"__type": "ClientException", "message": "Rate exceeded"}"#, Quota, "ClientException"),
            (400, r#"{"__type": "ClientException", "message": "no"}"#, Permanent, "ClientException"),
            (
                400,
                r#"{"__type": "AccessDeniedException", "message": "no"}"#,
                Permission,
                "AccessDeniedException",
            ),
            (400, r#"{"__type": "UnrecognizedClientException"}"#, Permission, "UnrecognizedClientException"),
            (400, r#"{"__type": "ExpiredTokenException"}"#, Permission, "ExpiredTokenException"),
            (400, r#"{"__type": "ResourceNotFoundException"}"#, NotFound, "ResourceNotFoundException"),
            (404, r#"{"__type": "ResourceNotFoundException"}"#, NotFound, "ResourceNotFoundException"),
            (400, r#"{"__type": "ResourceExistsException"}"#, Conflict, "ResourceExistsException"),
            (400, r#"{"__type": "ImageNotFoundException"}"#, Image, "ImageNotFoundException"),
            (500, r#"{"__type": "ServerException"}"#, Retryable, "ServerException"),
            (500, "<!doctype html>\n<title>500 Internal Server Error</title>", Retryable, "status 500"),
            (503, "", Retryable, "status 503"),
            (429, "{", Quota, "status 429"),
            (
                400,
                "<Response><Errors><Error><Code>InvalidSubnetID.NotFound</Code><Message>no</Message></Error></Errors></Response>",
                Config,
                "InvalidSubnetID.NotFound",
            ),
        ];
        for (status, body, category, word) in cases {
            let error = failed(status, body);
            assert_eq!(error.category(), category, "{body}");
            assert_eq!(error.to_string(), format!("ecs:RunTask: {word}"));
            assert!(has_code(&error, word));
        }
    }

    #[test]
    fn an_operator_is_told_what_to_do_and_whom_to_ask() {
        let error =
            failed(400, r#"{"__type": "AccessDeniedException", "message": "User: a is not authorized"}"#);
        let hint = error.failure().hint.as_deref().unwrap_or_default();
        assert_eq!(hint, "allow the gateway `ecs:RunTask`; the whole policy is on the page of the plugin");
        assert_eq!(error.failure().details, ["User: a is not authorized"]);
        let mut response = Response::new(400, br#"{"__type": "ThrottlingException"}"#.to_vec());
        response.headers.push(("x-amzn-requestid".to_owned(), "1-2".to_owned()));
        let error = classify(operation("RunTask").expect("known"), "r", &response);
        assert_eq!(error.failure().retry_after_ms, Some(5000));
        assert_eq!(error.failure().details, ["request 1-2"]);
        response.headers.push(("retry-after".to_owned(), "9".to_owned()));
        let error = classify(operation("RunTask").expect("known"), "r", &response);
        assert_eq!(error.failure().retry_after_ms, Some(9000));
        let page = failed(500, "<!doctype html>\nwhatever");
        assert_eq!(page.failure().details, ["<!doctype html>"]);
    }
}
