//! The tools and the prompt.

use std::rc::Rc;

use serde_json::{Value, json};
use server_kit::{Arguments, Call, Prompt, Server, Tool, ToolOutput, nearest, object};

use crate::name::Name;
use crate::resources::{Notes, content};
use crate::store::{Entry, LARGEST, Store};

const LONGEST_TITLE: usize = 200;
const LONGEST_QUERY: usize = 200;
/// How many notes a list shows when it is not said.
const LISTED: i64 = 100;
/// How many notes a search shows when it is not said.
const SEARCHED: i64 = 20;
/// A search reports progress each time it has read so many notes.
const PROGRESS_EVERY: usize = 25;
/// How much a prompt may hold: whole notes, until the next would not fit.
const PROMPT_NOTES: usize = 20;
const PROMPT_BYTES: usize = 128 * 1024;

/// A handler of a tool on a store.
type Handler = fn(&Store, &Arguments<'_>, &mut Call<'_>) -> Result<ToolOutput, String>;

/// The server over a store.
pub(crate) fn server(store: Store) -> Server {
    let store = Rc::new(store);
    let tool = |name: &str, title: &str, description: &str, input: Value, handler: Handler| {
        let store = Rc::clone(&store);
        Tool::new(name, title, description, input, move |arguments, call| handler(&store, arguments, call))
    };
    let title = json!({ "type": "string", "minLength": 1, "maxLength": LONGEST_TITLE,
        "description": "A title of one line; the name of the note is made from it" });
    let name = json!({ "type": "string", "minLength": 1, "maxLength": 200,
        "description": "The name of the note, as lists and searches give it" });
    let content = json!({ "type": "string", "maxLength": LARGEST, "description": "Markdown" });
    let query = json!({ "type": "string", "minLength": 1, "maxLength": LONGEST_QUERY,
        "description": "Words that must all be in the note, in any order and case" });
    let prompt = {
        let store = Rc::clone(&store);
        Prompt::new(
            "summarize_notes",
            "Summarize notes",
            "Summarizes what the notes say about a topic.",
            &[("topic", "What the summary is about: words that must all be in a note", true)],
            move |arguments| summarize(&store, arguments),
        )
    };
    Server::new("notes", "Notes", env!("CARGO_PKG_VERSION"))
        .instructions(
            "Keeps Markdown notes for the user, one file each, which people may edit as well. Search before creating, so \
             that one subject has one note. Each note is also a resource, note:///name.",
        )
        .tool(
            tool(
                "create_note",
                "Create a note",
                "Creates a note with a title. Fails if there is one of the same name.",
                object(json!({ "title": title, "content": content }), &["title", "content"]),
                create,
            )
            .changes(false, false)
            .output(note_schema(json!({}), &[])),
        )
        .tool(
            tool(
                "read_note",
                "Read a note",
                "Reads a note: its whole Markdown text, the title as first heading.",
                object(json!({ "name": name }), &["name"]),
                read,
            )
            .output(note_schema(json!({ "content": { "type": "string" } }), &["content"])),
        )
        .tool(
            tool(
                "update_note",
                "Update a note",
                "Replaces the whole text of a note, or appends to it. Replacing keeps nothing, so give the heading too.",
                object(
                    json!({
                        "name": name,
                        "content": content,
                        "mode": { "type": "string", "enum": ["replace", "append"],
                            "description": "`replace`, the default, or `append` after an empty line" },
                    }),
                    &["name", "content"],
                ),
                update,
            )
            .changes(true, false)
            .output(note_schema(json!({}), &[])),
        )
        .tool(
            tool(
                "list_notes",
                "List notes",
                "Lists the notes by name.",
                object(
                    json!({
                        "limit": { "type": "integer", "minimum": 1, "maximum": 1000,
                            "description": format!("At most so many, {LISTED} if left out") },
                        "after": { "type": "string", "description": "Only names after this one, to continue a list" },
                    }),
                    &[],
                ),
                list,
            )
            .output(list_schema()),
        )
        .tool(
            tool(
                "search_notes",
                "Search notes",
                "Finds the notes that contain all words of a query, the best first, with the lines that matched.",
                object(
                    json!({
                        "query": query,
                        "limit": { "type": "integer", "minimum": 1, "maximum": 100,
                            "description": format!("At most so many notes, {SEARCHED} if left out") },
                    }),
                    &["query"],
                ),
                search,
            )
            .output(search_schema()),
        )
        .tool(
            tool(
                "delete_note",
                "Delete a note",
                "Deletes a note for good.",
                object(json!({ "name": name }), &["name"]),
                delete,
            )
            .changes(true, true)
            .output(object(
                json!({ "name": { "type": "string" }, "deleted": { "type": "boolean" } }),
                &["name", "deleted"],
            )),
        )
        .prompt(prompt)
        .resources(Notes(store))
}

