//! What the echo costs by itself. It runs in the gateway's process, so its share is in every figure of the relay; measured alone, it can be
//! told from what the gateway adds.

use super::{Effort, micros, process};
use host_workload_embedded::{ComponentSource, EmbeddedEngine, EngineConfig, StartSpec};
use std::path::Path;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// Calls that are in the pipe at once: as many as the sessions of the relay.
pub const AT_ONCE: usize = 32;

/// Processor time per call, in microseconds, of the echo server with nothing around it but the pipe.
#[derive(Debug, Clone, Copy)]
pub struct Alone {
    /// One call after the other: the guest, its pipe, and a wake-up in each direction.
    pub one_by_one: f64,
    /// [`AT_ONCE`] calls in one write: the guest and its pipe.
    pub together: f64,
}

/// Calls the echo server of this process directly, with the message that the load client sends.
///
/// # Panics
/// The echo does not start or does not answer.
pub async fn measure(effort: Effort, cache: &Path) -> Alone {
    let config = EngineConfig { cache_dir: Some(cache.to_owned()), ..EngineConfig::default() };
    let engine = EmbeddedEngine::new(config).unwrap();
    let echo = ComponentSource::File(test_artifacts::guest("echo-server"));
    let component = engine.load(echo).await.unwrap();
    let mut started = engine.start(StartSpec::new("alone", component)).await.unwrap();
    // A task, because the thread that blocks on the runtime is woken at a higher price than a worker.
    let rounds = effort.calls.max(AT_ONCE) * 4;
    let alone = tokio::spawn(async move {
        let mut answers = BufReader::with_capacity(64 << 10, &mut started.stdout);
        let mut costs = [0.0; 2];
        for (cost, at_once) in costs.iter_mut().zip([1, AT_ONCE]) {
            let lines = call().repeat(at_once);
            let rounds = rounds / at_once;
            let mut begin = process::own_processor();
            // A tenth more, which is not counted: branches are learned first.
            for round in 0..rounds + rounds / 10 {
                if round == rounds / 10 {
                    begin = process::own_processor();
                }
                started.stdin.write_all(&lines).await.unwrap();
                for _ in 0..at_once {
                    let mut answer = Vec::new();
                    assert!(answers.read_until(b'\n', &mut answer).await.unwrap() > 0, "the echo has ended");
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand are exact")]
            let calls = (rounds * at_once) as f64;
            *cost = micros(process::own_processor().saturating_sub(begin)) / calls;
        }
        costs
    });
    let [one_by_one, together] = alone.await.unwrap();
    engine.stop("alone", std::time::Duration::from_secs(1)).await;
    Alone { one_by_one, together }
}

fn call() -> Vec<u8> {
    let mut line = serde_json::json!({
        "jsonrpc": "2.0", "id": 123_456, "method": "tools/call",
        "params": {"name": "echo", "arguments": {"message": "hello from the bench"}},
    })
    .to_string()
    .into_bytes();
    line.push(b'\n');
    line
}
