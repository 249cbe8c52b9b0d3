//! The client on standard streams.

use super::client::modern;
use super::server::{Script, Speaks};
use super::world::World;
use crate::Stop;
use serde_json::{Value, json};
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(super) struct Pipe {
    input: Option<WriteHalf<DuplexStream>>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    stop: Stop,
    serving: JoinHandle<io::Result<()>>,
}

impl Pipe {
    pub(super) fn open(world: &World) -> Self {
        Self::open_until(world, std::future::pending())
    }

    /// The same, with what tells that nobody reads the output.
    fn open_until(world: &World, gone: impl Future<Output = ()> + Send + 'static) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (output, input) = tokio::io::split(ours);
        let (stdin, stdout) = tokio::io::split(theirs);
        let stop = Stop::default();
        let (front, stopped) = (world.front.clone(), stop.clone());
        let serving = tokio::spawn(async move { front.serve_stdio(stdin, stdout, gone, stopped).await });
        Self { input: Some(input), output: BufReader::new(output).lines(), stop, serving }
    }

    pub(super) async fn write(&mut self, line: &str) {
        self.input.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    pub(super) async fn read(&mut self) -> Option<Value> {
        let line = self.output.next_line().await.unwrap()?;
        Some(serde_json::from_str(&line).unwrap())
    }

    pub(super) async fn ask(&mut self, id: i64, method: &str, params: Value) -> Value {
        self.write(&json!({"jsonrpc":"2.0","id":id,"method":method,"params":params}).to_string()).await;
        let answer = self.read().await.unwrap();
        assert_eq!(answer["id"], id);
        answer
    }

    pub(super) async fn end(mut self) -> Vec<Value> {
        self.input.take().unwrap().shutdown().await.unwrap();
        let mut rest = Vec::new();
        while let Some(message) = self.read().await {
            rest.push(message);
        }
        self.serving.await.unwrap().unwrap();
        rest
    }
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_client_that_reads_no_answers_are_not_waited_for() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["hang"])]).await;
    for gone in [false, true] {
        let mut pipe = if gone { Pipe::open_until(&world, async {}) } else { Pipe::open(&world) };
        pipe.ask(1, "initialize", json!({"protocolVersion":"2025-06-18"})).await;
        pipe.ask(2, "tools/list", json!({})).await;
        let call = json!({"name":"hang","arguments":{"gone":gone}});
        pipe.write(&json!({"jsonrpc":"2.0","id":3,"method":"tools/call","params":call}).to_string()).await;
        let seen = world.servers["a"].saw(|line| line.contains(&format!("\"gone\":{gone}"))).await;
        let begun = Instant::now();
        assert_eq!(pipe.end().await, [json!(null); 0]);
        assert_eq!(begun.elapsed().as_secs(), if gone { 0 } else { 30 });
        let id = serde_json::from_str::<Value>(&seen).unwrap()["id"].clone();
        let taken_back = format!("\"requestId\":{id},");
        world.servers["a"]
            .saw(|line| line.contains("notifications/cancelled") && line.contains(&taken_back))
            .await;
    }
}

