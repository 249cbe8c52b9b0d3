//! Every field of an entry is kept.

use super::*;

/// The example of section 7.2 of the reference, and the fields it leaves out.
#[test]
fn every_field_is_kept() {
    let (catalog, warnings) = Catalog::parse(include_str!("../example.yaml"), "example.yaml").unwrap();
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
