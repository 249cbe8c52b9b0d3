//! Cloud Run Admin v2 and Secret Manager v1, as far as the plugin asks, and strict about it: requests without a token, unknown fields and paths that
//! nobody serves are refused and remembered. Services run on the local engine, behind a door that lets in only who shows an identity token for it.

mod service;

use super::containers::Containers;
use super::disturbed::Disturbance;
use super::fields::{self, Shape};
use super::front::{Answer, Asked, Front, answer};
use super::google::{Good, ServiceAccountFile, Tokens};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module.
pub struct CloudRunDouble {
    inner: Arc<Inner>,
    front: Front,
}

pub(super) struct Inner {
    tokens: Tokens,
    containers: Containers,
    url: Mutex<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    wrong: Vec<String>,
    disturb: Option<(String, Disturbance)>,
    services: BTreeMap<String, Service>,
    secrets: BTreeMap<String, Value>,
    /// Identity tokens that were shown at the doors.
    shown: BTreeSet<String>,
}

/// Parent of all services.
const PARENT: &str = "/v2/projects/acme/locations/europe-west3";
/// Parent of all secrets.
const SECRETS: &str = "/v1/projects/acme/secrets";

impl CloudRunDouble {
    /// Starts one. `None`, with a line that says why, where no key can be made.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub async fn new() -> Option<Self> {
        let Some(tokens) = Tokens::new() else {
            eprintln!("skipped: no openssl, which makes the key of the service account");
            return None;
        };
        let inner = Arc::new(Inner {
            tokens,
            containers: Containers::new(),
            url: Mutex::default(),
            state: Mutex::default(),
        });
        let handler = Arc::clone(&inner);
        let front = Front::start(move |asked| {
            let inner = Arc::clone(&handler);
            Box::pin(async move { inner.answer(asked) })
        })
        .await;
        *inner.url.lock().unwrap_or_else(PoisonError::into_inner) = front.url();
        Some(Self { inner, front })
    }

    /// The file by which the gateway is who it is.
    #[must_use]
    pub fn credentials(&self) -> ServiceAccountFile {
        self.inner.tokens.file(&format!("{}/token", self.front.url()))
    }

    /// Settings of the plugin for this double, and the grant for it.
    #[must_use]
    pub fn settings(&self) -> String {
        let (url, authority) = (self.front.url(), self.front.address);
        format!(
            "plugins:\n  cloud-run:\n    bundled: cloud-run\n    settings:\n      project: acme\n      location: europe-west3\n\
             \x20     serviceAccount: servers@acme.iam.gserviceaccount.com\n      invoker: gateway@acme.iam.gserviceaccount.com\n\
             \x20     endpoints: {{run: '{url}', secretmanager: '{url}', cloudresourcemanager: '{url}'}}\n    grants:\n      http:\n\
             \x20       - host: {authority}\n          methods: [GET, POST, DELETE]\n          paths: [\"/v1/*\", \"/v2/*\"]\n\
             \x20         reads: [testIamPermissions]\n          secrets: [{{at: /payload/data, operation: addVersion}}]\n\
             \x20         sign: {{kind: googleAccessToken}}\n          private: true\n        - host: 127.0.0.1:*\n\
             \x20         methods: [GET, POST, DELETE]\n          sign: {{kind: googleIdToken}}\n          private: true\n\
             \x20     connect: [\"127.0.0.1:*\"]\n"
        )
    }

    /// Every call, in order: `POST services`, `addVersion`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.inner.state().calls.clone()
    }

    /// What was asked in a way that Google would not take.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        self.inner.state().wrong.clone()
    }

    /// This happens to the next such call, once.
    pub fn disturb(&self, call: &str, disturbance: Disturbance) {
        self.inner.state().disturb = Some((call.to_owned(), disturbance));
    }

    /// How many different identity tokens were shown.
    #[must_use]
    pub fn identities(&self) -> usize {
        self.inner.state().shown.len()
    }

    /// Everything that is left: containers, services, secrets.
    pub async fn left(&self) -> Vec<String> {
        let mut left: Vec<String> =
            self.inner.containers.left().await.into_iter().map(|id| format!("container {id}")).collect();
        let state = self.inner.state();
        left.extend(state.services.keys().chain(state.secrets.keys()).cloned());
        left
    }
}

