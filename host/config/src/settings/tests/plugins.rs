//! Plugins, their grants and limits.

use super::*;

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