#[tokio::test]
async fn a_legacy_client() {
    let world = World::of(vec![Script::new("a", Speaks::Modern).tools(&["echo", "progress", "hang"])]).await;
    let mut pipe = Pipe::open(&world);
    assert_eq!(pipe.ask(1, "ping", json!({})).await["result"], json!({}));
    assert_eq!(
        pipe.ask(2, "tools/list", json!({})).await["error"]["code"],
        -32600,
        "not before `initialize`"
    );
    let hello = pipe.ask(3, "initialize", json!({"protocolVersion":"2025-06-18"})).await;
    assert_eq!(hello["result"]["protocolVersion"], "2025-06-18");
    pipe.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}").await;
    assert_eq!(pipe.ask(4, "tools/list", json!({})).await["result"]["tools"][0]["name"], "echo");
    assert_eq!(pipe.ask(5, "tools/call", json!({"name":"echo"})).await["result"]["content"][0]["text"], "a:");
    assert_eq!(pipe.ask(6, "server/discover", modern(json!({}))).await["error"]["code"], -32601);
    assert_eq!(pipe.ask(7, "initialize", json!({})).await["error"]["code"], -32600);

    pipe.write("nonsense").await;
    let answer = pipe.read().await.unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32700)));

    let params = json!({"name":"progress","_meta":{"progressToken":"t"}});
    pipe.write(&json!({"jsonrpc":"2.0","id":"p","method":"tools/call","params":params}).to_string()).await;
    for value in [0, 50, 100] {
        let progress = pipe.read().await.unwrap();
        assert_eq!(
            (&progress["params"]["progress"], &progress["params"]["progressToken"]),
            (&json!(value), &json!("t"))
        );
    }
    assert_eq!(pipe.read().await.unwrap()["id"], "p");

    pipe.write("{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"tools/call\",\"params\":{\"name\":\"hang\"}}")
        .await;
    world.servers["a"].saw(|line| line.contains("\"hang\"")).await;
    pipe.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":8}}")
        .await;
    world.servers["a"].saw(|line| line.contains("notifications/cancelled")).await;

    world.servers["a"].saw(|line| line.contains("subscriptions/listen")).await;
    world.servers["a"].change("tools", vec!["{\"name\":\"fresh\"}".to_owned()]).await;
    let changed = json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"});
    assert_eq!(pipe.read().await, Some(changed));
    assert_eq!(pipe.end().await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_modern_client() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo", "hang"])]).await;
    let mut pipe = Pipe::open(&world);
    let mut wrong = modern(json!({}));
    wrong["_meta"]["io.modelcontextprotocol/protocolVersion"] = "v999".into();
    assert_eq!(
        pipe.ask(1, "server/discover", wrong).await["error"]["code"],
        -32022,
        "which decides nothing yet"
    );
    assert_eq!(pipe.ask(2, "server/discover", json!({})).await["error"]["code"], -32602);
    let hello = pipe.ask(3, "server/discover", modern(json!({}))).await;
    assert_eq!(hello["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(pipe.ask(4, "initialize", json!({})).await["error"]["code"], -32602);
    assert_eq!(pipe.ask(5, "initialize", modern(json!({}))).await["error"]["code"], -32601);
    assert_eq!(pipe.ask(6, "tools/list", modern(json!({}))).await["result"]["resultType"], "complete");
    let call = pipe.ask(7, "tools/call", modern(json!({"name":"echo"}))).await;
    assert_eq!(call["result"]["resultType"], "complete");

    let filter = modern(json!({"notifications":{"toolsListChanged":true}}));
    for id in [8, 9] {
        let granted = {
            pipe.write(
                &json!({"jsonrpc":"2.0","id":id,"method":"subscriptions/listen","params":filter}).to_string(),
            )
            .await;
            pipe.read().await.unwrap()
        };
        assert_eq!(granted["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(granted["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id);
    }
    pipe.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":8}}")
        .await;
    assert_eq!(pipe.ask(10, "tools/call", modern(json!({"name":"echo"}))).await["id"], 10);
    world.servers["a"].change("tools", vec!["{\"name\":\"fresh\"}".to_owned()]).await;
    let changed = pipe.read().await.unwrap();
    assert_eq!(
        changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 9,
        "the other was taken back"
    );
    let rest = pipe.end().await;
    assert_eq!(rest.len(), 1);
    assert_eq!((&rest[0]["id"], &rest[0]["result"]["resultType"]), (&json!(9), &json!("complete")));
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_answered() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])]).await;
    let mut pipe = Pipe::open(&world);
    pipe.write("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-03-26\"}}").await;
    pipe.write("[{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"},{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}]").await;
    let mut ids: Vec<_> = pipe.end().await.iter().map(|answer| answer["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3]);
}

#[tokio::test]
async fn a_call_that_hangs_is_cut_by_the_second_token() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["hang"])]).await;
    let mut pipe = Pipe::open(&world);
    pipe.ask(1, "initialize", json!({"protocolVersion":"2025-11-25"})).await;
    pipe.write("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"hang\"}}")
        .await;
    world.servers["a"].saw(|line| line.contains("\"hang\"")).await;
    pipe.stop.drain.cancel();
    pipe.stop.cut.cancel();
    pipe.serving.await.unwrap().unwrap();
    world.servers["a"].saw(|line| line.contains("notifications/cancelled")).await;
}

#[tokio::test]
async fn a_batch_has_its_bounds() {
    let world = World::of(vec![]).await;
    let mut pipe = Pipe::open(&world);
    pipe.ask(1, "initialize", json!({"protocolVersion":"2025-03-26"})).await;
    let batch = vec![json!({"jsonrpc":"2.0","id":2,"method":"ping"}); host_message::MAX_BATCH + 1];
    pipe.write(&json!(batch).to_string()).await;
    let error = json!({"code":-32600,"message":"the batch holds more than 1000 messages"});
    assert_eq!(pipe.read().await.unwrap(), json!({"jsonrpc":"2.0","id":null,"error":error}));
    assert_eq!(pipe.end().await, [Value::Null; 0], "nothing of it was carried out");
}

#[tokio::test]
async fn a_call_that_is_taken_back_in_the_same_breath_is_never_answered() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])]).await;
    world.front.ready().await;
    let mut pipe = Pipe::open(&world);
    pipe.ask(1, "initialize", json!({"protocolVersion":"2025-11-25"})).await;
    let call = |id: i64| json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":{"name":"echo"}});
    for id in 2..50 {
        let cancelled = json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":id}});
        // One write, so that both are there before anything of the first has run.
        pipe.write(&format!("{}\n{cancelled}\n{}", call(id), call(id + 1000))).await;
        assert_eq!(pipe.read().await.unwrap()["id"], id + 1000, "only what was not taken back");
    }
    assert_eq!(pipe.end().await, [Value::Null; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_long_call_is_not_cut() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["hang"])]).await;
    world.front.ready().await;
    let mut pipe = Pipe::open(&world);
    pipe.ask(1, "initialize", json!({"protocolVersion":"2025-11-25"})).await;
    pipe.write("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"hang\"}}")
        .await;
    let line = world.servers["a"].saw(|line| line.contains("\"hang\"")).await;
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    let upward: Value = serde_json::from_str(&line).unwrap();
    world.servers["a"].say(&json!({"jsonrpc":"2.0","id":upward["id"],"result":{"content":[]}})).await;
    assert_eq!(pipe.read().await.unwrap(), json!({"jsonrpc":"2.0","id":2,"result":{"content":[]}}));
    assert_eq!(world.servers["a"].count("notifications/cancelled"), 0);
}
