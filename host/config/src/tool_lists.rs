//! Docker's `tools.yaml`: which tools of a server are shown (`docker-mcp-gateway.md` 6.5).

use std::collections::BTreeMap;
use std::path::Path;

use crate::decode;
use crate::file;
use crate::problem::{Place, Problems, Warning};
use crate::report::{Mode, Report};
use crate::yaml::{self, Document};

/// The tool lists of one or several files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolLists {
    /// By server. A server that is not here shows all its tools.
    pub servers: BTreeMap<String, ToolList>,
    /// The file as the operator named it; of several, the last.
    pub source: String,
}

/// The tools of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolList {
    /// Their own names, without any prefix, compared exactly; `*` means nothing special. Empty shows none.
    pub tools: Vec<String>,
    /// Where it stands.
    pub place: Place,
}

impl ToolLists {
    /// Reads a file of tool lists.
    ///
    /// # Errors
    /// Everything that is wrong with the file, at once.
    pub fn load(path: &Path) -> Result<(ToolLists, Vec<Warning>), Problems> {
        ToolLists::parse(&file::read(path)?, &path.display().to_string())
    }

    /// Reads the text of a file of tool lists; `file_name` is for messages.
    ///
    /// # Errors
    /// Everything that is wrong with the text, at once.
    pub fn parse(text: &str, file_name: &str) -> Result<(ToolLists, Vec<Warning>), Problems> {
        let mut report = Report::new(file_name, Mode::Docker);
        let lists = yaml::read(text, &mut report, |document, report| {
            Some(ToolLists::decode(document, file_name, report))
        });
        report.finish(lists)
    }

    fn decode(document: &Document<'_>, file_name: &str, report: &mut Report) -> ToolLists {
        let mut lists = ToolLists { source: file_name.to_owned(), ..ToolLists::default() };
        let Some(root) = document.root().filter(|root| !root.is_null()) else { return lists };
        for (name, at, node) in decode::named(root, "a file of tool lists", report) {
            let tools = if node.is_null() { Vec::new() } else { decode::texts_of(node, &name, report) };
            if tools.iter().any(|tool| tool == "*") {
                let hint = "leave the server out to show all its tools".to_owned();
                report.warning(at, format!("`*` in the list of `{name}` is not a wildcard"), Some(hint));
            }
            lists.servers.insert(name, ToolList { tools, place: report.place(at) });
        }
        lists
    }

    /// The list of a server; none if all its tools are shown.
    pub fn of(&self, server: &str) -> Option<&[String]> {
        self.servers.get(server).map(|list| list.tools.as_slice())
    }

    /// Puts files together; of one server the last file wins entirely, and a warning says so.
    pub fn merge(files: impl IntoIterator<Item = ToolLists>) -> (ToolLists, Vec<Warning>) {
        let mut merged = ToolLists::default();
        let mut warnings = Vec::new();
        for file in files {
            for (name, list) in file.servers {
                let Place { file: path, line, column } = list.place.clone();
                if merged.servers.insert(name.clone(), list).is_some() {
                    warnings.push(Warning {
                        file: path.as_ref().to_owned(),
                        line,
                        column,
                        what: format!(
                            "overlapping server tools '{name}' found in tools file '{}', overwriting previous value",
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

    fn parse(text: &str) -> ToolLists {
        ToolLists::parse(text, "tools.yaml").unwrap().0
    }

    /// Section 6.5 of the reference.
    #[test]
    fn the_rules_of_the_reference() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("a: [search, read_note]", Some(&["search", "read_note"])),
            ("a: []", Some(&[])),
            ("a:", Some(&[])),
            ("a: [1, true, null, x]", Some(&["1", "true", "x"])),
            ("b: [x]", None),
            ("", None),
            ("null", None),
        ];
        for (text, expected) in cases {
            let lists = parse(text);
            let seen = lists.of("a").map(|tools| tools.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(seen.as_deref(), *expected, "{text}");
        }
        for text in ["a: x", "a: {b: c}", "[a]", "a: [[x]]", "a: [x]\na: [y]"] {
            ToolLists::parse(text, "tools.yaml").unwrap_err();
        }
    }

    #[test]
    fn what_is_wrong_is_told_at_once() {
        let problems = ToolLists::parse("a: x\nb: {c: d}\nc: [[y]]\n", "tools.yaml").unwrap_err();
        insta::assert_snapshot!(problems, @r"
        tools.yaml:1:4: `a` must be a list, not text
          hint: write a list, also of one: `a: [...]`
        tools.yaml:2:4: `b` must be a list, not a map
        tools.yaml:3:5: each of `c` must be text, not a list
        ");
        let (_, warnings) = ToolLists::parse("a: ['*']", "tools.yaml").unwrap();
        assert_eq!(warnings[0].what, "`*` in the list of `a` is not a wildcard");
    }

    #[test]
    fn the_last_file_wins_entirely() {
        let parse = |text, file| ToolLists::parse(text, file).unwrap().0;
        let (merged, warnings) =
            ToolLists::merge([parse("a: [x, y]\nb: [z]", "one.yaml"), parse("a: [w]", "two.yaml")]);
        assert_eq!(
            (merged.of("a"), merged.of("b")),
            (Some(&["w".to_owned()][..]), Some(&["z".to_owned()][..]))
        );
        let texts: Vec<&str> = warnings.iter().map(|warning| warning.what.as_str()).collect();
        assert_eq!(
            texts,
            ["overlapping server tools 'a' found in tools file 'two.yaml', overwriting previous value"]
        );
    }
}
