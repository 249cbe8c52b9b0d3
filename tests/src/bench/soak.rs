//! Hours in minutes: sessions that call without end while their servers are killed under them. Prints what the gateway occupies over time, and calls
//! that were lost without a reason.
//!
//! Each session has servers of its own, two commands and one component, and calls them in turn. Every few seconds one of the commands is
//! killed. A kill may cost the one call that its server had, or the first one after it; every other call must be answered, with its own text.

use super::{median, process};
use crate::harness::{Client, Era, Gateway, Scene};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Sessions at once.
const SESSIONS: usize = 32;
/// Between two calls of one session.
const BETWEEN: Duration = Duration::from_millis(100);
/// How long a command takes for a call, so that kills find calls in flight.
const WORK: u64 = 100;
/// Between two kills.
const KILLS: Duration = Duration::from_secs(3);
/// Between two looks at the memory.
const LOOKS: Duration = Duration::from_secs(10);
/// Servers that can be killed, as prefixes of their tools.
const COMMANDS: [&str; 2] = ["one", "two"];
const REVISION: Era = Era::Legacy("2025-11-25");

/// One killable server of one session.
#[derive(Default)]
struct Victim {
    /// Zero while it is not known.
    pid: Mutex<Option<i32>>,
    /// It was killed, and nothing of it was seen since.
    killed: AtomicBool,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    kills: AtomicU64,
    in_flight: AtomicU64,
    lost: AtomicU64,
}

/// What a soak came to.
#[derive(Debug, Clone, Copy)]
pub struct Soaked {
    /// Calls that were answered as they should.
    pub calls: u64,
    /// Servers that were killed.
    pub kills: u64,
    /// Calls that failed because their server was killed.
    pub in_flight: u64,
    /// Calls that failed without that reason, or were answered with what was another's.
    pub lost: u64,
    /// Resident memory of the gateway in KiB, in the middle of the second third of the time and of the last one.
    pub memory: (f64, f64),
}

impl Soaked {
    /// Whether nothing was lost and the memory did not grow: at most a tenth and two MiB, which is what an allocator does by itself.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.memory.1 <= self.memory.0 * 1.1 + 2048.0
    }
}

/// Runs for so long. `server` is the program `stdio-server` of this package; `print` gets a line now and then.
///
/// # Panics
/// The gateway does not start or does not end well, or a session cannot be opened.
pub async fn run(scene: &Scene, server: &Path, time: Duration, print: fn(String)) -> Soaked {
    let entry = json!({"command": server});
    let servers = json!({COMMANDS[0]: entry, COMMANDS[1]: entry});
    scene.file("mcp.json", json!({"mcpServers": servers}).to_string());
    scene.file(
        "soak.yaml",
        "front: {names: all}\npool: {cap: 300}\nservers:\n  wasm: {component: ./echo.wasm}\n",
    );
    let gateway = scene.serve(["--settings", "soak.yaml", "--mcp-servers", "mcp.json"]).await;
    let counts = Arc::new(Counts::default());
    let end = Instant::now() + time;
    let mut victims = Vec::new();
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        let mut client = gateway.client(REVISION).await;
        client.await_tools(&["one__wait", "two__wait", "wasm__echo"]).await;
        let own: Arc<[Victim; 2]> = Arc::default();
        victims.push(Arc::clone(&own));
        let counts = Arc::clone(&counts);
        sessions.push(tokio::spawn(async move {
            session(number, &mut client, &own, &counts, end, print).await;
            client.leave().await;
        }));
    }
    let memory = watch(&gateway, &victims, &counts, end, print).await;
    for session in sessions {
        session.await.unwrap();
    }
    gateway.end().await;
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let third = memory.len() / 3;
    Soaked {
        calls: count(&counts.calls),
        kills: count(&counts.kills),
        in_flight: count(&counts.in_flight),
        lost: count(&counts.lost),
        memory: (median(memory[third..third * 2].to_vec()), median(memory[third * 2..].to_vec())),
    }
}

