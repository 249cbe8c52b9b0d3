//! What a server behind HTTP can cost by not answering.

use super::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_begun_anew_in_time_holds_nobody_up() {
    let begun = AtomicUsize::new(0);
    let manner = legacy(|_| Say::Text(404, "text/plain", "gone"));
    let scene = Scene::new(None, move |seen| match seen.short().as_str() {
        "POST initialize" if begun.fetch_add(1, Ordering::Relaxed) > 0 => Say::Never,
        _ => manner(seen),
    });
    let client = scene.client().await;
    let calls = [
        call(&client, "tools/call", &json!({"name": "x"})),
        call(&client, "tools/call", &json!({"name": "y"})),
    ];
    let started = Instant::now();
    for mut call in calls {
        let error = call.response().await.unwrap_err().to_string();
        assert_eq!(
            error,
            "the server has gone: it has ended the session and does not begin another: it did not answer within 30 s"
        );
    }
    assert_eq!(started.elapsed().as_secs(), 30);
    assert!(!client.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_answers_gets_no_more_of_them() {
    const ASKED: usize = 1000;
    // 16 MiB on their way, of which each message counts for 64 KiB at least (`connect/http.rs`).
    const MOST: usize = 256;
    let listening = AtomicBool::new(false);
    let (ask, asked) = mpsc::unbounded_channel();
    let stream = Mutex::new(Some(asked));
    let manner = legacy(|seen| match seen.body.get("method") {
        Some(_) => Say::Json(200, result(seen, &json!({"content": []}))),
        None => Say::Never,
    });
    let mut scene = Scene::new(None, move |seen| match seen.method {
        Method::GET if !listening.swap(true, Ordering::Relaxed) => {
            Say::Stream(stream.lock().unwrap().take().unwrap())
        }
        _ => manner(seen),
    });
    let client = scene.client().await;
    scene.sees("GET").await;
    let pings = |from: usize| -> String {
        (from..from + ASKED)
            .map(|id| format!("data: {}\n\n", json!({"jsonrpc": "2.0", "id": id, "method": "ping"})))
            .collect()
    };
    ask.send(Bytes::from(pings(0))).unwrap();
    for _ in 0..MOST {
        scene.sees("POST").await;
    }
    // Calls are answered meanwhile, and whoever is not answered in time makes room.
    answer(call(&client, "tools/call", &json!({"name": "x"}))).await;
    let answers = |scene: &Scene| scene.all().iter().filter(|short| *short == "POST").count();
    assert_eq!(answers(&scene), MOST);
    tokio::time::sleep(Duration::from_secs(31)).await;
    ask.send(Bytes::from(pings(ASKED))).unwrap();
    for _ in 0..MOST {
        scene.sees("POST").await;
    }
    assert!(client.is_alive());
}

fn initializes(scene: &Scene) -> usize {
    scene.all().iter().filter(|short| *short == "POST initialize").count()
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_stream_is_nowhere_keeps_its_session() {
    let asked = AtomicUsize::new(0);
    let manner = legacy(echo);
    let mut scene = Scene::new(None, move |seen| match seen.method {
        // So that it ends, whoever asks without end.
        Method::GET if asked.fetch_add(1, Ordering::Relaxed) > 3 => Say::Never,
        Method::GET => Say::Text(404, "text/html", "Cannot GET /mcp"),
        _ => manner(seen),
    });
    let client = scene.client().await;
    scene.sees("GET").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    answer(call(&client, "tools/call", &json!({"name": "x"}))).await;
    let gets = scene.all().iter().filter(|short| *short == "GET").count();
    assert_eq!((initializes(&scene), gets), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_loses_one_session_after_the_other_is_left_alone() {
    let asked = AtomicUsize::new(0);
    let manner = legacy(echo);
    let mut scene = Scene::new(None, move |seen| match seen.short().as_str() {
        // Each session has a stream that ends at once, and is lost by the time that it is asked for again.
        "GET" if asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => {
            Say::Stream(mpsc::unbounded_channel().1)
        }
        "GET" => Say::Text(404, "text/plain", "gone"),
        _ => manner(seen),
    });
    let _client = scene.client().await;
    let mut gaps = Vec::new();
    scene.sees("POST initialize").await;
    let mut last = Instant::now();
    while gaps.len() < 9 {
        scene.sees("POST initialize").await;
        gaps.push(last.elapsed().as_secs());
        last = Instant::now();
    }
    // After the two seconds before the stream is asked for again.
    assert_eq!(gaps, [2, 2 + 1, 2 + 2, 2 + 4, 2 + 8, 2 + 16, 2 + 32, 2 + 60, 2 + 60]);
}
