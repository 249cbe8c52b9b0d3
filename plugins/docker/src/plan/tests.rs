//! What becomes of the fields of an entry.

use super::{Around, extra_hosts, plan, proxy};
use gateway_plugin::docker::{EgressProxy, EngineInfo};
use gateway_plugin::types::{
    Access, Amount, Destination, Egress, Mount, MountSource, Part, Protocol, Transport,
};
use gateway_plugin::{FailureCategory, Server, Workload, fake, value};

fn engine() -> EngineInfo {
    EngineInfo {
        version: "28.0.0".to_owned(),
        os: "linux".to_owned(),
        architecture: "x86_64".to_owned(),
        rootless: false,
        local: true,
        limits: ["memory", "cpu", "processes"].map(str::to_owned).into(),
        own_networks: Vec::new(),
    }
}

fn planned(server: &Server, engine: &EngineInfo) -> gateway_plugin::Result<super::Plan> {
    let name = "mcp-notes-r1";
    plan(server, &Around { engine, proxy: None, no_proxy: None, privileged: false, context: None, name })
}

fn notes() -> Server {
    fake::image_server("notes", "acme/notes:2")
}

#[test]
fn a_server_gets_what_docker_run_would_give_it() {
    let mut server = notes();
    server.name = "Notes!".to_owned();
    server.environment = vec![value::variable("A", "1")];
    server.user = Some("1000".to_owned());
    let plan = planned(&server, &engine()).expect("nothing is in the way");
    let spec = plan.spec;
    assert_eq!((spec.name.as_str(), spec.image.as_str()), ("mcp-notes-r1", "acme/notes:2"));
    assert!(spec.init && spec.no_new_privileges && !spec.privileged && !spec.no_network);
    assert_eq!((spec.environment.len(), spec.user.as_deref()), (1, Some("1000")));
    let labels: Vec<_> = spec.labels.iter().map(|label| format!("{}={}", label.key, label.value)).collect();
    assert_eq!(
        labels,
        [
            "docker-mcp=true",
            "docker-mcp-tool-type=mcp",
            "docker-mcp-name=Notes!",
            "docker-mcp-transport=stdio"
        ]
    );
    assert_eq!(plan.fields.reports(), []);
}

#[test]
fn an_approved_digest_is_what_runs() {
    let mut server = notes();
    let Workload::Image(image) = &mut server.workload else { panic!("an image") };
    image.digest = Some("sha256:ab".to_owned());
    assert_eq!(planned(&server, &engine()).expect("planned").spec.image, "acme/notes:2@sha256:ab");
    let Workload::Image(image) = &mut server.workload else { panic!("an image") };
    image.reference = "acme/notes@sha256:ab".to_owned();
    assert_eq!(planned(&server, &engine()).expect("planned").spec.image, "acme/notes@sha256:ab");
}

#[test]
fn what_cannot_be_run_is_refused_by_name() {
    let mut bridge = notes();
    bridge.transport = Transport::Tcp(4444);
    let error = planned(&bridge, &engine()).expect_err("TCP");
    assert_eq!(error.category(), FailureCategory::Config);
    assert_eq!(error.to_string(), "speak with the server over TCP: this plugin does not");
    let error = planned(&fake::component_server("notes"), &engine()).expect_err("a component");
    assert_eq!(error.category(), FailureCategory::Unsupported);
    assert_eq!(error.to_string(), "run `notes` with Docker: it is no container image");
    let mut later = notes();
    later.environment = vec![gateway_plugin::types::Variable {
        name: "A".to_owned(),
        value: vec![Part::Other("{}".to_owned())],
    }];
    let error = planned(&later, &engine()).expect_err("a part of a later version");
    assert_eq!(error.category(), FailureCategory::Unsupported);
    let mut public = notes();
    let Workload::Image(image) = &mut public.workload else { panic!("an image") };
    image.arguments = vec![value::secret(value::server_secret("notes.key"))];
    let error = planned(&public, &engine()).expect_err("a secret in an argument");
    assert_eq!(error.category(), FailureCategory::Permission);
    assert_eq!(error.to_string(), "pass the argument `{{secret notes.key}}`: its value is not known here");
}

