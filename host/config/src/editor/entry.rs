//! One server of an editors' file: a command of this machine or an endpoint elsewhere.

use std::path::{Path, PathBuf};

use super::text::EditorText;
use crate::decode::table::{Form, Table, key};
use crate::decode::{self, Fields};
use crate::report::Report;
use crate::server::RemoteTransport;
use crate::yaml::Position;

/// What an editors' file says about a server.
#[derive(Clone, Debug, PartialEq)]
pub struct EditorEntry {
    /// How it is reached.
    pub reach: Reach,
    /// What relative paths start at: the folder of the file, or the one above `.vscode` and its like.
    pub workspace: PathBuf,
    /// The only tools to show; none means all of them.
    pub only_tools: Option<Vec<String>>,
    /// Tools that are not shown.
    pub without_tools: Vec<String>,
}

/// How a server of an editors' file is reached.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// A command of this machine that speaks MCP on its standard streams.
    Command(CommandLine),
    /// An endpoint that runs already.
    Remote {
        /// Its URL.
        url: EditorText,
        /// How it is spoken to; none where the file does not say, which means streamable HTTP, and HTTP+SSE if that is refused.
        transport: Option<RemoteTransport>,
        /// Headers of each request, in order.
        headers: Vec<(String, EditorText)>,
    },
}

/// A command of this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandLine {
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: EditorText,
    /// Its arguments.
    pub args: Vec<EditorText>,
    /// Variables it gets beside the inherited ones, in order.
    pub env: Vec<(String, EditorText)>,
    /// A file with further variables, `NAME=value` on each line; [`CommandLine::env`] counts before it.
    pub env_file: Option<EditorText>,
    /// Where it is started; none for the workspace.
    pub cwd: Option<EditorText>,
}

