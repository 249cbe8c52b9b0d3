//! Which tools a server shows by its own lists: `tools.yaml`, and what an editors' file says.
//!
//! With `--tools` none of these is consulted (`docker-mcp-gateway.md` 18.4).

use crate::assemble::Inputs;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct OwnLists {
    /// The only tools to show, by server; a tool must be in each list.
    only: Vec<BTreeMap<String, Vec<String>>>,
    /// Tools that are not shown, by server.
    without: BTreeMap<String, Vec<String>>,
}

impl OwnLists {
    /// The lists of all servers.
    pub(crate) fn of(inputs: &Inputs) -> Self {
        let lists = &inputs.files.tool_lists.servers;
        let files = lists.iter().map(|(server, list)| (server.clone(), list.tools.clone())).collect();
        let mut editors = BTreeMap::new();
        let mut without = BTreeMap::new();
        for server in &inputs.servers {
            let Some(editor) = &server.editor else { continue };
            if let Some(only) = &editor.only_tools {
                editors.insert(server.name.clone(), only.clone());
            }
            without.insert(server.name.clone(), editor.without_tools.clone());
        }
        Self { only: vec![files, editors], without }
    }

    /// Whether a tool is shown. Names are the server's own and compared exactly.
    pub(crate) fn allows(&self, server: &str, tool: &str) -> bool {
        let has = |list: &Vec<String>| list.iter().any(|name| name == tool);
        self.only.iter().all(|lists| lists.get(server).is_none_or(has))
            && !self.without.get(server).is_some_and(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_must_be_in_every_list_there_is() {
        let map = |server: &str, tools: &[&str]| -> BTreeMap<String, Vec<String>> {
            [(server.to_owned(), tools.iter().map(|tool| (*tool).to_owned()).collect())].into()
        };
        let lists =
            OwnLists { only: vec![map("a", &["x", "y"]), map("a", &["y", "z"])], without: map("b", &["x"]) };
        let shown = |server: &str| {
            ["x", "y", "z"].into_iter().filter(|tool| lists.allows(server, tool)).collect::<Vec<_>>()
        };
        assert_eq!(shown("a"), ["y"]);
        assert_eq!(shown("b"), ["y", "z"]);
        assert_eq!(shown("c"), ["x", "y", "z"]);
    }
}
