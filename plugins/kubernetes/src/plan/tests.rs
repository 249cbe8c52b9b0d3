//! Golden documents, written by hand from `provisioning.md` 3.3, 3.4 and 4.4, and what is refused by name.

use super::{Plan, plan};
use crate::manifest::{Around, escaped};
use crate::policy::{Inside, service_of};
use crate::settings::{ClusterSettings, Security};
use gateway_plugin::types::{
    Access, Amount, Destination, Egress, Label, Mount, MountSource, Part, Protocol, ServerEndpoint, Transport,
};
use gateway_plugin::{Context, FailureCategory, Result, Server, Workload, fake, label, value};
use serde_json::{Value, json};

fn golden(text: &str) -> Value {
    serde_json::from_str(text).expect("a golden file is JSON")
}

fn context() -> Context {
    let mut context = fake::context();
    context.labels.push(Label { key: label::SERVER.to_owned(), value: "notes".to_owned() });
    context
}

fn planned_with(server: &Server, settings: &ClusterSettings, inside: &[Inside]) -> Result<Plan> {
    let context = context();
    let around = Around {
        context: &context,
        settings,
        security: settings.security,
        namespace: "mcp",
        name: "mcp-notes-90123456",
        secret: "mcp-gateway-secrets-90123456",
    };
    plan(server, &around, inside)
}

fn planned(server: &Server) -> Result<Plan> {
    planned_with(server, &ClusterSettings::default(), &[])
}

fn notes() -> Server {
    fake::image_server("notes", "acme/notes:2")
}

fn host(written: &str, host: &str, port: u16) -> Destination {
    Destination {
        host: host.to_owned(),
        port: Some(port),
        protocol: Protocol::Tcp,
        written: written.to_owned(),
    }
}

#[test]
fn a_server_over_standard_streams_is_the_pod_of_the_documents() {
    let mut server = notes();
    server.name = "My notes!".to_owned();
    let Workload::Image(image) = &mut server.workload else { panic!("an image") };
    image.arguments = ["--root", "/data", "$(HOME)", "$5"].map(value::text).into();
    server.environment = vec![
        value::variable("A", "b"),
        gateway_plugin::types::Variable {
            name: "TOKEN".to_owned(),
            value: vec![Part::Text("Bearer ".to_owned()), Part::Secret(value::server_secret("acme.token"))],
        },
    ];
    server.user = Some("1000:2000".to_owned());
    server.limits.cpu_millis = Some(1500);
    server.limits.memory = Some(Amount { mib: 512, written: "512m".to_owned() });
    server.mounts = vec![Mount {
        source: MountSource::Folder("folder-0".to_owned()),
        label: "/srv/notes".to_owned(),
        target: "/data".to_owned(),
        access: Access::ReadOnly,
        options: Vec::new(),
        written: "/srv/notes:/data:ro".to_owned(),
    }];
    let mut settings = ClusterSettings::default();
    settings.volumes.insert("/srv/notes".to_owned(), "notes-data".to_owned());
    let plan = planned_with(&server, &settings, &[]).expect("nothing is in the way");
    assert_eq!(plan.pod, golden(include_str!("golden/stdio.json")));
    assert_eq!((plan.policy, plan.service, plan.fields.reports().len()), (None, None, 0));
}

#[test]
fn a_server_over_http_has_a_service_a_port_and_a_probe() {
    let mut server = notes();
    server.transport = Transport::StreamableHttp(ServerEndpoint {
        port: 8080,
        path: "/mcp".to_owned(),
        health_path: Some("/healthz".to_owned()),
        headers: Vec::new(),
    });
    let plan = planned(&server).expect("nothing is in the way");
    assert_eq!(plan.service, Some(golden(include_str!("golden/service.json"))));
    let container = &plan.pod["spec"]["containers"][0];
    assert_eq!(container["ports"], json!([{ "name": "mcp", "containerPort": 8080, "protocol": "TCP" }]));
    assert_eq!(container["readinessProbe"]["httpGet"], json!({ "path": "/healthz", "port": "mcp" }));
    assert_eq!(container.get("stdin"), None);
}

