//! `gateway.yaml`: what it says, and what is said about it.

mod places;
mod plugins;
mod wrong;

use std::time::Duration;

use super::*;
use crate::grants::{DockerGrant, EmbeddedGrant, GRANTS, Grants, Signer, Signing};
use crate::limits::{LIMITS, Limits};
use crate::plugin::PluginSource;
use crate::server::{Access, ComponentSource, Kind, Lifetime, OnUnenforced};
use crate::{Front, FrontTransport, HostPattern, NamePolicy};

const CONTEXT: Context<'_> =
    Context { bundled_plugins: &["cloud", "docker", "embedded", "kubernetes"], given_plugins: &[] };

fn read(text: &str) -> Result<Settings, Problems> {
    Settings::parse(text, "gateway.yaml", Path::new("/etc/gateway"), &CONTEXT)
}

fn settings(text: &str) -> Settings {
    match read(text) {
        Ok(settings) => settings,
        Err(problems) => panic!("{problems}"),
    }
}

fn problems(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("was accepted:\n{text}"),
        Err(problems) => problems.to_string(),
    }
}

const FULL: &str = r#"
catalogs: [./catalog.yaml]
secrets: [./.env, 'env:GATEWAY_SECRET_']
plugins:
  acme:
    path: ./acme.wasm
    grants:
      embedded:
        memory: 512MiB
        cpu: 1.5
        folders: [{path: ./data, access: readWrite}, {path: /srv}]
        hosts: ["api.example:443", "*.example:*", "db.example:5432/tcp"]
      docker:
        images: ["mcp/*"]
        networks: [front]
        binds: [{path: /srv, access: readOnly}]
      kubernetes: {namespaces: [mcp], kinds: ["v1/Pod", "apps/v1/Deployment"], context: test}
      http:
        - {host: "ecs.*.amazonaws.com", methods: [POST], paths: ["/*"], sign: {kind: awsSigV4, service: ecs}, private: false}
        - {host: api.acme.example, methods: [get, "*"], sign: {kind: bearer, secret: acme.key}}
      registry: {hosts: [registry.example, "localhost:5000"]}
      connect: ["10.0.0.7:8080", "*.example:443"]
      secrets: [{name: acme.key, hosts: [api.acme.example]}]
    limits: {memory: 128MiB, call: 2m, cpu: 10s, handles: 10, hostCalls: 20, concurrency: 30, data: 1MiB}
    settings: {region: eu, octal: 010, on: yes, list: [1, 2.5, null], nested: {a: true}}
  mine: {bundled: embedded, grants: {embedded: true, docker: false}}
placement:
  - {servers: ["notes", "time-*"], provisioner: acme}
  - {kind: image, provisioner: docker}
  - {provisioner: mine}
servers:
  notes:
    component: ./notes.wasm
    args: [--root, /data]
    folders: [{path: ./data, mount: /data, access: readWrite}, {path: /srv, mount: /srv}]
    memory: 64MiB
    cpus: 0.5
    lifetime: shared
    startTimeout: 30s
    callTimeout: 1m
    onUnenforced: report
    settings: {zone: eu, size: 010}
    env: [{name: A, value: 010}]
  time: {bundled: time}
  web: {image: mcp/web, allowHosts: ['api.example:443']}
  far: {remote: {url: 'https://mcp.example/mcp', transport_type: http}}
front:
  transport: streamable-http
  host: 0.0.0.0
  port: 9000
  allowedHosts: [gateway.example]
  allowedOrigins: ['https://app.example']
  listWait: 500ms
  names: all
pool: {idle: 1h, cap: 5, startTimeout: 2m, sweep: 5m}
state: ./state
"#;

