//! The transport of revision 2024-11-05.

use super::client::Http;
use super::server::{Script, Speaks};
use super::world::World;
use crate::{FrontConfig, Home, HttpConfig, Token};
use serde_json::{Value, json};

struct Client {
    stream: Http,
    post: Http,
    endpoint: String,
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

impl Client {
    async fn open(world: &World) -> Self {
        let mut stream = world.http().await;
        stream.write("GET", "/sse", &[("Accept", "text/event-stream")], "").await;
        assert_eq!(stream.head().await.headers["content-type"], "text/event-stream");
        let first = stream.chunk().await;
        let endpoint = first.strip_prefix("event: endpoint\ndata: ").unwrap().trim().to_owned();
        assert!(endpoint.starts_with("/sse?sessionid=") && endpoint.len() > 50, "{endpoint}");
        Self { stream, post: world.http().await, endpoint }
    }

    async fn say(&mut self, message: &Value) {
        let answer = self.post.send("POST", &self.endpoint, &[JSON], &message.to_string()).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, "Accepted"));
    }

    async fn ask(&mut self, id: i64, method: &str, params: Value) -> Value {
        self.say(&json!({"jsonrpc":"2.0","id":id,"method":method,"params":params})).await;
        let answer = self.stream.event().await.unwrap();
        assert_eq!(answer["id"], id);
        answer
    }

    async fn greet(&mut self, capabilities: Value) {
        let params = json!({"protocolVersion":"2024-11-05","capabilities":capabilities});
        let hello = self.ask(0, "initialize", params).await;
        assert_eq!(hello["result"]["protocolVersion"], "2024-11-05");
        self.say(&json!({"jsonrpc":"2.0","method":"notifications/initialized"})).await;
    }
}

#[tokio::test]
async fn everything_on_one_stream() {
    let world =
        World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo", "progress", "ask-elicit", "hang"])])
            .await;
    world.front.ready().await;
    let mut client = Client::open(&world).await;
    client.greet(json!({"elicitation":{}})).await;
    let list = client.ask(1, "tools/list", json!({})).await;
    assert_eq!(list["result"]["tools"][0]["name"], "echo");
    // A message of several lines is one message.
    let text = "{\"jsonrpc\":\"2.0\",\n\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}";
    assert_eq!(client.post.send("POST", &client.endpoint, &[JSON], text).await.status, 202);
    assert_eq!(client.stream.event().await.unwrap()["result"]["content"][0]["text"], "a:");
    let params = json!({"name":"progress","_meta":{"progressToken":"p"}});
    client.say(&json!({"jsonrpc":"2.0","id":3,"method":"tools/call","params":params})).await;
    for n in [0, 50, 100] {
        assert_eq!(client.stream.event().await.unwrap()["params"]["progress"], n);
    }
    assert_eq!(client.stream.event().await.unwrap()["id"], 3);
    client.say(&json!({"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"ask-elicit"}})).await;
    let asked = client.stream.event().await.unwrap();
    assert_eq!(asked["method"], "elicitation/create");
    client.say(&json!({"jsonrpc":"2.0","id":asked["id"],"result":{"action":"accept"}})).await;
    assert_eq!(client.stream.event().await.unwrap()["id"], 4);
    let refused = client.post.send("POST", &client.endpoint, &[JSON], "{").await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!(-32700)));
    // Another client's answers are its own.
    let mut other = Client::open(&world).await;
    other.greet(json!({})).await;
    assert_eq!(other.ask(1, "ping", json!({})).await["result"], json!({}));
    // With its stream a client goes, and takes back what it asked.
    client.say(&json!({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"hang"}})).await;
    world.servers["a"].saw(|line| line.contains("\"hang\"")).await;
    drop(client.stream);
    let gone = json!({"jsonrpc":"2.0","id":6,"method":"ping"}).to_string();
    while client.post.send("POST", &client.endpoint, &[JSON], &gone).await.status != 404 {
        client.post = world.http().await;
    }
    assert_eq!(other.ask(2, "ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn the_stream_ends_when_everything_is_answered() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["hang"])]).await;
    world.front.ready().await;
    let mut client = Client::open(&world).await;
    client.greet(json!({})).await;
    client.say(&json!({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"hang"}})).await;
    let line = world.servers["a"].saw(|line| line.contains("\"hang\"")).await;
    world.stop.drain.cancel();
    let id = serde_json::from_str::<Value>(&line).unwrap()["id"].clone();
    world.servers["a"].say(&json!({"jsonrpc":"2.0","id":id,"result":{"content":[]}})).await;
    assert_eq!(client.stream.event().await.unwrap()["id"], 5);
    assert_eq!(client.stream.event().await, None);
    world.serving.await.unwrap();
}

#[tokio::test]
async fn it_is_guarded_as_the_other() {
    let config = FrontConfig { token: Some(Token::new("secret")), ..FrontConfig::default() };
    let http_config = HttpConfig { home: Home::Sse, ..HttpConfig::default() };
    let world = World::with(vec![], config, http_config).await;
    let good = ("Authorization", "Bearer secret");
    for (headers, status) in [
        (vec![("Accept", "text/event-stream")], 401),
        (vec![good, ("Origin", "http://evil.example")], 403),
        (vec![good, ("Host", "evil.example")], 403),
    ] {
        assert_eq!(world.http().await.send("GET", "/sse", &headers, "").await.status, status);
        assert_eq!(world.http().await.send("POST", "/sse?sessionid=x", &headers, "").await.status, status);
    }
    let elsewhere = world.http().await.send("GET", "/", &[good], "").await;
    assert_eq!((elsewhere.status, elsewhere.headers["location"].as_str()), (307, "/sse"));
}
