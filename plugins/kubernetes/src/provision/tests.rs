//! The plugin on the fake host.

use crate::Kubernetes;
use crate::names::{DEPLOYMENT, POD, SECRET};
use gateway_plugin::fake::{self, FakeHost, check_endings};
use gateway_plugin::kubernetes::{Right, Target};
use gateway_plugin::types::{Egress, Lifetime, ServerEndpoint, Transport, Variable};
use gateway_plugin::{FailureCategory, ReleaseReason, Server, Status, value};

fn notes() -> Server {
    fake::image_server("notes", "acme/notes:2")
}

const NAME: &str = "mcp-notes-90123456";

#[test]
fn a_server_is_applied_awaited_attached_and_taken_down() {
    let host = FakeHost::new();
    let provisioned = host.provision::<Kubernetes>(&notes()).expect("nothing is in the way");
    assert_eq!(provisioned.objects.len(), 1);
    assert_eq!((provisioned.objects[0].kind.as_str(), provisioned.objects[0].name.as_str()), (POD, NAME));
    assert_eq!(host.connections(), [format!("stdio of pod {NAME}")]);
    assert_eq!(host.probe::<Kubernetes>().expect("known").status, Status::Unready);
    host.release::<Kubernetes>(ReleaseReason::Ended).expect("it is there");
    assert_eq!(host.left(), []);
    assert_eq!(host.probe::<Kubernetes>().expect("known").status, Status::Gone);
    host.release::<Kubernetes>(ReleaseReason::Ended).expect("gone already is success");
}

fn over_http() -> Server {
    let mut server = notes();
    server.transport = Transport::StreamableHttp(ServerEndpoint {
        port: 8080,
        path: "/mcp".to_owned(),
        health_path: None,
        headers: Vec::new(),
    });
    server
}

#[test]
fn what_is_reached_over_the_network_is_kept_by_a_deployment() {
    let mut shared = notes();
    shared.lifetime = Lifetime::Shared;
    for (server, others) in [(shared, 0), (over_http(), 1)] {
        let host = FakeHost::new();
        let provisioned = host.provision::<Kubernetes>(&server).expect("nothing is in the way");
        let kinds: Vec<&str> = provisioned.objects.iter().map(|object| object.kind.as_str()).collect();
        assert_eq!((kinds[0], kinds.len()), (DEPLOYMENT, 1 + others));
        // Its connection breaks, and another pod has come by itself: the same Deployment, and another process.
        let again = host.reconnect::<Kubernetes>(&server).expect("asked").expect("there is a way back");
        assert!(!again.same_process);
        host.release::<Kubernetes>(ReleaseReason::Ended).expect("it is there");
        assert_eq!(host.left(), []);
        assert_eq!(host.probe::<Kubernetes>().expect("known").status, Status::Gone);
        assert!(host.reconnect::<Kubernetes>(&server).expect("asked").is_none());
    }
}

#[test]
fn a_server_that_was_attached_has_no_way_back() {
    let host = FakeHost::new();
    host.provision::<Kubernetes>(&notes()).expect("nothing is in the way");
    assert!(host.reconnect::<Kubernetes>(&notes()).expect("asked").is_none());
}

#[test]
fn nothing_is_left_however_it_ends() {
    let mut shut = notes();
    shut.network.egress = Egress::None;
    assert_eq!(check_endings::<Kubernetes>(FakeHost::new, &notes()), Ok(()));
    assert_eq!(check_endings::<Kubernetes>(FakeHost::new, &shut), Ok(()));
    assert_eq!(check_endings::<Kubernetes>(FakeHost::new, &over_http()), Ok(()));
}

#[test]
fn one_secret_is_made_for_all_before_any() {
    let host = FakeHost::new();
    let mut server = notes();
    server.secrets = vec!["acme.token".to_owned()];
    server.environment =
        vec![Variable { name: "TOKEN".to_owned(), value: value::secret(value::server_secret("acme.token")) }];
    host.prepare::<Kubernetes>(&[server.clone(), fake::image_server("b", "b")], &[]).expect("prepared");
    let made = Target::new(SECRET, "default", "mcp-gateway-secrets-90123456");
    let document = host.object(&made).expect("the Secret is there");
    assert_eq!(document.get("data"), None, "the plugin has no values");
    assert_eq!(document["metadata"]["labels"]["app.kubernetes.io/component"], "mcp-server-secret");
    host.shutdown::<Kubernetes>().expect("it goes");
    assert_eq!(host.left(), []);
}

#[test]
fn missing_rights_are_named_with_the_rule() {
    let right = Right {
        verb: "create".to_owned(),
        group: String::new(),
        plural: "pods".to_owned(),
        subresource: Some("attach".to_owned()),
        namespace: "default".to_owned(),
        name: None,
    };
    let host = FakeHost::new().with_missing_right(right, "the rule");
    let error = host.prepare::<Kubernetes>(&[notes()], &[]).expect_err("a right is missing");
    assert_eq!(error.category(), FailureCategory::Permission);
    assert!(error.to_string().contains("pods/attach.create"), "{error}");
    assert_eq!(error.failure().hint.as_deref(), Some("the rule"));
}

#[test]
fn what_shuts_a_server_in_goes_after_it() {
    let host = FakeHost::new();
    let mut shut = notes();
    shut.network.egress = Egress::None;
    host.provision::<Kubernetes>(&shut).expect("nothing is in the way");
    host.release::<Kubernetes>(ReleaseReason::Ended).expect("it is there");
    let calls = host.calls();
    let at = |what: &str| calls.iter().rposition(|call| call.contains(what)).expect(what);
    let order = [at("remove v1/Pod"), at("kubernetes.wait"), at("remove networking.k8s.io/v1/NetworkPolicy")];
    assert!(order.is_sorted(), "{calls:?}");
}
