//! Servers that read slowly or not at all: who calls them waits, in order, for as long as that is bearable.

use super::streams::wire;
use crate::in_flight::{Limit, limit};
use crate::pending::Caller;
use crate::wire::Wire;
use crate::{Declared, InFlight, Owner, PoolConfig, SendError};
use bytes::{BufMut, BytesMut};
use host_provisioner::Streams;
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

const SIZE: usize = 4000;
/// Room for two of them.
const CONFIG: fn() -> PoolConfig = || PoolConfig { backlog_limit: 10_000, ..PoolConfig::default() };

/// A call with a number and a filler, in turn.
async fn send(wire: &Arc<Wire>, n: usize, limit: Limit) -> Result<InFlight, SendError> {
    let params = json!({"n": n, "filler": "x".repeat(SIZE)}).to_string();
    let write = |_, out: &mut BytesMut| {
        out.put_slice(b",\"params\":");
        out.put_slice(params.as_bytes());
        out.put_u8(b'}');
        Ok(())
    };
    let sent =
        wire.send_request_in_turn(Caller::Client, "tools/call", limit, params.len() + 100, write).await;
    sent.map(InFlight::quiet)
}

/// The same at once.
fn send_at_once(wire: &Arc<Wire>) -> Result<InFlight, SendError> {
    wire.send_request(Caller::Client, "ping", None, |_, out| {
        out.put_u8(b'}');
        Ok(())
    })
}

