//! Docker's `registry.yaml`: which servers of the catalogue are enabled.

use std::collections::BTreeMap;
use std::path::Path;

use crate::decode::Fields;
use crate::decode::table::{Form, Table, key};
use crate::file;
use crate::problem::{Place, Problems, Warning};
use crate::report::{Mode, Report};
use crate::yaml::{self, Document};

/// The enabled servers of one or several files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// By name, hence sorted as in Docker's gateway.
    pub servers: BTreeMap<String, EnabledServer>,
    /// The file as the operator named it; of several, the last.
    pub source: String,
}

/// An enabled server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnabledServer {
    /// Reference into a catalogue; has no effect.
    pub reference: String,
    /// Where it stands.
    pub place: Place,
}

static REGISTRY: Table = Table {
    title: "registry",
    about: "A registry file.",
    groups: &[&[key("registry", Form::Map(&Form::Group(&ENTRY)), "The enabled servers by name.")]],
    ignored: &[],
    hint: |name| (name == "servers").then_some("enabled servers stand under `registry:`; rename the key"),
};

static ENTRY: Table = Table {
    title: "registry entry",
    about: "An enabled server.",
    groups: &[&[key("ref", Form::Text, "Has no effect."), key("config", Form::Any, "Has no effect.")]],
    ignored: &[],
    hint: |name| {
        matches!(name, "enabled" | "disabled")
            .then_some("every server in this file is enabled; take the entry out to disable it")
    },
};

impl Registry {
    /// Reads a registry file.
    ///
    /// # Errors
    /// Everything that is wrong with the file, at once.
    pub fn load(path: &Path) -> Result<(Registry, Vec<Warning>), Problems> {
        Registry::parse(&file::read(path)?, &path.display().to_string())
    }

    /// Reads the text of a registry file; `file_name` is for messages.
    ///
    /// # Errors
    /// Everything that is wrong with the text, at once.
    pub fn parse(text: &str, file_name: &str) -> Result<(Registry, Vec<Warning>), Problems> {
        let mut report = Report::new(file_name, Mode::Docker);
        let registry =
            yaml::read(text, &mut report, |document, report| Registry::decode(document, file_name, report));
        report.finish(registry)
    }

    fn decode(document: &Document<'_>, file_name: &str, report: &mut Report) -> Option<Registry> {
        let mut registry = Registry { source: file_name.to_owned(), ..Registry::default() };
        let Some(root) = document.root() else { return Some(registry) };
        let fields = Fields::open(root, &REGISTRY, "a registry file", report)?;
        for (name, at, fields) in fields.named_groups("registry", report) {
            let reference = fields.text("ref", report);
            if let Some(config) = fields.node("config")
                && config.entries().is_none()
            {
                report.problem(config.at(), format!("`config` must be a map, not {}", config.noun()));
            }
            fields.done();
            registry.servers.insert(name, EnabledServer { reference, place: report.place(at) });
        }
        fields.done();
        Some(registry)
    }

    /// Puts registry files together; of entries with one name the last wins, and a warning says so.
    pub fn merge(registries: impl IntoIterator<Item = Registry>) -> (Registry, Vec<Warning>) {
        let mut merged = Registry::default();
        let mut warnings = Vec::new();
        for registry in registries {
            for (name, server) in registry.servers {
                let Place { file, line, column } = server.place.clone();
                if merged.servers.insert(name.clone(), server).is_some() {
                    warnings.push(Warning {
                        file: file.as_ref().to_owned(),
                        line,
                        column,
                        what: format!(
                            "overlapping server '{name}' found in registry '{}', overwriting previous value",
                            registry.source
                        ),
                        hint: None,
                    });
                }
            }
            merged.source = registry.source;
        }
        (merged, warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        Registry::parse(text, "registry.yaml").unwrap().0.servers.into_keys().collect()
    }

    /// The table of section 7.7 of the reference.
    #[test]
    fn the_table_of_the_reference() {
        assert_eq!(names("registry: {b: {}, a: {ref: ''}}"), ["a", "b"]);
        for text in ["registry: {a: null}", "registry: {a: {enabled: false}}"] {
            assert_eq!(names(text), ["a"], "{text}");
        }
        let (registry, _) = Registry::parse("registry: {a: {ref: 5}}", "r").unwrap();
        assert_eq!(registry.servers.get("a").unwrap().reference, "5");
        assert_eq!(names("registry: {1: {}}"), ["1"]);
        for text in ["registry: null", "", "servers: {a: {}}", "a: {}"] {
            assert!(names(text).is_empty(), "{text}");
        }
        for text in
            ["registry: [a]", "registry: {a: x}", "registry: {a: {config: [1]}}", "registry: {a: {}, a: {}}"]
        {
            Registry::parse(text, "registry.yaml").unwrap_err();
        }
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let text = "registry:\n  a:\n    enabled: false\nservers: {}\n";
        let (_, warnings) = Registry::parse(text, "registry.yaml").unwrap();
        insta::assert_snapshot!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r"
        registry.yaml:3:5: unknown key `enabled`
          hint: every server in this file is enabled; take the entry out to disable it
        registry.yaml:4:1: unknown key `servers`
          hint: enabled servers stand under `registry:`; rename the key
        ");
    }

    #[test]
    fn the_last_file_wins() {
        let parse = |text, file| Registry::parse(text, file).unwrap().0;
        let (merged, warnings) = Registry::merge([
            parse("registry: {a: {ref: x}, b: }", "one.yaml"),
            parse("registry: {a: {ref: y}}", "two.yaml"),
        ]);
        assert_eq!(merged.servers.get("a").unwrap().reference, "y");
        assert_eq!(merged.servers.len(), 2);
        let texts: Vec<&str> = warnings.iter().map(|warning| warning.what.as_str()).collect();
        assert_eq!(
            texts,
            ["overlapping server 'a' found in registry 'two.yaml', overwriting previous value"]
        );
    }
}