impl EditorEntry {
    /// Names of the secrets it takes, each once.
    pub fn secrets(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.texts().into_iter().flat_map(EditorText::secrets).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Names of the variables of the environment it takes, each once.
    pub fn variables(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.texts().into_iter().flat_map(EditorText::variables).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn texts(&self) -> Vec<&EditorText> {
        match &self.reach {
            Reach::Command(line) => std::iter::once(&line.program)
                .chain(&line.args)
                .chain(line.env.iter().map(|(_, value)| value))
                .chain(&line.env_file)
                .chain(&line.cwd)
                .collect(),
            Reach::Remote { url, headers, .. } => {
                std::iter::once(url).chain(headers.iter().map(|(_, value)| value)).collect()
            }
        }
    }
}

/// An entry as editors write it.
pub(crate) static ENTRY: Table = Table {
    title: "mcpServers.NAME",
    about: "A server as editors write it: a command of this machine, or a URL. In texts, `${NAME}` and `${NAME:-default}` are variables \
            of the gateway's environment, `${input:ID}` is the secret `ID`, `${workspaceFolder}` is the folder of the file.",
    groups: &[&[
        key(
            "type",
            Form::Text,
            "`stdio`, `http` or `sse`; follows from the other keys if absent. Also `transport`, `transportType`.",
        ),
        key("transport", Form::Text, "Another word for `type`."),
        key("transportType", Form::Text, "Another word for `type`."),
        key("command", Form::Any, "The program; or a list of the program and its arguments."),
        key("args", Form::List(&Form::Text), "Its arguments."),
        key("env", Form::Map(&Form::Text), "Variables it gets. Also `environment`."),
        key("environment", Form::Map(&Form::Text), "Another word for `env`."),
        key("envFile", Form::Text, "File with further variables, `NAME=value` on each line."),
        key("cwd", Form::Text, "Where it is started.").or("the folder of the file"),
        key(
            "url",
            Form::Text,
            "URL of a server that runs elsewhere. Also `serverUrl`, and `httpUrl` for streamable HTTP.",
        ),
        key("serverUrl", Form::Text, "Another word for `url`."),
        key("httpUrl", Form::Text, "`url` with `type: http`."),
        key("headers", Form::Map(&Form::Text), "Headers of each request."),
        key("disabled", Form::Flag, "Whether it is left out.").or("false"),
        key("enabled", Form::Flag, "The opposite of `disabled`.").or("true"),
        key("tools", Form::List(&Form::Text), "The only tools to show; `*` for all. Also `includeTools`."),
        key("includeTools", Form::List(&Form::Text), "Another word for `tools`."),
        key("excludeTools", Form::List(&Form::Text), "Tools that are not shown. Also `disabledTools`."),
        key("disabledTools", Form::List(&Form::Text), "Another word for `excludeTools`."),
    ]],
    // What concerns the editor alone: its patience, what it asks its user, what it shows.
    ignored: &[
        "alwaysAllow",
        "autoApprove",
        "description",
        "dev",
        "gallery",
        "icon",
        "initTimeout",
        "name",
        "source",
        "timeout",
        "trust",
        "version",
        "watchPaths",
    ],
    hint: |name| match name {
        "oauth" | "auth" | "authProviderType" => {
            Some("signing in is not in this version; give a token with `headers` or `env`")
        }
        "image" | "component" | "bundled" => Some(
            "this is not a key of editors' files; such a server belongs under `servers:` in gateway.yaml",
        ),
        _ => None,
    },
};

/// What `type` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Stdio,
    Remote(Option<RemoteTransport>),
}

impl EditorEntry {
    /// Reads an entry; true if it is switched off.
    pub(crate) fn decode(
        name: &str,
        fields: Fields<'_>,
        workspace: &Path,
        report: &mut Report,
    ) -> Option<(EditorEntry, bool)> {
        crate::server::name::check_own(name, fields.at(), report);
        let said = said(&fields, report);
        let command = command(&fields, workspace, report);
        let remote = remote(&fields, workspace, report);
        let (disabled, enabled) = (fields.flag("disabled", report), fields.flag("enabled", report));
        let off = disabled.unwrap_or(false) || !enabled.unwrap_or(true);
        let only: Vec<String> = texts(&fields, ["tools", "includeTools"], report);
        let given = fields.has("tools") || fields.has("includeTools");
        let only_tools = (given && !only.iter().any(|tool| tool == "*")).then_some(only);
        let without_tools = texts(&fields, ["excludeTools", "disabledTools"], report);
        let at = fields.at();
        let tried = ["command", "url", "serverUrl", "httpUrl"].iter().any(|key| fields.has(key));
        let (at_command, at_url, at_type) =
            (fields.at_key("command"), fields.at_key("url"), fields.at_key("type"));
        fields.done();
        let reach = match (command, remote) {
            (Some(_), Some(_)) => {
                let hint = "a server is one thing; keep one of them";
                report.problem_with_hint(at_url, "both `command` and `url`", hint);
                return None;
            }
            // What is wrong with it has been said.
            (None, None) if tried => return None,
            (None, None) => {
                let what = format!("nothing says how the server `{name}` is reached");
                report.problem_with_hint(at, what, "give it a `command` or a `url`");
                return None;
            }
            (Some(line), None) => {
                if matches!(said, Some(Said::Remote(_))) {
                    report.problem_with_hint(
                        at_command,
                        "a `command`, but `type` says that it is remote",
                        "keep one of them",
                    );
                }
                Reach::Command(line)
            }
            (None, Some((url, transport, headers))) => {
                let transport = match said {
                    Some(Said::Stdio) => {
                        report.problem_with_hint(
                            at_type,
                            "a `url`, but `type` says `stdio`",
                            "give it a `command`, or another `type`",
                        );
                        None
                    }
                    Some(Said::Remote(said)) => transport.or(said),
                    None => transport,
                };
                Reach::Remote { url, transport, headers }
            }
        };
        Some((EditorEntry { reach, workspace: workspace.to_owned(), only_tools, without_tools }, off))
    }
}

fn said(fields: &Fields<'_>, report: &mut Report) -> Option<Said> {
    let mut found = None;
    for key in ["type", "transport", "transportType"] {
        let Some(word) = fields.some_text(key, report) else { continue };
        match word.to_ascii_lowercase().as_str() {
            "stdio" | "local" => found = Some(Said::Stdio),
            "remote" => found = Some(Said::Remote(None)),
            "http" | "streamable-http" | "streamable_http" | "streamablehttp" | "streamable"
            | "streaming" => {
                found = Some(Said::Remote(Some(RemoteTransport::Streaming)));
            }
            "sse" => found = Some(Said::Remote(Some(RemoteTransport::Sse))),
            _ => {
                let what = format!("`{key}`: `{word}` is not a transport known here");
                report.problem_with_hint(fields.at_key(key), what, "write `stdio`, `http` or `sse`");
            }
        }
    }
    found
}

/// The command, if there is one. Crush and most others write text, OpenCode a list, older Zed a map.
fn command(fields: &Fields<'_>, workspace: &Path, report: &mut Report) -> Option<CommandLine> {
    let mut args =
        filled_texts(fields.texts("args", report), fields.at_key("args"), "args", workspace, report);
    let mut env = variables(fields, ["env", "environment"], workspace, report);
    let env_file = optional(fields, "envFile", workspace, report);
    let cwd = optional(fields, "cwd", workspace, report);
    let node = fields.node("command")?;
    let program = if let Some((text, ..)) = node.scalar() {
        text.to_owned()
    } else if node.items().is_some() {
        let mut words = decode::items(node, "command", report)
            .into_iter()
            .filter_map(|item| Some(item.scalar()?.0.to_owned()));
        let program = words.next().unwrap_or_default();
        let more = filled_texts(words.collect(), node.at(), "command", workspace, report);
        args.splice(0..0, more);
        program
    } else {
        let fields = Fields::open(node, &ZED_COMMAND, "`command`", report)?;
        let more =
            filled_texts(fields.texts("args", report), fields.at_key("args"), "args", workspace, report);
        args.splice(0..0, more);
        env.extend(variables(&fields, ["env"], workspace, report));
        let program = fields.text("path", report);
        fields.done();
        program
    };
    if program.trim().is_empty() {
        report.problem_with_hint(
            node.at(),
            "`command` names no program",
            "for example `\"command\": \"npx\"`",
        );
        return None;
    }
    let program = parse(&program, node.at(), "command", workspace, report)?;
    Some(CommandLine { program, args, env, env_file, cwd })
}

static ZED_COMMAND: Table = Table::new(
    "mcpServers.NAME.command",
    "A command as older Zed writes it.",
    &[&[
        key("path", Form::Text, "The program."),
        key("args", Form::List(&Form::Text), "Its arguments."),
        key("env", Form::Map(&Form::Text), "Variables it gets."),
    ]],
);

type Remote = (EditorText, Option<RemoteTransport>, Vec<(String, EditorText)>);

fn remote(fields: &Fields<'_>, workspace: &Path, report: &mut Report) -> Option<Remote> {
    let headers = variables(fields, ["headers"], workspace, report);
    let mut found = None;
    for (key, transport) in
        [("url", None), ("serverUrl", None), ("httpUrl", Some(RemoteTransport::Streaming))]
    {
        let Some(url) = fields.some_text(key, report) else { continue };
        let at = fields.at_key(key);
        let Some(url) = parse(&url, at, key, workspace, report) else { continue };
        // A URL may hold a token, so it is not quoted.
        if url.as_plain().is_some_and(|url| !(url.starts_with("http://") || url.starts_with("https://"))) {
            report.problem_with_hint(
                at,
                format!("`{key}` is not a URL"),
                "write it like `https://mcp.example/mcp`",
            );
        }
        found = Some((url, transport));
    }
    let (url, transport) = found?;
    Some((url, transport, headers))
}

fn texts<const N: usize>(fields: &Fields<'_>, keys: [&'static str; N], report: &mut Report) -> Vec<String> {
    keys.into_iter().flat_map(|key| fields.texts(key, report)).collect()
}

