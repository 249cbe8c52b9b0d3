//! Editors' files as editors write them.

use super::*;
use crate::server::{Kind, RemoteTransport};

const WORKSPACE: &str = "/home/a/project";

fn read(text: &str) -> (EditorFile, Vec<Warning>) {
    match EditorFile::parse(text, "mcp.json", Path::new(WORKSPACE)) {
        Ok(read) => read,
        Err(problems) => panic!("{problems}\n{text}"),
    }
}

fn problems(text: &str) -> String {
    match EditorFile::parse(text, "mcp.json", Path::new(WORKSPACE)) {
        Ok((file, _)) => panic!("was accepted: {file:?}\n{text}"),
        Err(problems) => problems.to_string(),
    }
}

fn plain(parts: &EditorText) -> String {
    let known = |name: &str| (name == "TOKEN").then(|| "t".to_owned());
    let text = |part| match part {
        EditorPart::Text(text) => text,
        EditorPart::Secret(name) => format!("<{name}>"),
    };
    parts.fill(known).unwrap().into_iter().map(text).collect()
}

/// One line per server: everything that an entry says.
fn seen(text: &str) -> String {
    let (file, warnings) = read(text);
    assert!(warnings.is_empty(), "{warnings:?}");
    let line = |server: &Server| {
        let entry = server.editor.as_ref().unwrap();
        let reach = match &entry.reach {
            Reach::Command(line) => {
                let args: Vec<_> = line.args.iter().map(plain).collect();
                let env: Vec<_> =
                    line.env.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
                let more: Vec<_> = [("file", &line.env_file), ("cwd", &line.cwd)]
                    .into_iter()
                    .filter_map(|(word, text)| Some(format!(" {word} {}", plain(text.as_ref()?))))
                    .collect();
                format!("{} {args:?} {env:?}{}", plain(&line.program), more.concat())
            }
            Reach::Remote { url, transport, headers } => {
                let headers: Vec<_> =
                    headers.iter().map(|(name, value)| format!("{name}: {}", plain(value))).collect();
                let transport = transport.map_or("any", RemoteTransport::as_str);
                format!("{} {transport} {headers:?}", plain(url))
            }
        };
        format!("{}: {reach}", server.name)
    };
    file.servers.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_forms_of_editors() {
    // Claude, Cursor and most others.
    assert_eq!(
        seen(
            r#"{"mcpServers": {"fs": {"command": "npx", "args": ["-y", "server-filesystem", "/srv"], "env": {"A": "1", "B": 2}}}}"#
        ),
        r#"fs: npx ["-y", "server-filesystem", "/srv"] ["A=1", "B=2"]"#
    );
    // Claude Code: remote servers, variables with defaults.
    assert_eq!(
        seen(
            r#"{"mcpServers": {"api": {"type": "http", "url": "${BASE:-https://api.example}/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}}, "old": {"type": "sse", "url": "https://a.example/sse"}}}"#
        ),
        "api: https://api.example/mcp streamable-http [\"Authorization: Bearer t\"]\nold: https://a.example/sse sse []"
    );
    // VS Code's mcp.json: inputs, comments, trailing commas, tabs.
    assert_eq!(
        seen(
            "{\n\t// inputs are asked for once\n\t\"inputs\": [{\"id\": \"key\", \"type\": \"promptString\", \"password\": true}],\n\t\"servers\": {\n\t\t\"perplexity\": {\"type\": \"stdio\", \"command\": \"npx\", \"env\": {\"KEY\": \"${input:key}\"}, \"envFile\": \"${workspaceFolder}/.env\", \"cwd\": \"sub\",},\n\t},\n}"
        ),
        r#"perplexity: npx [] ["KEY=<key>"] file /home/a/project/.env cwd sub"#
    );
    // VS Code's settings.json, among everything else.
    assert_eq!(
        seen(r#"{"editor.fontSize": 12, "mcp": {"inputs": [], "servers": {"a": {"command": "a"}}}}"#),
        "a: a [] []"
    );
    // OpenCode.
    assert_eq!(
        seen(
            r#"{"$schema": "https://opencode.ai/config.json", "mcp": {"a": {"type": "local", "command": ["bun", "x", "a"], "environment": {"A": "b"}, "enabled": true}, "b": {"type": "remote", "url": "https://b.example"}}}"#
        ),
        "a: bun [\"x\", \"a\"] [\"A=b\"]\nb: https://b.example any []"
    );
    // Zed, now and before.
    assert_eq!(
        seen(
            r#"{"context_servers": {"a": {"source": "custom", "command": "a", "args": ["b"]}, "o": {"command": {"path": "o", "args": ["p"], "env": {"E": "f"}}}}}"#
        ),
        "a: a [\"b\"] []\no: o [\"p\"] [\"E=f\"]"
    );
    // Gemini and Windsurf have words of their own for a URL.
    assert_eq!(
        seen(
            r#"{"mcpServers": {"g": {"httpUrl": "https://g.example/mcp", "timeout": 5000, "trust": true}, "w": {"serverUrl": "https://w.example/sse"}}}"#
        ),
        "g: https://g.example/mcp streamable-http []\nw: https://w.example/sse any []"
    );
    // An excerpt without the outer key.
    assert_eq!(
        seen(r#"{"a": {"command": "a"}, "b": {"url": "https://b.example"}}"#),
        "a: a [] []\nb: https://b.example any []"
    );
}

#[test]
fn what_is_switched_off_is_left_out() {
    let (file, _) = read(
        r#"{"mcpServers": {"a": {"command": "a", "disabled": true}, "b": {"command": "b", "enabled": false}, "c": {"command": "c", "disabled": false}}}"#,
    );
    assert_eq!(file.disabled, ["a", "b"]);
    assert_eq!(file.servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(file.servers[0].kind(), Kind::Process);
}

#[test]
fn lists_of_tools_are_kept() {
    let (file, _) = read(
        r#"{"mcpServers": {"a": {"command": "a", "tools": ["x"], "disabledTools": ["y"]}, "b": {"url": "https://b.example", "tools": ["*"]}}}"#,
    );
    let a = file.servers[0].editor.as_ref().unwrap();
    assert_eq!(
        (a.only_tools.as_deref(), a.without_tools.as_slice()),
        (Some(&["x".to_owned()][..]), &["y".to_owned()][..])
    );
    assert_eq!(file.servers[1].editor.as_ref().unwrap().only_tools, None);
    assert_eq!(file.servers[1].kind(), Kind::Remote);
}

#[test]
fn secrets_and_variables_are_named() {
    let (file, _) = read(
        r#"{"mcpServers": {"a": {"command": "a", "args": ["${input:one}", "${TOKEN}"], "env": {"A": "${input:two}${input:one}"}}}}"#,
    );
    let entry = file.servers[0].editor.as_ref().unwrap();
    assert_eq!((entry.secrets(), entry.variables()), (vec!["one", "two"], vec!["TOKEN"]));
}

#[test]
fn a_token_in_a_file_is_not_printed() {
    let (file, _) = read(r#"{"mcpServers": {"a": {"command": "a", "env": {"KEY": "hunter2"}}}}"#);
    assert!(!format!("{file:?}").contains("hunter2"));
}

#[test]
fn everything_wrong_is_told_at_once() {
    insta::assert_snapshot!(problems(r#"{"mcpServers": {
  "none": {"args": ["x"]},
  "both": {"command": "a", "url": "https://a.example"},
  "kind": {"type": "websocket", "url": "wss://a.example/?key=hunter2"},
  "text": {"command": "a", "args": "b", "env": ["A=b"]},
  "what": {"command": "a", "args": ["${command:pick}"]},
  "mixed": {"type": "http", "command": "a"},
  "empty": {"command": []},
  "list": []
}}"#), @r#"
    mcp.json:2:11: nothing says how the server `none` is reached
      hint: give it a `command` or a `url`
    mcp.json:3:35: both `command` and `url`
      hint: a server is one thing; keep one of them
    mcp.json:4:20: `type`: `websocket` is not a transport known here
      hint: write `stdio`, `http` or `sse`
    mcp.json:4:40: `url` is not a URL
      hint: write it like `https://mcp.example/mcp`
    mcp.json:5:36: `args` must be a list, not text
      hint: write a list, also of one: `args: [...]`
    mcp.json:5:48: `env` must be a map, not a list
    mcp.json:6:36: each of `args`: `${command:pick}` is something only an editor can fill in
      hint: known here: `${NAME}`, `${env:NAME}`, `${NAME:-default}`, `${input:SECRET}`, `${workspaceFolder}`, `${userHome}`
    mcp.json:7:40: a `command`, but `type` says that it is remote
      hint: keep one of them
    mcp.json:8:24: `command` names no program
      hint: for example `"command": "npx"`
    mcp.json:9:11: server `list` must be a map, not a list
    "#);
}

#[test]
fn a_file_without_servers_says_where_they_belong() {
    insta::assert_snapshot!(problems(r#"{"mcpServer": {"a": {"command": "a"}}}"#), @r#"
    mcp.json:1:2: unknown key `mcpServer`
      hint: did you mean `mcpServers`?
    "#);
    insta::assert_snapshot!(problems("{}"), @r#"
    mcp.json: no servers in this file
      hint: servers stand under `mcpServers` (Claude, Cursor and most others), `servers` (VS Code), `mcp` (OpenCode) or `context_servers` (Zed)
    "#);
    insta::assert_snapshot!(problems(""), @r#"
    mcp.json: the file is empty
      hint: servers stand under `mcpServers` (Claude, Cursor and most others), `servers` (VS Code), `mcp` (OpenCode) or `context_servers` (Zed)
    "#);
}

#[test]
fn a_key_that_means_nothing_is_worth_a_word() {
    let (_, warnings) =
        read(r#"{"mcpServers": {"a": {"command": "a", "comand": "b", "oauth": {}, "autoApprove": ["x"]}}}"#);
    insta::assert_snapshot!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    mcp.json:1:39: unknown key `comand`
      hint: did you mean `command`?
    mcp.json:1:54: unknown key `oauth`
      hint: signing in is not in this version; give a token with `headers` or `env`
    "#);
}

#[test]
fn the_workspace_is_the_folder_an_editor_would_take() {
    for (file, folder) in [
        ("/home/a/project/.vscode/mcp.json", "/home/a/project"),
        ("/home/a/.cursor/mcp.json", "/home/a"),
        ("/home/a/project/.mcp.json", "/home/a/project"),
        ("/mcp.json", "/"),
    ] {
        assert_eq!(workspace(Path::new(file)), Path::new(folder), "{file}");
    }
}
