//! A golden request, written by hand from `kubernetes-and-cloud-patterns.md` 14, and what is refused by name.

use super::{Source, plan};
use crate::names;
use crate::settings::RunSettings;
use gateway_plugin::types::{Access, Amount, Mount, MountSource, Part, ServerEndpoint, Variable};
use gateway_plugin::value::{server_secret, text, variable};
use gateway_plugin::{Result, Server, Transport, Workload, fake};
use serde_json::Value;
use std::collections::BTreeMap;

const SETTINGS: &str = r#"{"project": "acme", "location": "europe-west3", "serviceAccount": "servers@acme.iam.gserviceaccount.com",
    "labels": {"cost-center": "42"}, "volumes": {"/srv/notes": "acme-notes"}}"#;

fn settings(json: &str) -> RunSettings {
    serde_json::from_str(json).expect("settings")
}

fn secret(name: &str, parts: Vec<Part>) -> Variable {
    Variable { name: name.to_owned(), value: parts }
}

fn notes() -> Server {
    let mut server = fake::image_server("notes", "europe-docker.pkg.dev/acme/mcp/notes:2");
    let Workload::Image(image) = &mut server.workload else { panic!("an image") };
    image.digest = Some("sha256:1f".to_owned());
    image.arguments = vec![text("streamableHttp")];
    server.transport = Transport::StreamableHttp(ServerEndpoint {
        port: 3001,
        path: "/mcp".to_owned(),
        health_path: None,
        headers: Vec::new(),
    });
    let token = Part::Secret(server_secret("acme.token"));
    server.environment = vec![
        variable("LANG", "de"),
        variable("PORT", "3001"),
        variable("LANG", "en"),
        secret("ACME_TOKEN", vec![Part::Text("Bearer ".to_owned()), token]),
        secret("OLD", vec![Part::Secret(server_secret("acme.old"))]),
    ];
    server.secrets = vec!["acme.token".to_owned(), "acme.old".to_owned()];
    server.limits.memory = Some(Amount { mib: 6144, written: "6g".to_owned() });
    server.limits.cpu_millis = Some(1500);
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

fn planned(server: &Server, json: &str) -> Result<super::Plan> {
    let settings = settings(json);
    let labels = names::labels(&settings, &fake::context(), |_, value| value.to_owned());
    let sources = BTreeMap::from([
        ("acme.token".to_owned(), Source::Value),
        ("acme.old".to_owned(), Source::There("projects/acme/secrets/old".to_owned())),
    ]);
    plan(server, &settings, None, &labels, &sources)
}

#[test]
fn a_server_is_the_golden_service() {
    let plan = planned(&notes(), SETTINGS).expect("nothing is in the way");
    let golden: Value = serde_json::from_str(include_str!("golden/service.json")).expect("JSON");
    assert_eq!(plan.with_secrets(&["mcp-notes-r1-0-ACME_TOKEN".to_owned()]), golden);
    assert_eq!(plan.made.len(), 1, "the other is there already");
    let fields: Vec<_> = plan.fields.reports().iter().map(|report| report.field.as_str()).collect();
    assert_eq!(fields, ["mounts", "limits.cpu-millis"]);
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let refused = |server: &Server, json: &str| {
        let error = planned(server, json).expect_err("refused");
        assert!(error.failure().hint.is_some(), "{error} has a hint");
        error.to_string()
    };
    let stdio = Server { transport: Transport::Stdio, ..notes() };
    assert_eq!(refused(&stdio, SETTINGS), "speak to a server of Cloud Run over anything but HTTP");
    assert_eq!(
        refused(&notes(), r#"{"project": "acme", "location": "l", "volumes": {"/srv/notes": "b"}}"#),
        "let the service read its secrets without `serviceAccount`"
    );
    let mut large = notes();
    large.limits.memory = Some(Amount { mib: 40_000, written: "40000m".to_owned() });
    assert_eq!(refused(&large, SETTINGS), "give a service 40000 MiB");
    let mut around = notes();
    around.environment[4].value.push(Part::Text("!".to_owned()));
    assert_eq!(
        refused(&around, SETTINGS),
        "put secret `acme.old` into variable `OLD`: it is in Secret Manager, and Cloud Run puts nothing around it"
    );
}

#[test]
fn what_cloud_run_does_not_have_is_named() {
    let mut server = notes();
    server.user = Some("1000".to_owned());
    server.network.detached = true;
    server.limits.processes = Some(5);
    server.mounts[0].label = "/elsewhere".to_owned();
    let plan = planned(&server, SETTINGS).expect("planned");
    let fields: Vec<_> = plan.fields.reports().iter().map(|report| report.field.as_str()).collect();
    assert_eq!(fields, ["mounts", "limits.cpu-millis", "user", "network.detached", "limits.processes"]);
}
