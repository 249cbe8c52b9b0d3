//! A story teller: servers with a manner, a pool in front of them, and what both saw.

use crate::{CallError, Client, InFlight, Incoming, Outgoing, Owner, Pool, PoolConfig, ServerEntry};
use async_trait::async_trait;
use host_message::{Envelope, Params};
use host_provisioner::fake::FakeProvisioner;
use host_provisioner::{
    Blueprint, Call, Class, Connection, Description, Failure, FieldReport, Health, HttpEndpoint, Lease,
    Lifetime, ManagedObject, Phase, Provisioned, Provisioner, Reconnected, ReleaseReason, ServerSpec,
    SweepReport, Workload,
};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::mpsc;

/// What a server does with one message.
pub(crate) type Manner = Arc<dyn Fn(&Value) -> Vec<Say> + Send + Sync>;

/// What a server does next.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    Line(String),
    /// Ends at once.
    Die,
}

pub(crate) fn say(message: &Value) -> Say {
    Say::Line(message.to_string())
}

pub(crate) fn result(request: &Value, result: &Value) -> Vec<Say> {
    vec![say(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }))]
}

pub(crate) fn error(request: &Value, code: i64, text: &str) -> Vec<Say> {
    vec![say(&json!({ "jsonrpc": "2.0", "id": request["id"], "error": { "code": code, "message": text } }))]
}

/// One server that was provisioned, as the test sees it.
pub(crate) struct Peer {
    pub(crate) seen: mpsc::UnboundedReceiver<Value>,
    pub(crate) say: mpsc::UnboundedSender<Say>,
}

impl Peer {
    /// The next message with this method, or this kind of answer (`"result"`, `"error"`).
    pub(crate) async fn sees(&mut self, method: &str) -> Value {
        loop {
            let message =
                self.seen.recv().await.unwrap_or_else(|| panic!("the server ended before `{method}`"));
            if message["method"] == method
                || (message.get("method").is_none() && message.get(method).is_some())
            {
                return message;
            }
        }
    }

    /// Everything that was seen by now.
    pub(crate) fn seen_so_far(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    pub(crate) fn says(&self, message: &Value) {
        self.say.send(say(message)).unwrap();
    }

    pub(crate) fn dies(&self) {
        self.say.send(Say::Die).unwrap();
    }
}

async fn serve(
    stream: DuplexStream,
    manner: Manner,
    seen: mpsc::UnboundedSender<Value>,
    mut told: mpsc::UnboundedReceiver<Say>,
) {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    loop {
        let says = tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return };
                let message: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                let says = manner(&message);
                let _ = seen.send(message);
                says
            }
            Some(say) = told.recv() => vec![say],
        };
        for say in says {
            match say {
                Say::Line(line) => {
                    if write.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                        return;
                    }
                }
                Say::Die => return,
            }
        }
    }
}

/// A legacy server: refuses discovery, agrees to `initialize`, and leaves the rest to `calls`.
pub(crate) fn legacy(calls: impl Fn(&Value) -> Vec<Say> + Send + Sync + 'static) -> Manner {
    Arc::new(move |message| match message["method"].as_str() {
        Some("server/discover") => error(message, -32601, "unknown"),
        Some("initialize") => result(message, &legacy_hello()),
        Some("notifications/initialized") => vec![],
        _ => calls(message),
    })
}

pub(crate) fn legacy_hello() -> Value {
    json!({
        "protocolVersion": "2025-06-18",
        "capabilities": { "tools": { "listChanged": true }, "resources": { "subscribe": true }, "logging": {} },
        "serverInfo": { "name": "old", "version": "1" },
        "instructions": "be kind",
    })
}

pub(crate) fn modern_hello() -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": ["2025-11-25", "2026-07-28"],
        "capabilities": { "tools": { "listChanged": true }, "prompts": {} },
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "new", "version": "2" } },
    })
}

