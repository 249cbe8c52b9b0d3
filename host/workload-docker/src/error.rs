//! Why the engine did not do something: a kind to decide by, a sentence to read, and advice where there is some.

use bollard::errors::Error as Bollard;
use std::fmt;

/// What a failure means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The engine (or a registry behind it) does not answer, or the connection was cut. Can work later, unchanged.
    Unreachable,
    /// The engine or a registry refuses these credentials, or this user may not speak to the engine.
    Denied,
    /// The object is not there.
    NotFound,
    /// The name or the port is taken, or the object is in use.
    Conflict,
    /// The image is missing, refused, damaged, or not the one that was asked for.
    Image,
    /// What was asked for is wrong: a name, a mount, an option, a user that the image does not have.
    Specification,
    /// A limit was met: the registry's rate, the engine's disk.
    Quota,
    /// This engine cannot do that.
    Unsupported,
    /// The engine failed in a way that this crate does not know.
    Engine,
}

/// Why the engine did not do something. Holds no value of a variable or file, and no control characters.
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

    /// Stands where no engine was looked for.
    #[must_use]
    pub fn unconfigured() -> Self {
        Self::new(ErrorKind::Unsupported, "this gateway was put together without a container engine")
    }

    pub(crate) fn specification(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Specification, text)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(printable(&hint.into()));
        self
    }

    /// Translates an error of the engine's; `what` completes "failed to …".
    pub(crate) fn of(what: &str, error: &Bollard) -> Self {
        match error {
            Bollard::DockerResponseServerError { status_code, message } => {
                Self::answered(what, *status_code, message)
            }
            Bollard::DockerStreamError { error } => Self::answered(what, 500, error),
            Bollard::IOError { err } => Self::io(what, err),
            Bollard::HyperResponseError { err } => Self::cut(what, &with_reasons(err)),
            Bollard::RequestTimeoutError => Self::cut(what, "it does not answer"),
            other => Self::new(ErrorKind::Engine, format!("{what}: {other}")),
        }
    }

    /// The engine answered, but not with success.
    pub(crate) fn answered(what: &str, status: u16, message: &str) -> Self {
        let message = message.trim().trim_end_matches('.');
        let error = Self::new(classify(status, message), format!("{what}: {message}"));
        match error.kind {
            ErrorKind::Quota if message.contains("no space left") => {
                error.with_hint("free space on the engine's disk, for example with `docker system prune`")
            }
            ErrorKind::Quota if out_of_addresses(message) => error.with_hint(
                "remove networks that nobody uses (`docker network prune`), or give the engine more of them (`default-address-pools` in its `daemon.json`)",
            ),
            _ => error,
        }
    }

    /// The connection to the engine could not be made or broke.
    pub(crate) fn io(what: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let failure = Self::new(
            match error.kind() {
                Io::PermissionDenied => ErrorKind::Denied,
                Io::InvalidInput | Io::Unsupported => ErrorKind::Unsupported,
                _ => ErrorKind::Unreachable,
            },
            format!("{what}: {}", with_reasons(error)),
        );
        match error.kind() {
            Io::PermissionDenied => failure.with_hint(
                "this user may not use the engine's socket: join its group, or use a rootless engine",
            ),
            Io::NotFound | Io::ConnectionRefused => failure
                .with_hint("start the engine, or say with `DOCKER_HOST` or `--docker-context` where it is"),
            _ => failure,
        }
    }

    pub(crate) fn cut(what: &str, how: &str) -> Self {
        Self::new(ErrorKind::Unreachable, format!("{what}: the connection to the engine was cut: {how}"))
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

/// An error with what is behind it: the library for HTTP says `connection error`, and only the next one that a certificate was wanted.
pub(crate) fn with_reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for reason in std::iter::successors(error.source(), |reason| reason.source()).map(ToString::to_string) {
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
    }
    text
}

/// What engines say when every network of their pools is taken.
fn out_of_addresses(message: &str) -> bool {
    let sentences = ["non-overlapping ipv4 address pool", "address pools have been fully subnetted"];
    let message = message.to_ascii_lowercase();
    sentences.iter().any(|sentence| message.contains(sentence))
}

/// By the status, and where the status says little by the engine's words, which have been the same for years.
fn classify(status: u16, message: &str) -> ErrorKind {
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if out_of_addresses(&text) {
        return ErrorKind::Quota;
    }
    if says(&["toomanyrequests", "too many requests", "no space left", "disk quota exceeded"]) {
        return ErrorKind::Quota;
    }
    if says(&[
        "pull access denied",
        "unauthorized",
        "authentication required",
        "access forbidden",
        "no basic auth",
    ]) {
        return ErrorKind::Denied;
    }
    if says(&[
        "manifest unknown",
        "no such image",
        "not found: manifest",
        "invalid reference",
        "no matching manifest",
    ]) {
        return ErrorKind::Image;
    }
    match status {
        400 => ErrorKind::Specification,
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        501 => ErrorKind::Unsupported,
        _ if says(&[
            "port is already allocated",
            "address already in use",
            "already in use by container",
        ]) =>
        {
            ErrorKind::Conflict
        }
        _ if says(&[
            "executable file not found",
            "no such file or directory",
            "permission denied",
            "unable to find user",
            "unable to find group",
            "is not a directory",
            "not a directory",
            "invalid mount",
            "unknown or invalid runtime",
            "conflicting options",
            "invalid argument",
        ]) =>
        {
            ErrorKind::Specification
        }
        _ if says(&[
            "no such host",
            "connection refused",
            "connection reset",
            "timeout",
            "timed out",
            "deadline exceeded",
            "server misbehaving",
            "unexpected eof",
            "temporary failure",
        ]) =>
        {
            ErrorKind::Unreachable
        }
        _ => ErrorKind::Engine,
    }
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

/// The text without control characters: names in it come from files that anybody may have written.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{Error, ErrorKind, classify};

    #[test]
    fn what_engines_say_has_a_kind() {
        for (status, message, kind) in [
            (404, "No such container: x", ErrorKind::NotFound),
            (404, "No such image: acme/notes:1", ErrorKind::Image),
            (404, "pull access denied for acme/notes, repository does not exist", ErrorKind::Denied),
            (500, "toomanyrequests: You have reached your pull rate limit", ErrorKind::Quota),
            (500, "write /var/lib/docker/tmp/x: no space left on device", ErrorKind::Quota),
            (
                500,
                "Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host",
                ErrorKind::Unreachable,
            ),
            (
                500,
                "driver failed: Bind for 127.0.0.1:80 failed: port is already allocated",
                ErrorKind::Conflict,
            ),
            (
                400,
                "OCI runtime create failed: exec: \"x\": executable file not found in $PATH",
                ErrorKind::Specification,
            ),
            (500, "unable to find user acme: no matching entries in passwd file", ErrorKind::Specification),
            (409, "Conflict. The container name \"/x\" is already in use", ErrorKind::Conflict),
            (
                404,
                "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
                ErrorKind::Quota,
            ),
            (400, "all predefined address pools have been fully subnetted", ErrorKind::Quota),
            (500, "something new", ErrorKind::Engine),
        ] {
            assert_eq!(classify(status, message), kind, "{message}");
        }
    }

    #[test]
    fn an_engine_that_is_not_there_says_what_to_do() {
        let error = Error::io("reach the engine", &std::io::Error::from(std::io::ErrorKind::NotFound));
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert_eq!(
            error.hint.as_deref(),
            Some("start the engine, or say with `DOCKER_HOST` or `--docker-context` where it is")
        );
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(Error::specification("a\u{1b}[31mb\nc").text, "a [31mb c");
    }
}
