//! The vectors of section 7.7 of the reference, and what is said about a catalogue.

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

/// The example of section 7.2 of the reference, and the fields it leaves out.
#[test]
fn every_field_is_kept() {
    let (catalog, warnings) = Catalog::parse(include_str!("example.yaml"), "example.yaml").unwrap();
    assert_eq!(warnings, []);
    let [notes, remote, kit, rest] = catalog.servers.as_slice() else { panic!("{:?}", catalog.servers) };
    let text = |text: &str| text.to_owned();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let variable = |name: &str, value: &str| EnvVariable { name: text(name), value: text(value) };
    let secret = |name: &str, env: &str| ServerSecret { name: text(name), env: text(env) };
    let argument = |name: &str, value_type: &str, description: &str| ToolArgument {
        name: text(name),
        value_type: text(value_type),
        description: text(description),
        ..ToolArgument::default()
    };
    let property = |value_type: &str, description: &str, items: Option<&str>| ToolProperty {
        value_type: text(value_type),
        description: text(description),
        items_type: items.map(text),
    };

    assert_eq!((notes.place.line, notes.place.column), (3, 3));
    let [schema] = notes.config.as_slice() else { panic!("{:?}", notes.config) };
    assert_eq!(
        schema.to_string(),
        concat!(
            r#"{"name":"acme-notes","description":"Acme settings","type":"object","properties":"#,
            r#"{"base_url":{"type":"string","description":"API root"},"#,
            r#""paths":{"type":"array","items":{"type":"string"}}},"required":["base_url"]}"#
        )
    );
    let expected = Server {
        title: text("Acme Notes"),
        declared_type: text("server"),
        image: format!("mcp/acme-notes@sha256:{}", "0".repeat(64)),
        description: text("Search and edit Acme notes."),
        secrets: vec![secret("acme-notes.token", "ACME_TOKEN")],
        env: vec![
            variable("ACME_URL", "{{acme-notes.base_url}}"),
            variable("ACME_HEADER", "Bearer $ACME_TOKEN"),
        ],
        command: texts(&["--root", "/data", "{{acme-notes.extra|into}}"]),
        volumes: texts(&["{{acme-notes.paths|volume|into}}", "acme-cache:/cache"]),
        user: text("{{acme-notes.uid}}"),
        allow_hosts: texts(&["api.acme.example:443", "db.acme.example:5432/tcp"]),
        config: vec![schema.clone()],
        ..Server::named("acme-notes")
    };
    assert_eq!(*notes, expected);

    let expected = Server {
        declared_type: text("remote"),
        remote: Some(Remote {
            url: text("https://mcp.acme.example/mcp"),
            transport_type: text("streamable-http"),
            headers: vec![(text("Authorization"), text("Bearer ${ACME_REMOTE_TOKEN}"))],
        }),
        secrets: vec![secret("acme-remote.token", "ACME_REMOTE_TOKEN")],
        ..Server::named("acme-remote")
    };
    assert_eq!(*remote, expected);

    let tool = Tool {
        name: text("to_png"),
        description: text("Convert a picture."),
        parameters: Some(ToolParameters {
            value_type: text("object"),
            properties: vec![
                (text("path"), property("string", "Input file", None)),
                (text("flags"), property("array", "Extra flags", Some("string"))),
            ],
            required: texts(&["path"]),
        }),
        container: Some(ToolContainer {
            image: format!("acme/convert@sha256:{}", "1".repeat(64)),
            command: texts(&["convert", "{{path}}", "{{flags|into}}", "/out/out.png"]),
            volumes: texts(&["{{path|volume}}"]),
            user: text("1000"),
        }),
        ..Tool::default()
    };
    assert_eq!(*kit, Server { declared_type: text("poci"), tools: vec![tool], ..Server::named("acme-kit") });

    let policy = |allowed: bool| {
        Some(Value::Map(Map {
            entries: vec![(text("allowed"), Value::Bool(allowed))],
            has_other_keys: false,
        }))
    };
    let tool = Tool {
        name: text("search"),
        arguments: vec![
            argument("q", "string", "What to look for"),
            ToolArgument {
                items_type: Some(text("string")),
                optional: true,
                ..argument("tags", "array", "Labels")
            },
        ],
        annotations: Some(ToolAnnotations {
            title: text("Search"),
            read_only_hint: Some(true),
            destructive_hint: Some(false),
            idempotent_hint: Some(true),
            open_world_hint: Some(false),
        }),
        policy: policy(false),
        ..Tool::default()
    };
    let expected = Server {
        declared_name: text("rest"),
        icon: text("https://acme.example/icon.svg"),
        readme: text("https://acme.example/readme.md"),
        long_lived: true,
        sse_endpoint: text("https://mcp.acme.example/sse"),
        oauth: Some(OAuth {
            providers: vec![OAuthProvider {
                provider: text("acme"),
                secret: text("acme.token"),
                env: text("ACME_TOKEN"),
            }],
            scopes: texts(&["read", "write"]),
        }),
        disable_network: true,
        extra_hosts: texts(&["host.docker.internal:host-gateway"]),
        prefix: text("acme"),
        metadata: Some(Metadata {
            pulls: 12,
            stars: 3,
            github_stars: 4,
            category: text("notes"),
            tags: texts(&["community"]),
            license: text("MIT"),
            owner: text("acme"),
            registry_url: text("https://hub.acme.example"),
        }),
        policy: policy(true),
        tools: vec![tool],
        ..Server::named("acme-rest")
    };
    assert_eq!(*rest, expected);
}

