//! Every field of an entry, and what becomes of it. What is expected is written here by hand.

use super::*;
use gateway_plugin::fake::{component_server, context, image_server};
use gateway_plugin::types::{Amount, File, Honoured, Lifetime, Port, ServerEndpoint, Unenforced, Variable};
use gateway_plugin::value::{server_secret, text, variable};
use gateway_plugin::{FailureCategory, value};

fn endpoint() -> ServerEndpoint {
    ServerEndpoint { port: 8080, path: "/mcp".to_owned(), health_path: None, headers: Vec::new() }
}

fn to(written: &str, host: &str, port: Option<u16>, protocol: Protocol) -> Destination {
    Destination { host: host.to_owned(), port, protocol, written: written.to_owned() }
}

fn folder(target: &str, access: Access) -> Mount {
    Mount {
        source: MountSource::Folder("folder:0".to_owned()),
        label: "/home/me/notes".to_owned(),
        target: target.to_owned(),
        access,
        options: Vec::new(),
        written: format!("/home/me/notes:{target}"),
    }
}

/// A server that uses everything the engine honours.
fn full() -> Server {
    let mut server = component_server("notes");
    if let gateway_plugin::Workload::Component(component) = &mut server.workload {
        component.arguments = vec![text("--dir"), text("/notes")];
    }
    server.environment = vec![
        variable("LANG", "en"),
        Variable { name: "TOKEN".to_owned(), value: value::secret(server_secret("notes.token")) },
    ];
    server.secrets = vec!["notes.token".to_owned()];
    server.mounts = vec![folder("/notes", Access::ReadOnly)];
    server.files = vec![File { path: "/etc/notes.json".to_owned(), content: text("{}"), mode: 0o400 }];
    server.network.egress =
        Egress::Only(vec![to("api.example:443", "api.example", Some(443), Protocol::Tcp)]);
    server.limits.memory = Some(Amount { mib: 64, written: "64Mb".to_owned() });
    server.limits.cpu_millis = Some(500);
    server.limits.processes = Some(8);
    server.lifetime = Lifetime::Shared;
    server
}

/// What a person reads of the fields, a line each.
fn rows(server: &Server) -> Vec<String> {
    let planned = plan(server).expect("it can run here");
    planned
        .fields
        .reports()
        .iter()
        .map(|report| {
            let word = match report.honoured {
                Honoured::Honoured => "honoured",
                Honoured::Approximated => "approximated",
                Honoured::NotEnforced => "not enforced",
            };
            format!("{} {word}: {}", report.field, report.note)
        })
        .collect()
}

#[test]
fn what_the_engine_honours_becomes_the_specification_unchanged() {
    let server = full();
    let planned = plan(&server).expect("it can run here");
    assert_eq!(planned.spec.component, "component:notes");
    assert_eq!(planned.spec.arguments, [text("--dir"), text("/notes")]);
    assert_eq!(planned.spec.environment, server.environment);
    assert_eq!(planned.spec.mounts, server.mounts);
    assert_eq!(planned.spec.files, server.files);
    assert_eq!(planned.spec.egress, server.network.egress);
    assert_eq!(planned.spec.limits.memory, server.limits.memory);
    assert_eq!(planned.spec.limits.cpu_millis, Some(500));
    assert_eq!(planned.spec.limits.processes, None);
    assert_eq!(rows(&server), ["limits.processes honoured: "]);
}

