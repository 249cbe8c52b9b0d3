//! The plugin on the fake host, against a small Cloud Run of the test.

use crate::CloudRun;
use crate::names::{SECRET, SERVICE};
use gateway_plugin::fake::{self, FakeHost, check_endings};
use gateway_plugin::http::{BodyPart, Request, Response};
use gateway_plugin::types::{Liveness, Page, ServerEndpoint, Severity, Variable};
use gateway_plugin::value::{display, secret, server_secret};
use gateway_plugin::{Context, Error, FailureCategory, ReleaseReason, Result, Server, Status, Transport};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

const SETTINGS: &str = r#"{"project": "acme", "location": "europe-west3", "invoker": "gateway@acme.iam.gserviceaccount.com",
    "serviceAccount": "servers@acme.iam.gserviceaccount.com"}"#;
const NAME: &str = "mcp-notes-r234567890123456";

/// Cloud Run and Secret Manager, as far as the plugin asks. Operations take a look to be done.
#[derive(Default)]
struct World {
    services: BTreeMap<String, Value>,
    secrets: BTreeMap<String, Value>,
    calls: Vec<String>,
    lost: Option<String>,
    replaced: BTreeMap<String, (u16, String)>,
}

#[derive(Clone, Default)]
struct Google(Rc<RefCell<World>>);

impl Google {
    fn host(&self) -> FakeHost {
        let host = FakeHost::new().with_settings(SETTINGS);
        let google = self.clone();
        host.on_http(move |request| google.0.borrow_mut().send(request));
        host
    }

    fn left(&self) -> Vec<String> {
        let world = self.0.borrow();
        world.services.keys().chain(world.secrets.keys()).cloned().collect()
    }

    fn replace(&self, call: &str, status: u16, body: &str) {
        self.0.borrow_mut().replaced.insert(call.to_owned(), (status, body.to_owned()));
    }
}

fn refused(status: u16, word: &str) -> Response {
    Response::new(status, json!({"error": {"status": word, "message": "as asked"}}).to_string())
}

impl World {
    fn send(&mut self, request: &Request) -> Result<Response> {
        assert_eq!(request.signing.as_ref().map(|signing| signing.signer.as_str()), Some("google"));
        let (_, path) = request.url.split_once(".googleapis.com/").expect("Google's");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        let call = match last.split_once(':') {
            Some((_, operation)) => operation.to_owned(),
            None => {
                let kind = ["operations", "services", "secrets"].into_iter().find(|kind| path.contains(kind));
                format!("{} {}", request.method, kind.unwrap_or_default())
            }
        };
        self.calls.push(call.clone());
        if let Some((status, body)) = self.replaced.remove(&call) {
            return Ok(Response::new(status, body));
        }
        let body: String = request
            .body
            .iter()
            .map(|part| match part {
                BodyPart::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                BodyPart::Value(encoded) => display(&encoded.value),
            })
            .collect();
        let body = serde_json::from_str(&body).unwrap_or_default();
        let response = self.answer(&call, &last, query, body);
        if self.lost.as_ref() == Some(&call) {
            self.lost = None;
            return Err(Error::retryable("read the answer: the connection was cut"));
        }
        Ok(response)
    }