#[test]
fn everything_that_can_be_said() {
    let settings = settings(FULL);
    assert_eq!(settings.catalogs[0].path, Path::new("/etc/gateway/catalog.yaml"));
    assert_eq!(settings.secrets[1], SecretSource::Environment { prefix: "GATEWAY_SECRET_".to_owned() });
    assert!(matches!(&settings.secrets[0], SecretSource::EnvFile(file) if file.path.ends_with(".env")));
    assert_eq!(settings.state.unwrap().path, Path::new("/etc/gateway/state"));
    assert_eq!(settings.front.transport, Some(FrontTransport::Streaming));
    assert_eq!((settings.front.host.as_deref(), settings.front.port), (Some("0.0.0.0"), Some(9000)));
    assert_eq!(settings.front.list_wait, Duration::from_millis(500));
    assert_eq!(settings.front.names, NamePolicy::All);
    assert_eq!(settings.front.allowed_origins, ["https://app.example"]);
    assert_eq!((settings.pool.idle, settings.pool.cap), (Duration::from_secs(3600), 5));
    assert_eq!(settings.pool.start_timeout, Duration::from_secs(120));
    assert_eq!(settings.pool.sweep, Duration::from_secs(300));
}

#[test]
fn servers() {
    let settings = settings(FULL);
    let [notes, time, web, far] = settings.servers.as_slice() else { panic!("{:?}", settings.servers) };
    assert!(
        matches!(&notes.component, Some(ComponentSource::File(file)) if file.path.ends_with("notes.wasm"))
    );
    assert_eq!(notes.command, ["--root", "/data"]);
    assert_eq!((notes.folders[0].access, notes.folders[1].access), (Access::ReadWrite, Access::ReadOnly));
    assert_eq!((notes.memory, notes.cpus.unwrap().nanos()), (Some(64 << 20), 500_000_000));
    assert_eq!((notes.lifetime, notes.on_unenforced), (Lifetime::Shared, OnUnenforced::Report));
    assert_eq!(
        serde_json::Value::Object(notes.settings.clone()),
        serde_json::json!({"zone": "eu", "size": 10})
    );
    assert!(time.settings.is_empty());
    assert_eq!(notes.call_timeout, Some(Duration::from_secs(60)));
    assert_eq!(notes.env[0].value, "010");
    assert_eq!(time.component, Some(ComponentSource::Bundled("time".to_owned())));
    assert_eq!((time.lifetime, time.on_unenforced), (Lifetime::Session, OnUnenforced::Refuse));
    let kinds = [notes, time, web, far].map(Server::kind);
    assert_eq!(kinds, [Kind::Component, Kind::Component, Kind::Image, Kind::Remote]);
}

#[test]
fn the_first_placement_that_fits_decides() {
    let settings = settings(FULL);
    let image = |name: &str| Server { image: "i".to_owned(), ..Server::named(name) };
    for (server, provisioner) in [
        (image("notes"), "acme"),
        (image("time-utc"), "acme"),
        (image("time"), "docker"),
        (Server::named("kit"), "mine"),
    ] {
        assert_eq!(settings.provisioner_of(&server), Some(provisioner), "{}", server.name);
    }
    assert_eq!(Settings::default().provisioner_of(&image("x")), None);
}

#[test]
fn an_empty_file_is_all_defaults() {
    for text in ["", "{}", "plugins:\nservers:\nfront:\n"] {
        let settings = settings(text);
        assert_eq!((settings.front, settings.pool), (Front::default(), PoolSettings::default()));
        assert!(settings.plugins.is_empty() && settings.servers.is_empty());
    }
}

#[test]
fn editors_servers_can_be_pasted() {
    let settings = settings(
        "servers: {time: {bundled: time}}\nmcpServers:\n  fs: {command: npx, args: [-y, server-filesystem, '${workspaceFolder}']}\n  far: {url: 'https://mcp.example/mcp'}\n  off: {command: x, disabled: true}\n",
    );
    let seen: Vec<_> = settings.servers.iter().map(|server| (server.name.as_str(), server.kind())).collect();
    assert_eq!(seen, [("time", Kind::Component), ("fs", Kind::Process), ("far", Kind::Remote)]);
    insta::assert_snapshot!(problems("servers: {a: {bundled: time}}\nmcpServers:\n  a: {command: x}\n  b: {comand: x}\n"), @r"
    gateway.yaml:3:3: the server `a` stands under `servers` too
      hint: keep one of the two, or rename one
    gateway.yaml:4:6: nothing says how the server `b` is reached
      hint: give it a `command` or a `url`
    gateway.yaml:4:7: unknown key `comand`
      hint: did you mean `command`?
    ");
}