#[test]
fn limits_that_the_engine_does_not_enforce_are_reported_and_not_asked_for() {
    let mut server = notes();
    let amount = Amount { mib: 64, written: "64m".to_owned() };
    server.limits.memory = Some(amount.clone());
    server.limits.cpu_millis = Some(500);
    server.limits.processes = Some(9);
    server.limits.disk = Some(amount);
    let plan = planned(&server, &engine()).expect("planned");
    let reported = |plan: &super::Plan| -> Vec<String> {
        plan.fields.reports().iter().map(|report| report.field.clone()).collect()
    };
    assert_eq!(reported(&plan), ["limits.disk"]);
    assert!(plan.spec.limits.memory.is_some() && plan.spec.limits.disk.is_none());
    let rootless = EngineInfo { limits: Vec::new(), ..engine() };
    let plan = planned(&server, &rootless).expect("planned");
    assert_eq!(reported(&plan), ["limits.memory", "limits.cpu-millis", "limits.processes", "limits.disk"]);
    assert_eq!(plan.spec.limits, gateway_plugin::types::Limits::default());
}

#[test]
fn a_folder_of_another_machine_is_not_this_one() {
    let mut server = notes();
    server.mounts = vec![Mount {
        source: MountSource::Folder("folder:1".to_owned()),
        label: "/srv/notes".to_owned(),
        target: "/data".to_owned(),
        access: Access::ReadOnly,
        options: Vec::new(),
        written: "/srv/notes:/data".to_owned(),
    }];
    assert_eq!(planned(&server, &engine()).expect("planned").fields.reports(), []);
    let far = EngineInfo { local: false, ..engine() };
    let reports = planned(&server, &far).expect("planned").fields.reports().to_vec();
    assert_eq!(reports[0].note, "`/srv/notes` is a folder of this machine, and the engine runs on another");
}

#[test]
fn the_way_out_decides_about_networks_and_proxy() {
    let mut server = notes();
    server.network.names = vec!["team".to_owned(), "n1".to_owned()];
    let engine = EngineInfo { own_networks: vec!["n2".to_owned(), "n1".to_owned()], ..engine() };
    assert_eq!(planned(&server, &engine).expect("planned").spec.networks, ["n1", "n2", "team"]);
    assert_eq!(proxy(&server, "mcp-notes-r1").expect("known"), None);
    server.network.egress = Egress::None;
    let spec = planned(&server, &engine).expect("planned").spec;
    assert!(spec.no_network && spec.networks.is_empty());
    server.network.egress = Egress::Public;
    let wanted = proxy(&server, "mcp-notes-r1").expect("known").expect("needed");
    assert_eq!((wanted.name.as_str(), wanted.egress), ("mcp-notes-r1", Egress::Public));
    server.network.egress = Egress::Other("{}".to_owned());
    assert_eq!(proxy(&server, "x").expect_err("later").category(), FailureCategory::Unsupported);
}

#[test]
fn what_leads_to_the_proxy_is_the_proxys_to_look_up() {
    let mut server = notes();
    server.network.extra_hosts =
        ["api.example:10.0.0.5", "a.b.wild.example:10.0.0.6", "db:10.0.0.7"].map(str::to_owned).into();
    let destination = |host: &str| Destination {
        host: host.to_owned(),
        port: Some(443),
        protocol: Protocol::Https,
        written: format!("{host}:443"),
    };
    server.network.egress = Egress::Only(vec![destination("API.example"), destination("*.wild.example")]);
    let proxy = EgressProxy {
        container: "p".to_owned(),
        objects: Vec::new(),
        networks: vec!["p-inside".to_owned()],
        links: Vec::new(),
        dns: Vec::new(),
        extra_hosts: Vec::new(),
        environment: Vec::new(),
    };
    assert_eq!(extra_hosts(&server, Some(&proxy)), ["db:10.0.0.7"]);
    assert_eq!(extra_hosts(&server, None), server.network.extra_hosts);
}
