//! Stands between the gateway and moto. What moto lets pass and AWS does not, it refuses; what AWS does and moto does not, it does: the containers of
//! each task run on the local engine, the task has their address, ends when they do, and its output is in the log service.

mod moto;
mod tasks;

use super::containers::{Containers, Found};
use super::disturbed::Disturbance;
use super::fields;
use super::front::{Answer, Asked, Front, answer, forwarded};
use bytes::Bytes;
use moto::Moto;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tasks::Task;

/// A double of AWS for one test: a cluster and a role of its own in moto, and a door before it.
pub struct StandIn {
    inner: Arc<Inner>,
    front: Front,
    /// Name of the cluster.
    pub cluster: String,
    /// A subnet that is there.
    pub subnet: String,
    /// A security group that is there.
    pub security_group: String,
    /// ARN of a role that tasks may take.
    pub role: String,
}

struct Inner {
    moto: Moto,
    cluster: String,
    containers: Containers,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    wrong: Vec<String>,
    disturb: Option<(String, Disturbance)>,
    /// Answers by client token, with what was asked.
    tokens: HashMap<String, (Value, Bytes)>,
    definitions: HashMap<String, Value>,
    /// Those of them that were deregistered.
    inactive: BTreeSet<String>,
    secrets: BTreeSet<String>,
    groups: BTreeSet<String>,
    tasks: HashMap<String, Task>,
    /// When tasks and definitions were made, in seconds since 1970: moto does not tell.
    made: HashMap<String, f64>,
    /// Before which call the test wants to be asked, and who waits there.
    gate: Option<Gate>,
}

struct Gate {
    at: usize,
    /// Whether the request is carried out, and only its answer held.
    done: bool,
    reached: tokio::sync::oneshot::Sender<()>,
}

