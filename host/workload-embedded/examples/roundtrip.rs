//! Prints what the embedded engine costs: start of a component, round trip of a message, processor time per message, and what a server
//! that computes does to its neighbours; beside a tokio pipe with an echo task in the same run.
//!
//!     cargo run --release -p host-workload-embedded --example roundtrip

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a program that prints figures and ends where it fails"
)]

use host_workload_embedded::{ComponentSource, EmbeddedEngine, EngineConfig, LoadedComponent, StartSpec};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":12345,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello from the bench"}}}
"#;

fn main() {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    threads.block_on(async { tokio::spawn(measure()).await.unwrap() });
}

async fn measure() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("cache");
    let file = test_artifacts::guest("echo-server");
    let other = test_artifacts::guest("misbehave");
    let engine = |cached: bool| {
        EmbeddedEngine::new(EngineConfig {
            cache_dir: cached.then(|| folder.clone()),
            ..EngineConfig::default()
        })
        .unwrap()
    };
    for what in ["empty cache", "cached", "cached"] {
        let begin = Instant::now();
        let engine = engine(true);
        let component = engine.load(ComponentSource::File(file.clone())).await.unwrap();
        let loaded = begin.elapsed();
        let mut started = engine.start(StartSpec::new("cold", component.clone())).await.unwrap();
        let answer = line(&mut started.stdin, &mut BufReader::new(&mut started.stdout), CALL).await;
        assert!(answer > 0);
        println!("first engine, load, start, answer ({what}): {:?} (load {loaded:?})", begin.elapsed());
        engine.stop("cold", Duration::from_secs(1)).await;
    }
    let engine = engine(true);
    let echo = engine.load(ComponentSource::File(file)).await.unwrap();
    let misbehave = engine.load(ComponentSource::File(other)).await.unwrap();
    starts(&engine, &echo).await;
    for _ in 0..2 {
        baseline().await;
        let mut started = engine.start(StartSpec::new("echo", echo.clone())).await.unwrap();
        trips("echo server", &mut started.stdin, &mut started.stdout, CALL, 100_000).await;
        let large =
            [&CALL[..CALL.len() - 5], "x".repeat(1_000_000).as_bytes(), &CALL[CALL.len() - 5..]].concat();
        trips("echo server, 1 MB", &mut started.stdin, &mut started.stdout, &large, 50).await;
        engine.stop("echo", Duration::from_secs(1)).await;
    }
    let mut plain = StartSpec::new("plain", misbehave.clone());
    plain.arguments = vec!["echo".to_owned()];
    let mut started = engine.start(plain).await.unwrap();
    trips("line echo", &mut started.stdin, &mut started.stdout, CALL, 100_000).await;
    let mut large = vec![b'x'; 1_000_000];
    large.push(b'\n');
    trips("line echo, 1 MB", &mut started.stdin, &mut started.stdout, &large, 50).await;
    idle("one idle workload").await;
    for spinners in [1, 2, 4] {
        for n in 0..spinners {
            let mut spec = StartSpec::new(format!("spin-{n}"), misbehave.clone());
            spec.arguments = vec!["spin".to_owned()];
            drop(engine.start(spec).await.unwrap());
        }
        trips(
            &format!("line echo beside {spinners} spinning"),
            &mut started.stdin,
            &mut started.stdout,
            CALL,
            2_000,
        )
        .await;
        baseline_short(spinners).await;
        for n in 0..spinners {
            let begin = Instant::now();
            engine.stop(&format!("spin-{n}"), Duration::ZERO).await;
            if n == 0 {
                println!("  stopping one that spins: {:?}", begin.elapsed());
            }
        }
    }
    let mut spec = StartSpec::new("share", misbehave);
    (spec.arguments, spec.cpu_millis) = (vec!["spin".to_owned()], Some(200));
    let _share = engine.start(spec).await.unwrap();
    let before = processor();
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!(
        "a spinning workload with a share of 200/1000 used {:.0}/1000",
        (processor() - before).as_secs_f64() * 500.0
    );
    engine.shutdown(Duration::ZERO).await;
}

async fn starts(engine: &EmbeddedEngine, component: &Arc<LoadedComponent>) {
    let mut times = Vec::new();
    let before = resident();
    let mut kept = Vec::new();
    for n in 0..200 {
        let begin = Instant::now();
        let mut started = engine.start(StartSpec::new(format!("n{n}"), component.clone())).await.unwrap();
        line(&mut started.stdin, &mut BufReader::new(&mut started.stdout), CALL).await;
        times.push(begin.elapsed());
        kept.push(started);
    }
    times.sort_unstable();
    println!(
        "start of a loaded component and first answer: p50 {:?}, p99 {:?}; {} KiB resident each",
        times[100],
        times[198],
        (resident() - before) / 200
    );
    drop(kept);
    for id in engine.workloads() {
        engine.stop(&id, Duration::from_secs(1)).await;
    }
}

async fn baseline() {
    let (host, guest) = tokio::io::duplex(64 * 1024);
    let task = tokio::spawn(async move {
        let (read, mut write) = tokio::io::split(guest);
        let mut read = BufReader::new(read);
        let mut text = Vec::new();
        while read.read_until(b'\n', &mut text).await.unwrap() > 0 {
            write.write_all(&text).await.unwrap();
            text.clear();
        }
    });
    let (mut read, mut write) = tokio::io::split(host);
    trips("tokio duplex (baseline)", &mut write, &mut read, CALL, 100_000).await;
    drop((read, write));
    task.await.unwrap();
}

/// How late an ordinary task of the runtime is.
async fn baseline_short(spinners: usize) {
    let mut late = Vec::new();
    for _ in 0..200 {
        let begin = Instant::now();
        tokio::time::sleep(Duration::from_millis(1)).await;
        late.push(begin.elapsed().saturating_sub(Duration::from_millis(1)));
    }
    late.sort_unstable();
    println!("  a timer beside {spinners} spinning is late by p50 {:?}, p99 {:?}", late[100], late[198]);
}

async fn idle(what: &str) {
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = processor();
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("{what}: {:?} of processor time per second", (processor() - before) / 2);
}

async fn trips(
    what: &str,
    to: &mut (impl AsyncWrite + Unpin),
    from: &mut (impl AsyncRead + Unpin),
    text: &[u8],
    count: usize,
) {
    let mut from = BufReader::new(from);
    for _ in 0..count / 10 {
        line(to, &mut from, text).await;
    }
    let mut times = Vec::with_capacity(count);
    let before = processor();
    for _ in 0..count {
        let begin = Instant::now();
        line(to, &mut from, text).await;
        times.push(begin.elapsed());
    }
    let used = (processor() - before) / u32::try_from(count).unwrap();
    times.sort_unstable();
    println!(
        "{what}: p50 {:?}, p99 {:?}, max {:?}, {used:?} of processor time each",
        times[count / 2],
        times[count * 99 / 100],
        times[count - 1]
    );
}

async fn line(
    to: &mut (impl AsyncWrite + Unpin),
    from: &mut (impl AsyncBufReadExt + Unpin),
    text: &[u8],
) -> usize {
    let mut answer = Vec::new();
    let send = async { to.write_all(text).await.unwrap() };
    let (_, got) = tokio::join!(send, from.read_until(b'\n', &mut answer));
    got.unwrap()
}

/// Processor time of this process: fields 14 and 15 of its `stat`, or finer where the scheduler tells.
fn processor() -> Duration {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
        nanos += text.split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    }
    Duration::from_nanos(nanos)
}

/// Resident memory in KiB.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4
}
