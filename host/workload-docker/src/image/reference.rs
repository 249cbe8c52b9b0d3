//! References to images: `notes`, `acme/notes:2`, `registry.example:5000/acme/notes@sha256:…`.

use crate::error::{Error, ErrorKind};
use std::fmt;
use std::str::FromStr;

/// The registry of references that name none.
pub(crate) const DEFAULT_REGISTRY: &str = "docker.io";

/// A reference, completely written out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// The registry, with its port: `docker.io`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Registry and repository: `docker.io/library/notes`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The digest, if it has one.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The tag; `latest` where neither tag nor digest is written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (None, None) => Some("latest"),
            (tag, _) => tag.as_deref(),
        }
    }

    /// The same image, exactly this digest.
    #[must_use]
    pub fn pinned(&self, digest: &str) -> Self {
        Self { tag: None, digest: Some(digest.to_owned()), ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match (&self.digest, self.tag()) {
            // With a digest, the tag decides nothing any more.
            (Some(digest), _) => write!(f, "@{digest}"),
            (None, Some(tag)) => write!(f, ":{tag}"),
            (None, None) => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    /// By the grammar of the distribution specification.
    ///
    /// # Errors
    /// [`ErrorKind::Image`] for another text.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::new(ErrorKind::Image, format!("`{text}` is no reference to an image"));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(wrong());
        }
        // The first part is a registry if it looks like a host: everything else is below Docker's own.
        let (registry, rest) = match rest.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
                let own = matches!(first, "docker.io" | "index.docker.io" | "registry-1.docker.io");
                (if own { DEFAULT_REGISTRY } else { first }, path)
            }
            _ => (DEFAULT_REGISTRY, rest),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let repository = match registry == DEFAULT_REGISTRY && !path.contains('/') {
            true => format!("library/{path}"),
            false => path.to_owned(),
        };
        let ok = is_host(registry) && repository.split('/').all(is_component) && tag.is_none_or(is_tag);
        if !ok || text.len() > 500 {
            return Err(wrong());
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

/// `sha256:` and 64 hexadecimal digits.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.starts_with('[') || name.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let plain = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let name_ok = match plain {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.split('.').all(|label| {
                    !label.is_empty()
                        && !label.starts_with('-')
                        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                })
        }
    };
    name_ok && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Lower-case letters and digits, in between `.`, `_`, `__` or dashes.
fn is_component(part: &str) -> bool {
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let inner = |b: u8| edge(b) || matches!(b, b'.' | b'_' | b'-');
    part.bytes().next().is_some_and(edge)
        && part.bytes().next_back().is_some_and(edge)
        && part.bytes().all(inner)
        && !part.contains("..")
}

fn is_tag(tag: &str) -> bool {
    let edge = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(edge)
        && tag.bytes().all(|b| edge(b) || matches!(b, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::Reference;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn references_are_written_out() {
        for (text, full) in [
            ("notes", "docker.io/library/notes:latest"),
            ("notes:2", "docker.io/library/notes:2"),
            ("acme/notes", "docker.io/acme/notes:latest"),
            ("index.docker.io/acme/notes:2", "docker.io/acme/notes:2"),
            ("127.0.0.1:5000/mcp/time:1", "127.0.0.1:5000/mcp/time:1"),
            ("localhost/a", "localhost/a:latest"),
            ("[::1]:5000/a/b", "[::1]:5000/a/b:latest"),
            ("registry.example/acme/a-b_c.d:v1.2-x", "registry.example/acme/a-b_c.d:v1.2-x"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), full, "{text}");
        }
        let pinned = format!("acme/notes:2@{DIGEST}").parse::<Reference>().unwrap();
        assert_eq!(pinned.to_string(), format!("docker.io/acme/notes@{DIGEST}"));
        assert_eq!((pinned.tag(), pinned.digest()), (Some("2"), Some(DIGEST)));
    }

    #[test]
    fn other_texts_are_no_references() {
        for text in [
            "",
            "A",
            "a b",
            "acme/notes:",
            "acme//notes",
            "../x",
            "a@sha256:12",
            "a?x=1",
            "-a",
            "a/.b",
            "a:b:c",
            "h:x/a",
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert_eq!(error.text, format!("`{text}` is no reference to an image"));
        }
    }
}