fn refused(status: u16, word: &str, message: &str) -> (u16, Value) {
    (status, json!({"error": {"code": status, "status": word, "message": message}}))
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(self: Arc<Self>, asked: Asked) -> Option<Answer> {
        let plain = asked.plain_path().to_owned();
        if plain == "/token" {
            let uri = format!("{}/token", self.url.lock().unwrap_or_else(PoisonError::into_inner));
            let form = String::from_utf8_lossy(&asked.body).into_owned();
            let (status, body) = match self.tokens.exchange(&form, &uri) {
                Ok(token) => (200, token),
                Err(why) => (400, json!({"error": "invalid_grant", "error_description": why})),
            };
            return Some(answer(status, "application/json", body.to_string()));
        }
        let call = call(&asked, &plain);
        let disturbance = {
            let mut state = self.state();
            state.calls.push(call.clone());
            match &state.disturb {
                Some((wanted, disturbance)) if *wanted == call => {
                    let disturbance = *disturbance;
                    state.disturb = None;
                    Some(disturbance)
                }
                _ => None,
            }
        };
        if let Some(disturbance) = disturbance.filter(|disturbance| !disturbance.carries_out()) {
            return disturbance.instead(&[], true);
        }
        let (status, body) = match self.tokens.good(asked.header("authorization")) {
            Some(Good::Access(scope)) if scope.contains("cloud-platform") => {
                Arc::clone(&self).carry_out(&call, &plain, &asked)
            }
            _ => {
                self.state().wrong.push(format!("{call}: without an access token"));
                refused(401, "UNAUTHENTICATED", "there is no access token")
            }
        };
        match disturbance {
            Some(disturbance) => disturbance.instead(body.to_string().as_bytes(), true),
            None => Some(answer(status, "application/json", body.to_string())),
        }
    }

    fn fits(&self, call: &str, shape: &Shape, body: &Value) -> Result<(), (u16, Value)> {
        match shape.unknown(body, "") {
            None => Ok(()),
            Some(unknown) => {
                self.state().wrong.push(format!("{call}: unknown field {unknown}"));
                Err(refused(400, "INVALID_ARGUMENT", &format!("Unknown name {unknown}: Cannot find field.")))
            }
        }
    }

    fn carry_out(self: Arc<Self>, call: &str, plain: &str, asked: &Asked) -> (u16, Value) {
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let outcome = match call {
            "testIamPermissions" => Ok((200, json!({"permissions": body["permissions"]}))),
            "POST services" => {
                self.fits(call, &fields::SERVICE, &body).map(|()| Arc::clone(&self).create(asked, body))
            }
            "POST secrets" => self.fits(call, &fields::SECRET, &body).map(|()| self.new_secret(asked, body)),
            "addVersion" => self.fits(call, &fields::VERSION, &body).map(|()| self.add_version(plain, &body)),
            "setIamPolicy" => {
                self.fits(call, &fields::POLICY, &body).map(|()| self.policy(plain, Some(body)))
            }
            "getIamPolicy" => Ok(self.policy(plain, None)),
            "GET operations" => Ok(self.operation(plain)),
            "GET services" if plain == format!("{PARENT}/services") => Ok(self.list_services()),
            "GET services" => Ok(self.get(plain)),
            "DELETE services" => Ok(self.delete(plain)),
            "GET secrets" => {
                let state = self.state();
                Ok((200, json!({"secrets": state.secrets.values().map(without_data).collect::<Vec<_>>()})))
            }
            "DELETE secrets" => {
                let removed = self.state().secrets.remove(last(plain));
                Ok(removed.map_or_else(|| refused(404, "NOT_FOUND", "no secret"), |_| (200, json!({}))))
            }
            other => {
                self.state().wrong.push(format!("nobody serves {other} {plain}"));
                Ok(refused(404, "UNIMPLEMENTED", "nobody serves that"))
            }
        };
        outcome.unwrap_or_else(|refusal| refusal)
    }

    fn new_secret(&self, asked: &Asked, mut body: Value) -> (u16, Value) {
        let name = asked.query("secretId").unwrap_or_default().to_owned();
        let mut state = self.state();
        if asked.plain_path() != SECRETS || name.is_empty() {
            state.wrong.push(format!("POST secrets at {}", asked.path));
            return refused(400, "INVALID_ARGUMENT", "no secretId");
        }
        if state.secrets.contains_key(&name) {
            return refused(409, "ALREADY_EXISTS", "it is there");
        }
        body["name"] = format!("projects/acme/secrets/{name}").into();
        body["createTime"] = service::now().into();
        body["policy"] = json!({"etag": "1"});
        state.secrets.insert(name, body.clone());
        (200, without_data(&body))
    }

    fn add_version(&self, plain: &str, body: &Value) -> (u16, Value) {
        let data = body["payload"]["data"].as_str().and_then(|data| STANDARD.decode(data).ok());
        let mut state = self.state();
        let (name, _) = last(plain).split_once(':').unwrap();
        match (data, state.secrets.get_mut(name)) {
            (None, _) => refused(400, "INVALID_ARGUMENT", "the payload is no base64"),
            (_, None) => refused(404, "NOT_FOUND", "no secret"),
            (Some(data), Some(secret)) => {
                secret["data"] = String::from_utf8(data).unwrap().into();
                (200, json!({"name": format!("projects/acme/secrets/{name}/versions/1")}))
            }
        }
    }

    /// Reads or sets a policy. What is set must have the `etag` of what was read.
    fn policy(&self, plain: &str, set: Option<Value>) -> (u16, Value) {
        let mut state = self.state();
        let (name, _) = last(plain).split_once(':').unwrap();
        let holder = if plain.starts_with(SECRETS) {
            state.secrets.get_mut(name).map(|secret| &mut secret["policy"])
        } else {
            state.services.get_mut(name).map(|service| &mut service.policy)
        };
        let Some(policy) = holder else { return refused(404, "NOT_FOUND", "nothing there") };
        if let Some(set) = set {
            if set["policy"]["etag"] != policy["etag"] {
                state.wrong.push(format!("setIamPolicy of {name} without the etag that was read"));
                return refused(409, "ABORTED", "there were concurrent policy changes");
            }
            let next =
                policy["etag"].as_str().and_then(|etag| etag.parse::<u32>().ok()).unwrap_or_default() + 1;
            *policy = set["policy"].clone();
            policy["etag"] = next.to_string().into();
        }
        (200, policy.clone())
    }

    /// Whether a member has a role of a resource.
    fn has(policy: &Value, role: &str, member: &str) -> bool {
        let bindings = policy["bindings"].as_array();
        bindings.into_iter().flatten().any(|binding| {
            binding["role"] == role
                && binding["members"].as_array().is_some_and(|all| all.contains(&member.into()))
        })
    }
}

