//! `gateway.yaml`: what it says, and what is said about it.

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
fn plugins() {
    let settings = settings(FULL);
    let [acme, mine] = settings.plugins.as_slice() else { panic!("{:?}", settings.plugins) };
    assert!(matches!(&acme.source, PluginSource::File(file) if file.written == "./acme.wasm"));
    assert_eq!(acme.limits.memory, 128 << 20);
    assert_eq!((acme.limits.handles, acme.limits.host_calls, acme.limits.concurrency), (10, 20, 30));
    assert_eq!(
        acme.settings,
        serde_json::json!({"region": "eu", "octal": 10, "on": "yes", "list": [1, 2.5, null], "nested": {"a": true}})
    );
    let Grants { embedded, docker, kubernetes, http, registry, connect, secrets } = &acme.grants;
    let embedded = embedded.as_ref().unwrap();
    assert_eq!(embedded.cpu.map(crate::Cpus::millis), Some(1500));
    assert_eq!((connect[0].to_string(), connect.len()), ("10.0.0.7:8080".to_owned(), 2));
    assert_eq!((embedded.memory, embedded.folders.len(), embedded.hosts.len()), (512 << 20, 2, 3));
    assert_eq!(
        (embedded.folders[0].access, embedded.folders[1].access),
        (Access::ReadWrite, Access::ReadOnly)
    );
    let docker = docker.as_ref().unwrap();
    assert!(docker.images[0].matches("mcp/notes:1") && !docker.images[0].matches("acme/notes"));
    let kubernetes = kubernetes.as_ref().unwrap();
    assert_eq!(kubernetes.kinds[1].to_string(), "apps/v1/Deployment");
    assert_eq!(kubernetes.context.as_deref(), Some("test"));
    assert!(http[0].allows("POST", "ecs.eu-west-1.amazonaws.com", 443, "/"));
    assert!(!http[0].allows("GET", "ecs.eu-west-1.amazonaws.com", 443, "/"));
    let ecs = Signing::AwsSigV4 { service: Some("ecs".to_owned()), region: None };
    assert_eq!(http[0].sign, Some(Signer { name: "aws".to_owned(), signing: ecs }));
    assert!(http[1].allows("DELETE", "api.acme.example", 443, "/x/y"));
    assert!(registry.as_ref().unwrap().hosts[1].allows("localhost", 5000, None));
    assert_eq!(secrets[0].hosts, ["api.acme.example".parse::<HostPattern>().unwrap()]);

    assert_eq!(mine.source, PluginSource::Bundled("embedded".to_owned()));
    assert_eq!(mine.grants, Grants { embedded: Some(EmbeddedGrant::default()), ..Grants::default() });
    assert_eq!(mine.limits, Limits::default());
    assert_eq!(mine.settings, serde_json::json!({}));
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
fn everything_wrong_is_said_at_once() {
    let text = "\
catalogs: ./catalog.yaml
secrets: ['env:', '~/x', '']
servers:
  notes:
    component: ./notes.wasm
    image: mcp/notes
    foldrs: []
    folders: [{path: ./data, mount: data, access: write}, {mount: /a}]
    memory: 64MX
    cpus: none
    startTimeout: 60
    allowHosts: [api.example]
  notes: {image: x}
  empty: {}
  old: {image: i, args: [x], type: sever}
  both: {image: i, remote: {url: 'https://x.example', transport_type: websocket}}
  url: {remote: {url: x, transport_type: sse}}
  kit: {tools: [{name: t}]}
  ' a': {image: i, env: [{name: 'A=B', value: x}], secrets: [{name: '', env: S}], command: [x, null]}
front: {transport: websocket, port: 99999, names: prefix, hosts: []}
pool: {cap: 0, idle: soon}
registry: {}
";
    insta::assert_snapshot!(problems(text), @r"
    gateway.yaml:1:11: `catalogs` must be a list, not text
      hint: write a list, also of one: `catalogs: [...]`
    gateway.yaml:2:11: each of `secrets`: `env:` is the whole environment
      hint: say how the variables start: `env:ACME_`
    gateway.yaml:2:19: each of `secrets`: `~/x` is not expanded here
      hint: write the path out; a relative one starts at the folder of this file
    gateway.yaml:2:26: each of `secrets`: the empty text is not a path
    gateway.yaml:5:16: both `image` and `component`
      hint: a server is one thing; keep one of them
    gateway.yaml:7:5: unknown key `foldrs`
      hint: did you mean `folders`?
    gateway.yaml:8:37: `mount`: `data` is not an absolute path
      hint: it must start with `/`, without `..`
    gateway.yaml:8:51: `access`: `write` is not known here
      hint: write one of `readOnly`, `readWrite`
    gateway.yaml:8:59: a folder without a `path`
      hint: for example `path: ./data`
    gateway.yaml:9:13: `memory`: `64MX` is not a size
      hint: write it like `512MiB`, `64m` or `2Gb`
    gateway.yaml:10:11: `cpus`: `none` is not a number of processors
      hint: write it like `0.5` or `2`
    gateway.yaml:11:19: `startTimeout`: `60` is a number without a unit of time
      hint: seconds are `60s`
    gateway.yaml:12:18: each of `allowHosts`: `api.example` is without a port
      hint: write it like `api.example:443` or `db.example:5432/tcp`
    gateway.yaml:13:3: the key `notes` is already defined at line 4
      hint: keep one of the two
    gateway.yaml:14:3: nothing says what the server `empty` is
      hint: give it `image`, `component`, `bundled`, `remote` or `tools`
    gateway.yaml:15:25: `args` is for components only
      hint: say `command`, which means the same for every kind of server
    gateway.yaml:15:36: `type`: `sever` is not a type of server
      hint: did you mean `server`? it can also be left out
    gateway.yaml:16:28: both `image` and `remote`
      hint: a server is one thing; keep one of them
    gateway.yaml:16:71: `transport_type`: `websocket` is not known here
      hint: write one of `streamable-http`, `sse`
    gateway.yaml:17:23: `x` is not a URL
      hint: write it like `https://mcp.example/mcp`
    gateway.yaml:18:16: the tool `t` has no image
      hint: give it `container: {image: ...}`, or the server an `image`
    gateway.yaml:19:3: ` a` cannot be the name of a server
      hint: names are not empty and have no spaces around them
    gateway.yaml:19:33: `name`: `A=B` cannot be the name of an environment variable
    gateway.yaml:19:62: a secret without a `name`
      hint: `name` is what it is looked up by, for example `name: notes.token`
    gateway.yaml:19:96: an element of `command` is empty
    gateway.yaml:20:20: `transport`: `websocket` is not known here
      hint: write one of `stdio`, `sse`, `streaming`
    gateway.yaml:20:37: `port` must be between 0 and 65535, not 99999
    gateway.yaml:20:51: `names`: `prefix` is not known here
      hint: write one of `clash`, `all`, `fail`
    gateway.yaml:20:59: unknown key `hosts`
      hint: did you mean `host`?
    gateway.yaml:21:13: `cap` must be between 1 and 1000000, not 0
    gateway.yaml:21:22: `idle`: `soon` is not a length of time
      hint: write it like `300ms`, `5s`, `10m` or `1h30m`
    gateway.yaml:22:1: unknown key `registry`
      hint: servers stand under `servers:` here; rename the key
    ");
}

#[test]
fn everything_wrong_with_plugins_is_said() {
    let text = "\
plugins:
  Acme: {path: ./a.wasm, bundled: embedded}
  none: {}
  typo: {bundled: embeded, settings: [x], limits: {cpu: 0s, handles: 0, memory: x, hostcalls: 1}}
  wide:
    path: ./w.wasm
    grants:
      embedded: yes please
      docker: {networks: ['']}
      kubernetes: true
      http:
        - {host: 'https://x.example', methods: [], paths: [x]}
        - {methods: [GET], sign: {}}
        - {host: x.example, methods: ['GET /'], sign: {kind: awsSigV4, secret: k}}
        - {host: x.example, methods: [GET], sign: {kind: bearer, secret: k}}
      registry: {}
      secrets: [k, {name: k}]
      filesystem: true
  cluster: {path: ./c.wasm, grants: {kubernetes: {namespaces: ['*'], kinds: [Pod]}, embedded: {hosts: [h]}}}
placement:
  - {servers: [], provisioner: dcoker}
  - {servers: [''], kind: container, provisioner: Acme}
  - {kind: image}
  - {server: x, provisioner: typo}
";
    insta::assert_snapshot!(problems(text), @r#"
    gateway.yaml:2:3: `Acme` cannot be the name of a plugin
      hint: use up to 40 lower-case letters, digits and `-`, starting with a letter
    gateway.yaml:2:35: both `path` and `bundled`
      hint: a plugin comes from a file or from inside the gateway; keep one
    gateway.yaml:3:3: nothing says where the plugin `none` is
      hint: for example `path: ./none.wasm` here, or `--plugin ./none.wasm` on the command line
    gateway.yaml:4:19: the gateway carries no plugin `embeded` inside itself
      hint: did you mean `embedded`?
    gateway.yaml:4:38: `settings` must be a map, not a list
    gateway.yaml:4:57: `cpu`: `0s` is no time at all
      hint: write it like `30s`
    gateway.yaml:4:70: `handles` must be between 1 and 10000000, not 0
    gateway.yaml:4:81: `memory`: `x` is not a size
      hint: write it like `512MiB`, `64m` or `2Gb`
    gateway.yaml:4:84: unknown key `hostcalls`
      hint: did you mean `hostCalls`?
    gateway.yaml:8:17: `embedded` must be a map, not text
      hint: it has the keys `memory`, `cpu`, `folders`, `hosts`
    gateway.yaml:9:15: `images` names nothing
      hint: what is not named is not granted; for example `images: ["mcp/*"]`
    gateway.yaml:9:27: each of `networks`: the empty text is not a pattern
      hint: `*` fits everything
    gateway.yaml:10:19: `kubernetes` must be a map, not `true`
      hint: name the namespaces and kinds: `{namespaces: [mcp], kinds: [v1/Pod]}`
    gateway.yaml:12:18: `host`: `https://x.example` is a URL, not a host
      hint: write it like `api.example` or `*.example:8443`
    gateway.yaml:12:48: `methods` names nothing
      hint: what is not named is not granted; for example `methods: [GET]`
    gateway.yaml:12:60: each of `paths`: `x` is not a path
      hint: it must start with `/`, for example `/v1/*`
    gateway.yaml:13:11: an HTTP grant without a `host`
      hint: for example `host: api.example`
    gateway.yaml:13:34: `sign` without a `kind`
      hint: write one of `awsSigV4`, `googleAccessToken`, `googleIdToken`, `bearer`
    gateway.yaml:14:39: each of `methods`: `GET /` is not an HTTP method
      hint: write it like `GET`, or `*` for all
    gateway.yaml:14:80: `secret` means nothing for `awsSigV4`
    gateway.yaml:16:17: `hosts` names nothing
      hint: what is not named is not granted; for example `hosts: [registry.example]`
    gateway.yaml:17:17: each of `secrets` must be a map, not text
      hint: it has the keys `name`, `hosts`
    gateway.yaml:17:20: `hosts` names nothing
      hint: what is not named is not granted; for example `hosts: [api.example]`
    gateway.yaml:18:7: unknown key `filesystem`
      hint: known here: `embedded`, `docker`, `kubernetes`, `http`, `registry`, `connect`, `secrets`
    gateway.yaml:19:64: each of `namespaces`: `*` is not the name of a namespace
      hint: write names of lower-case letters, digits and `-`; there are no patterns
    gateway.yaml:19:78: each of `kinds`: `Pod` is not a kind of object
      hint: write it like `v1/Pod` or `apps/v1/Deployment`
    gateway.yaml:19:104: each of `hosts`: `h` is without a port
      hint: write `h:443`, or `h:*` for every port
    gateway.yaml:21:15: `servers` names nothing
      hint: leave `servers` out if the rule is for all of them
    gateway.yaml:21:32: there is no provisioner `dcoker`
      hint: did you mean `docker`?
    gateway.yaml:22:16: each of `servers`: the empty text is not a pattern
      hint: `*` fits everything
    gateway.yaml:22:27: `kind`: `container` is not known here
      hint: write one of `image`, `remote`, `toolContainers`, `component`, `process`
    gateway.yaml:23:5: a placement without a `provisioner`
      hint: name who runs these servers: `provisioner: embedded`
    gateway.yaml:24:6: unknown key `server`
      hint: did you mean `servers`?
    "#);
}

#[test]
fn settings_of_a_plugin_are_json() {
    let text = "plugins: {a: {path: a, settings: {x: .inf, y: {z: {{t}}}}}}";
    insta::assert_snapshot!(problems(text), @r"
    gateway.yaml:1:38: `.inf` cannot be handed on as JSON
      hint: put it in quotes to hand it on as text
    gateway.yaml:1:52: a key must be text, not a map
      hint: put quotes around a template: `'{{name.key}}'`
    ");
    assert_eq!(
        settings("plugins: {a: {path: a, settings: {1: x, true: y}}}").plugins[0].settings,
        serde_json::json!({"1": "x", "true": "y"})
    );
}

#[test]
fn grants_have_defaults() {
    let grants = |text: &str| {
        settings(&format!("plugins: {{a: {{path: a, grants: {text}}}}}")).plugins.remove(0).grants
    };
    assert_eq!(grants("{}"), Grants::default());
    assert_eq!(grants("{embedded: , docker: ~}"), Grants::default());
    assert_eq!(grants("{embedded: off, docker: false, kubernetes: no, registry: false}"), Grants::default());
    assert_eq!(grants("{embedded: yes}").embedded, Some(EmbeddedGrant::default()));
    assert_eq!(grants("{embedded: {}}").embedded, Some(EmbeddedGrant::default()));
    assert_eq!(grants("{docker: true}").docker, Some(DockerGrant::default()));
    let http = grants("{http: [{host: h, methods: [get]}]}").http.remove(0);
    assert_eq!((http.methods.as_slice(), http.private), (&["GET".to_owned()][..], false));
    assert!(http.allows("get", "H", 443, "/any") && !http.allows("GET", "h", 80, "/any"));
}

/// The defaults that the tables name, and hence the reference, are those that hold.
#[test]
fn the_named_defaults_hold() {
    let named = |table: &Table| {
        let keys = table.keys().filter(|key| !matches!(key.default, "" | "none"));
        keys.map(|key| format!("{}: {}", key.name, key.default)).collect::<Vec<_>>().join(", ")
    };
    let text = format!(
        "plugins: {{a: {{path: a, grants: {{embedded: {{{}}}, http: [{{host: h, methods: [GET], {}}}]}}, limits: {{{}}}}}}}\n\
         pool: {{{}}}\nfront: {{{}}}\n",
        named(key_table(&GRANTS, "embedded")),
        named(key_table(&GRANTS, "http")),
        named(&LIMITS),
        named(&POOL),
        named(&FRONT),
    );
    let read = settings(&text);
    let plugin = &read.plugins[0];
    assert_eq!(plugin.limits, Limits::default());
    assert_eq!(plugin.grants.embedded, Some(EmbeddedGrant::default()));
    let http = settings("plugins: {a: {path: a, grants: {http: [{host: h, methods: [GET]}]}}}");
    assert_eq!(plugin.grants.http, http.plugins[0].grants.http);
    assert_eq!(read.pool, PoolSettings::default());
    let said = Front { transport: None, host: None, port: None, ..read.front };
    assert_eq!(said, Front::default());
}

fn key_table(table: &Table, name: &str) -> &'static Table {
    table.key(name).unwrap().form.table()
}

#[test]
fn files_are_found_from_where_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.yaml");
    std::fs::write(&path, "catalogs: [c.yaml]\nstate: ../state\n").unwrap();
    let settings = Settings::load(&path, &Context::default()).unwrap();
    assert_eq!(settings.catalogs[0].path, folder.path().join("c.yaml"));
    assert_eq!(settings.source, path.display().to_string());
    let absent = Settings::load(&folder.path().join("x.yaml"), &Context::default()).unwrap_err();
    assert!(absent.to_string().ends_with("x.yaml: no such file"), "{absent}");
}

#[test]
fn an_entry_without_a_path_is_completed_by_a_file_that_was_given() {
    let given = [("acme".to_owned(), Located::new("build/acme.wasm", Path::new("/srv")).unwrap())];
    let context = Context { given_plugins: &given, ..CONTEXT };
    let read = |text| Settings::parse(text, "gateway.yaml", Path::new("/etc/gateway"), &context);
    let settings = read("plugins: {acme: {grants: {embedded: true}}}").unwrap();
    assert!(
        matches!(&settings.plugins[0].source, PluginSource::File(file) if file.path == Path::new("/srv/build/acme.wasm"))
    );
    assert!(settings.plugins[0].grants.embedded.is_some());
    let settings = read("plugins: {acme: {path: ./own.wasm}}").unwrap();
    assert!(matches!(&settings.plugins[0].source, PluginSource::File(file) if file.written == "./own.wasm"));
    let problems = read("plugins: {other: {}}").unwrap_err().to_string();
    assert!(problems.contains("nothing says where the plugin `other` is"), "{problems}");
}

#[test]
fn the_state_folder_can_be_had_from_a_file_that_is_wrong_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    for (text, state) in [
        ("state: ./state\nserver: {}\nplacement: [{provisioner: gone}]\n", Some("state")),
        ("servers: {}\n", None),
        ("", None),
    ] {
        std::fs::write(&file, text).unwrap();
        let found = Settings::state_of(&file).unwrap().map(|located| located.path);
        assert_eq!(found, state.map(|name| folder.path().join(name)), "{text}");
    }
    for (text, what) in [("state: [", "not valid YAML"), ("state: [a]", "`state` must be")] {
        std::fs::write(&file, text).unwrap();
        let problems = Settings::state_of(&file).unwrap_err().to_string();
        assert!(problems.contains(what), "{problems}");
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

#[test]
fn places_of_secrets() {
    let settings = settings("secrets: [./.env, 'folder:/run/secrets', 'env:ACME_']");
    assert!(
        matches!(&settings.secrets[1], SecretSource::Folder(folder) if folder.path == Path::new("/run/secrets"))
    );
    let keychains = super::tests::settings("secrets: [keychain, 'keychain:work', keychain.env]").secrets;
    let keychain = |service: &str| SecretSource::Keychain { service: service.to_owned() };
    assert_eq!(keychains[..2], [keychain("gateway"), keychain("work")]);
    assert!(matches!(&keychains[2], SecretSource::EnvFile(file) if file.written == "keychain.env"));
    let of_docker = super::tests::settings(
        "secrets: ['docker-credential:pass', docker-desktop, 'docker-desktop:./e.sock']",
    );
    assert_eq!(of_docker.secrets[0], SecretSource::Helper { name: "pass".to_owned() });
    assert_eq!(of_docker.secrets[1], SecretSource::Engine { socket: None });
    assert!(
        matches!(&of_docker.secrets[2], SecretSource::Engine { socket: Some(at) } if at.path.ends_with("e.sock"))
    );
    let of_clouds = super::tests::settings(
        "secrets: [aws-secrets-manager, 'aws-secrets-manager:prod/mcp#?region=eu-1', 'google-secret-manager:mcp-?project=acme', aws-secrets-manager.env]",
    );
    let aws = |prefix: &str, region: Option<&str>| {
        let (prefix, region) = (prefix.to_owned(), region.map(str::to_owned));
        SecretSource::Cloud(CloudSecrets::Aws { prefix, region, endpoint: None })
    };
    assert_eq!(of_clouds.secrets[..2], [aws("", None), aws("prod/mcp#", Some("eu-1"))]);
    let google =
        CloudSecrets::Google { prefix: "mcp-".to_owned(), project: Some("acme".to_owned()), endpoint: None };
    assert_eq!(of_clouds.secrets[2], SecretSource::Cloud(google));
    assert!(matches!(&of_clouds.secrets[3], SecretSource::EnvFile(_)));
    insta::assert_snapshot!(problems("secrets: ['aws-secrets-manager:a b', 'google-secret-manager:?region=x']"), @r"
    gateway.yaml:1:11: each of `secrets`: `aws-secrets-manager:a b` is not the start of a secret's name
      hint: write it like `aws-secrets-manager:mcp/?region=NAME`
    gateway.yaml:1:38: each of `secrets`: `google-secret-manager:?region=x` is with a part that means nothing here
      hint: write it like `google-secret-manager:mcp/?project=NAME`
    ");
    insta::assert_snapshot!(problems("secrets: ['docker-credential:', 'docker-credential:../x']"), @r"
    gateway.yaml:1:11: each of `secrets`: `docker-credential:` is not the name of a credential helper
      hint: write `docker-credential:pass` for the program `docker-credential-pass`
    gateway.yaml:1:33: each of `secrets`: `docker-credential:../x` is not the name of a credential helper
      hint: write `docker-credential:pass` for the program `docker-credential-pass`
    ");
    insta::assert_snapshot!(problems("secrets: ['folder:', 'env:', 'folder:~/x']"), @r"
    gateway.yaml:1:11: each of `secrets`: the empty text is not a path
    gateway.yaml:1:22: each of `secrets`: `env:` is the whole environment
      hint: say how the variables start: `env:ACME_`
    gateway.yaml:1:30: each of `secrets`: `~/x` is not expanded here
      hint: write the path out; a relative one starts at the folder of this file
    ");
}
