//! Two servers for tests of bytes, one of each era: they answer what they are told to, keep what they got, both raw, and hold calls back until the
//! test lets them go.

use super::client::Http;
use crate::{Front, FrontConfig, HttpConfig, Stop};
use bytes::Bytes;
use host_message::{Envelope, Params};
use host_pool::{Pool, PoolConfig};
use host_provisioner::fake::FakeProvisioner;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// A call that waits for its answer.
pub(super) struct Waiting {
    id: String,
    pub(super) params: Params,
    out: mpsc::UnboundedSender<String>,
}

impl Waiting {
    /// Answers with this raw result.
    pub(super) fn answer(&self, result: &str) {
        let _ = self.out.send(format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}\n", self.id));
    }
}

/// What the servers are told and what they have seen.
#[derive(Default)]
pub(super) struct Told {
    /// The member with which calls are answered, raw: `"result":…` or `"error":…`; without one they wait.
    pub(super) answer: Mutex<Option<String>>,
    /// Parameters of the last call, raw.
    pub(super) seen: Mutex<Bytes>,
    /// More tools, raw.
    pub(super) tools: Mutex<Vec<String>>,
    /// Calls that wait.
    pub(super) waiting: watch::Sender<Vec<Arc<Waiting>>>,
}

/// A gateway with both servers, `old` and `new`, each with a tool of its own name.
pub(super) struct Mirrors {
    pub(super) told: Arc<Told>,
    address: SocketAddr,
    _stop: Stop,
}

impl Mirrors {
    pub(super) async fn new(tools: Vec<String>) -> Self {
        let told = Arc::new(Told { tools: Mutex::new(tools), ..Told::default() });
        let for_servers = Arc::clone(&told);
        let provisioner = FakeProvisioner::new(move |spec, stream| {
            tokio::spawn(serve(Arc::clone(&for_servers), spec.name == "new", stream));
            Ok(())
        });
        let entries = ["old", "new"].map(|name| super::world::entry(name, &provisioner));
        let pool = Pool::new(entries.into(), PoolConfig::default());
        let order = vec!["old".to_owned(), "new".to_owned()];
        let front = Front::new(pool, FrontConfig { order, ..FrontConfig::default() });
        front.ready().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), Stop::default());
        let until = stop.clone();
        tokio::spawn(async move { front.serve_http(listener, HttpConfig::default(), until).await });
        Self { told, address, _stop: stop }
    }

    pub(super) async fn http(&self) -> Http {
        Http::connect(self.address).await
    }

    /// Waits until so many calls wait.
    pub(super) async fn hold(&self, count: usize) -> Vec<Arc<Waiting>> {
        let mut waiting = self.told.waiting.subscribe();
        waiting.wait_for(|waiting| waiting.len() >= count).await.unwrap().clone()
    }
}

async fn serve(told: Arc<Told>, modern: bool, stream: DuplexStream) {
    let (input, mut output) = tokio::io::split(stream);
    let (out, mut lines_out) = mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        while let Some(line) = lines_out.recv().await {
            if output.write_all(line.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let mut lines = BufReader::new(input).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message = Envelope::parse(line.into_bytes().into()).expect("the gateway sends messages");
        let Some(id) = message.id() else { continue };
        let id = String::from_utf8(id.as_bytes().to_vec()).unwrap();
        let answer = match message.method().unwrap_or_default() {
            "server/discover" if modern => {
                "\"result\":{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}},\"ttlMs\":0,\"cacheScope\":\"private\"}".to_owned()
            }
            "initialize" if !modern => {
                "\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"m\",\"version\":\"1\"}}".to_owned()
            }
            "tools/list" => {
                let own = format!("{{\"name\":\"{}\"}}", if modern { "new" } else { "old" });
                let mut tools = vec![own];
                // The names of further ones would clash if both had them.
                tools.extend(told.tools.lock().unwrap().iter().map(|tool| {
                    tool.replacen("$server", if modern { "new" } else { "old" }, 1)
                }));
                let kind = if modern { ",\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\"" } else { "" };
                format!("\"result\":{{\"tools\":[{}]{kind}}}", tools.join(","))
            }
            "tools/call" => {
                let params = message.params().expect("a call has parameters").detached();
                *told.seen.lock().unwrap() = params.raw().clone();
                let answer = told.answer.lock().unwrap().clone();
                match answer {
                    Some(answer) => answer,
                    None => {
                        let waiting = Arc::new(Waiting { id, params, out: out.clone() });
                        told.waiting.send_modify(|all| all.push(waiting));
                        continue;
                    }
                }
            }
            _ => "\"error\":{\"code\":-32601,\"message\":\"what?\"}".to_owned(),
        };
        let _ = out.send(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{answer}}}\n"));
    }
}