async fn session(
    number: usize,
    client: &mut Client,
    victims: &[Victim; 2],
    counts: &Counts,
    end: Instant,
    print: fn(String),
) {
    for call in 0u64.. {
        if Instant::now() >= end {
            return;
        }
        let text = format!("{number}/{call}");
        if call % 3 == 2 {
            let answer = client.call("wasm__echo", json!({"message": text})).await;
            let good = answer.as_ref().is_ok_and(|answer| answer.to_string().contains(&text));
            let counter = if good { &counts.calls } else { &counts.lost };
            counter.fetch_add(1, Ordering::SeqCst);
        } else {
            let at = usize::from(call % 3 == 1);
            let (name, victim) = (COMMANDS[at], &victims[at]);
            match client.call(&format!("{name}__wait"), json!({"text": text, "millis": WORK})).await {
                Ok(answer) if answer["content"][0]["text"] == *text => {
                    counts.calls.fetch_add(1, Ordering::SeqCst);
                    look(client, name, victim).await;
                }
                Err(error)
                    if victim.killed.swap(false, Ordering::SeqCst) && error.message.contains("has gone") =>
                {
                    *victim.pid.lock().unwrap() = None;
                    counts.in_flight.fetch_add(1, Ordering::SeqCst);
                }
                other => {
                    print(format!("lost: {name} of session {number}: {other:?}"));
                    counts.lost.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Learns which process the server is, if that is not known or may have changed.
async fn look(client: &mut Client, name: &str, victim: &Victim) {
    let before = *victim.pid.lock().unwrap();
    if before.is_some() && !victim.killed.load(Ordering::SeqCst) {
        return;
    }
    let Ok(answer) = client.call(&format!("{name}__pid"), json!({})).await else {
        // Killed in this very moment; the call was not one of those that count.
        victim.killed.store(false, Ordering::SeqCst);
        *victim.pid.lock().unwrap() = None;
        return;
    };
    let pid = answer["content"][0]["text"].as_str().and_then(|text| text.parse().ok());
    if pid != before {
        victim.killed.store(false, Ordering::SeqCst);
    }
    *victim.pid.lock().unwrap() = pid;
}

/// Kills a server now and then, and looks at the memory, until the end. Gives what it saw.
async fn watch(
    gateway: &Gateway<'_>,
    victims: &[Arc<[Victim; 2]>],
    counts: &Counts,
    end: Instant,
    print: fn(String),
) -> Vec<f64> {
    let begin = Instant::now();
    let mut memory = Vec::new();
    let mut next_look = begin;
    let mut turn = 0usize;
    while Instant::now() < end {
        if Instant::now() >= next_look {
            next_look += LOOKS;
            let resident = process::resident(gateway.pid());
            memory.push(resident);
            let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
            print(format!(
                "{:>5.0} s  {:>7.1} MiB  {:>8} calls  {:>5} kills  {:>5} calls in flight to the killed  {:>3} lost",
                begin.elapsed().as_secs_f64(),
                resident / 1024.0,
                count(&counts.calls),
                count(&counts.kills),
                count(&counts.in_flight),
                count(&counts.lost),
            ));
        }
        // Seven is prime to the number of victims, so that all have their turn.
        turn += 7;
        let victim = &victims[turn / 2 % victims.len()][turn % 2];
        let pid = *victim.pid.lock().unwrap();
        let alive = pid.filter(|pid| !victim.killed.load(Ordering::SeqCst) && is_server(*pid));
        if let Some(pid) = alive.and_then(Pid::from_raw) {
            victim.killed.store(true, Ordering::SeqCst);
            if kill_process(pid, Signal::KILL).is_ok() {
                counts.kills.fetch_add(1, Ordering::SeqCst);
            } else {
                victim.killed.store(false, Ordering::SeqCst);
            }
        }
        tokio::time::sleep(KILLS).await;
    }
    memory
}

/// Whether a process is one of the servers still: a number may have been given to another.
fn is_server(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| String::from_utf8_lossy(&line).contains("stdio-server"))
}
