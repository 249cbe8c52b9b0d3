//! The vectors of section 7.7 of the reference.

mod fields;
mod said;

use super::*;
use crate::server::{
    EnvVariable, Kind, Metadata, OAuth, OAuthProvider, Remote, RemoteTransport, ServerSecret, Tool,
    ToolAnnotations, ToolArgument, ToolContainer, ToolParameters, ToolProperty,
};
use crate::yaml::Map;

fn parse(text: &str) -> Catalog {
    match Catalog::parse(text, "catalog.yaml") {
        Ok((catalog, _)) => catalog,
        Err(problems) => panic!("{text}: {problems}"),
    }
}

/// What is wrong with a catalogue.
fn problems(text: &str) -> String {
    match Catalog::parse(text, "catalog.yaml") {
        Ok(_) => panic!("`{text}` was accepted"),
        Err(problems) => problems.to_string(),
    }
}

fn warnings(text: &str) -> String {
    let (_, warnings) = Catalog::parse(text, "catalog.yaml").unwrap();
    warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn names(text: &str) -> Vec<String> {
    parse(text).servers.into_iter().map(|server| server.name).collect()
}

/// The server with these fields.
fn server(fields: &str) -> Server {
    let mut catalog = parse(&format!("registry:\n  a: {{{fields}}}\n"));
    assert_eq!(catalog.servers.len(), 1);
    catalog.servers.remove(0)
}

fn refused(fields: &str) {
    problems(&format!("registry:\n  a: {{{fields}}}\n"));
}

#[test]
fn which_servers() {
    for text in ["", "{}", "null", "registry:", "registry: null", "servers: {a: {image: i}}"] {
        assert!(names(text).is_empty(), "{text}");
    }
    for text in ["[]", "x", "registry: []", "registry: x", "registry: {a: []}", "registry: {a: x}"] {
        problems(text);
    }
    assert_eq!(parse("registry: {a: null}").servers, [Server::named("a")]);
    assert_eq!(server("image: i, unknown: 1").image, "i");
    problems("registry: {a: {image: i}, a: {image: j}}");
    for hidden in [r"a\e[2J", r"a\nb", r"a\u202eb", r"a\u200bb"] {
        problems(&format!("registry: {{\"{hidden}\": {{image: i}}}}"));
    }
    assert_eq!(names("registry: {' zeit für mich ': {image: i}}"), [" zeit für mich "]);
    assert_eq!(names("registry: {1: {image: i}, true: {image: i}, '': {image: i}}"), ["1", "true", ""]);
    assert!(names("registry: {null: {image: i}}").is_empty());
    assert_eq!(names("registry: {a: {image: i}}\n---\nregistry: {b: {image: i}}\n"), ["a"]);
    assert_eq!(names("registry: {z: {}, a: {}, m: {}}"), ["z", "a", "m"]);
    problems("registry:\n\ta: {image: i}");
    assert_eq!(server("type: nonsense, image: i").image, "i");
    assert_eq!(parse("name: 5").name, "5");
    problems("name: [a]");
    assert_eq!(parse("version: [1]\ndisplayName: D").display_name, "D");
}

#[test]
fn text_keeps_its_source() {
    for text in ["5", "1.10", "true", "0x10", "010", "1_000", "yes", "2024-01-02"] {
        assert_eq!(server(&format!("image: {text}")).image, text);
    }
    for text in ["null", "~", ""] {
        assert_eq!(server(&format!("image: {text}")).image, "", "{text}");
    }
    refused("image: [x]");
    refused("image: {x: y}");
    assert_eq!(server("image: !foo x").image, "x");
    assert_eq!(server("image: !!int 5").image, "5");
    for text in ["1000", "1000:1000", "12:30:45", "0"] {
        assert_eq!(server(&format!("user: {text}")).user, text);
    }
}

#[test]
fn flags() {
    for text in ["yes", "on", "y", "TRUE", "'yes'", "Yes", "ON", "True", "true", "\"on\""] {
        assert!(server(&format!("longLived: {text}")).long_lived, "{text}");
    }
    for text in ["'true'", "1", "0", "[]", "maybe", "'TRUE'"] {
        refused(&format!("longLived: {text}"));
    }
    for text in ["no", "null", "", "off", "N", "false", "'no'"] {
        assert!(!server(&format!("longLived: {text}")).long_lived, "{text}");
    }
}

#[test]
fn lists() {
    assert_eq!(
        server("command: [1, 2.5, true, null, x, 1e3, 0x1F, 1.10]").command,
        ["1", "2.5", "true", "x", "1e3", "0x1F", "1.10"]
    );
    for text in ["x", "'a b'", "[[a]]", "[{a: b}]", "[{{a.b}}]", "{}"] {
        refused(&format!("command: {text}"));
    }
    assert!(server("command: null").command.is_empty());
    assert_eq!(server("command: ['', a]").command, ["", "a"]);
    assert_eq!(server("volumes: [a:b]").volumes, ["a:b"]);
    assert_eq!(parse("registry:\n  a:\n    volumes:\n      - a:b\n").servers[0].volumes, ["a:b"]);
    refused("volumes: [{a: b}]");
    refused("allowHosts: h:443");
    assert_eq!(server("allowHosts: [h:443, h:22/tcp]").allow_hosts, ["h:443", "h:22/tcp"]);
}

#[test]
fn environment_and_secrets() {
    let variable = |value: &str| EnvVariable { name: "A".to_owned(), value: value.to_owned() };
    for text in ["{A: b}", "[A=b]", "x"] {
        refused(&format!("env: {text}"));
    }
    for (text, value) in
        [("1", "1"), ("true", "true"), ("1.10", "1.10"), ("null", ""), ("'{{a.b}}'", "{{a.b}}")]
    {
        assert_eq!(server(&format!("env: [{{name: A, value: {text}}}]")).env, [variable(value)], "{text}");
    }
    assert_eq!(server("env: [{name: A}]").env, [variable("")]);
    assert!(server("env: [null]").env.is_empty());
    refused("env: [{name: A, value: {{a.b}}}]");
    refused("secrets: [x]");
    refused("secrets: {}");
    assert_eq!(server("secrets: [{name: s, env: S}]").secrets[0].env, "S");
}

#[test]
fn remotes() {
    let remote = server("remote: {headers: {A: 1, B: true, C: null}}").remote.unwrap();
    let expected = [("A", "1"), ("B", "true"), ("C", "")];
    assert_eq!(remote.headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    refused("remote: u");
    assert_eq!(server("remote: null").remote, None);
    for (word, transport) in [
        ("sse", RemoteTransport::Sse),
        ("SSE", RemoteTransport::Sse),
        ("http", RemoteTransport::Streaming),
        ("Streamable", RemoteTransport::Streaming),
        ("streaming", RemoteTransport::Streaming),
        ("streamable-http", RemoteTransport::Streaming),
    ] {
        let server = server(&format!("remote: {{url: u, transport_type: {word}}}"));
        assert_eq!(server.endpoint().unwrap().unwrap().transport, transport, "{word}");
    }
    for word in ["", "websocket"] {
        server(&format!("remote: {{url: u, transport_type: '{word}'}}")).endpoint().unwrap_err();
    }
    let both = server("sseEndpoint: s, remote: {url: u, transport_type: http, headers: {A: b}}");
    let endpoint = both.endpoint().unwrap().unwrap();
    assert_eq!((endpoint.url, endpoint.transport, endpoint.headers.len()), ("s", RemoteTransport::Sse, 1));
    assert_eq!(server("image: i").endpoint(), Ok(None));
}

#[test]
fn other_forms() {
    refused("config: {name: x}");
    refused("tools: [t]");
    refused("tools: {t: {}}");
    refused("metadata: {pulls: '5'}");
    refused("metadata: {pulls: x}");
    refused("policy: x");
    assert_eq!(server("metadata: {pulls: 1.5}").metadata.unwrap().pulls, 1);
    assert_eq!(server("prompts: 3, resources: {}"), Server::named("a"));
    let merged = parse("b: &x {image: i, user: u}\nregistry: {a: {<<: *x, user: v}}").servers.remove(0);
    assert_eq!((merged.image.as_str(), merged.user.as_str()), ("i", "v"));
    problems("registry: {a: *nope}");
    assert_eq!(parse(r#"{"registry":{"a":{"image":"i"}}}"#).servers[0].image, "i");
    assert_eq!(parse("\u{FEFF}registry: {a: {image: i}}").servers[0].image, "i");
}

/// Section 7.4 of the reference.
#[test]
fn kinds() {
    let cases = [
        ("image: i", Kind::Image),
        ("sseEndpoint: u", Kind::Remote),
        ("remote: {url: u}", Kind::Remote),
        ("type: remote, image: i, remote: {url: u}", Kind::Remote),
        ("type: remote, image: i", Kind::Image),
        ("", Kind::ToolContainers),
        ("tools: [{name: t}, {name: t}]", Kind::ToolContainers),
        ("remote: {transport_type: sse}", Kind::ToolContainers),
    ];
    for (fields, kind) in cases {
        assert_eq!(server(fields).kind(), kind, "{fields}");
    }
    assert_eq!(parse("registry: {a: null}").servers[0].kind(), Kind::ToolContainers);
    assert!(server("").tool_containers().is_empty());
    let twice = server("tools: [{name: t, description: x}, {name: t, description: y}]");
    let tools: Vec<&str> = twice.tool_containers().iter().map(|tool| tool.description.as_str()).collect();
    assert_eq!(tools, ["y"]);
    assert_eq!(Server::named("io.acme/x.y").canonical_name(), "io_acme/x_y");
    let catalog = parse("registry: {a: {}}");
    assert!(catalog.get(" a ").is_some() && catalog.get("A").is_none());
}

#[test]
fn the_last_catalogue_wins() {
    let parse = |text, file| Catalog::parse(text, file).unwrap().0;
    let (merged, warnings) = Catalog::merge([
        parse("registry: {a: {image: one, user: u}, b: {image: one}}", "one.yaml"),
        parse("registry: {c: {image: two}, a: {image: two}}", "two.yaml"),
    ]);
    let servers: Vec<_> =
        merged.servers.iter().map(|s| (s.name.as_str(), s.image.as_str(), s.user.as_str())).collect();
    assert_eq!(servers, [("a", "two", ""), ("b", "one", ""), ("c", "two", "")]);
    let texts: Vec<&str> = warnings.iter().map(|warning| warning.what.as_str()).collect();
    assert_eq!(texts, ["overlapping key 'a' found in catalog 'two.yaml', overwriting previous value"]);
    assert_eq!(Catalog::merge([]), (Catalog::default(), Vec::new()));
}

#[test]
fn an_entry_that_only_moved_is_the_same() {
    assert_eq!(
        parse("registry: {a: {image: i}}").servers,
        parse("\n\nregistry:\n  a:\n    image: i\n").servers
    );
}

#[test]
fn a_large_catalogue_is_read() {
    let example = include_str!("example.yaml");
    let entry = example.split_once("  acme-remote:").unwrap().0.split_once("acme-notes:\n").unwrap().1;
    let mut text = "registry:\n".to_owned();
    for n in 0..300 {
        text.push_str(&format!("  server-{n}:\n{entry}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.yaml");
    std::fs::write(&path, &text).unwrap();
    let (catalog, warnings) = Catalog::load(&path).unwrap();
    assert_eq!((catalog.servers.len(), warnings.len()), (300, 0));
    assert_eq!(catalog.servers[299].secrets.len(), 1);
    Catalog::load(folder.path()).unwrap_err();
}
