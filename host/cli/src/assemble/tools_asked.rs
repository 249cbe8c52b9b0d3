//! Entries of `--tools`, of `tools.yaml` and of editors' files that fit no tool: most are slips of the pen, and a list that is empty for no visible
//! reason is a riddle.

use crate::assemble::Inputs;
use host_config::{Place, ToolFilter, Warning, nearest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The entries, and the tools that were seen so far.
#[derive(Debug, Default)]
pub(crate) struct ToolsAsked {
    entries: Vec<String>,
    /// Image to each server; empty for none.
    images: BTreeMap<String, String>,
    /// The lists of single servers, where they count: with entries nobody consults them.
    lists: Vec<OfServer>,
    /// Server and tool.
    seen: Mutex<BTreeSet<(String, String)>>,
}

/// What a file says about the tools of one server, by their own names.
#[derive(Debug)]
struct OfServer {
    server: String,
    place: Place,
    tools: Vec<String>,
}

impl ToolsAsked {
    /// Entries as they were typed, lists as files have them, and the servers.
    pub(crate) fn of(inputs: &Inputs) -> Self {
        let images = inputs.servers.iter().map(|server| (server.name.clone(), server.image.clone()));
        let entries = inputs.tool_words.clone();
        let mut lists = Vec::new();
        if entries.is_empty() {
            for (server, list) in &inputs.files.tool_lists.servers {
                let (server, place) = (server.clone(), list.place.clone());
                lists.push(OfServer { server, place, tools: list.tools.clone() });
            }
            for server in &inputs.servers {
                let Some(editor) = &server.editor else { continue };
                let named = editor.only_tools.iter().flatten().chain(&editor.without_tools);
                let (name, place) = (server.name.clone(), server.place.clone());
                lists.push(OfServer { server: name, place, tools: named.cloned().collect() });
            }
        }
        Self { entries, images: images.collect(), lists, seen: Mutex::default() }
    }

    /// Whether anything can be said about what fits no tool.
    pub(crate) fn asks(&self) -> bool {
        !self.entries.is_empty() || self.lists.iter().any(|list| !list.tools.is_empty())
    }

    /// Whether a tool is shown; notes that it is there.
    pub(crate) fn allows(&self, filter: &ToolFilter, server: &str, tool: &str) -> bool {
        if self.asks() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert((server.to_owned(), tool.to_owned()));
        }
        filter.allows(server, self.image(server), tool, None)
    }

    fn image(&self, server: &str) -> &str {
        self.images.get(server).map_or("", String::as_str)
    }

    /// A line for each entry that fits none of the tools that were seen. `failed` are servers whose tools nobody knows.
    pub(crate) fn unfit(&self, failed: &[String]) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<String> = self.lists.iter().flat_map(|list| unfit_of(list, &seen)).collect();
        for entry in self.entries.iter().filter(|entry| entry.as_str() != "*") {
            let alone = ToolFilter::new([entry]);
            let fits = seen.iter().any(|(server, tool)| alone.allows(server, self.image(server), tool, None));
            let of_failed = entry
                .split_once(':')
                .is_some_and(|(server, _)| failed.iter().any(|failed| failed.eq_ignore_ascii_case(server)));
            if fits || of_failed {
                continue;
            }
            let known: Vec<String> = if entry.contains(':') {
                let tools = seen.iter().map(|(server, tool)| format!("{server}:{tool}"));
                tools.chain(self.images.keys().map(|server| format!("{server}:*"))).collect()
            } else {
                seen.iter().map(|(_, tool)| tool.clone()).collect()
            };
            let meant = match nearest(entry, known.iter().map(String::as_str)) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            let unsure = match failed {
                [] => String::new(),
                failed => {
                    format!(" (of `{}`, which did not come up, the tools are not known)", failed.join("`, `"))
                }
            };
            lines.push(format!("warning: `--tools {entry}` fits no tool{meant}{unsure}"));
        }
        lines
    }
}

/// A line for each tool of the list that its server has not, if that server has shown any.
fn unfit_of(list: &OfServer, seen: &BTreeSet<(String, String)>) -> Vec<String> {
    let has: Vec<&str> =
        seen.iter().filter(|(server, _)| *server == list.server).map(|(_, tool)| tool.as_str()).collect();
    let missing = list.tools.iter().filter(|tool| !has.is_empty() && !has.contains(&tool.as_str()));
    let warning = |tool: &String| Warning {
        file: list.place.file.as_ref().to_owned(),
        line: list.place.line,
        column: list.place.column,
        what: format!("server `{}` has no tool `{}`", list.server, crate::output::name(tool)),
        hint: nearest(tool, has.iter().copied())
            .map(|near| format!("did you mean `{}`?", crate::output::name(near))),
    };
    missing.map(|tool| warning(tool).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(entries: &[&str]) -> ToolsAsked {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let filter = ToolFilter::new(&entries);
        let images = [("notes", ""), ("web", "acme/web")].map(|(s, i)| (s.to_owned(), i.to_owned()));
        let asked = ToolsAsked { entries, images: images.into(), lists: Vec::new(), seen: Mutex::default() };
        for (server, tool) in [("notes", "create_note"), ("notes", "list_notes"), ("web", "fetch")] {
            asked.allows(&filter, server, tool);
        }
        asked
    }

    #[test]
    fn what_fits_says_nothing() {
        let asked = asked(&["*", "FETCH", "notes:*", "acme/web:fetch", "notes:list_notes"]);
        assert_eq!(asked.unfit(&[]), Vec::<String>::new());
    }

    #[test]
    fn what_fits_nothing_is_told_with_the_nearest_name() {
        let lines = asked(&["create-notes", "note:*", "zzz", "gone:tool"]).unfit(&["gone".to_owned()]);
        let unsure = " (of `gone`, which did not come up, the tools are not known)";
        assert_eq!(
            lines,
            [
                format!("warning: `--tools create-notes` fits no tool; did you mean `create_note`?{unsure}"),
                format!("warning: `--tools note:*` fits no tool; did you mean `notes:*`?{unsure}"),
                format!("warning: `--tools zzz` fits no tool{unsure}"),
            ]
        );
    }

    #[test]
    fn tools_of_a_list_that_their_server_has_not_are_told_once_it_has_shown_its_own() {
        let text = r#"{notes: [create_note, list_note, "x\e[2J"], web: [], away: [anything]}"#;
        let (lists, _) = host_config::ToolLists::parse(text, "tools.yaml").unwrap();
        let list = |(server, list): (String, host_config::ToolList)| OfServer {
            server,
            place: list.place,
            tools: list.tools,
        };
        let lists = lists.servers.into_iter().map(list).collect();
        let asked = ToolsAsked { lists, ..ToolsAsked::default() };
        assert!(asked.asks());
        assert_eq!(asked.unfit(&[]), Vec::<String>::new());
        for (server, tool) in [("notes", "create_note"), ("notes", "list_notes"), ("web", "fetch")] {
            asked.allows(&ToolFilter::default(), server, tool);
        }
        assert_eq!(
            asked.unfit(&[]),
            [
                "tools.yaml:1:2: server `notes` has no tool `list_note`\n  hint: did you mean `list_notes`?",
                "tools.yaml:1:2: server `notes` has no tool `x\\u{1b}[2J`",
            ]
        );
    }
}
