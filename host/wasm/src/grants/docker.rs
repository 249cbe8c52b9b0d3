//! What a plugin may do on a container engine.

use super::{FolderGrant, glob};

/// A name in which `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// The pattern as it is written.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether a name fits.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        glob(&self.0, name)
    }
}

/// To run containers on an engine with Docker's API: always containers of the plugin's own, for the server of the call, with its mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerGrant {
    /// Images, as the catalogue writes them.
    pub images: Vec<NamePattern>,
    /// Networks a container may join, beside those that are made for it.
    pub networks: Vec<NamePattern>,
    /// Whether a container may join the networks of the container that the gateway runs in.
    pub own_networks: bool,
    /// Folders of this machine, each with all that is below it, for mounts that the operator's own file did not name. What it names needs no
    /// grant, and what holds the machine's keys is refused in spite of one.
    pub binds: Vec<FolderGrant>,
    /// Whether a container may have rights beyond itself: privileged, capabilities, runtimes.
    pub privileged: bool,
}

impl Default for DockerGrant {
    /// Every image; no networks, no folders, no rights.
    fn default() -> Self {
        Self {
            images: vec![NamePattern::new("*")],
            networks: Vec::new(),
            own_networks: false,
            binds: Vec::new(),
            privileged: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NamePattern;

    #[test]
    fn a_star_is_any_run_of_characters() {
        for (pattern, name, fits) in [
            ("mcp/*", "mcp/time:1", true),
            ("mcp/*", "evil.example/mcp/time", false),
            ("*", "anything", true),
            ("acme/notes", "acme/notes:2", false),
            ("*/notes:*", "acme/notes:2", true),
        ] {
            assert_eq!(NamePattern::new(pattern).matches(name), fits, "{pattern} {name}");
        }
    }
}