fn without_data(secret: &Value) -> Value {
    json!({"name": secret["name"], "labels": secret["labels"], "createTime": secret["createTime"]})
}

pub(super) fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// What a request is called here: its operation, or its method and kind.
fn call(asked: &Asked, plain: &str) -> String {
    if let Some((_, operation)) = last(plain).split_once(':') {
        return operation.to_owned();
    }
    let kind =
        ["operations", "services", "secrets"].into_iter().find(|kind| plain.contains(&format!("/{kind}")));
    format!("{} {}", asked.method, kind.unwrap_or(plain))
}

/// An answer of a service as it comes.
pub(super) fn plain(status: u16, text: &str) -> Answer {
    answer(status, "text/plain", text.to_owned()).map(|body| body.boxed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};

    fn asked(method: Method, path: &str, body: &Value) -> Asked {
        Asked { method, path: path.to_owned(), headers: HeaderMap::new(), body: body.to_string().into() }
    }

    #[tokio::test]
    async fn what_the_real_one_would_refuse_is_refused_and_noted() {
        let Some(double) = CloudRunDouble::new().await else { return };
        let ask = |call: &str, method: Method, path: &str, body: Value| {
            let asked = asked(method, path, &body);
            let plain = asked.plain_path().to_owned();
            Arc::clone(&double.inner).carry_out(call, &plain, &asked)
        };
        let service = format!("{PARENT}/services?serviceId=s");
        let unknown = json!({"template": {"container": []}});
        let (status, error) = ask("POST services", Method::POST, &service, unknown);
        assert_eq!((status, &error["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
        let (status, error) = ask("PATCH services", Method::PATCH, &service, json!({}));
        assert_eq!((status, &error["error"]["status"]), (404, &json!("UNIMPLEMENTED")));
        // Nobody who is not known: neither without a token nor with one that was never given.
        for token in [None, Some("Bearer made-up")] {
            let mut asked = asked(Method::GET, &format!("{PARENT}/services"), &Value::Null);
            if let Some(token) = token {
                asked.headers.insert("authorization", token.parse().unwrap());
            }
            let refusal = Arc::clone(&double.inner).answer(asked).unwrap();
            assert_eq!(refusal.status().as_u16(), 401, "{token:?}");
        }
        assert_eq!(
            double.wrong(),
            [
                "POST services: unknown field .template.container",
                "nobody serves PATCH services /v2/projects/acme/locations/europe-west3/services",
                "GET services: without an access token",
                "GET services: without an access token",
            ]
        );
        assert_eq!(double.left().await, [""; 0]);
    }
}
