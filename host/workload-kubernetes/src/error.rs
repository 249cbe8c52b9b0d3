//! Why the cluster did not do something: a kind to decide by, a sentence to read, and advice where there is some.

use crate::rights::Right;
use kube::core::Status;
use std::error::Error as _;
use std::fmt;

/// What a failure means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The API server does not answer, is overloaded, or the connection was cut. Can work later, unchanged.
    Unreachable,
    /// It refuses these credentials, or they lack a right.
    Denied,
    /// The object, its kind or its namespace is not there.
    NotFound,
    /// The name is taken, or another manager has the field.
    Conflict,
    /// What was asked for is wrong, or admission refuses it.
    Specification,
    /// A quota or limit range refuses it.
    Quota,
    /// This cluster cannot do that, or there is none.
    Unsupported,
    /// It failed in a way that this crate does not know.
    Cluster,
}

/// Why the cluster did not do something. Holds no data of Secrets and no control characters.
#[derive(Debug, Clone)]
pub struct Error {
    /// What it means.
    pub kind: ErrorKind,
    /// Lower-case fragment that completes "failed to …" or names the state.
    pub text: String,
    /// What the operator can do, one sentence.
    pub hint: Option<String>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: printable(&text.into()), hint: None }
    }

    /// Stands where no cluster was looked for.
    #[must_use]
    pub fn unconfigured() -> Self {
        Self::new(ErrorKind::Unsupported, "this gateway was put together without a cluster")
    }

    pub(crate) fn specification(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Specification, text)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(printable(&hint.into()));
        self
    }

    /// Whether it is missing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// Translates an error of a request; `what` completes "failed to …", `server` is who was asked, `right` is what the request needed.
    pub(crate) fn of(what: &str, server: &str, right: &Right, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::answered(what, right, status),
            kube::Error::HyperError(_)
            | kube::Error::Service(_)
            | kube::Error::ReadEvents(_)
            | kube::Error::UpgradeConnection(_) => Self::cut(what, server, &deepest(error)),
            kube::Error::Auth(_) => Self::new(ErrorKind::Denied, format!("{what}: {}", deepest(error)))
                .with_hint("look at `users` of the kubeconfig: its credential plugin or token does not work"),
            other => Self::new(ErrorKind::Cluster, format!("{what}: {}", deepest(other))),
        }
    }

    pub(crate) fn cut(what: &str, server: &str, how: &str) -> Self {
        Self::new(ErrorKind::Unreachable, format!("{what}: {server} does not answer: {how}"))
            .with_hint("see whether it is up and can be reached from here")
    }

    /// The API server answered, but not with success. Its words are those of `kubectl`.
    pub(crate) fn answered(what: &str, right: &Right, status: &Status) -> Self {
        let message = match status.message.trim() {
            "" => status.reason.as_str(),
            message => message,
        };
        let text = format!("{what}: {message}");
        let says = |word: &str| message.contains(word);
        match status.code {
            401 => Self::new(ErrorKind::Denied, text).with_hint("the credentials are refused; they may have expired"),
            403 if says("exceeded quota") || says("limited to") || says("maximum ") || says("failed quota") => {
                Self::new(ErrorKind::Quota, text)
                    .with_hint("ask for less with `memory` and `cpus` of the server or `requests` of the plugin, or raise the quota")
            }
            403 if says("violates PodSecurity") => Self::new(ErrorKind::Specification, text)
                .with_hint("the namespace enforces a Pod Security level that the server's entry does not fit"),
            // Of admission, by its words; of a missing right, everything else.
            403 if says("admission webhook") || says("denied the request") => {
                Self::new(ErrorKind::Specification, text)
            }
            403 if says("because it is being terminated") => Self::new(ErrorKind::NotFound, text),
            403 => Self::new(ErrorKind::Denied, text).with_hint(right.advice()),
            404 => Self::new(ErrorKind::NotFound, text),
            409 => Self::new(ErrorKind::Conflict, text),
            400 | 405 | 406 | 413 | 415 | 422 => Self::new(ErrorKind::Specification, text),
            408 | 429 | 500 | 502..=504 => Self::new(ErrorKind::Unreachable, text),
            _ => Self::new(ErrorKind::Cluster, text),
        }
    }
}

/// What is at the bottom of an error: the outer layers say only that a service failed.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    let outer = error.to_string();
    let inner = inner.to_string();
    if outer.contains(&inner) { inner } else { format!("{outer}: {inner}") }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{} ({hint})", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// Of a connection or a file that is not the API's.
    pub(crate) fn io(what: &str, error: &std::io::Error) -> Self {
        let inner = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Self::new(ErrorKind::Unreachable, format!("{what}: {inner}"))
    }
}

/// The text without control characters: names in it come from files that anybody may have written.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{Error, ErrorKind};
    use crate::rights::Right;
    use kube::core::Status;

    #[test]
    fn what_clusters_say_has_a_kind() {
        let right = Right::new("create", "", "pods", "mcp");
        for (code, message, kind) in [
            (403, "pods is forbidden: User \"a\" cannot create resource \"pods\"", ErrorKind::Denied),
            (403, "pods \"x\" is forbidden: exceeded quota: small, requested: pods=1", ErrorKind::Quota),
            (
                403,
                "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"",
                ErrorKind::Specification,
            ),
            (
                403,
                "pods \"x\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi",
                ErrorKind::Quota,
            ),
            (400, "admission webhook \"a.example\" denied the request: no", ErrorKind::Specification),
            (404, "namespaces \"gone\" not found", ErrorKind::NotFound),
            (409, "pods \"x\" already exists", ErrorKind::Conflict),
            (429, "too many requests", ErrorKind::Unreachable),
            (503, "etcd leader changed", ErrorKind::Unreachable),
        ] {
            let status = Status::failure(message, "").with_code(code);
            let error = Error::answered("create pod `x`", &right, &status);
            assert_eq!(error.kind, kind, "{message}");
            assert_eq!(error.text, format!("create pod `x`: {message}"));
        }
    }

    #[test]
    fn a_missing_right_comes_with_the_rule() {
        let right = Right::new("create", "", "pods", "mcp").subresource("attach");
        let status = Status::failure("forbidden", "Forbidden").with_code(403);
        assert_eq!(
            Error::answered("attach", &right, &status).hint.as_deref(),
            Some(
                "check RBAC permissions for pods/attach.create in namespace mcp; a Role there needs the rule \
                 {apiGroups: [\"\"], resources: [\"pods/attach\"], verbs: [\"create\"]}"
            )
        );
    }
}
