//! Golden requests, written by hand from `kubernetes-and-cloud-patterns.md` 13, and what is refused by name.

use super::{Source, Sources, plan};
use crate::entry::Entry;
use crate::names::Names;
use crate::settings::{EcsSettings, ServerSettings};
use crate::task::{self, Around};
use gateway_plugin::kubernetes::ImageConfig;
use gateway_plugin::types::{
    Access, Amount, Destination, Egress, Mount, MountSource, Part, Protocol, ServerEndpoint, Variable,
};
use gateway_plugin::value::{server_secret, text, variable};
use gateway_plugin::{FailureCategory, Server, Transport, Workload, fake};
use serde_json::Value;

fn golden(text: &str) -> Value {
    serde_json::from_str(text).expect("a golden file is JSON")
}

const TEAM: &str = r#"{"region": "eu-central-1", "cluster": "team", "subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"],
    "executionRole": "arn:aws:iam::123456789012:role/execution", "logGroup": "/team/mcp", "tags": {"cost-center": "42"}}"#;
const OLD: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:old-AbCdEf";

fn settings(json: &str) -> EcsSettings {
    serde_json::from_str(json).expect("settings")
}

fn secret(name: &str, parts: Vec<Part>) -> Variable {
    Variable { name: name.to_owned(), value: parts }
}

fn notes() -> Server {
    let mut server = fake::image_server("notes", "acme/notes:2");
    let Workload::Image(image) = &mut server.workload else { panic!("an image") };
    image.digest = Some(format!("sha256:{}", "1f".repeat(32)));
    image.arguments = ["streamableHttp", "$(HOME)"].map(text).into();
    server.transport = Transport::StreamableHttp(ServerEndpoint {
        port: 3001,
        path: "/mcp".to_owned(),
        health_path: None,
        headers: Vec::new(),
    });
    let token = Part::Secret(server_secret("acme.token"));
    server.environment = vec![
        variable("LANG", "de"),
        secret("ACME_TOKEN", vec![Part::Text("Bearer ".to_owned()), token]),
        secret("OLD", vec![Part::Secret(server_secret("acme.old"))]),
        variable("LANG", "en"),
    ];
    server.secrets = vec!["acme.token".to_owned(), "acme.old".to_owned()];
    server.limits.memory = Some(Amount { mib: 700, written: "700m".to_owned() });
    server.limits.cpu_millis = Some(500);
    server.user = Some("1000:1000".to_owned());
    server
}

fn sources() -> Sources {
    Sources::from([
        ("acme.token".to_owned(), Source::Value),
        ("acme.old".to_owned(), Source::Arn(OLD.to_owned())),
    ])
}

fn time() -> Server {
    let mut server = fake::image_server("time", "mcp/time:1");
    let Workload::Image(image) = &mut server.workload else { panic!("an image") };
    image.arguments = ["--local-timezone", "UTC"].map(text).into();
    server.mounts = vec![Mount {
        source: MountSource::Folder("opaque".to_owned()),
        label: "/srv/notes".to_owned(),
        target: "/data".to_owned(),
        access: Access::ReadOnly,
        options: Vec::new(),
        written: "/srv/notes:/data:ro".to_owned(),
    }];
    server
}

const BRIDGED: &str = r#"{"region": "eu-central-1", "subnets": ["subnet-1"], "securityGroups": ["sg-1"], "architecture": "arm64",
    "executionRole": "arn:aws:iam::123456789012:role/execution", "bridgeImage": "acme/gateway-bridge:1", "volumes": {"/srv/notes": {"fileSystem": "fs-1", "accessPoint": "fsap-1"}}}"#;

