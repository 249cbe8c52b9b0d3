//! The server as a client meets it, over a folder of its own.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use server_kit::Server;

use crate::store::{LARGEST, Store};
use crate::tools;

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("notes-test-{}-{count}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(file), text).unwrap();
    }

    /// All files, hidden ones too.
    fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        files
    }

    fn server(&self) -> Server {
        tools::server(Store::new(&self.0))
    }

    /// Sends requests in a legacy session; everything that comes back after the handshake.
    fn talk(&self, requests: &[(&str, Value)]) -> Vec<Value> {
        let mut input =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": "2025-11-25" } })
                .to_string();
        for (id, (method, params)) in requests.iter().enumerate() {
            let request = json!({ "jsonrpc": "2.0", "id": id + 1, "method": method, "params": params });
            input.push_str(&format!("\n{request}"));
        }
        let mut output = Vec::new();
        self.server().serve(input.as_bytes(), &mut output).unwrap();
        let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.skip(1).map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    /// Calls a tool; the structured content, or the text of its failure.
    fn call(&self, name: &str, arguments: Value) -> Result<Value, String> {
        let answers = self.talk(&[("tools/call", json!({ "name": name, "arguments": arguments }))]);
        // Announcements of a change come before the answer.
        let result = &answers.iter().find(|message| message["id"].is_number()).unwrap()["result"];
        match result["isError"] == true {
            true => Err(result["content"][0]["text"].as_str().unwrap().to_owned()),
            false => Ok(result["structuredContent"].clone()),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_note_lives_from_create_to_delete() {
    let folder = Folder::new();
    let made =
        folder.call("create_note", json!({ "title": "Shopping List", "content": "- milk\n" })).unwrap();
    assert_eq!(made["name"], "shopping-list");
    assert_eq!((&made["title"], &made["uri"]), (&json!("Shopping List"), &json!("note:///shopping-list")));
    assert_eq!(made["modified"].as_str().unwrap().len(), "2026-11-03T12:00:00Z".len());
    assert_eq!(fs::read_to_string(folder.0.join("shopping-list.md")).unwrap(), "# Shopping List\n\n- milk\n");

    let again = folder.call("create_note", json!({ "title": "shopping list!", "content": "" })).unwrap_err();
    assert_eq!(again, "there is a note `shopping-list` already: update that one, or choose another title");

    let name = json!("shopping-list");
    folder.call("update_note", json!({ "name": name, "content": "- eggs", "mode": "append" })).unwrap();
    let read = folder.call("read_note", json!({ "name": name })).unwrap();
    assert_eq!(read["content"], "# Shopping List\n\n- milk\n\n- eggs\n");
    folder.call("update_note", json!({ "name": name, "content": "# Groceries\n" })).unwrap();
    let list = folder.call("list_notes", json!({})).unwrap();
    assert_eq!((&list["total"], &list["notes"][0]["title"]), (&json!(1), &json!("Groceries")));

    let gone = folder.call("delete_note", json!({ "name": name })).unwrap();
    assert_eq!(gone, json!({ "name": "shopping-list", "deleted": true }));
    assert_eq!(folder.files(), [""; 0]);
    let missing = folder.call("delete_note", json!({ "name": name })).unwrap_err();
    assert_eq!(missing, "there is no note `shopping-list`; list_notes gives the names");
}

#[test]
fn reading_answers_the_text_itself() {
    let folder = Folder::new();
    folder.write("a.md", "# A\nbody");
    let answers =
        folder.talk(&[("tools/call", json!({ "name": "read_note", "arguments": { "name": "a" } }))]);
    assert_eq!(answers[0]["result"]["content"], json!([{ "type": "text", "text": "# A\nbody" }]));
}

#[test]
fn hostile_titles_and_names_stay_in_the_folder() {
    let folder = Folder::new();
    fs::create_dir(folder.0.join("inner")).unwrap();
    let inner = Folder(folder.0.join("inner"));
    for title in
        ["../escape", "/etc/passwd", "..\\..\\x", ".bashrc", "a/../../b", "%2e%2e%2fx", "日本", "\u{202e}gpj"]
    {
        inner.call("create_note", json!({ "title": title, "content": "x" })).unwrap();
    }
    assert_eq!(folder.files(), ["inner"]);
    assert!(
        inner.files().iter().all(|file| file.ends_with(".md") && !file.starts_with('.')),
        "{:?}",
        inner.files()
    );
    folder.write("secret.md", "secret");
    for name in ["../secret", "..", ".", "/etc/passwd", "..%2Fsecret", "inner/../../secret", "a\u{0}b"] {
        let failed = inner.call("read_note", json!({ "name": name })).unwrap_err();
        assert!(failed.starts_with(&format!("there is no note `{name}`")), "{failed}");
        inner.call("delete_note", json!({ "name": name })).unwrap_err();
        inner.call("update_note", json!({ "name": name, "content": "x" })).unwrap_err();
    }
    let failed = inner.call("create_note", json!({ "title": "two\nlines", "content": "" })).unwrap_err();
    assert_eq!(failed, "argument `title` must be one line of visible text");
    assert_eq!(fs::read_to_string(folder.0.join("secret.md")).unwrap(), "secret");
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_not_followed() {
    let (folder, outside) = (Folder::new(), Folder::new());
    outside.write("secret.md", "secret");
    std::os::unix::fs::symlink(outside.0.join("secret.md"), folder.0.join("link.md")).unwrap();
    assert_eq!(folder.call("list_notes", json!({})).unwrap()["total"], 0);
    assert_eq!(folder.call("search_notes", json!({ "query": "secret" })).unwrap()["searched"], 0);
    for (tool, arguments) in [
        ("read_note", json!({ "name": "link" })),
        ("update_note", json!({ "name": "link", "content": "x" })),
        ("delete_note", json!({ "name": "link" })),
    ] {
        let failed = folder.call(tool, arguments).unwrap_err();
        assert!(failed.starts_with("there is no note `link`"), "{tool}: {failed}");
    }
    folder.call("create_note", json!({ "title": "link", "content": "x" })).unwrap_err();
    let answers = folder.talk(&[("resources/read", json!({ "uri": "note:///link" }))]);
    assert_eq!(answers[0]["error"]["code"], -32002);
    assert_eq!(fs::read_to_string(outside.0.join("secret.md")).unwrap(), "secret");
    assert_eq!(folder.files(), ["link.md"]);
}

#[test]
fn limits_have_sentences() {
    let folder = Folder::new();
    folder.write("big.md", "x".repeat(LARGEST + 1));
    folder.write("bytes.md", [0xff, 0xfe]);
    folder.write("full.md", "x".repeat(LARGEST - 1));
    let read = |name: &str| folder.call("read_note", json!({ "name": name })).unwrap_err();
    assert_eq!(read("big"), "note `big` is larger than 1048576 bytes");
    assert_eq!(read("bytes"), "note `bytes` is not UTF-8 text");
    let failed =
        folder.call("update_note", json!({ "name": "full", "content": "y", "mode": "append" })).unwrap_err();
    assert_eq!(failed, "the note would have 1048579 bytes; 1048576 are allowed");
    let failed = folder.call("create_note", json!({ "title": "x".repeat(201), "content": "" })).unwrap_err();
    assert_eq!(failed, "argument `title` must have at most 200 characters, not 201");
    let found = folder.call("search_notes", json!({ "query": "y" })).unwrap();
    assert_eq!(found["skipped"].as_array().unwrap().len(), 2, "{found}");
    let failed = folder.call("list_notes", json!({ "limit": 0 })).unwrap_err();
    assert_eq!(failed, "argument `limit` must be at least 1");
}

#[test]
fn search_ranks_titles_first_and_shows_lines() {
    let folder = Folder::new();
    folder.write("b.md", "# Garden\n\nplant Tomatoes in May\n\ntomatoes need sun");
    folder.write("Tomato Soup.md", "# Soup of tomatoes\n");
    folder.write("c.md", "# Other\n");
    folder.write("ignored.txt", "tomatoes");
    folder.write(".hidden.md", "tomatoes");
    let found = folder.call("search_notes", json!({ "query": "TOMATOES" })).unwrap();
    let names: Vec<_> = found["notes"].as_array().unwrap().iter().map(|note| note["name"].clone()).collect();
    assert_eq!(names, ["Tomato Soup", "b"]);
    assert_eq!(found["notes"][0]["uri"], "note:///Tomato%20Soup");
    assert_eq!(found["notes"][1]["lines"][0], json!({ "line": 3, "text": "plant Tomatoes in May" }));
    assert_eq!((&found["total"], &found["searched"]), (&json!(2), &json!(3)));
    let found = folder.call("search_notes", json!({ "query": "tomatoes sun" })).unwrap();
    assert_eq!((&found["total"], &found["notes"][0]["name"]), (&json!(1), &json!("b")));
}

#[test]
fn search_reports_progress_when_asked() {
    let folder = Folder::new();
    (0..60).for_each(|number| folder.write(&format!("{number:02}.md"), "text"));
    let call = json!({ "name": "search_notes", "arguments": { "query": "text" }, "_meta": { "progressToken": "t" } });
    let answers = folder.talk(&[("tools/call", call)]);
    let progress: Vec<_> =
        answers.iter().filter(|answer| answer["method"] == "notifications/progress").collect();
    let done: Vec<_> =
        progress.iter().map(|message| message["params"]["progress"].as_u64().unwrap()).collect();
    assert_eq!(done, [25, 50, 60]);
    assert_eq!(progress[0]["params"]["progressToken"], "t");
    assert_eq!(progress[0]["params"]["total"], 60);
    assert_eq!(answers.last().unwrap()["id"], 1, "nothing comes after the answer");
}

#[test]
fn resources_are_the_notes() {
    let folder = Folder::new();
    (0..150).for_each(|number| folder.write(&format!("note {number:03}.md"), format!("# Note {number}\n")));
    let first = &folder.talk(&[("resources/list", json!({}))])[0]["result"];
    assert_eq!(first["resources"].as_array().unwrap().len(), 100);
    assert_eq!(first["resources"][7]["uri"], "note:///note%20007");
    assert_eq!(first["resources"][7]["title"], "Note 7");
    assert_eq!(first["resources"][7]["mimeType"], "text/markdown");
    // A note that goes between two pages neither repeats nor hides another one.
    fs::remove_file(folder.0.join("note 099.md")).unwrap();
    let second = &folder.talk(&[("resources/list", json!({ "cursor": first["nextCursor"] }))])[0]["result"];
    assert_eq!(second["resources"].as_array().unwrap().len(), 50);
    assert_eq!(second["resources"][0]["name"], "note 100");
    assert_eq!(second.get("nextCursor"), None);

    let reference = json!({ "type": "ref/resource", "uri": "note:///{name}" });
    let answers = folder.talk(&[
        ("resources/read", json!({ "uri": "note:///note%20007" })),
        ("resources/read", json!({ "uri": "note:///..%2Fnote%20007" })),
        (
            "completion/complete",
            json!({ "ref": reference, "argument": { "name": "name", "value": "Note 14" } }),
        ),
        ("completion/complete", json!({ "ref": reference, "argument": { "name": "other", "value": "" } })),
    ]);
    let content = json!([{ "uri": "note:///note%20007", "mimeType": "text/markdown", "text": "# Note 7\n" }]);
    assert_eq!(answers[0]["result"]["contents"], content);
    assert_eq!(answers[1]["error"]["code"], -32002);
    assert_eq!(answers[1]["error"]["data"], json!({ "uri": "note:///..%2Fnote%20007" }));
    assert_eq!(answers[2]["result"]["completion"]["total"], 10);
    assert_eq!(answers[2]["result"]["completion"]["values"][0], "note 140");
    assert_eq!(answers[3]["error"]["code"], -32602);
}

#[test]
fn changes_are_announced_before_the_answer() {
    let folder = Folder::new();
    folder.write("a.md", "old");
    let methods: Vec<_> = folder
        .talk(&[
            ("resources/subscribe", json!({ "uri": "note:///a" })),
            ("tools/call", json!({ "name": "update_note", "arguments": { "name": "a", "content": "new" } })),
            ("tools/call", json!({ "name": "create_note", "arguments": { "title": "b", "content": "" } })),
            ("tools/call", json!({ "name": "delete_note", "arguments": { "name": "a" } })),
            ("resources/unsubscribe", json!({ "uri": "note:///a" })),
            ("tools/call", json!({ "name": "create_note", "arguments": { "title": "a", "content": "" } })),
            ("tools/call", json!({ "name": "create_note", "arguments": { "title": "a", "content": "" } })),
        ])
        .iter()
        .map(|message| message["method"].as_str().map_or(message["id"].to_string(), str::to_owned))
        .collect();
    let (changed, updated) = ("notifications/resources/list_changed", "notifications/resources/updated");
    assert_eq!(methods, ["1", updated, "2", changed, "3", changed, updated, "4", "5", changed, "6", "7"]);
}

#[test]
fn the_prompt_brings_the_notes_along() {
    let folder = Folder::new();
    folder.write("a.md", "about cats");
    let get =
        |topic: &str| ("prompts/get", json!({ "name": "summarize_notes", "arguments": { "topic": topic } }));
    let answers =
        folder.talk(&[get("cats"), get("dogs"), ("prompts/get", json!({ "name": "summarize_notes" }))]);
    let messages = &answers[0]["result"]["messages"];
    assert_eq!(messages.as_array().unwrap().len(), 2);
    assert_eq!(messages[1]["content"]["resource"]["text"], "about cats");
    assert!(
        answers[1]["result"]["messages"][0]["content"]["text"]
            .as_str()
            .unwrap()
            .starts_with("I have no note")
    );
    assert_eq!(answers[2]["error"]["message"], "argument `topic` is required");
}