#[test]
fn what_is_wrong_is_said_at_once() {
    let text = "\
registry:
  notes:
    image: [mcp/notes]
    longLived: 'true'
    command: --verbose
    env:
      - {name: URL, value: {{notes.url}}}
      - URL=x
    metadata: {pulls: many}
    remote: https://mcp.example
  notes:
    volumes: [{a: b}]
  x: y
";
    insta::assert_snapshot!(problems(text), @r"
    catalog.yaml:3:12: `image` must be text, not a list
    catalog.yaml:4:16: `longLived` must be `true` or `false`, not text
      hint: remove the quotes
    catalog.yaml:5:14: `command` must be a list, not text
      hint: write a list, also of one: `command: [...]`
    catalog.yaml:7:28: `value` must be text, not a map
      hint: put quotes around a template: `'{{name.key}}'`
    catalog.yaml:8:9: each of `env` must be a map, not text
      hint: it has the keys `name`, `value`
    catalog.yaml:9:23: `pulls` must be a whole number, not text
    catalog.yaml:10:13: `remote` must be a map, not text
      hint: it has the keys `url`, `transport_type`, `headers`
    catalog.yaml:11:3: the key `notes` is already defined at line 2
      hint: keep one of the two
    catalog.yaml:12:15: each of `volumes` must be text, not a map
    catalog.yaml:13:6: `x` in `registry` must be a map, not text
    ");
    insta::assert_snapshot!(problems("[]"), @r"
    catalog.yaml:1:1: a catalogue must be a map, not a list
      hint: it has the keys `name`, `displayName`, `version`, `registry`, `policy`
    ");
}

#[test]
fn what_has_no_effect_is_said() {
    let text = "\
registry:
  a:
    Image: i
    image: i
    folders: []
    zzz: 1
    dateAdded: x
    ref: x
    toolsUrl: x
    source: {}
    upstream: x
    prompts: 3
    resources: {}
    dynamic: {tools: true}
    secrets: [{name: s, env: S, example: x, description: x, required: true, value: x}]
    remote: {transportType: sse}
servers: {}
";
    insta::assert_snapshot!(warnings(text), @r"
    catalog.yaml:3:5: unknown key `Image`
      hint: did you mean `image`?
    catalog.yaml:5:5: unknown key `folders`
      hint: a catalogue cannot say this; it belongs under `servers:` in `gateway.yaml`
    catalog.yaml:6:5: unknown key `zzz`
    catalog.yaml:15:77: unknown key `value`
      hint: known here: `name`, `env`
    catalog.yaml:16:14: unknown key `transportType`
      hint: did you mean `transport_type`?
    catalog.yaml:17:1: unknown key `servers`
      hint: the servers of a catalogue stand under `registry:`; rename the key
    ");
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