fn create(store: &Store, arguments: &Arguments<'_>, call: &mut Call<'_>) -> Result<ToolOutput, String> {
    let title = arguments.text("title").unwrap_or_default().trim();
    if title.is_empty() || title.contains(char::is_control) {
        return Err("argument `title` must be one line of visible text".into());
    }
    let content = arguments.text("content").unwrap_or_default().trim_matches('\n');
    let name = Name::from_title(title);
    let text = if content.starts_with("# ") {
        format!("{content}\n")
    } else if content.is_empty() {
        format!("# {title}\n")
    } else {
        format!("# {title}\n\n{content}\n")
    };
    check_size(&text)?;
    if !store.create(&name, &text)? {
        return Err(format!("there is a note `{name}` already: update that one, or choose another title"));
    }
    call.resources_changed();
    call.resource_updated(&name.uri());
    let entry = describe(&store.entry(name));
    Ok(ToolOutput::new(entry))
}

fn read(store: &Store, arguments: &Arguments<'_>, _: &mut Call<'_>) -> Result<ToolOutput, String> {
    let (name, text) = existing(store, arguments)?;
    let mut entry = describe(&store.entry(name));
    if let Some(entry) = entry.as_object_mut() {
        entry.insert("content".into(), text.as_str().into());
    }
    Ok(ToolOutput::with_text(entry, text))
}

fn update(store: &Store, arguments: &Arguments<'_>, call: &mut Call<'_>) -> Result<ToolOutput, String> {
    let (name, old) = existing(store, arguments)?;
    let content = arguments.text("content").unwrap_or_default();
    let text = match arguments.text("mode") {
        Some("append") => format!("{}\n\n{}\n", old.trim_end_matches('\n'), content.trim_matches('\n')),
        _ => content.to_owned(),
    };
    check_size(&text)?;
    store.replace(&name, &text)?;
    call.resource_updated(&name.uri());
    let entry = describe(&store.entry(name));
    Ok(ToolOutput::new(entry))
}

fn list(store: &Store, arguments: &Arguments<'_>, _: &mut Call<'_>) -> Result<ToolOutput, String> {
    let names = store.names()?;
    let total = names.len();
    let limit = limit(arguments, LISTED);
    let after = arguments.text("after").unwrap_or_default();
    let mut rest = names.into_iter().filter(|name| name.as_str() > after).peekable();
    let notes: Vec<Value> = rest.by_ref().take(limit).map(|name| describe(&store.entry(name))).collect();
    let more = rest.peek().is_some();
    Ok(ToolOutput::new(json!({ "notes": notes, "total": total, "more": more })))
}

fn search(store: &Store, arguments: &Arguments<'_>, call: &mut Call<'_>) -> Result<ToolOutput, String> {
    let query = arguments.text("query").unwrap_or_default();
    if query.trim().is_empty() {
        return Err("argument `query` must have a word".into());
    }
    let search = store.search(query, |done, total| {
        if done % PROGRESS_EVERY == 0 || done == total {
            call.progress(done as u64, total as u64, &format!("searched {done} of {total} notes"));
        }
    })?;
    let total = search.found.len();
    let found: Vec<Value> = search
        .found
        .into_iter()
        .take(limit(arguments, SEARCHED))
        .map(|found| {
            let lines: Vec<Value> =
                found.excerpts.into_iter().map(|(line, text)| json!({ "line": line, "text": text })).collect();
            json!({ "name": found.name.as_str(), "title": found.title, "uri": found.name.uri(), "lines": lines })
        })
        .collect();
    let skipped: Vec<Value> = search
        .skipped
        .iter()
        .map(|(name, cause)| json!({ "name": name.as_str(), "reason": cause }))
        .collect();
    let searched = search.searched;
    Ok(ToolOutput::new(json!({ "notes": found, "total": total, "searched": searched, "skipped": skipped })))
}

fn delete(store: &Store, arguments: &Arguments<'_>, call: &mut Call<'_>) -> Result<ToolOutput, String> {
    let name = name(store, arguments)?;
    if !store.delete(&name)? {
        return Err(missing(store, name.as_str()));
    }
    call.resources_changed();
    call.resource_updated(&name.uri());
    Ok(ToolOutput::new(json!({ "name": name.as_str(), "deleted": true })))
}