fn own() -> ServerSettings {
    serde_json::from_str(r#"{"entrypoint": ["mcp-server-time"]}"#).expect("settings")
}

fn definition(server: &Server, settings: &EcsSettings, own: &ServerSettings) -> Value {
    let entry = Entry::server(server).expect("an image");
    let plan = plan(&entry, settings, own, &sources()).expect("nothing is in the way");
    let names = Names::of(&fake::context(), settings, &server.id);
    let place = settings.place().expect("a region");
    let logs = settings.log_group.as_deref();
    let around = Around { settings, own, place: &place, names: &names, logs };
    task::definition(&entry, &plan, &around, &["arn:made".to_owned()])
}

#[test]
fn a_server_over_http_is_the_golden_task_definition() {
    let made = definition(&notes(), &settings(TEAM), &ServerSettings::default());
    assert_eq!(made, golden(include_str!("golden/http.json")));
}

#[test]
fn a_server_over_standard_streams_stands_behind_the_bridge() {
    let made = definition(&time(), &settings(BRIDGED), &own());
    assert_eq!(made, golden(include_str!("golden/stdio.json")));
}

#[test]
fn what_the_image_says_stands_behind_the_bridge_where_nobody_says_it() {
    let says = |entrypoint: &[&str], arguments: &[&str]| ImageConfig {
        digest: String::new(),
        platform: "linux/amd64".to_owned(),
        entrypoint: entrypoint.iter().map(|word| (*word).to_owned()).collect(),
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        user: String::new(),
        working_directory: String::new(),
        labels: Vec::new(),
        environment_names: Vec::new(),
        exposed_ports: Vec::new(),
    };
    let (silent, asked) = (ServerSettings::default(), time());
    let mut bare = time();
    let Workload::Image(image) = &mut bare.workload else { panic!("an image") };
    image.arguments.clear();
    let words = |server: &Server, own: &ServerSettings, says: &ImageConfig| {
        let entry = Entry { says: Some(says), ..Entry::server(server).expect("an image") };
        let plan = plan(&entry, &settings(BRIDGED), own, &sources())?;
        Ok::<_, gateway_plugin::Error>(
            [plan.entrypoint.expect("the bridge needs one"), plan.arguments].concat().join(" "),
        )
    };
    let image = says(&["server", "-v"], &["--default"]);
    for (server, own, says, expected) in [
        (&asked, &silent, &image, "server -v --local-timezone UTC"),
        (&bare, &silent, &image, "server -v --default"),
        (&bare, &silent, &says(&[], &["server"]), "server"),
        (&bare, &own(), &image, "mcp-server-time"),
    ] {
        assert_eq!(words(server, own, says).expect("planned"), expected);
    }
    let error = words(&bare, &silent, &says(&[], &[])).expect_err("there is nothing to start");
    assert_eq!(error.to_string(), "start image `mcp/time:1`: it starts nothing by itself");
    let entry = Entry::server(&asked).expect("an image");
    assert!(super::must_ask(&entry, &silent) && !super::must_ask(&entry, &own()));
    assert!(!super::must_ask(&Entry::server(&notes()).expect("an image"), &silent));
}

#[test]
fn secrets_are_numbered_without_those_that_a_later_variable_replaces() {
    let mut server = time();
    server.mounts = Vec::new();
    let acme = |name: &str| secret(name, vec![Part::Secret(server_secret("acme.token"))]);
    server.environment = vec![acme("A"), acme("B"), variable("A", "plain"), acme("B")];
    server.secrets = vec!["acme.token".to_owned()];
    let json = BRIDGED.replace("gateway-bridge:1", "gateway-bridge@sha256:1");
    let entry = Entry::server(&server).expect("an image");
    let planned = plan(&entry, &settings(&json), &own(), &sources()).expect("planned");
    let made = planned.variables.iter().filter_map(|variable| match &variable.value {
        super::Held::Made(at, _) => Some((variable.name.as_str(), *at)),
        _ => None,
    });
    assert_eq!(made.collect::<Vec<_>>(), [("B", 0), ("GATEWAY_BRIDGE_TOKEN", 1)]);
    server.environment = vec![variable("GATEWAY_BRIDGE_TOKEN", "mine")];
    let entry = Entry::server(&server).expect("an image");
    let error = plan(&entry, &settings(&json), &own(), &sources()).expect_err("it is taken");
    assert_eq!(error.to_string(), "set variable `GATEWAY_BRIDGE_TOKEN`: it is the bridge's own");
}

#[test]
fn a_task_is_run_with_a_client_token_and_tags() {
    let settings = settings(TEAM);
    let names = Names::of(&fake::context(), &settings, "notes");
    let place = settings.place().expect("a region");
    let made = task::run(&settings, &place, &names, "mcp-notes-r234567890123456:1");
    assert_eq!(made, golden(include_str!("golden/run.json")));
}

#[test]
fn spot_is_a_capacity_provider_and_no_launch_type() {
    let settings = EcsSettings { capacity: crate::Capacity::FargateSpot, ..settings(TEAM) };
    let names = Names::of(&fake::context(), &settings, "notes");
    let made = task::run(&settings, &settings.place().expect("a region"), &names, "d");
    assert_eq!(made.get("launchType"), None);
    assert_eq!(made["capacityProviderStrategy"][0]["capacityProvider"], "FARGATE_SPOT");
}

#[test]
fn what_fargate_does_not_have_is_named() {
    let mut server = notes();
    server.network.egress = Egress::Only(vec![Destination {
        host: "api.example".to_owned(),
        port: Some(443),
        protocol: Protocol::Https,
        written: "api.example:443".to_owned(),
    }]);
    server.network.detached = true;
    server.network.extra_hosts = vec!["a:1.2.3.4".to_owned()];
    server.limits.processes = Some(5);
    server.limits.disk = Some(Amount { mib: 1024, written: "1g".to_owned() });
    server.mounts = time().mounts;
    let entry = Entry::server(&server).expect("an image");
    let plan = plan(&entry, &settings(TEAM), &ServerSettings::default(), &sources()).expect("planned");
    let named: Vec<_> = plan.fields.reports().iter().map(|report| report.field.as_str()).collect();
    assert_eq!(
        named,
        [
            "mounts",
            "limits.cpu-millis",
            "limits.memory",
            "limits.processes",
            "limits.disk",
            "network.egress",
            "network.detached",
            "network.extra-hosts",
        ]
    );
    assert_eq!(plan.disk_gib, Some(21), "Fargate takes 21 GiB and more");
    let error = plan.fields.enforce(&fake::context()).expect_err("the default is to refuse");
    assert_eq!(error.category(), FailureCategory::Config);
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let refused = |server: &Server, json: &str, own: &ServerSettings, sources: &Sources| {
        let error = Entry::server(server)
            .and_then(|entry| plan(&entry, &settings(json), own, sources))
            .expect_err("refused");
        assert!(error.failure().hint.is_some(), "{error} has a hint");
        error.to_string()
    };
    let none = ServerSettings::default();
    let all = sources();
    assert_eq!(
        refused(&time(), BRIDGED, &none, &all),
        "start the server behind the bridge without its entry point"
    );
    assert_eq!(
        refused(&time(), TEAM, &own(), &all),
        "run a server over standard streams without `bridgeImage`"
    );
    assert_eq!(
        refused(&notes(), &TEAM.replace("executionRole", "taskRole"), &none, &all),
        "give the task its secrets without `executionRole`"
    );
    assert_eq!(
        refused(&time(), &BRIDGED.replace("executionRole", "taskRole"), &own(), &all),
        "give the task its secrets without `executionRole`",
        "the token of the bridge is one"
    );
    let mut around = notes();
    around.environment[2].value.push(Part::Text("!".to_owned()));
    assert_eq!(
        refused(&around, TEAM, &none, &all),
        "put secret `acme.old` into variable `OLD`: it is in Secrets Manager, and ECS puts nothing around it"
    );
    let mut secret = time();
    secret.environment = notes().environment;
    secret.mounts = Vec::new();
    let json = TEAM.replace("\"cluster\"", "\"bridgeImage\": \"acme/bridge:1\", \"cluster\"");
    assert_eq!(
        refused(&secret, &json, &own(), &all),
        "put `acme/bridge:1` beside a server that carries secrets: it is not pinned"
    );
    let dear = TEAM.replace(
        "\"cluster\"",
        "\"maxCostPerHour\": 0.01, \"prices\": {\"source\": \"s\", \"cpuHour\": 0.04}, \"cluster\"",
    );
    assert_eq!(refused(&notes(), &dear, &none, &all), "pay 0.0200 in an hour: `maxCostPerHour` is 0.0100");
    assert_eq!(
        refused(&fake::component_server("c"), TEAM, &none, &all),
        "run a component as a task: ECS runs container images"
    );
    let mut windows = notes();
    let Workload::Image(image) = &mut windows.workload else { panic!("an image") };
    image.platform = Some("windows/amd64".to_owned());
    assert_eq!(refused(&windows, TEAM, &none, &all), "run an image for `windows/amd64`");
}

#[test]
fn a_digest_takes_the_place_of_the_tag_and_a_port_is_no_tag() {
    for (reference, expected) in [
        ("acme/notes:2", "acme/notes@sha256:1"),
        ("acme/notes", "acme/notes@sha256:1"),
        ("registry.example:5000/notes", "registry.example:5000/notes@sha256:1"),
        ("registry.example:5000/notes:2", "registry.example:5000/notes@sha256:1"),
    ] {
        let mut server = fake::image_server("a", reference);
        server.transport = Transport::Tcp(1);
        let Workload::Image(image) = &mut server.workload else { panic!("an image") };
        image.digest = Some("sha256:1".to_owned());
        let entry = Entry::server(&server).expect("an image");
        let planned = plan(&entry, &settings(TEAM), &ServerSettings::default(), &sources()).expect("planned");
        assert_eq!(planned.image, expected, "{reference}");
    }
}
