//! Docker's `config.yaml`: values for the templates of servers.

use std::collections::BTreeMap;
use std::path::Path;

use crate::decode;
use crate::file;
use crate::problem::{Place, Problems, Warning};
use crate::report::{Mode, Report};
use crate::yaml::scalar::Schema;
use crate::yaml::{self, Document, Map};

/// The configuration of servers, out of one or several files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerConfigs {
    /// By [canonical name](crate::Server::canonical_name), which is not checked here.
    pub servers: BTreeMap<String, ServerConfig>,
    /// The file as the operator named it; of several, the last.
    pub source: String,
}

/// The configuration of one server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// Its values. Templates reach every key of the first level, whatever
    /// [`Map::has_other_keys`] says about it.
    pub values: Map,
    /// Where it stands.
    pub place: Place,
}

impl ServerConfigs {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Everything that is wrong with the file, at once.
    pub fn load(path: &Path) -> Result<(ServerConfigs, Vec<Warning>), Problems> {
        ServerConfigs::parse(&file::read(path)?, &path.display().to_string())
    }

    /// Reads the text of a configuration file; `file_name` is for messages.
    ///
    /// # Errors
    /// Everything that is wrong with the text, at once.
    pub fn parse(text: &str, file_name: &str) -> Result<(ServerConfigs, Vec<Warning>), Problems> {
        let mut report = Report::new(file_name, Mode::Docker);
        let configs = yaml::read(text, &mut report, |document, report| {
            Some(ServerConfigs::decode(document, file_name, report))
        });
        report.finish(configs)
    }

    fn decode(document: &Document<'_>, file_name: &str, report: &mut Report) -> ServerConfigs {
        let mut configs = ServerConfigs { source: file_name.to_owned(), ..ServerConfigs::default() };
        let Some(root) = document.root().filter(|root| !root.is_null()) else { return configs };
        for (name, at, node) in decode::named(root, "a configuration file", report) {
            if !node.is_null() && node.entries().is_none() {
                let what = format!("the configuration of `{name}` must be a map, not {}", node.noun());
                report.problem(node.at(), what);
                continue;
            }
            let mut values = Map::decode(node, Schema::Docker, report);
            // Only below the first level are such keys out of reach.
            values.has_other_keys = false;
            configs.servers.insert(name, ServerConfig { values, place: report.place(at) });
        }
        configs
    }

    /// Puts configuration files together; of one server the last file wins entirely, and a warning says
    /// so.
    pub fn merge(files: impl IntoIterator<Item = ServerConfigs>) -> (ServerConfigs, Vec<Warning>) {
        let mut merged = ServerConfigs::default();
        let mut warnings = Vec::new();
        for file in files {
            for (name, config) in file.servers {
                let Place { file: path, line, column } = config.place.clone();
                if merged.servers.insert(name.clone(), config).is_some() {
                    warnings.push(Warning {
                        file: path.as_ref().to_owned(),
                        line,
                        column,
                        what: format!(
                            "overlapping server config '{name}' found in config file '{}', overwriting previous value",
                            file.source
                        ),
                        hint: None,
                    });
                }
            }
            merged.source = file.source;
        }
        (merged, warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Value;

    fn parse(text: &str) -> ServerConfigs {
        ServerConfigs::parse(text, "config.yaml").unwrap().0
    }

    fn value(text: &str, server: &str, key: &str) -> Option<Value> {
        parse(text).servers.get(server)?.values.get(key).cloned()
    }

    /// The table of section 7.7 of the reference.
    #[test]
    fn the_table_of_the_reference() {
        for text in ["", "null", "{}"] {
            assert!(parse(text).servers.is_empty(), "{text}");
        }
        assert!(parse("a:").servers.get("a").unwrap().values.is_empty());
        for text in ["a: x", "a: [1]", "[a]", "a: {x: 1}\na: {x: 1}", "a: {x: {{y}}}"] {
            ServerConfigs::parse(text, "config.yaml").unwrap_err();
        }
        assert_eq!(value("1: {x: 1}", "1", "x"), Some(Value::Integer(1)));
        assert_eq!(value("a: {1: x}", "a", "1"), Some(Value::Text("x".to_owned())));
        assert!(!parse("a: {1: x}").servers.get("a").unwrap().values.has_other_keys);
        let nested = value("a: {b: {1: x}}", "a", "b").unwrap();
        assert!(nested.as_map().unwrap().has_other_keys);
        assert_eq!(value("a: {'b.c': 1}", "a", "b.c"), Some(Value::Integer(1)));
        assert_eq!(value("a: {<<: {k: v}}", "a", "k"), Some(Value::Text("v".to_owned())));
        assert_eq!(value("a: {x: !!binary aGk=}", "a", "x"), Some(Value::Text("hi".to_owned())));
    }

    /// The paragraph on untyped values in section 7.7 of the reference.
    #[test]
    fn untyped_values() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            ("yes", text("yes")),
            ("on", text("on")),
            ("12:30:00", text("12:30:00")),
            ("true", Value::Bool(true)),
            ("TRUE", Value::Bool(true)),
            ("'true'", text("true")),
            ("010", Value::Integer(8)),
            ("0o10", Value::Integer(8)),
            ("0x1F", Value::Integer(31)),
            ("0b101", Value::Integer(5)),
            ("1_000", Value::Integer(1000)),
            ("-5", Value::Integer(-5)),
            ("'5'", text("5")),
            ("1e3", Value::Float(1000.0)),
            (".5", Value::Float(0.5)),
            ("1.", Value::Float(1.0)),
            ("08", Value::Float(8.0)),
            (".inf", Value::Float(f64::INFINITY)),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
            ("18446744073709551615", Value::Unsigned(u64::MAX)),
            ("-9223372036854775808", Value::Integer(i64::MIN)),
            ("2024-01-02", Value::Timestamp("2024-01-02".to_owned())),
            ("2024-01-02T15:04:05Z", Value::Timestamp("2024-01-02T15:04:05Z".to_owned())),
            ("2024-01-02 15:04:05.5 +01:00", Value::Timestamp("2024-01-02 15:04:05.5 +01:00".to_owned())),
            ("2024-13-02", text("2024-13-02")),
            ("'2024-01-02'", text("2024-01-02")),
            ("1.2.3", text("1.2.3")),
            ("+-5", text("+-5")),
            ("~", Value::Null),
            ("!!str 5", text("5")),
            ("!!int '5'", Value::Integer(5)),
            ("[1, null]", Value::List(vec![Value::Integer(1), Value::Null])),
        ];
        for (source, expected) in cases {
            assert_eq!(value(&format!("a: {{x: {source}}}"), "a", "x"), Some(expected), "{source}");
        }
    }

    #[test]
    fn the_last_file_wins_entirely() {
        let parse = |text, file| ServerConfigs::parse(text, file).unwrap().0;
        let (merged, warnings) =
            ServerConfigs::merge([parse("a: {x: 1, y: 2}", "one.yaml"), parse("a: {x: 3}", "two.yaml")]);
        let values = &merged.servers.get("a").unwrap().values;
        assert_eq!((values.get("x"), values.get("y")), (Some(&Value::Integer(3)), None));
        let texts: Vec<&str> = warnings.iter().map(|warning| warning.what.as_str()).collect();
        assert_eq!(
            texts,
            ["overlapping server config 'a' found in config file 'two.yaml', overwriting previous value"]
        );
    }
}