/// A modern server.
pub(crate) fn modern(calls: impl Fn(&Value) -> Vec<Say> + Send + Sync + 'static) -> Manner {
    Arc::new(move |message| match message["method"].as_str() {
        Some("server/discover") => result(message, &modern_hello()),
        Some("initialize") => error(message, -32601, "unknown"),
        _ => calls(message),
    })
}

/// Answers everything with its own parameters.
pub(crate) fn echo(message: &Value) -> Vec<Say> {
    if message.get("id").is_none() || message.get("method").is_none() {
        return vec![];
    }
    result(message, &json!({ "params": message["params"] }))
}

/// Answers nothing.
pub(crate) fn silence(_: &Value) -> Vec<Say> {
    vec![]
}

/// A provisioner whose servers take their manners one after the other, the last one for ever; a failure in their place fails.
pub(crate) struct Stage {
    pub(crate) fake: Arc<FakeProvisioner>,
    pub(crate) peers: mpsc::UnboundedReceiver<Peer>,
    pub(crate) tries: Arc<AtomicU64>,
}

impl Stage {
    pub(crate) fn new(scenes: Vec<Result<Manner, Failure>>) -> Self {
        let (sender, peers) = mpsc::unbounded_channel();
        let scenes = Mutex::new(VecDeque::from(scenes));
        let tries: Arc<AtomicU64> = Arc::default();
        let counted = Arc::clone(&tries);
        let fake = FakeProvisioner::new(move |_, stream| {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut scenes = scenes.lock().unwrap();
            let scene = if scenes.len() > 1 { scenes.pop_front() } else { scenes.front().cloned() };
            drop(scenes);
            let manner = scene.expect("at least one scene")?;
            let ((seen, seen_by_test), (say, told)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
            tokio::spawn(serve(stream, manner, seen, told));
            let _ = sender.send(Peer { seen: seen_by_test, say });
            Ok(())
        });
        Self { fake, peers, tries }
    }

    pub(crate) fn one(manner: Manner) -> Self {
        Self::new(vec![Ok(manner)])
    }

    pub(crate) async fn peer(&mut self) -> Peer {
        self.peers.recv().await.expect("a server is provisioned")
    }

    pub(crate) fn tries(&self) -> u64 {
        self.tries.load(Ordering::SeqCst)
    }

    pub(crate) fn entry(&self, name: &str, lifetime: Lifetime) -> ServerEntry {
        let workload = Workload::Bundled { name: name.to_owned(), arguments: vec![] };
        let mut spec = ServerSpec::new(name, workload);
        spec.lifetime = lifetime;
        ServerEntry { spec: Arc::new(spec), provisioner: Arc::clone(&self.fake) as Arc<dyn Provisioner> }
    }

    pub(crate) fn pool(&self) -> Arc<Pool> {
        self.pool_with(PoolConfig::default())
    }

    pub(crate) fn pool_with(&self, config: PoolConfig) -> Arc<Pool> {
        Pool::new(vec![self.entry("a", Lifetime::Session)], config)
    }

    /// Waits until nothing is held any more. Under a paused clock this does not take time.
    pub(crate) async fn nothing_held(&self) {
        while !self.fake.held().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn failure(class: Class, text: &str) -> Failure {
    Failure::new(Phase::Provision, class, text)
}

pub(crate) fn session(id: &str) -> Owner {
    Owner::Session(Arc::from(id))
}

pub(crate) fn params(value: &Value) -> Params {
    Params::scan(value.to_string().into()).unwrap()
}

pub(crate) fn call(client: &Client, method: &str, with: &Value) -> InFlight {
    let params = params(with);
    client.request(Outgoing::new(method).params(&params)).unwrap()
}

pub(crate) fn value(envelope: &Envelope) -> Value {
    serde_json::from_slice(envelope.bytes()).unwrap()
}

pub(crate) async fn answer(mut call: InFlight) -> Value {
    value(&call.response().await.unwrap())
}

/// What comes next, in short.
pub(crate) async fn next(call: &mut InFlight) -> Result<(&'static str, Value), CallError> {
    Ok(match call.next().await? {
        Incoming::Progress(params) => ("progress", serde_json::from_slice(params.raw()).unwrap()),
        Incoming::Notification(message) => ("notification", value(&message)),
        Incoming::Request(request) => ("request", json!(request.method())),
        Incoming::Response(message) => ("response", value(&message)),
    })
}

/// The fake provisioner with a twist.
pub(crate) struct Twisted {
    pub(crate) fake: Arc<FakeProvisioner>,
    /// Its servers are reached over this TCP port.
    pub(crate) tcp: Option<u16>,
    /// Its servers are reached over this.
    pub(crate) http: Option<HttpEndpoint>,
    /// It never comes to an end of bringing up.
    pub(crate) hangs: bool,
    /// It cannot take down.
    pub(crate) keeps: bool,
    /// It knows a way back to servers whose connection broke.
    pub(crate) reconnects: bool,
    /// Every call, with its attempt and the session it was for.
    pub(crate) calls: Arc<Mutex<Vec<Call>>>,
}

impl Twisted {
    pub(crate) fn of(fake: &Arc<FakeProvisioner>) -> Self {
        Self {
            fake: Arc::clone(fake),
            tcp: None,
            http: None,
            hangs: false,
            keeps: false,
            reconnects: false,
            calls: Arc::default(),
        }
    }
}

#[async_trait]
impl Provisioner for Twisted {
    fn name(&self) -> &str {
        "twisted"
    }
    fn description(&self) -> Arc<Description> {
        self.fake.description()
    }
    async fn prepare(&self, call: &Call, servers: &[Arc<ServerSpec>]) -> Result<(), Failure> {
        self.fake.prepare(call, servers).await
    }
    async fn validate(&self, call: &Call, server: &ServerSpec) -> Result<Vec<FieldReport>, Failure> {
        self.fake.validate(call, server).await
    }
    async fn plan(&self, call: &Call, server: &ServerSpec) -> Result<Blueprint, Failure> {
        self.fake.plan(call, server).await
    }
    async fn provision(&self, call: &Call, server: &Arc<ServerSpec>) -> Result<Provisioned, Failure> {
        self.calls.lock().unwrap().push(call.clone());
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let mut provisioned = self.fake.provision(call, server).await?;
        if let Some(port) = self.tcp {
            provisioned.connection = Connection::Tcp("127.0.0.1".to_owned(), port);
        }
        if let Some(endpoint) = &self.http {
            provisioned.connection = Connection::Http(endpoint.clone());
        }
        Ok(provisioned)
    }
    async fn probe(&self, call: &Call, lease: &Lease) -> Result<Health, Failure> {
        self.fake.probe(call, lease).await
    }
    async fn reconnect(&self, call: &Call, lease: &Lease) -> Result<Option<Reconnected>, Failure> {
        if !self.reconnects {
            return self.fake.reconnect(call, lease).await;
        }
        let spec = Arc::new(ServerSpec::new(
            &lease.server_name,
            Workload::Bundled { name: lease.server_name.clone(), arguments: vec![] },
        ));
        let again = self.fake.provision(call, &spec).await?;
        // One workload, so one lease.
        self.fake.release(call, &again.lease, ReleaseReason::Unfinished).await?;
        let lease = lease.clone();
        Ok(Some(Reconnected { connection: again.connection, same_process: false, lease }))
    }
    async fn release(&self, call: &Call, lease: &Lease, reason: ReleaseReason) -> Result<(), Failure> {
        if self.keeps {
            return Err(Failure::new(Phase::Release, Class::Permission, "not allowed to delete it"));
        }
        self.fake.release(call, lease, reason).await
    }
    async fn enumerate(&self, call: &Call) -> Result<Vec<ManagedObject>, Failure> {
        self.fake.enumerate(call).await
    }
    async fn sweep(&self, call: &Call) -> Result<SweepReport, Failure> {
        self.fake.sweep(call).await
    }
    async fn shutdown(&self, call: &Call) -> Result<(), Failure> {
        self.fake.shutdown(call).await
    }
}