    fn answer(&mut self, call: &str, last: &str, query: &str, body: Value) -> Response {
        let new = query.rsplit('=').next().unwrap_or_default().to_owned();
        let operation = json!({"name": "projects/acme/locations/europe-west3/operations/1", "done": false});
        let answer = match call {
            "POST services" if self.services.contains_key(&new) => return refused(409, "ALREADY_EXISTS"),
            "POST services" => {
                let mut service = body;
                service["name"] = format!("projects/acme/locations/europe-west3/services/{new}").into();
                service["createTime"] = "2026-01-01T00:00:00Z".into();
                service["looks"] = 0.into();
                self.services.insert(new, service);
                operation
            }
            "GET operations" => json!({"name": "o", "done": true, "response": {}}),
            "GET services" if last == "services" => {
                json!({"services": self.services.values().collect::<Vec<_>>()})
            }
            "GET services" => {
                let Some(service) = self.services.get_mut(last) else { return refused(404, "NOT_FOUND") };
                let looks = service["looks"].as_u64().unwrap_or_default();
                service["looks"] = (looks + 1).into();
                if service["deleted"] == true {
                    self.services.remove(last);
                    return refused(404, "NOT_FOUND");
                }
                let state = if looks == 0 { "CONDITION_RECONCILING" } else { "CONDITION_SUCCEEDED" };
                service["reconciling"] = (looks == 0).into();
                service["generation"] = "1".into();
                service["observedGeneration"] = "1".into();
                service["terminalCondition"] = json!({"state": state});
                service["uri"] = format!("https://{last}-abc-ey.a.run.app").into();
                service.clone()
            }
            "DELETE services" => {
                let Some(service) = self.services.get_mut(last) else { return refused(404, "NOT_FOUND") };
                service["deleted"] = true.into();
                operation
            }
            "POST secrets" if self.secrets.contains_key(&new) => return refused(409, "ALREADY_EXISTS"),
            "POST secrets" => {
                let mut secret = body;
                secret["name"] = format!("projects/acme/secrets/{new}").into();
                secret["createTime"] = "2026-01-01T00:00:00Z".into();
                self.secrets.insert(new, secret.clone());
                secret
            }
            "GET secrets" => json!({"secrets": self.secrets.values().collect::<Vec<_>>()}),
            "DELETE secrets" => match self.secrets.remove(last) {
                Some(_) => json!({}),
                None => return refused(404, "NOT_FOUND"),
            },
            "addVersion" => json!({"name": "projects/acme/secrets/s/versions/1"}),
            "getIamPolicy" => json!({"etag": "e"}),
            "setIamPolicy" => {
                assert_eq!(body["policy"]["etag"], "e", "what was read goes back");
                body["policy"].clone()
            }
            "testIamPermissions" => json!({"permissions": crate::validate::PERMISSIONS}),
            other => panic!("the double has no {other}"),
        };
        Response::new(200, answer.to_string())
    }
}

fn notes() -> Server {
    let mut server = fake::image_server("notes", "acme/notes:2");
    server.transport = Transport::StreamableHttp(ServerEndpoint {
        port: 3001,
        path: "/mcp".to_owned(),
        health_path: None,
        headers: Vec::new(),
    });
    server.environment =
        vec![Variable { name: "TOKEN".to_owned(), value: secret(server_secret("acme.token")) }];
    server.secrets = vec!["acme.token".to_owned()];
    server
}

#[test]
fn a_server_gets_a_secret_and_a_service_and_both_go() {
    let google = Google::default();
    let host = google.host();
    host.prepare::<CloudRun>(&[notes()], &[]).expect("the location is there");
    let provisioned = host.provision::<CloudRun>(&notes()).expect("nothing is in the way");
    let kinds: Vec<_> = provisioned.objects.iter().map(|object| object.kind.as_str()).collect();
    assert_eq!(kinds, [SERVICE, SECRET]);
    assert_eq!(host.connections(), [format!("HTTP at https://{NAME}-abc-ey.a.run.app/mcp")]);
    assert_eq!(host.probe::<CloudRun>().expect("known").status, Status::Running);
    assert!(!host.reconnect::<CloudRun>(&notes()).expect("asked").expect("a way").same_process);
    host.release::<CloudRun>(ReleaseReason::Ended).expect("released");
    assert_eq!(host.probe::<CloudRun>().expect("known").status, Status::Gone);
    assert_eq!((host.left(), google.left()), (Vec::new(), Vec::new()));
}

#[test]
fn nothing_is_left_however_it_ends() {
    assert_eq!(check_endings::<CloudRun>(|| Google::default().host(), &notes()), Ok(()));
}

