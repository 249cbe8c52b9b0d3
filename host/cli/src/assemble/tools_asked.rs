//! Entries of `--tools` that fit no tool: most are slips of the pen, and a list that is empty for no visible reason is a riddle.

use host_config::{ToolFilter, nearest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The entries, and the tools that were seen so far.
#[derive(Debug, Default)]
pub(crate) struct ToolsAsked {
    entries: Vec<String>,
    /// Image to each server; empty for none.
    images: BTreeMap<String, String>,
    /// Server and tool.
    seen: Mutex<BTreeSet<(String, String)>>,
}

impl ToolsAsked {
    /// Entries as they were typed, and the servers with their images.
    pub(crate) fn new(entries: Vec<String>, images: BTreeMap<String, String>) -> Self {
        Self { entries, images, seen: Mutex::default() }
    }

    /// Whether a tool is shown; notes that it is there.
    pub(crate) fn allows(&self, filter: &ToolFilter, server: &str, tool: &str) -> bool {
        if !self.entries.is_empty() {
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
        let mut lines = Vec::new();
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
            lines.push(format!("`--tools {entry}` fits no tool{meant}{unsure}"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(entries: &[&str]) -> ToolsAsked {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let filter = ToolFilter::new(&entries);
        let images = [("notes", ""), ("web", "acme/web")].map(|(s, i)| (s.to_owned(), i.to_owned()));
        let asked = ToolsAsked::new(entries, images.into());
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
                format!("`--tools create-notes` fits no tool; did you mean `create_note`?{unsure}"),
                format!("`--tools note:*` fits no tool; did you mean `notes:*`?{unsure}"),
                format!("`--tools zzz` fits no tool{unsure}"),
            ]
        );
    }
}
