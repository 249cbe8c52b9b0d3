//! What a run of the program left on its streams, and the one place where snapshots lose what differs from run to run.

use serde_json::Value;
use std::path::PathBuf;

/// A run that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Folders whose place differs from run to run, with what is written instead.
    pub places: Vec<(PathBuf, &'static str)>,
}

impl Finished {
    /// Code and both streams as one text for a snapshot, without the places of this run.
    #[must_use]
    pub fn seen(&self) -> String {
        let code = self.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        let mut text = format!("exit code: {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr);
        for (place, instead) in &self.places {
            text = text.replace(&place.display().to_string(), instead);
        }
        text
    }

    /// The same, after a check of the exit code.
    ///
    /// # Panics
    /// It is another one.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.seen());
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// It is none, or there is more than that.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("standard output is no JSON ({error}):\n{}", self.seen()),
        }
    }
}

/// Snapshot settings that replace ids, digests, ports and versions. `INSTA_UPDATE=always cargo test -p gateway-tests` takes new ones.
#[must_use]
pub fn redacted() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(true);
    settings.set_omit_expression(true);
    // Longer ones first: a digest also looks like an id.
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[DIGEST]");
    settings.add_filter(r"\b[a-z][0-9a-f]{15}\b", "[ID]");
    settings.add_filter(r"127\.0\.0\.1:[0-9]+", "127.0.0.1:[PORT]");
    settings.add_filter(r"\bport [0-9]{4,5}\b", "port [PORT]");
    // Where a cut-off component ends is its length, and that changes with each build of the plugin.
    settings.add_filter(r"ends at byte [0-9]+", "ends at byte [LENGTH]");
    // Of a server that ends at once, which of its streams is seen to end first is chance.
    settings.add_filter(r"writing to it failed: the workload reads no more", "its output ended");
    let version = env!("CARGO_PKG_VERSION").replace('.', r"\.");
    // Only where the program says its own: versions of the contract and of plugins are what a snapshot is to hold.
    settings.add_filter(&format!(r"\b(mcp-gateway|gateway) {version}\b"), "$1 [VERSION]");
    settings.add_filter(&own_in_json(&version), "$1[VERSION]");
    settings
}

/// `serverInfo`, as compact or laid-out JSON, up to its version.
fn own_in_json(version: &str) -> String {
    format!(r#"("serverInfo":\s*\{{[^}}]*"version":\s*"){version}\b"#)
}