impl StandIn {
    /// Makes a cluster and a role in the moto at this endpoint, `http://HOST:PORT`.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn new(endpoint: &str) -> Self {
        let moto = Moto::at(endpoint);
        let containers = Containers::new();
        let name = containers.volume("cluster");
        moto.json("ecs", "AmazonEC2ContainerServiceV20141113.CreateCluster", &json!({"clusterName": name}))
            .await;
        let role = moto.role(&name).await;
        let (subnet, security_group) = moto.network().await;
        let inner = Arc::new(Inner { moto, cluster: name.clone(), containers, state: Mutex::default() });
        let handler = Arc::clone(&inner);
        let front = Front::start(move |asked| {
            let inner = Arc::clone(&handler);
            Box::pin(async move { inner.answer(asked).await })
        });
        Self { inner, front: front.await, cluster: name, subnet, security_group, role }
    }

    /// The base of all URLs.
    #[must_use]
    pub fn url(&self) -> String {
        self.front.url()
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn authority(&self) -> String {
        self.front.address.to_string()
    }

    /// Settings of the plugin for this double, with this further text; and the grant for it.
    #[must_use]
    pub fn settings(&self, name: &str, further: &str) -> String {
        let (url, authority) = (self.url(), self.authority());
        let (cluster, subnet, group, role) = (&self.cluster, &self.subnet, &self.security_group, &self.role);
        let further: String = further.lines().map(|line| format!("      {line}\n")).collect();
        format!(
            "plugins:\n  {name}:\n    bundled: cloud-ecs\n    settings:\n      region: us-east-1\n      cluster: {cluster}\n\
             \x20     subnets: [{subnet}]\n      securityGroups: [{group}]\n      executionRole: {role}\n      endpoint: {url}\n\
             {further}    grants:\n      registry: true\n      http:\n        - host: {authority}\n          methods: [POST]\n          paths: [\"/\"]\n\
             \x20         reads: [\"Describe*\", \"List*\", \"Get*\"]\n          secrets: [{{at: /SecretString, operation: CreateSecret}}]\n\
             \x20         sign: {{kind: awsSigV4}}\n          private: true\n      connect: [\"172.16.0.0/12:*\"]\n"
        )
    }

    /// Every operation that was called, in order: `ecs:RunTask`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.inner.state().calls.clone()
    }

    /// What was asked in a way that AWS would not take.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        self.inner.state().wrong.clone()
    }

    /// This happens to the next call of this operation, once.
    pub fn disturb(&self, operation: &str, disturbance: Disturbance) {
        self.inner.state().disturb = Some((operation.to_owned(), disturbance));
    }

    /// Whether the disturbance has not happened yet.
    #[must_use]
    pub fn is_undisturbed(&self) -> bool {
        self.inner.state().disturb.is_some()
    }

    /// Holds the so manieth call from now on, counted from 1, before it is carried out or after, and says when it has come so far. What is held is never
    /// answered.
    pub fn hold(&self, at: usize, done: bool) -> tokio::sync::oneshot::Receiver<()> {
        let (reached, come) = tokio::sync::oneshot::channel();
        let mut state = self.inner.state();
        let at = state.calls.len() + at;
        state.gate = Some(Gate { at, done, reached });
        come
    }

    /// Everything of any gateway that is left: containers, tasks, task definitions, secrets, log groups.
    pub async fn left(&self) -> Vec<String> {
        let (definitions, secrets, groups) = {
            let state = self.inner.state();
            let definitions: Vec<String> = state.definitions.keys().cloned().collect();
            (definitions, state.secrets.clone(), state.groups.clone())
        };
        let mut left: Vec<String> =
            self.inner.containers.left().await.into_iter().map(|id| format!("container {id}")).collect();
        let moto = &self.inner.moto;
        left.extend(moto.running(&self.cluster).await.into_iter().map(|arn| format!("task {arn}")));
        for definition in definitions {
            if moto.definition_is_active(&definition).await {
                left.push(format!("task definition {definition}"));
            }
        }
        for secret in secrets {
            if moto.has_secret(&secret).await {
                left.push(format!("secret {secret}"));
            }
        }
        for group in groups {
            if moto.has_group(&group).await {
                left.push(format!("log group {group}"));
            }
        }
        left
    }

    /// The tags of every task that runs, by key.
    pub async fn tags(&self) -> Vec<HashMap<String, String>> {
        self.inner.moto.tags(&self.cluster).await
    }

    /// Every task definition that was ever registered, as it was asked for.
    #[must_use]
    pub fn definitions(&self) -> Vec<Value> {
        self.inner.state().definitions.values().cloned().collect()
    }

    /// The value of a secret, which nobody but the owner of the account gets to see.
    ///
    /// # Panics
    /// There is none.
    pub async fn secret(&self, arn: &str) -> String {
        self.inner.moto.secret(arn).await.unwrap()
    }

    /// `ADDRESS:4444` of every container that runs.
    pub async fn bridges(&self) -> Vec<String> {
        let mut addresses = Vec::new();
        for container in self.inner.containers.left().await {
            if let Found::Running(address) = self.inner.containers.find(&container).await {
                addresses.push(format!("{address}:4444"));
            }
        }
        addresses
    }

    /// Kills the containers of all tasks: they have ended, and nobody has stopped them.
    pub async fn kill_containers(&self) {
        for container in self.inner.containers.left().await {
            self.inner.containers.kill(&container).await;
        }
    }

    /// Keeps a secret of the operator's in Secret Manager and gives its ARN.
    pub async fn keep_secret(&self, name: &str, value: &str) -> String {
        let name = format!("{}-{name}", self.cluster);
        self.inner.moto.create_secret(&name, value).await
    }

    /// Requests to moto itself, past the door: what other people do in the account.
    pub async fn besides(&self, service: &str, target: &str, body: &Value) -> Value {
        self.inner.moto.json(service, target, body).await.1
    }

    /// Takes away what the test made beside the gateway.
    pub async fn end(self) {
        self.inner.moto.forget(&self.cluster).await;
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(self: Arc<Self>, asked: Asked) -> Option<Answer> {
        let Some(scope) = scope(asked.header("authorization")) else {
            self.state().wrong.push(format!("unsigned: {}", asked.path));
            return Some(refused("MissingAuthenticationTokenException", "the request is not signed"));
        };
        let operation = operation(&asked);
        let held = {
            let mut state = self.state();
            state.calls.push(format!("{scope}:{operation}"));
            let reached = state.gate.as_ref().is_some_and(|gate| gate.at == state.calls.len());
            if reached { state.gate.take() } else { None }
        };
        let held_after = match held {
            Some(gate) if gate.done => Some(gate),
            Some(gate) => {
                let _ = gate.reached.send(());
                std::future::pending().await
            }
            None => None,
        };
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        if let Some(unknown) = fields::of_aws(&operation).and_then(|shape| shape.unknown(&body, "")) {
            self.state().wrong.push(format!("{operation}: unknown field {unknown}"));
            return Some(refused("SerializationException", &unknown));
        }
        let disturbance = {
            let mut state = self.state();
            match &state.disturb {
                Some((wanted, disturbance)) if *wanted == operation => {
                    let disturbance = *disturbance;
                    state.disturb = None;
                    Some(disturbance)
                }
                _ => None,
            }
        };
        if let Some(disturbance) = disturbance.filter(|disturbance| !disturbance.carries_out()) {
            return disturbance.instead(&[], false);
        }
        let (status, bytes) = Arc::clone(&self).carry_out(&operation, &asked, body).await;
        if let Some(gate) = held_after {
            let _ = gate.reached.send(());
            std::future::pending::<()>().await;
        }
        match disturbance {
            Some(disturbance) => disturbance.instead(&bytes, false),
            None => Some(answer(status, kind(&asked), bytes)),
        }
    }

    async fn carry_out(self: Arc<Self>, operation: &str, asked: &Asked, body: Value) -> (u16, Bytes) {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        match operation {
            "RunTask" => return self.run_task(asked, body).await,
            "DescribeTasks" => return self.describe_tasks(asked).await,
            "DescribeTaskDefinition" => {
                let (status, bytes) = self.forward(asked).await;
                let Ok(mut answer) = serde_json::from_slice::<Value>(&bytes) else { return (status, bytes) };
                let arn =
                    answer["taskDefinition"]["taskDefinitionArn"].as_str().unwrap_or_default().to_owned();
                if let Some(made) = self.state().made.get(&arn) {
                    answer["taskDefinition"]["registeredAt"] = (*made).into();
                }
                return (status, answer.to_string().into());
            }
            "StopTask" => return self.stop_task(asked, &text("task")).await,
            // moto lists families for ever, also those that have no definition any more.
            "ListTaskDefinitionFamilies" => {
                let state = self.state();
                let active = state.definitions.iter().filter(|(arn, _)| !state.inactive.contains(*arn));
                let families: BTreeSet<&str> =
                    active.filter_map(|(_, found)| found["family"].as_str()).collect();
                return (200, json!({"families": families}).to_string().into());
            }
            // AWS lists what shall run unless it is asked for something else.
            "ListTasks" => {
                let mut body = body;
                body["desiredStatus"] = "RUNNING".into();
                let asked = Asked { body: body.to_string().into(), ..asked.clone() };
                return self.forward(&asked).await;
            }
            _ => {}
        }
        let (status, bytes) = self.forward(asked).await;
        if status == 200 {
            let mut state = self.state();
            match operation {
                "RegisterTaskDefinition" => {
                    let answer: Value = serde_json::from_slice(&bytes).unwrap();
                    let arn = answer["taskDefinition"]["taskDefinitionArn"].as_str().unwrap().to_owned();
                    state.made.insert(arn.clone(), now());
                    state.definitions.insert(arn, body);
                }
                "DeregisterTaskDefinition" => drop(state.inactive.insert(text("taskDefinition"))),
                "CreateSecret" => drop(state.secrets.insert(text("Name"))),
                "CreateLogGroup" => drop(state.groups.insert(text("logGroupName"))),
                _ => {}
            }
        }
        (status, bytes)
    }

    async fn forward(&self, asked: &Asked) -> (u16, Bytes) {
        forwarded(&self.moto.authority, asked).await.unwrap()
    }

    /// The same token and the same request: the same task.
    async fn run_task(self: Arc<Self>, asked: &Asked, body: Value) -> (u16, Bytes) {
        let token = body["clientToken"].as_str().unwrap_or_default().to_owned();
        let known = self.state().tokens.get(&token).cloned();
        match known {
            Some((before, answer)) if before == body => return (200, answer),
            Some(_) => {
                let text =
                    json!({"__type": "ConflictException", "message": "the token is of another request"});
                return (400, text.to_string().into());
            }
            None => {}
        }
        let (status, bytes) = self.forward(asked).await;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Some(arn) = answer["tasks"][0]["taskArn"].as_str() {
            let definition = {
                let mut state = self.state();
                state.tokens.insert(token, (body.clone(), bytes.clone()));
                state.tasks.insert(arn.to_owned(), Task::Starting);
                state.made.insert(arn.to_owned(), now());
                let wanted = body["taskDefinition"].as_str().unwrap_or_default();
                state.definitions.get(wanted).cloned()
            };
            match definition {
                Some(definition) => drop(tokio::spawn(Arc::clone(&self).start(arn.to_owned(), definition))),
                None => self.state().wrong.push("RunTask of a definition that nobody registered".to_owned()),
            }
        }
        (status, bytes)
    }
}

fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The service in the scope of the signature.
fn scope(authorization: &str) -> Option<&str> {
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
    if !rest.contains("Signature=") || !rest.contains("SignedHeaders=") {
        return None;
    }
    rest.split(',').next()?.split('/').nth(3)
}

fn operation(asked: &Asked) -> String {
    match asked.header("x-amz-target").rsplit('.').next() {
        Some(operation) if !operation.is_empty() => operation.to_owned(),
        _ => {
            let form = String::from_utf8_lossy(&asked.body).into_owned();
            let action = form.split('&').find_map(|pair| pair.strip_prefix("Action="));
            action.unwrap_or_default().to_owned()
        }
    }
}

fn kind(asked: &Asked) -> &'static str {
    if asked.header("x-amz-target").is_empty() { "text/xml" } else { "application/x-amz-json-1.1" }
}

fn refused(code: &str, message: &str) -> Answer {
    answer(400, "application/x-amz-json-1.1", json!({"__type": code, "message": message}).to_string())
}
