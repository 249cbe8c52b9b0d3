//! `--interceptor when:type:argument` (`docker-mcp-gateway.md` 20.3).

use crate::{Say, container, exec, post};
use host_gateway::{Interceptor, When};
use host_workload_docker::{DockerEngine, Error};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What kind of program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A command for `/bin/sh -c`.
    Exec,
    /// An image with arguments, split as a shell would.
    Docker,
    /// A URL that gets a POST.
    Http,
}

/// One interceptor as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// When it runs.
    pub when: When,
    /// What it is.
    pub kind: Kind,
    /// The rest of the text, as written; may hold colons, and may be empty.
    pub argument: String,
}

/// Why a text is no interceptor. The words are the original's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Fewer than three parts.
    #[error("invalid interceptor spec '{0}', expected format is 'when:type:path'")]
    Parts(String),
    /// The first part.
    #[error("invalid interceptor when: '{0}', expected 'before' or 'after'")]
    When(String),
    /// The second part.
    #[error("invalid interceptor type: '{0}', expected 'exec', 'docker', or 'http'")]
    Kind(String),
}

/// What interceptors find around them.
pub struct Surroundings {
    /// The variables of commands: those of the gateway, as with the original.
    pub variables: BTreeMap<String, String>,
    /// The engine of containers.
    pub docker: Result<Arc<DockerEngine>, Error>,
    /// Labels of containers.
    pub labels: Vec<(String, String)>,
    /// Where what commands and containers complain about goes.
    pub say: Say,
}

impl Spec {
    /// Reads a text. The first two parts may be written in capitals; nothing is trimmed.
    ///
    /// # Errors
    /// See [`SpecError`].
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let mut parts = text.splitn(3, ':');
        let (Some(when), Some(kind), Some(argument)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SpecError::Parts(text.to_owned()));
        };
        let (when, kind) = (when.to_lowercase(), kind.to_lowercase());
        let when = match when.as_str() {
            "before" => When::Before,
            "after" => When::After,
            _ => return Err(SpecError::When(when)),
        };
        let kind = match kind.as_str() {
            "exec" => Kind::Exec,
            "docker" => Kind::Docker,
            "http" => Kind::Http,
            _ => return Err(SpecError::Kind(kind)),
        };
        Ok(Self { when, kind, argument: argument.to_owned() })
    }

    /// Makes it ready to run. Nothing is started, and what is wrong with the argument shows at each call, as with the original.
    #[must_use]
    pub fn interceptor(&self, around: &Surroundings) -> Arc<dyn Interceptor> {
        let argument = self.argument.clone();
        match self.kind {
            Kind::Exec => exec::new(self.when, argument, around.variables.clone(), Arc::clone(&around.say)),
            Kind::Docker => container::new(
                self.when,
                argument,
                around.docker.clone(),
                around.labels.clone(),
                Arc::clone(&around.say),
            ),
            Kind::Http => post::new(self.when, argument),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of section 20.3.
    #[test]
    fn specifications_are_those_of_the_original() {
        let fine = |text: &str, when, kind, argument: &str| {
            assert_eq!(Spec::parse(text), Ok(Spec { when, kind, argument: argument.to_owned() }), "{text}");
        };
        fine("before:exec:x", When::Before, Kind::Exec, "x");
        fine("BEFORE:EXEC:X", When::Before, Kind::Exec, "X");
        fine("after:http:http://h:1/p", When::After, Kind::Http, "http://h:1/p");
        fine("before:exec:", When::Before, Kind::Exec, "");
        fine("after:docker:image --flag 'a b'", When::After, Kind::Docker, "image --flag 'a b'");
        let refused = |text: &str| Spec::parse(text).unwrap_err().to_string();
        for text in ["before:exec", "before", ""] {
            let why = format!("invalid interceptor spec '{text}', expected format is 'when:type:path'");
            assert_eq!(refused(text), why);
        }
        for (text, when) in [("around:exec:x", "around"), (" before:exec:x", " before"), (":exec:x", "")] {
            let why = format!("invalid interceptor when: '{when}', expected 'before' or 'after'");
            assert_eq!(refused(text), why);
        }
        for (text, kind) in [("before:udp:x", "udp"), ("before::x", "")] {
            let why = format!("invalid interceptor type: '{kind}', expected 'exec', 'docker', or 'http'");
            assert_eq!(refused(text), why);
        }
    }
}