#[test]
fn what_a_server_may_reach_is_a_policy() {
    let mut server = notes();
    server.network.egress =
        Egress::Only(vec![host("db.data:5432", "db.data", 5432), host("10.1.2.3:443", "10.1.2.3", 443)]);
    let inside = Inside {
        written: "db.data:5432".to_owned(),
        namespace: "data".to_owned(),
        selector: json!({ "app": "db" }).as_object().cloned().expect("a map"),
        port: json!(5432),
    };
    let settings = ClusterSettings { enforces_network_policy: Some(true), ..ClusterSettings::default() };
    let plan = planned_with(&server, &settings, &[inside]).expect("nothing is in the way");
    assert_eq!(plan.policy.expect("a policy")["spec"], golden(include_str!("golden/policy.json")));
    assert!(plan.fields.enforce(&context()).is_ok());
    // Nothing at all, addresses included.
    server.network.egress = Egress::None;
    let plan = planned_with(&server, &settings, &[]).expect("nothing is in the way");
    assert_eq!(plan.policy.expect("a policy")["spec"]["egress"], json!([]));
}

#[test]
fn names_outside_and_clusters_that_enforce_nothing_are_said() {
    let mut server = notes();
    server.network.egress = Egress::Only(vec![host("api.example:443", "api.example", 443)]);
    let settings = ClusterSettings { enforces_network_policy: Some(true), ..ClusterSettings::default() };
    let plan = planned_with(&server, &settings, &[]).expect("planned");
    let refused = plan.fields.enforce(&context()).expect_err("names are not enforced").to_string();
    assert!(refused.contains("the ports of api.example:443 are open to every public address"), "{refused}");
    server.network.egress = Egress::None;
    let settings = ClusterSettings { enforces_network_policy: Some(false), ..ClusterSettings::default() };
    let plan = planned_with(&server, &settings, &[]).expect("planned");
    let refused = plan.fields.enforce(&context()).expect_err("nothing enforces it").to_string();
    assert!(refused.contains("nothing in this cluster enforces network policies"), "{refused}");
}

#[test]
fn what_a_cluster_cannot_honour_is_refused_by_name() {
    let mut mounted = notes();
    mounted.mounts = vec![Mount {
        source: MountSource::Folder("folder-0".to_owned()),
        label: "/srv/notes".to_owned(),
        target: "/data".to_owned(),
        access: Access::ReadWrite,
        options: Vec::new(),
        written: "/srv/notes:/data".to_owned(),
    }];
    let mut named = notes();
    named.user = Some("acme".to_owned());
    let mut told = notes();
    let Workload::Image(image) = &mut told.workload else { panic!("an image") };
    image.arguments = vec![value::secret(value::server_secret("acme.token"))];
    for (server, category, text) in [
        (
            mounted,
            FailureCategory::Config,
            "mount `/srv/notes` at `/data`: nothing in the cluster stands for it",
        ),
        (named, FailureCategory::Config, "run as `acme`: a cluster knows users by their numbers"),
        (
            told,
            FailureCategory::Permission,
            "pass the argument `{{secret acme.token}}`: its value is not known here",
        ),
        (
            fake::component_server("c"),
            FailureCategory::Unsupported,
            "run `c` in a cluster: it is no container image",
        ),
    ] {
        let error = planned(&server).expect_err(text);
        assert_eq!((error.category(), error.to_string().as_str()), (category, text));
    }
}

#[test]
fn root_is_given_to_those_who_ask_and_said() {
    let mut server = notes();
    server.user = Some("0".to_owned());
    let plan = planned(&server).expect("nothing is in the way");
    assert_eq!(plan.pod["spec"]["securityContext"].get("runAsNonRoot"), None);
    assert_eq!(plan.fields.reports()[0].field, "user");
    let settings = ClusterSettings { security: Security::Baseline, ..ClusterSettings::default() };
    let plan = planned_with(&notes(), &settings, &[]).expect("nothing is in the way");
    assert_eq!(plan.pod["spec"]["securityContext"].get("runAsNonRoot"), None);
    assert_eq!(plan.fields.reports()[0].field, "security");
}

#[test]
fn the_cluster_does_not_expand_what_docker_does_not() {
    for (text, written) in
        [("$(A)", "$$(A)"), ("$5", "$5"), ("a$$b", "a$$$b"), ("$", "$"), ("$$(A)", "$$$$(A)")]
    {
        assert_eq!(escaped(text), written, "{text}");
    }
}

#[test]
fn a_host_can_be_a_service_of_the_cluster() {
    let found = |host: &str| service_of(host, "mcp").map(|(namespace, name)| format!("{namespace}/{name}"));
    assert_eq!(found("db").as_deref(), Some("mcp/db"));
    assert_eq!(found("db.data").as_deref(), Some("data/db"));
    assert_eq!(found("db.data.svc.cluster.local").as_deref(), Some("data/db"));
    assert_eq!(found("api.example.com"), None);
    assert_eq!(found("DB"), None);
}
