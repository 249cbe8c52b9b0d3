//! The `mcpServers` JSON that editors and agents keep: local commands and remote endpoints by name.
//!
//! | written as | by |
//! | --- | --- |
//! | `{"mcpServers": {…}}` | Claude, Cursor, Windsurf, Cline, Roo, Gemini, Kiro, LM Studio, Copilot and most others |
//! | `{"servers": {…}, "inputs": […]}` | VS Code's `mcp.json` |
//! | `{"mcp": {"servers": {…}}}` | VS Code's `settings.json` |
//! | `{"mcp": {…}}` | OpenCode, Crush |
//! | `{"context_servers": {…}}` | Zed |
//! | `{"NAME": {"command": …}}` | parts of any of them, pasted |
//!
//! The files belong to other programs, so whatever else stands in them is passed over; inside an entry, unknown keys are worth a
//! warning. Comments, tabs and trailing commas are taken as VS Code takes them.

mod entry;
mod json;
mod text;

pub use entry::{CommandLine, EditorEntry, Reach};
pub use text::{EditorPart, EditorText, Unfilled};

pub(crate) use entry::ENTRY;

use std::path::{Path, PathBuf};

use crate::decode::{self, Fields};
use crate::file;
use crate::nearest::nearest;
use crate::problem::{Problem, Problems, Warning};
use crate::report::{Mode, Report};
use crate::server::Server;
use crate::yaml::{self, Document, Node};

/// The keys under which servers stand, as editors name them.
const CONTAINERS: [&str; 4] = ["mcpServers", "servers", "mcp", "context_servers"];

/// The servers of one editors' file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EditorFile {
    /// The file as the operator named it.
    pub source: String,
    /// Its servers in the order of the file, each with an [`EditorEntry`]; those that are switched off are left out.
    pub servers: Vec<Server>,
    /// Names of the servers that are switched off there (`disabled`, or `enabled: false`).
    pub disabled: Vec<String>,
}

impl EditorFile {
    /// Reads an editors' file.
    ///
    /// # Errors
    /// Everything that is wrong with the file, at once.
    pub fn load(path: &Path) -> Result<(EditorFile, Vec<Warning>), Problems> {
        EditorFile::parse(&file::read(path)?, &path.display().to_string(), &workspace(path))
    }

    /// Reads the text of an editors' file; `file_name` is for messages, `workspace` is what `${workspaceFolder}` stands for and
    /// where relative paths start.
    ///
    /// # Errors
    /// Everything that is wrong with the text, at once.
    pub fn parse(
        text: &str,
        file_name: &str,
        workspace: &Path,
    ) -> Result<(EditorFile, Vec<Warning>), Problems> {
        let mut report = Report::new(file_name, Mode::Docker);
        let text = json::plain(text);
        let file = yaml::read(&text, &mut report, |document, report| {
            EditorFile::decode(document, file_name, workspace, report)
        });
        report.finish(file)
    }

    fn decode(
        document: &Document<'_>,
        file_name: &str,
        workspace: &Path,
        report: &mut Report,
    ) -> Option<EditorFile> {
        let mut file = EditorFile { source: file_name.to_owned(), ..EditorFile::default() };
        let root = document.root().filter(|root| !root.is_null());
        let Some(node) = root.and_then(container) else {
            let problem = root.map_or_else(
                || Problem::of_file(file_name, "the file is empty", Some(FORMS)),
                |root| no_container(root, file_name),
            );
            report.add_problem(problem);
            return None;
        };
        for (name, at, value) in decode::named(node, "the map of servers", report) {
            let Some(fields) = Fields::open(value, &ENTRY, format_args!("server `{name}`"), report) else {
                continue;
            };
            match EditorEntry::decode(&name, fields, workspace, report) {
                Some((_, true)) => file.disabled.push(name),
                Some((entry, false)) => {
                    file.servers.push(Server::of_editor(name, report.place(at), entry));
                }
                None => {}
            }
        }
        Some(file)
    }
}

/// What to say where no servers are found.
const FORMS: &str = "servers stand under `mcpServers` (Claude, Cursor and most others), `servers` (VS Code), `mcp` (OpenCode) or \
                     `context_servers` (Zed)";

/// The map of servers.
fn container(root: Node<'_>) -> Option<Node<'_>> {
    for name in CONTAINERS {
        let Some(found) = child(root, name).filter(|found| !found.is_null()) else { continue };
        // VS Code's settings keep `servers` and `inputs` below `mcp`, where OpenCode keeps the servers themselves.
        if name == "mcp"
            && let Some(servers) = child(found, "servers").filter(|servers| !is_entry(*servers))
        {
            return Some(servers);
        }
        return Some(found);
    }
    let mut entries = root.entries()?;
    (entries.len() > 0 && entries.all(|(_, value)| is_entry(value))).then_some(root)
}

fn child<'d>(map: Node<'d>, name: &str) -> Option<Node<'d>> {
    map.entries()?
        .find(|(key, _)| key.scalar().is_some_and(|(text, ..)| text == name))
        .map(|(_, value)| value)
}

/// Whether a node looks like one server.
fn is_entry(node: Node<'_>) -> bool {
    ["command", "url", "httpUrl", "serverUrl"].iter().any(|key| child(node, key).is_some())
}

fn no_container(root: Node<'_>, file_name: &str) -> Problem {
    let near = root.entries().and_then(|entries| {
        let words: Vec<_> = entries.filter_map(|(key, _)| Some((key.scalar()?.0, key.at()))).collect();
        words.into_iter().find_map(|(word, at)| nearest(word, CONTAINERS).map(|meant| (word, meant, at)))
    });
    let mut problem = Problem::of_file(file_name, "no servers in this file", Some(FORMS));
    if let Some((word, meant, at)) = near {
        problem.what = format!("unknown key `{word}`");
        problem.hint = Some(format!("did you mean `{meant}`?"));
        (problem.line, problem.column) = (at.line, at.column);
    }
    problem
}

/// The folder that an editor would call the workspace: that of the file, or the one above a folder such as `.vscode` or `.cursor`.
fn workspace(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let hidden = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    match folder.parent() {
        Some(above) if hidden => above.to_owned(),
        _ => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests;