#[test]
fn a_person_reads_names_of_secrets_and_folders_of_the_machine() {
    let blueprint =
        plan(&full()).expect("it can run here").blueprint(&context()).expect("nothing is refused");
    let pin = format!("sha256:{}", "ab".repeat(32));
    assert_eq!(blueprint.pins, [Pin { reference: "component:notes".to_owned(), digest: pin }]);
    assert_eq!(blueprint.documents.len(), 1);
    assert_eq!(blueprint.documents[0].title, "embedded component");
    assert_eq!(blueprint.documents[0].media_type, "application/json");
    insta::assert_snapshot!(blueprint.documents[0].text, @r#"
    {
      "digest": "sha256:abababababababababababababababababababababababababababababababab",
      "arguments": [
        "--dir",
        "/notes"
      ],
      "environment": [
        "LANG=en",
        "TOKEN={{secret notes.token}}"
      ],
      "mounts": [
        "/home/me/notes:/notes:ro"
      ],
      "files": [
        "/etc/notes.json:ro"
      ],
      "destinations": [
        "api.example:443"
      ],
      "memoryMib": 64,
      "cpuMillis": 500
    }
    "#);
}

#[test]
fn a_server_that_asks_for_nothing_gets_no_network_and_hears_nothing_about_it() {
    let server = component_server("notes");
    assert!(rows(&server).is_empty(), "{:?}", rows(&server));
    assert_eq!(plan(&server).expect("it can run here").spec.egress, Egress::None);
}

#[test]
fn what_the_engine_cannot_honour_is_named_field_by_field() {
    let mut server = component_server("notes");
    server.user = Some("1000:1000".to_owned());
    let file = |path: &str, mode| File { path: path.to_owned(), content: text("{}"), mode };
    server.files = vec![file("/notes/notes.json", 0o400), file("/etc/notes.json", 0o600)];
    server.limits.disk = Some(Amount { mib: 100, written: "100Mb".to_owned() });
    server.network.egress = Egress::None;
    server.network.names = vec!["backend".to_owned()];
    server.network.extra_hosts = vec!["db:10.0.0.7".to_owned()];
    server.network.ports = vec![Port { container_port: 8080, protocol: Protocol::Tcp, host_port: None }];
    server.mounts = vec![
        Mount { options: vec!["z".to_owned()], ..folder("/notes", Access::ReadWrite) },
        Mount { source: MountSource::Volume("data".to_owned()), ..folder("/data", Access::ReadWrite) },
        Mount { source: MountSource::Empty(None), ..folder("/tmp", Access::ReadWrite) },
    ];
    assert_eq!(
        rows(&server),
        [
            "mounts.options not enforced: `z` of `/notes` means nothing to the engine",
            "mounts not enforced: volume `data` cannot be mounted at `/data`: name a folder",
            "mounts not enforced: an empty volume cannot be mounted at `/tmp`: name a folder",
            "files not enforced: `/notes/notes.json` cannot be placed in a mount: put it into the mounted folder",
            "files approximated: `/etc/notes.json` can be read, not written",
            "network.names not enforced: a component joins no network, so not `backend`",
            "network.extra-hosts not enforced: a component has no table of hosts for `db:10.0.0.7`",
            "network.ports not enforced: a component opens no port, so not 8080",
            "limits.disk not enforced: a component has no writable space but its mounts, so `100Mb` limits nothing",
            "user not enforced: a component runs as no user, so not as `1000:1000`",
        ]
    );
    let spec = plan(&server).expect("it can run here").spec;
    assert_eq!(spec.files, [file("/etc/notes.json", 0o600)]);
    assert_eq!(spec.mounts, [folder("/notes", Access::ReadWrite)]);
    assert_eq!(spec.limits.disk, None);
}

#[test]
fn destinations_are_names_or_addresses_with_a_port_over_tcp() {
    let mut server = component_server("notes");
    server.network.egress = Egress::Only(vec![
        to("api.example:443", "api.example", Some(443), Protocol::Any),
        to("dns.example:53/udp", "dns.example", Some(53), Protocol::Udp),
        to("10.0.0.0/8:443", "10.0.0.0/8", Some(443), Protocol::Tcp),
        to("any.example", "any.example", None, Protocol::Tcp),
    ]);
    assert_eq!(
        rows(&server),
        [
            "network.egress not enforced: `dns.example:53/udp` is not reached over TCP",
            "network.egress not enforced: `10.0.0.0/8:443` is a range of addresses: name each address",
            "network.egress not enforced: `any.example` names no port",
        ]
    );
    let spec = plan(&server).expect("it can run here").spec;
    assert_eq!(
        spec.egress,
        Egress::Only(vec![to("api.example:443", "api.example", Some(443), Protocol::Any)])
    );
    server.network.egress = Egress::Public;
    let note = "network.egress not enforced: a component reaches only what its entry names, not every public address";
    assert_eq!(rows(&server), [note]);
}

#[test]
fn the_operator_decides_whether_what_is_not_enforced_stops_the_server() {
    let mut server = component_server("notes");
    server.user = Some("nobody".to_owned());
    server.network.egress = Egress::None;
    let refused = plan(&server).expect("it can run here").blueprint(&context()).expect_err("the default");
    assert_eq!(refused.category(), FailureCategory::Config);
    assert_eq!(refused.to_string(), "honour `user`: a component runs as no user, so not as `nobody`");
    let found = validation(&server, &context());
    assert_eq!((found.fields.len(), found.findings.len()), (1, 1));
    let mut lenient = context();
    lenient.unenforced = Unenforced::Report;
    let accepted = plan(&server).expect("it can run here").blueprint(&lenient).expect("accepted");
    assert_eq!(accepted.fields[0].honoured, Honoured::NotEnforced);
    assert_eq!(validation(&server, &lenient).findings, []);
}

#[test]
fn only_standard_streams_are_spoken() {
    for (transport, name) in [
        (Transport::StreamableHttp(endpoint()), "streamable HTTP"),
        (Transport::Sse(endpoint()), "HTTP+SSE"),
        (Transport::Tcp(9000), "TCP"),
        (Transport::Other("{}".to_owned()), "a transport this plugin does not know"),
    ] {
        let mut server = component_server("notes");
        server.transport = transport;
        let error = plan(&server).expect_err(name);
        assert_eq!(error.category(), FailureCategory::Config);
        let text = format!("speak with the server over {name}: a component opens no port");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_value_of_a_later_version_is_refused_where_it_stands() {
    let mut server = component_server("notes");
    let value = vec![gateway_plugin::types::Part::Other("{}".to_owned())];
    server.environment = vec![Variable { name: "TOKEN".to_owned(), value }];
    let error = plan(&server).expect_err("unknown");
    assert_eq!(error.category(), FailureCategory::Unsupported);
    assert_eq!(error.to_string(), "give variable `TOKEN` its value: it holds what this plugin does not know");
}

#[test]
fn an_image_is_refused_with_its_name() {
    let error = plan(&image_server("notes", "acme/notes:1")).expect_err("no component");
    assert_eq!(error.category(), FailureCategory::Unsupported);
    assert_eq!(error.to_string(), "run container image `acme/notes:1`: only WASI components run here");
}

#[test]
fn what_a_person_approved_is_what_runs() {
    let mut server = component_server("notes");
    let reference = "component:notes".to_owned();
    server.pins = vec![Pin { reference: reference.clone(), digest: format!("sha256:{}", "ab".repeat(32)) }];
    plan(&server).expect("the approved one");
    server.pins = vec![Pin { reference, digest: "sha256:00".to_owned() }];
    let error = plan(&server).expect_err("another one");
    assert_eq!(error.category(), FailureCategory::Image);
    let text = format!("run the component: its digest is `{}`, approved is `sha256:00`", "ab".repeat(32));
    assert_eq!(error.to_string(), text);
}
