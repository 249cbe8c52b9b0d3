//! What an image says about itself, as its configuration in a registry has it.

/// Words of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageWords {
    /// What it starts.
    pub entrypoint: Vec<String>,
    /// What it gives to that, where nobody says otherwise.
    pub arguments: Vec<String>,
}

/// What an image says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageConfiguration {
    /// What the reference names: of an image for several platforms their list.
    pub digest: String,
    /// What was found: `linux/amd64`.
    pub platform: String,
    /// Its words.
    pub words: ImageWords,
    /// As whom it runs; empty: as root.
    pub user: String,
    /// Where it runs; empty: at the root.
    pub working_directory: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// Names of the variables that it sets.
    pub environment_names: Vec<String>,
    /// Ports that it says it listens on.
    pub exposed_ports: Vec<u16>,
}