fn summarize(store: &Store, arguments: &Arguments<'_>) -> Result<Vec<Value>, String> {
    let topic = arguments.text("topic").unwrap_or_default();
    let found = store.search(topic, |_, _| {})?.found;
    let message = |content: Value| json!({ "role": "user", "content": content });
    let say = |text: String| message(json!({ "type": "text", "text": text }));
    let total = found.len();
    let mut notes = Vec::new();
    let mut size = 0;
    for found in found.into_iter().take(PROMPT_NOTES) {
        let Some(text) = store.read(&found.name)? else { continue };
        size += text.len();
        if size > PROMPT_BYTES && !notes.is_empty() {
            break;
        }
        notes.push(message(json!({ "type": "resource", "resource": content(&found.name.uri(), &text) })));
    }
    let mut messages = vec![match (notes.len(), total) {
        (0, _) => {
            say(format!("I have no note about {topic}. Say so, and suggest what such a note could hold."))
        }
        (shown, total) if shown < total => say(format!(
            "Summarize what my notes say about {topic}, naming the note each point is from. These are the {shown} best \
             of {total}; search_notes finds the others."
        )),
        _ => say(format!("Summarize what my notes say about {topic}, naming the note each point is from.")),
    }];
    messages.append(&mut notes);
    Ok(messages)
}

/// The note that a call names, with its text.
fn existing(store: &Store, arguments: &Arguments<'_>) -> Result<(Name, String), String> {
    let name = name(store, arguments)?;
    match store.read(&name)? {
        Some(text) => Ok((name, text)),
        None => Err(missing(store, name.as_str())),
    }
}

/// A name that could not be that of a note is answered like one that is not there: both are.
fn name(store: &Store, arguments: &Arguments<'_>) -> Result<Name, String> {
    let name = arguments.text("name").unwrap_or_default();
    Name::new(name).ok_or_else(|| missing(store, name))
}

fn missing(store: &Store, name: &str) -> String {
    match store.names() {
        Err(cause) => cause,
        Ok(names) => match nearest(name, names.iter().map(Name::as_str), 3) {
            near if near.is_empty() => format!("there is no note `{name}`; list_notes gives the names"),
            near => format!("there is no note `{name}`; the nearest names are `{}`", near.join("`, `")),
        },
    }
}

fn check_size(text: &str) -> Result<(), String> {
    let size = text.len();
    if size <= LARGEST {
        Ok(())
    } else {
        Err(format!("the note would have {size} bytes; {LARGEST} are allowed"))
    }
}

fn limit(arguments: &Arguments<'_>, usual: i64) -> usize {
    usize::try_from(arguments.integer("limit").unwrap_or(usual)).unwrap_or(1)
}

fn describe(entry: &Entry) -> Value {
    let mut note = json!({
        "name": entry.name.as_str(),
        "title": entry.title,
        "uri": entry.name.uri(),
        "size": entry.size,
    });
    if let (Some(modified), Some(note)) = (&entry.modified, note.as_object_mut()) {
        note.insert("modified".into(), modified.as_str().into());
    }
    note
}

/// The schema of a note as [`describe`] gives it, with further fields.
fn note_schema(further: Value, required: &[&str]) -> Value {
    let mut properties = json!({
        "name": { "type": "string" },
        "title": { "type": "string" },
        "uri": { "type": "string" },
        "size": { "type": "integer", "description": "Bytes" },
        "modified": { "type": "string", "description": "ISO 8601, in UTC; only where it is known" },
    });
    if let (Some(properties), Value::Object(further)) = (properties.as_object_mut(), further) {
        properties.extend(further);
    }
    object(properties, &[&["name", "title", "uri", "size"], required].concat())
}

fn list_schema() -> Value {
    object(
        json!({
            "notes": { "type": "array", "items": note_schema(json!({}), &[]) },
            "total": { "type": "integer" },
            "more": { "type": "boolean", "description": "Continue with `after` set to the last name" },
        }),
        &["notes", "total", "more"],
    )
}

fn search_schema() -> Value {
    let text = json!({ "type": "string" });
    let line = object(json!({ "line": { "type": "integer" }, "text": text }), &["line", "text"]);
    let note = object(
        json!({ "name": text, "title": text, "uri": text, "lines": { "type": "array", "items": line } }),
        &["name", "title", "uri", "lines"],
    );
    let skipped = object(json!({ "name": text, "reason": text }), &["name", "reason"]);
    object(
        json!({
            "notes": { "type": "array", "items": note },
            "total": { "type": "integer", "description": "How many were found" },
            "searched": { "type": "integer", "description": "How many were read" },
            "skipped": { "type": "array", "items": skipped, "description": "Notes that could not be read" },
        }),
        &["notes", "total", "searched", "skipped"],
    )
}