/// So many callers, each in line behind the one before.
async fn callers(
    wire: &Arc<Wire>,
    numbers: std::ops::Range<usize>,
) -> Vec<JoinHandle<Result<InFlight, SendError>>> {
    let mut callers = Vec::new();
    for n in numbers {
        let wire = Arc::clone(wire);
        callers.push(tokio::spawn(async move { send(&wire, n, None).await }));
        tokio::task::yield_now().await;
    }
    callers
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_server_that_reads_slowly_and_go_in_order() {
    let (wire, their_stdin, _their_stdout, _their_stderr) = wire(64, &CONFIG());
    let mut callers = callers(&wire, 0..20).await;
    assert_eq!(callers.iter().filter(|caller| caller.is_finished()).count(), 2, "for two there is room");
    let error = send_at_once(&wire).unwrap_err();
    assert_eq!(error, SendError::Backlog { limit: 10_000 }, "nobody goes past those who wait");
    let mut lines = BufReader::new(their_stdin).lines();
    for (n, caller) in callers.iter_mut().enumerate() {
        // It takes a line in half a minute: two of them are the patience that a server has for one.
        tokio::time::sleep(Duration::from_secs(30)).await;
        let line = lines.next_line().await.unwrap().unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["params"]["n"], n);
        assert_eq!(message["id"], caller.await.unwrap().unwrap().id());
    }
    // The line is empty: calls go at once again.
    assert!(send_at_once(&wire).is_ok());
    assert!(lines.next_line().await.unwrap().unwrap().contains("ping"));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_bounded_by_bytes_and_leaves_the_line_when_he_goes() {
    let config = PoolConfig { waiting_limit: 3 * SIZE, ..CONFIG() };
    let (wire, _their_stdin, _their_stdout, _their_stderr) = wire(64, &config);
    let waiting = callers(&wire, 0..4).await;
    let error = send(&wire, 4, None).await.unwrap_err();
    assert_eq!(error, SendError::Backlog { limit: 3 * SIZE });
    assert_eq!(error.to_string(), "more than 12000 bytes wait for the server already");
    waiting.iter().for_each(JoinHandle::abort);
    for caller in waiting {
        // The first two were sent.
        drop(caller.await);
    }
    let error = send(&wire, 5, limit(Some(Duration::from_secs(5)))).await.unwrap_err();
    assert_eq!(error, SendError::TimedOut { after: Duration::from_secs(5) }, "it waits: the line is empty");
}

#[tokio::test(start_paused = true)]
async fn who_waits_hears_that_the_server_has_gone() {
    let (wire, their_stdin, their_stdout, _their_stderr) = wire(64, &CONFIG());
    let waiting = callers(&wire, 0..6).await;
    drop((their_stdin, their_stdout));
    for (n, caller) in waiting.into_iter().enumerate() {
        let sent = caller.await.unwrap();
        assert_eq!(sent.is_ok(), n < 2, "{n}: {sent:?}");
        assert!(n < 2 || matches!(sent, Err(SendError::Gone { .. })), "{n}: {sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_server_that_takes_one_at_a_time() {
    // It reads everything at once, and takes longer for a call than a server may that does not read.
    let config = PoolConfig { concurrency: Some(1), ..CONFIG() };
    let (wire, their_stdin, mut their_stdout, _their_stderr) = wire(1 << 16, &config);
    let mut callers = callers(&wire, 0..8).await;
    assert_eq!(
        callers.iter().filter(|caller| caller.is_finished()).count(),
        3,
        "one is worked on, two in line"
    );
    let mut lines = BufReader::new(their_stdin).lines();
    for (n, caller) in callers.iter_mut().enumerate() {
        let line = lines.next_line().await.unwrap().unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["params"]["n"], n);
        tokio::time::sleep(Duration::from_secs(100)).await;
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": {}});
        their_stdout.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
        let mut call = caller.await.unwrap().unwrap();
        assert!(call.response().await.unwrap().result().is_some());
    }
}

/// A wire to a process.
fn child(command: &str, config: &PoolConfig) -> (Arc<Wire>, Child) {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let streams = Streams {
        label: "test".to_owned(),
        stdin: Box::new(child.stdin.take().unwrap()),
        stdout: Box::new(child.stdout.take().unwrap()),
        stderr: None,
    };
    let (events, tracker) = (broadcast::Sender::new(16), TaskTracker::new());
    let wire = Wire::start(Arc::from("a"), Owner::Shared, streams, Declared::NONE, config, events, &tracker);
    (wire, child)
}

#[tokio::test]
async fn a_process_that_never_reads_fails_those_who_wait_and_no_others() {
    let patience = Duration::from_millis(300);
    // More than its pipe takes.
    let config = PoolConfig { backlog_limit: 1 << 20, read_patience: patience, ..CONFIG() };
    let (wire, _child) = child("exec sleep 1000", &config);
    let mut sent = Vec::new();
    let error = loop {
        match send(&wire, sent.len(), None).await {
            Ok(call) => sent.push(call),
            Err(error) => break error,
        }
    };
    assert_eq!(error, SendError::Unread { after: patience });
    assert_eq!(
        error.to_string(),
        "the server does not read: it has taken nothing for 300ms, and there is no room for more"
    );
    assert!(sent.len() * SIZE > 1 << 20, "{}", sent.len());
    assert!(wire.pending.gone().is_none(), "who was sent still waits for his answer");
    let error = send(&wire, 0, limit(Some(Duration::from_millis(10)))).await.unwrap_err();
    assert_eq!(error.to_string(), "the server did not read what came before within 10ms");
}

#[tokio::test]
async fn a_process_that_reads_slowly_refuses_nobody() {
    let config = PoolConfig { backlog_limit: 1 << 20, ..CONFIG() };
    // It stops before it has read anything, and then reads a piece at a time, each by a process of its own.
    let (wire, child) = child("kill -STOP $$; while [ $(head -c 40000 | wc -c) -gt 0 ]; do :; done", &config);
    let calls = callers(&wire, 0..800).await;
    let sent = calls.iter().filter(|caller| caller.is_finished()).count();
    assert!(sent < 400, "{sent} calls found room");
    // Again and again, because it may only be about to stop.
    let mut go_on = tokio::time::interval(Duration::from_millis(50));
    let pid = child.id().unwrap().to_string();
    let awaken = async {
        loop {
            go_on.tick().await;
            assert!(Command::new("kill").args(["-CONT", &pid]).status().await.unwrap().success());
        }
    };
    let all = async {
        for caller in calls {
            caller.await.unwrap().unwrap();
        }
    };
    tokio::select! {
        () = all => {}
        () = awaken => {}
    }
}
