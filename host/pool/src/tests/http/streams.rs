//! Streams of events: that of a call, and that of messages that belong to no call.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_comes_on_the_stream_of_a_call_belongs_to_that_call() {
    let streams = Arc::new(Mutex::new(VecDeque::new()));
    let mut senders = Vec::new();
    for _ in 0..2 {
        let (sender, receiver) = mpsc::unbounded_channel();
        senders.push(sender);
        streams.lock().unwrap().push_back(receiver);
    }
    let scene = Scene::new(None, legacy(move |_| Say::Stream(streams.lock().unwrap().pop_front().unwrap())));
    let client = scene.client().await;
    let mut one = call(&client, "tools/call", &json!({"name": "one"}));
    // The second one is sent when the first has its stream, so that each has its own.
    tokio::task::yield_now().await;
    while scene.all().last().map(String::as_str) != Some("POST tools/call") {
        tokio::task::yield_now().await;
    }
    let mut two = call(&client, "tools/call", &json!({"name": "two"}));
    let log = |text: &str| json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": text}});
    let done = |id: u64| json!({"jsonrpc": "2.0", "id": id, "result": {}});
    senders[1].send(event(&log("of two"))).unwrap();
    senders[0].send(event(&log("of one"))).unwrap();
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": one.id(), "progress": 1}});
    senders[0].send(event(&progress)).unwrap();
    senders[0].send(event(&done(one.id()))).unwrap();
    senders[1].send(event(&done(two.id()))).unwrap();
    assert_eq!(next(&mut one).await.unwrap().1["params"]["data"], "of one");
    assert_eq!(next(&mut one).await.unwrap().0, "progress");
    assert_eq!(next(&mut one).await.unwrap().0, "response");
    assert_eq!(next(&mut two).await.unwrap().1["params"]["data"], "of two");
    assert_eq!(next(&mut two).await.unwrap().0, "response");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_closes_its_stream_or_is_cancelled_as_the_era_wants() {
    for (modern_era, era) in [(true, "modern"), (false, "legacy")] {
        let (sender, streams) = stream();
        let calls = move |seen: &Seen| match seen.short().as_str() {
            "POST tools/call" => Say::Stream(streams.lock().unwrap().pop_front().unwrap()),
            _ => Say::Text(202, "", ""),
        };
        let mut scene =
            if modern_era { Scene::new(None, modern(calls)) } else { Scene::new(None, legacy(calls)) };
        let client = scene.client().await;
        let given_up = call(&client, "tools/call", &json!({"name": "x"}));
        let id = given_up.id();
        scene.sees("POST tools/call").await;
        tokio::task::yield_now().await;
        drop(given_up);
        sender.closed().await;
        if !modern_era {
            let seen = scene.sees("POST notifications/cancelled").await;
            assert_eq!(seen.body["params"]["requestId"], id);
        }
        scene.end().await;
        let told = scene.all().iter().any(|short| short == "POST notifications/cancelled");
        assert_eq!(told, !modern_era, "{era}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_is_resumed_after_its_last_event() {
    let scene = Scene::new(
        None,
        legacy(|_| {
            let (sender, receiver) = mpsc::unbounded_channel();
            sender.send(Bytes::from_static(b"id: e-1\nretry: 250\ndata:\n\n")).unwrap();
            Say::Stream(receiver)
        }),
    );
    let server = Arc::clone(&scene.server);
    // The call's id is known only when it is sent, so the resumed stream is answered from what was seen.
    let scene =
        Scene::new(None, move |seen: &Seen| match (seen.method.as_str(), seen.header("last-event-id")) {
            ("GET", Some("e-1")) => {
                let (sender, receiver) = mpsc::unbounded_channel();
                let calls = server.seen.lock().unwrap();
                let id = calls.last().unwrap().body["id"].clone();
                sender
                    .send(event(&json!({"jsonrpc": "2.0", "id": id, "result": {"resumed": true}})))
                    .unwrap();
                Say::Stream(receiver)
            }
            ("POST", _) if seen.body["method"] == "tools/call" => {
                server.seen.lock().unwrap().push(seen.clone());
                (server.manner)(seen)
            }
            _ => legacy(echo)(seen),
        });
    let client = scene.client().await;
    let begun = Instant::now();
    assert_eq!(answer(call(&client, "tools/call", &json!({"name": "x"}))).await["result"]["resumed"], true);
    assert_eq!(begun.elapsed(), Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_without_numbers_fails_its_call_alone() {
    let scene = Scene::new(
        None,
        legacy(|seen| match seen.body["params"]["name"].as_str() {
            Some("bad") => Say::Text(200, "text/event-stream", ": nothing\n\n"),
            _ => echo(seen),
        }),
    );
    let client = scene.client().await;
    let got = answer(call(&client, "tools/call", &json!({"name": "bad"}))).await;
    assert_eq!(got["error"]["message"], "server `a`: the server ended its stream before it answered");
    assert_eq!(
        answer(call(&client, "tools/call", &json!({"name": "good"}))).await["result"]["params"]["name"],
        "good"
    );
}

async fn changed(events: &mut broadcast::Receiver<Event>) {
    loop {
        if matches!(events.recv().await.unwrap(), Event::ListChanged { .. }) {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_no_call_comes_on_a_stream_of_its_own() {
    let (sender, streams) = stream();
    let scene = Scene::new(None, move |seen: &Seen| match seen.method {
        Method::GET => match streams.lock().unwrap().pop_front() {
            Some(stream) => Say::Stream(stream),
            None => Say::Text(503, "", ""),
        },
        _ => legacy(echo)(seen),
    });
    let mut events = scene.pool.events();
    scene.pool.acquire("a", &session("s"), None).await.unwrap();
    let note = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    sender.send(event(&note)).unwrap();
    changed(&mut events).await;
    let asks = |scene: &Scene| scene.all().iter().filter(|short| *short == "GET").count();
    assert_eq!(asks(&scene), 1);
    // It is asked for again when it ends, less and less often while there is none.
    drop(sender);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(asks(&scene), 3);
    scene.end().await;
}
