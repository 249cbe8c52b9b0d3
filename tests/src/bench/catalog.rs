//! Reading a catalogue of the size that Docker's has.

use super::report::{Report, Row};
use super::{Effort, median, millis};
use std::fmt::Write as _;
use std::time::Instant;

const ENTRIES: usize = 300;

/// Load of a catalogue from a file, beside reading the same entries as JSON.
///
/// # Panics
/// The catalogue is refused.
pub fn measure(report: &mut Report, effort: Effort) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.yaml");
    std::fs::write(&file, text()).unwrap();
    let (catalog, warnings) = host_config::Catalog::load(&file).unwrap();
    assert_eq!((catalog.servers.len(), warnings.len()), (ENTRIES, 0), "{warnings:?}");
    let json = json();
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds * 4 {
        let begin = Instant::now();
        let loaded = host_config::Catalog::load(&file).unwrap();
        ours.push(millis(begin.elapsed()));
        drop(loaded);
        let begin = Instant::now();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        beside.push(millis(begin.elapsed()));
        drop(value);
    }
    report.add(
        Row::new(format!("load of a catalogue of {ENTRIES} entries"), "ms", median(ours))
            .at_most(50.0, None)
            .beside("the same entries as JSON values", median(beside)),
    );
}

fn text() -> String {
    let mut text = String::from("name: bench\nregistry:\n");
    for n in 0..ENTRIES {
        let _ = write!(
            text,
            "  server-{n}:
    description: Does what number {n} does, as one of many
    title: Server {n}
    type: server
    image: acme/server-{n}@sha256:{n:064x}
    secrets: [{{name: server-{n}.token, env: TOKEN_{n}, example: 'token'}}]
    env: [{{name: MODE, value: quiet}}, {{name: URL, value: 'https://acme.example/{n}'}}]
    command: [--transport=stdio, --level=info]
    allowHosts: ['api.acme.example:443']
    tools: [{{name: read_{n}}}, {{name: write_{n}}}, {{name: list_{n}}}]
    metadata: {{category: productivity, tags: [one, two, three], license: Apache-2.0, owner: acme, pulls: {n}, stars: 3}}
"
        );
    }
    text
}

fn json() -> String {
    let servers: serde_json::Map<String, serde_json::Value> = (0..ENTRIES)
        .map(|n| {
            let entry = serde_json::json!({
                "description": format!("Does what number {n} does, as one of many"), "title": format!("Server {n}"),
                "type": "server", "image": format!("acme/server-{n}@sha256:{n:064x}"),
                "secrets": [{"name": format!("server-{n}.token"), "env": format!("TOKEN_{n}"), "example": "token"}],
                "env": [{"name": "MODE", "value": "quiet"}, {"name": "URL", "value": format!("https://acme.example/{n}")}],
                "command": ["--transport=stdio", "--level=info"], "allowHosts": ["api.acme.example:443"],
                "tools": [{"name": format!("read_{n}")}, {"name": format!("write_{n}")}, {"name": format!("list_{n}")}],
                "metadata": {"category": "productivity", "tags": ["one", "two", "three"], "license": "Apache-2.0",
                    "owner": "acme", "pulls": n, "stars": 3},
            });
            (format!("server-{n}"), entry)
        })
        .collect();
    serde_json::json!({"registry": servers}).to_string()
}