fn variables<const N: usize>(
    fields: &Fields<'_>,
    keys: [&'static str; N],
    workspace: &Path,
    report: &mut Report,
) -> Vec<(String, EditorText)> {
    let mut all = Vec::new();
    for key in keys {
        for (name, value) in fields.named_texts(key, report) {
            let what = format!("`{name}` in `{key}`");
            if name.is_empty() || name.contains(['=', '\0']) {
                report.problem(
                    fields.at_key(key),
                    format!("`{key}`: `{}` cannot be a name there", name.escape_debug()),
                );
            } else if let Some(value) = parse_as(&value, fields.at_key(key), &what, workspace, report) {
                all.push((name, value));
            }
        }
    }
    all
}

fn optional(
    fields: &Fields<'_>,
    key: &'static str,
    workspace: &Path,
    report: &mut Report,
) -> Option<EditorText> {
    let text = fields.some_text(key, report)?;
    parse(&text, fields.at_key(key), key, workspace, report)
}

fn filled_texts(
    texts: Vec<String>,
    at: Position,
    key: &str,
    workspace: &Path,
    report: &mut Report,
) -> Vec<EditorText> {
    texts
        .iter()
        .filter_map(|text| parse_as(text, at, &format!("each of `{key}`"), workspace, report))
        .collect()
}

fn parse(text: &str, at: Position, key: &str, workspace: &Path, report: &mut Report) -> Option<EditorText> {
    parse_as(text, at, &format!("`{key}`"), workspace, report)
}

fn parse_as(
    text: &str,
    at: Position,
    what: &str,
    workspace: &Path,
    report: &mut Report,
) -> Option<EditorText> {
    match EditorText::parse(text, workspace) {
        Ok(text) => Some(text),
        Err(misfit) => {
            report.problem_maybe_hint(at, format!("{what}: {}", misfit.what()), misfit.hint);
            None
        }
    }
}
