//! The streams themselves: servers that do not read, lines in pieces, lines without end, TCP.

use super::harness::{Twisted, call, next, value};
use crate::wire::Wire;
use crate::{Declared, Outgoing, Owner, Pool, PoolConfig, SendError, ServerEntry};
use host_message::Params;
use host_provisioner::fake::FakeProvisioner;
use host_provisioner::{ServerSpec, Streams, Workload};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_util::task::TaskTracker;

/// A wire and its other ends: input, output and standard error of the server.
pub(super) fn wire(
    room: usize,
    config: &PoolConfig,
) -> (Arc<Wire>, DuplexStream, DuplexStream, DuplexStream) {
    wire_of(room, config, &TaskTracker::new())
}

/// The same, its tasks tracked by the test.
fn wire_of(
    room: usize,
    config: &PoolConfig,
    tracker: &TaskTracker,
) -> (Arc<Wire>, DuplexStream, DuplexStream, DuplexStream) {
    let (stdin, their_stdin) = tokio::io::duplex(room);
    let (stdout, their_stdout) = tokio::io::duplex(room);
    let (stderr, their_stderr) = tokio::io::duplex(room);
    let streams = Streams {
        label: "test".to_owned(),
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Some(Box::new(stderr)),
    };
    let events = broadcast::Sender::new(16);
    let wire = Wire::start(Arc::from("a"), Owner::Shared, streams, Declared::NONE, config, events, tracker);
    (wire, their_stdin, their_stdout, their_stderr)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_is_refused_further_messages_and_loses_none() {
    let config = PoolConfig { backlog_limit: 10_000, ..Default::default() };
    let (wire, their_stdin, _their_stdout, _their_stderr) = wire(64, &config);
    let mut sent = vec![];
    let error = loop {
        let params = json!({ "n": sent.len(), "filler": "x".repeat(300) }).to_string();
        match wire.call("tools/call", Some(params.as_bytes())) {
            Ok(call) => sent.push(call.quiet()),
            Err(error) => break error,
        }
        // Sometimes the task that goes on gets its turn.
        if sent.len() % 3 == 0 {
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(error, SendError::Backlog { limit: 10_000 });
    assert!(sent.len() > 10, "{}", sent.len());
    let mut lines = BufReader::new(their_stdin).lines();
    for (n, call) in sent.iter().enumerate() {
        let line = lines.next_line().await.unwrap().unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (message["id"].as_u64(), message["params"]["n"].as_u64()),
            (Some(call.id()), Some(n as u64))
        );
    }
    // Now it reads again, and takes more.
    let again = wire.call("ping", None).unwrap().quiet();
    let line = lines.next_line().await.unwrap().unwrap();
    assert_eq!(line, format!(r#"{{"jsonrpc":"2.0","id":{},"method":"ping"}}"#, again.id()));
}

#[tokio::test(start_paused = true)]
async fn one_message_may_be_longer_than_the_backlog() {
    let config = PoolConfig { backlog_limit: 100, ..Default::default() };
    let (wire, mut their_stdin, _their_stdout, _their_stderr) = wire(1 << 10, &config);
    let long = json!({ "filler": "x".repeat(100_000) }).to_string();
    let call = wire.call("x", Some(long.as_bytes())).unwrap();
    assert_eq!(wire.call("y", None).expect_err("one waits"), SendError::Backlog { limit: 100 });
    let mut taken = vec![0; long.len()];
    their_stdin.read_exact(&mut taken).await.unwrap();
    assert!(
        taken.starts_with(
            format!(r#"{{"jsonrpc":"2.0","id":{},"method":"x","params":"#, call.id()).as_bytes()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn lines_come_in_pieces_and_many_at_once() {
    let (wire, _their_stdin, mut their_stdout, _their_stderr) = wire(1 << 16, &PoolConfig::default());
    let mut calls: Vec<_> = (0..50).map(|_| wire.call("x", None).unwrap().quiet()).collect();
    let mut text = String::new();
    for (n, call) in calls.iter().enumerate() {
        let filler = "é".repeat(n * n);
        text.push_str(
            &json!({ "jsonrpc": "2.0", "id": call.id(), "result": { "n": n, "f": filler } }).to_string(),
        );
        text.push_str(["\n", "\r\n", "\n\n"][n % 3]);
    }
    let writer = tokio::spawn(async move {
        for (n, piece) in text.as_bytes().chunks(977).enumerate() {
            their_stdout.write_all(piece).await.unwrap();
            if n % 2 == 0 {
                tokio::task::yield_now().await;
            }
        }
        their_stdout
    });
    for (n, call) in calls.iter_mut().enumerate() {
        let answer = value(&call.response().await.unwrap());
        assert_eq!(answer["result"]["n"], json!(n));
    }
    drop(writer.await.unwrap());
    wire.dead.cancelled().await;
    assert_eq!(wire.rubbish.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_line_without_end_is_the_end() {
    let config = PoolConfig { line_limit: 1000, ..Default::default() };
    let (wire, _their_stdin, mut their_stdout, mut their_stderr) = wire(1 << 16, &config);
    let mut call = wire.call("x", None).unwrap();
    their_stderr.write_all("out of \u{1b}[1mcheese\n\n  sorry\n".as_bytes()).await.unwrap();
    their_stdout.write_all(&[b'x'; 1001]).await.unwrap();
    let gone = next(&mut call).await.expect_err("gone");
    assert_eq!(gone.to_string(), "the server has gone: a line of its output is longer than 1000 bytes");
    // The last words are awaited for a moment only: standard error is still open.
    let expected =
        "a line of its output is longer than 1000 bytes; its last words: out of \\u{1b}[1mcheese | sorry";
    assert_eq!(wire.obituary().await, expected);
}

/// However it comes: with its end in one piece, or in two whose first is within the limit.
#[tokio::test(start_paused = true)]
async fn a_line_that_is_too_long_is_the_end_also_when_it_has_one() {
    let config = PoolConfig { line_limit: 1000, ..Default::default() };
    for (length, pieces, fits) in [(1000, 1, true), (1001, 1, false), (1000, 2, true), (1200, 2, false)] {
        let (wire, _their_stdin, mut their_stdout, _their_stderr) = wire(1 << 16, &config);
        let mut call = wire.call("x", None).unwrap();
        let bare = json!({"jsonrpc": "2.0", "id": call.id(), "result": ""}).to_string();
        let filler = "x".repeat(length - bare.len());
        let text = bare.replace("\"\"", &format!("\"{filler}\"")) + "\n";
        for piece in text.as_bytes().chunks(text.len().div_ceil(pieces)) {
            their_stdout.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        let answer = next(&mut call).await;
        assert_eq!(answer.is_ok(), fits, "{length} bytes in {pieces} pieces: {answer:?}");
        if let Err(gone) = answer {
            let expected = "the server has gone: a line of its output is longer than 1000 bytes";
            assert_eq!(gone.to_string(), expected);
        }
    }
}

/// Looks, when it is woken, whether the connection still counts as one.
struct Look {
    wire: Arc<Wire>,
    saw_the_end: AtomicBool,
}

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        self.saw_the_end.store(self.wire.dead.is_cancelled(), Ordering::SeqCst);
    }
}

/// Or whoever calls at once again would be given the same server.
#[tokio::test(start_paused = true)]
async fn who_hears_of_the_end_finds_the_server_gone() {
    let (wire, _their_stdin, _their_stdout, _their_stderr) = wire(1 << 16, &PoolConfig::default());
    let mut call = wire.call("x", None).unwrap();
    let look = Arc::new(Look { wire: Arc::clone(&wire), saw_the_end: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&look));
    let mut answer = std::pin::pin!(next(&mut call));
    assert!(answer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    wire.die("it is over");
    assert!(look.saw_the_end.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn last_words_are_cut_and_cannot_move_or_hide_anything() {
    let (wire, _their_stdin, their_stdout, mut their_stderr) = wire(1 << 16, &PoolConfig::default());
    let words = format!("refused: user\u{202e}nimda \u{200b}\u{1b}[2J{}", "\u{7}".repeat(1500));
    their_stderr.write_all(words.as_bytes()).await.unwrap();
    drop((their_stdout, their_stderr));
    wire.dead.cancelled().await;
    let text = wire.obituary().await;
    let expected =
        "its output ended; its last words: refused: user\\u{202e}nimda \\u{200b}\\u{1b}[2J\\u{7}\\u{7}";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with('…') && text.len() < 2200, "{}", text.len());
}

#[tokio::test(start_paused = true)]
async fn a_last_message_without_newline_counts() {
    let (wire, _their_stdin, mut their_stdout, _their_stderr) = wire(1 << 16, &PoolConfig::default());
    let mut call = wire.call("x", None).unwrap();
    let answer = json!({ "jsonrpc": "2.0", "id": call.id(), "result": 1 }).to_string();
    their_stdout.write_all(answer.as_bytes()).await.unwrap();
    drop(their_stdout);
    assert_eq!(next(&mut call).await.unwrap().0, "response");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closed_its_input_is_gone() {
    let tracker = TaskTracker::new();
    let (wire, their_stdin, _their_stdout, _their_stderr) =
        wire_of(1 << 16, &PoolConfig::default(), &tracker);
    // The tasks have begun before the stream breaks.
    tokio::task::yield_now().await;
    drop(their_stdin);
    let error = wire.call("x", None).expect_err("broken");
    assert_eq!(error.to_string(), "the server has gone: writing to it failed: broken pipe");
    wire.dead.cancelled().await;
    // No task outlives the wire.
    wire.finish();
    tracker.close();
    tracker.wait().await;
}

#[tokio::test]
async fn a_server_over_tcp() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            let message: Value = serde_json::from_str(&line).unwrap();
            if message.get("id").is_none() {
                continue;
            }
            let result = if message["method"] == "server/discover" {
                json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {}, "ttlMs": 0, "cacheScope": "private" })
            } else {
                message["params"].clone()
            };
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            write.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
        }
    });
    let fake = FakeProvisioner::new(|_, _| Ok(()));
    let workload = Workload::Bundled { name: "a".to_owned(), arguments: vec![] };
    let entry = ServerEntry {
        spec: Arc::new(ServerSpec::new("a", workload)),
        provisioner: Arc::new(Twisted { tcp: Some(port), ..Twisted::of(&fake) }),
    };
    let pool = Pool::new(vec![entry], PoolConfig::default());
    let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let big = "x".repeat(3 << 20);
    let mut one = call(&client, "tools/call", &json!({ "arguments": { "big": big } }));
    let answer = value(&one.response().await.unwrap());
    assert_eq!(answer["result"]["arguments"]["big"].as_str().map(str::len), Some(3 << 20));
    let params = Params::scan(bytes::Bytes::from_static(b"{}")).unwrap();
    assert!(client.request(Outgoing::new("x").params(&params)).is_ok());
    let report = pool.shutdown(std::time::Duration::ZERO, tokio_util::sync::CancellationToken::new()).await;
    assert_eq!((report.unfinished.len(), fake.held().len()), (0, 0));
    // The server sees the end of its input and ends.
    server.await.unwrap();
}