#[test]
fn a_repeated_attempt_finds_what_the_first_made() {
    for lost in ["POST secrets", "addVersion", "setIamPolicy", "POST services", "GET operations"] {
        let google = Google::default();
        let host = google.host();
        google.0.borrow_mut().lost = Some(lost.to_owned());
        let error = host.provision::<CloudRun>(&notes()).expect_err("the answer was lost");
        assert_eq!(error.category(), FailureCategory::Retryable, "{lost}");
        host.resume::<CloudRun>(&notes()).unwrap_or_else(|error| panic!("{lost}: {error}"));
        assert_eq!(google.left(), [NAME.to_owned(), format!("{NAME}-0-TOKEN")], "{lost}");
    }
}

#[test]
fn a_service_that_does_not_come_up_says_why() {
    for (reason, category) in [
        ("CONTAINER_MISSING", FailureCategory::Image),
        ("SECRETS_ACCESS_CHECK_FAILED", FailureCategory::Permission),
        ("HEALTH_CHECK_CONTAINER_ERROR", FailureCategory::Permanent),
        ("MIN_INSTANCES_NOT_PROVISIONED", FailureCategory::Quota),
    ] {
        let google = Google::default();
        let host = google.host();
        let condition = json!({"state": "CONDITION_FAILED", "reason": reason, "message": "because"});
        google.replace("GET services", 200, &json!({"terminalCondition": condition}).to_string());
        let error = host.provision::<CloudRun>(&notes()).expect_err("it does not come up");
        assert_eq!((error.category(), error.to_string()), (category, format!("start the service: {reason}")));
        assert_eq!(error.failure().details, ["because"]);
        host.release::<CloudRun>(ReleaseReason::Unfinished).expect("released");
        assert_eq!(google.left(), [""; 0]);
    }
}

#[test]
fn every_missing_right_is_a_finding_and_nothing_is_made() {
    let google = Google::default();
    let host = google.host();
    assert_eq!(host.validate::<CloudRun>(&notes()).expect("asked").findings, []);
    google.replace("testIamPermissions", 200, r#"{"permissions": ["run.services.get"]}"#);
    let validation = host.validate::<CloudRun>(&notes()).expect("asked");
    assert_eq!(validation.findings.len(), crate::validate::PERMISSIONS.len() - 1);
    let first = &validation.findings[0];
    assert_eq!(first.severity, Severity::Problem);
    assert_eq!(first.failure.text, "do without `run.operations.get` in the project");
    assert_eq!(google.left(), [""; 0]);
}

#[test]
fn a_plan_says_the_same_twice_and_asks_nobody() {
    let google = Google::default();
    let plan = google.host().plan::<CloudRun>(&notes()).expect("planned");
    let later = Context { request: "r999999999999999".to_owned(), ..fake::context() };
    let again = google.host().with_context(later).plan::<CloudRun>(&notes()).expect("planned");
    assert_eq!(plan.documents, again.documents);
    let titles: Vec<_> = plan.documents.iter().map(|document| document.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "POST projects/acme/secrets",
            "POST projects/acme/locations/europe-west3/services?serviceId=mcp-notes-<request>"
        ]
    );
    assert_eq!(google.0.borrow().calls, [""; 0]);
}

#[test]
fn a_sweep_takes_what_is_dead_and_ours_and_nothing_else() {
    let google = Google::default();
    for (session, request) in [("sdeaddeaddeaddead", "r1"), ("saliveealiveealive", "r2")] {
        let mut context =
            Context { session: session.to_owned(), request: request.to_owned(), ..fake::context() };
        for label in context.labels.iter_mut().filter(|label| label.key == "gateway-session") {
            session.clone_into(&mut label.value);
        }
        google.host().with_context(context).provision::<CloudRun>(&notes()).expect("provisioned");
    }
    let sweeping = google.host().with_session("sdeaddeaddeaddead", Liveness::Dead);
    let mut page = Page { cursor: None, limit: 10 };
    let mut removed = Vec::new();
    loop {
        let swept = sweeping.sweep::<CloudRun>(60, &page).expect("swept");
        assert_eq!(swept.failed, []);
        removed.extend(swept.removed.into_iter().map(|object| object.name));
        match swept.cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(removed, ["mcp-notes-r1", "mcp-notes-r1-0-TOKEN"]);
    assert_eq!(google.left(), ["mcp-notes-r2", "mcp-notes-r2-0-TOKEN"]);
}
