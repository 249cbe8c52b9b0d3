//! Golden documents, written by hand from `provisioning.md` 3.3, 3.4 and 4.4, and what is refused by name.

use super::{Plan, plan};
use crate::manifest::{Around, escaped};
use crate::policy::{Inside, service_of};
use crate::settings::{ClusterSettings, Provider, Security, Stdio};
use gateway_plugin::types::{
    Access, Amount, Destination, Egress, Label, Lifetime, Mount, MountSource, Part, Protocol, ServerEndpoint,
    SettingRef, Transport, Variable,
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
        stdio: None,
        namespace: "mcp",
        name: "mcp-notes-90123456",
        secret: "mcp-gateway-secrets-90123456",
        config_keys: None,
        component: "mcp-server",
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
    assert_eq!(plan.workload, golden(include_str!("golden/stdio.json")));
    assert_eq!((plan.policy, plan.service, plan.fields.reports().len()), (None, None, 0));
}

#[test]
fn a_server_over_http_has_a_deployment_a_service_a_port_and_a_probe() {
    let mut server = notes();
    server.transport = Transport::StreamableHttp(ServerEndpoint {
        port: 8080,
        path: "/mcp".to_owned(),
        health_path: Some("/healthz".to_owned()),
        headers: Vec::new(),
    });
    let plan = planned(&server).expect("nothing is in the way");
    assert_eq!(plan.service, Some(golden(include_str!("golden/service.json"))));
    assert_eq!(plan.workload, golden(include_str!("golden/deployment.json")));
    assert_eq!(plan.kind(), "apps/v1/Deployment");
}

#[test]
fn a_server_that_all_clients_share_asks_for_the_bridge() {
    let mut server = notes();
    server.lifetime = Lifetime::Shared;
    let plan = planned(&server).expect("nothing is in the way");
    assert!(plan.bridged && plan.deployed);
    let template = &plan.workload["spec"]["template"];
    assert_eq!(template["metadata"]["annotations"]["mcp-gateway.docker.com/bridge"], "4444");
    assert_eq!(plan.workload["metadata"]["annotations"].get("mcp-gateway.docker.com/bridge"), None);
    assert_eq!(template["spec"]["containers"][0].get("stdin"), None);
}

/// The operator's word counts for more than the lifetime. What is attached is never brought back: it ends with its connection.
#[test]
fn the_operator_says_how_streams_are_reached() {
    let context = context();
    let settings = ClusterSettings::default();
    for (lifetime, stdio, kind) in [
        (Lifetime::Session, None, "v1/Pod"),
        (Lifetime::Shared, None, "apps/v1/Deployment"),
        (Lifetime::Session, Some(Stdio::Bridge), "apps/v1/Deployment"),
        (Lifetime::Shared, Some(Stdio::Attach), "v1/Pod"),
    ] {
        let mut server = notes();
        server.lifetime = lifetime;
        let around = Around {
            context: &context,
            settings: &settings,
            security: settings.security,
            stdio,
            namespace: "mcp",
            name: "mcp-notes-90123456",
            secret: "unused",
            config_keys: None,
            component: "mcp-server",
        };
        let plan = plan(&server, &around, &[]).expect("nothing is in the way");
        assert_eq!((plan.kind(), plan.bridged), (kind, kind != "v1/Pod"), "{lifetime:?} {stdio:?}");
        assert_eq!(plan.workload["kind"], kind.rsplit('/').next().expect("a kind"));
    }
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
    assert_eq!(plan.workload["spec"]["securityContext"].get("runAsNonRoot"), None);
    assert_eq!(plan.fields.reports()[0].field, "user");
    let settings = ClusterSettings { security: Security::Baseline, ..ClusterSettings::default() };
    let plan = planned_with(&notes(), &settings, &[]).expect("nothing is in the way");
    assert_eq!(plan.workload["spec"]["securityContext"].get("runAsNonRoot"), None);
    assert_eq!(plan.fields.reports()[0].field, "security");
}

/// Both ways of naming keys, `or:`, texts put together, and what cannot be carried (`provisioning.md` 3.12, 3.13).
#[test]
fn values_of_the_cluster_are_references_and_never_templates() {
    let setting = |key: &str, default: Option<&str>| {
        Part::Setting(SettingRef { key: key.to_owned(), text: None, default: default.map(str::to_owned) })
    };
    let secret = |name: &str| Part::Secret(value::server_secret(name));
    let text = |text: &str| Part::Text(text.to_owned());
    let variable = |name: &str, value: Vec<Part>| Variable { name: name.to_owned(), value };
    let mut server = notes();
    server.secrets = vec!["acme/token".to_owned()];
    server.environment = vec![
        variable("STATIC", vec![text("$(x)")]),
        variable("REGION", vec![setting("acme.region", None)]),
        variable("OPTIONAL", vec![setting("acme.optional", Some(""))]),
        variable("DEFAULTED", vec![setting("acme.level", Some("in$(f)o"))]),
        variable(
            "URL",
            vec![text("https://"), setting("acme.host", None), text(":"), setting("acme-host", None)],
        ),
        variable("TOKEN", vec![secret("acme/token")]),
        variable("HEADER", vec![text("Bearer "), secret("acme/token")]),
    ];
    let Workload::Image(image) = &mut server.workload else { panic!("an image") };
    image.arguments = vec![value::text("--host"), vec![text("x="), setting("acme.host", None)]];
    let settings = ClusterSettings {
        secret_provider: Provider::Cluster,
        config_provider: Provider::Cluster,
        config_name: Some("mine".to_owned()),
        ..ClusterSettings::default()
    };
    let made = planned_with(&server, &settings, &[]).expect("nothing is in the way");
    assert_eq!(made.workload["spec"]["containers"][0], golden(include_str!("golden/cluster-values.json")));
    // Known keys: a whole variable under its own name, one that is missing, and one with a default.
    let context = context();
    let with = |keys: &[&str]| {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let around = Around {
            context: &context,
            settings: &settings,
            security: settings.security,
            namespace: "mcp",
            name: "mcp-notes-90123456",
            secret: "unused",
            config_keys: Some(&keys),
            stdio: None,
            component: "mcp-server",
        };
        plan(&server, &around, &[])
    };
    let names = |plan: Plan| {
        let env = plan.workload["spec"]["containers"][0]["env"].as_array().expect("variables").clone();
        env.iter().map(|v| v["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let whole = with(&["REGION", "URL", "acme.host"]).map(names).expect("everything is there");
    assert!(!whole.contains(&"URL".to_owned()) && whole.contains(&"REGION".to_owned()), "{whole:?}");
    let error = with(&["acme.host", "acme-host"]).expect_err("no region");
    assert_eq!(
        error.to_string(),
        "give variable `REGION` its value: ConfigMap `mine` in namespace `mcp` has no key `acme.region` and no key `REGION`"
    );
    // A secret that is known here and a setting that is not cannot be one value.
    let mixed = ClusterSettings { secret_provider: Provider::DockerEngine, ..settings.clone() };
    server.environment = vec![variable("BOTH", vec![secret("acme/token"), setting("acme.host", None)])];
    let error = planned_with(&server, &mixed, &[]).expect_err("two places");
    assert!(error.to_string().starts_with("give variable `BOTH` its value"), "{error}");
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
