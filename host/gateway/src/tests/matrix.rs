//! The features of `mcp-ecosystem.md` 2 in each of the four pairs of eras, one test per feature and pair. `tests/README.md` has the table.

mod asked;
mod listened;
mod plain;

use super::client::{Http, modern};
use super::server::{Script, Speaks};
use super::world::World;
use serde_json::{Value, json};

pub(super) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(super) const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Makes four tests of a function: `FEATURE::CLIENT_SERVER`.
macro_rules! pairs {
    ($($feature:ident)*) => {
        $(mod $feature {
            use super::super::{Pair, Speaks};

            #[tokio::test]
            async fn legacy_legacy() {
                super::$feature(Pair { client: Speaks::Legacy, server: Speaks::Legacy }).await;
            }

            #[tokio::test]
            async fn legacy_modern() {
                super::$feature(Pair { client: Speaks::Legacy, server: Speaks::Modern }).await;
            }

            #[tokio::test]
            async fn modern_legacy() {
                super::$feature(Pair { client: Speaks::Modern, server: Speaks::Legacy }).await;
            }

            #[tokio::test]
            async fn modern_modern() {
                super::$feature(Pair { client: Speaks::Modern, server: Speaks::Modern }).await;
            }
        })*
    };
}
use pairs;

/// How the two ends speak.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    client: Speaks,
    server: Speaks,
}

/// A client in front of a world.
pub(super) struct Meeting {
    pair: Pair,
    world: World,
    http: Http,
    /// What the client can be asked for.
    capabilities: Value,
    /// What the gateway said about itself.
    hello: Value,
}

impl Pair {
    /// A server called `a`.
    fn script(self) -> Script {
        Script::new("a", self.server)
    }

    async fn meet(self, script: Script) -> Meeting {
        self.meet_as(json!({}), vec![script]).await
    }

    async fn meet_as(self, capabilities: Value, scripts: Vec<Script>) -> Meeting {
        let world = World::of(scripts).await;
        world.front.ready().await;
        let mut http = world.http().await;
        let hello = match self.client {
            Speaks::Modern => http.ask_modern("server/discover", json!({})).await.1["result"].clone(),
            _ => http.initialize_with("2025-11-25", capabilities.clone()).await,
        };
        Meeting { pair: self, world, http, capabilities, hello }
    }
}

impl Meeting {
    fn is_modern(&self) -> bool {
        self.pair.client == Speaks::Modern
    }

    fn server(&self) -> &Script {
        &self.world.servers["a"]
    }

    /// What the client says of itself with every request, if it does.
    fn dressed(&self, mut params: Value) -> Value {
        if self.is_modern() {
            params["_meta"][CAPABILITIES] = self.capabilities.clone();
        }
        params
    }

    /// Sends a request and gives the answer.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let params = self.dressed(params);
        match self.pair.client {
            Speaks::Modern => self.http.ask_modern(method, params).await.1,
            _ => self.http.ask(method, params).await,
        }
    }

    async fn call(&mut self, name: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// Writes a request with this id, and leaves what comes to the caller.
    async fn write(&mut self, id: Value, method: &str, params: Value) {
        let params = self.dressed(params);
        if self.is_modern() {
            return self.http.write_modern(id, method, params).await;
        }
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.http.write_post(&message.to_string()).await;
    }

    /// Another connection of the same client.
    async fn connection(&self) -> Http {
        let mut http = self.world.http().await;
        http.session.clone_from(&self.http.session);
        http
    }

    /// The stream on which the client hears of what it asked for: a legacy one has one for everything.
    async fn news(&self, filter: Value) -> Http {
        let mut stream = self.connection().await;
        if self.is_modern() {
            stream.write_modern(json!("L"), "subscriptions/listen", json!({"notifications": filter})).await;
            assert_eq!(stream.head().await.status, 200);
            let first = stream.event().await.unwrap();
            assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
            assert_eq!(first["params"]["notifications"], filter);
        } else {
            let session = stream.session.clone().unwrap();
            let headers = [("Mcp-Session-Id", session.as_str()), ("Accept", "text/event-stream")];
            stream.write("GET", "/mcp", &headers, "").await;
            assert_eq!(stream.head().await.status, 200);
        }
        stream
    }
}

/// The text that a tool gave back.
fn said(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

/// The same, where it is JSON.
fn said_json(answer: &Value) -> Value {
    serde_json::from_str(said(answer)).unwrap()
}

/// A notification without what the modern era adds to tell streams apart, which is checked.
fn bare(mut message: Value, is_modern: bool) -> Value {
    if is_modern {
        let params = message["params"].as_object_mut().unwrap();
        let meta = params.remove("_meta").unwrap();
        assert_eq!(meta["io.modelcontextprotocol/subscriptionId"], "L");
        if params.is_empty() {
            message.as_object_mut().unwrap().remove("params");
        }
    }
    message
}
