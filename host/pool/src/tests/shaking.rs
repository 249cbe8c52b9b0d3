//! Handshakes with servers of both eras and of none.

use super::harness::*;
use crate::{AcquireError, Owner, PoolConfig, ServerState};
use host_message::{Era, Revision};
use host_provisioner::{Class, Phase, ReleaseReason};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The reason why the server did not come up.
async fn refusal(stage: &Stage) -> Arc<host_provisioner::Failure> {
    let pool = stage.pool();
    let error = pool.acquire("a", &Owner::Shared, None).await.expect_err("no client");
    assert_eq!(error.to_string(), "failed to start server `a`");
    let AcquireError::Failed { failure, .. } = error else { panic!("{error:?}") };
    assert_eq!(stage.fake.held(), Vec::<String>::new());
    assert!(stage.fake.released().iter().all(|(_, reason)| *reason == ReleaseReason::Unfinished));
    assert_eq!(pool.statuses()[0].state, ServerState::Failed);
    assert_eq!(pool.statuses()[0].last_failure.as_ref().unwrap().text, failure.text);
    failure
}

#[tokio::test(start_paused = true)]
async fn a_legacy_server() {
    let mut stage = Stage::one(legacy(echo));
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let mut peer = stage.peer().await;
    let discover = peer.sees("server/discover").await;
    let meta = &discover["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}));
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "gateway");
    let initialize = peer.sees("initialize").await;
    assert_eq!(initialize["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(initialize["params"]["capabilities"], json!({}));
    peer.sees("notifications/initialized").await;
    assert_eq!(client.era(), Era::Legacy(Revision::V2025_06_18));
    assert_eq!(client.instructions(), Some("be kind"));
    assert_eq!(client.server_info().unwrap(), r#"{"name":"old","version":"1"}"#);
    let capabilities = client.capabilities();
    assert!(capabilities.tools && capabilities.tools_changed && capabilities.resources_subscribe);
    assert!(capabilities.logging && !capabilities.prompts && !capabilities.resources_changed);
    let answer = answer(call(&client, "tools/call", &json!({ "name": "x", "arguments": { "n": 1 } }))).await;
    assert_eq!(answer["result"]["params"], json!({ "name": "x", "arguments": { "n": 1 } }));
}

#[tokio::test(start_paused = true)]
async fn a_modern_server() {
    let mut stage = Stage::one(modern(echo));
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    assert_eq!((client.era(), client.revision()), (Era::Modern, Revision::V2026_07_28));
    assert_eq!(client.server_info().unwrap(), r#"{"name":"new","version":"2"}"#);
    assert_eq!(client.instructions(), None);
    let mut peer = stage.peer().await;
    // It says that tools change, so the pool listens.
    let listen = peer.sees("subscriptions/listen").await;
    assert_eq!(listen["params"]["notifications"], json!({ "toolsListChanged": true }));
    assert!(listen["params"]["_meta"]["io.modelcontextprotocol/clientInfo"].is_object());
    let answer = answer(call(&client, "tools/call", &json!({ "name": "x" }))).await;
    let meta = &answer["result"]["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert!(peer.seen_so_far().iter().all(|message| message["method"] != "initialize"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_a_legacy_one_and_remembered() {
    let silent: Manner = {
        let legacy = legacy(echo);
        Arc::new(move |message: &Value| match message["method"].as_str() {
            Some("server/discover") => vec![],
            _ => legacy(message),
        })
    };
    let mut stage = Stage::one(silent);
    let pool = stage.pool();
    let start = Instant::now();
    let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    assert_eq!(client.era(), Era::Legacy(Revision::V2025_06_18));
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    let mut peer = stage.peer().await;
    peer.sees("server/discover").await;
    peer.sees("notifications/initialized").await;
    // Neither the probe nor anything else was cancelled, and the next start needs no probe.
    assert_eq!(peer.seen_so_far(), Vec::<Value>::new());
    pool.acquire("a", &session("s"), None).await.unwrap();
    let mut peer = stage.peer().await;
    assert_eq!(peer.seen.recv().await.unwrap()["method"], "initialize");
}

#[tokio::test(start_paused = true)]
async fn a_slow_modern_server_is_recognised_by_its_late_answer() {
    let held: std::sync::Mutex<Option<Value>> = std::sync::Mutex::new(None);
    let manner: Manner = Arc::new(move |message| match message["method"].as_str() {
        Some("server/discover") => {
            *held.lock().unwrap() = Some(message.clone());
            vec![]
        }
        Some("initialize") => {
            let mut says = result(held.lock().unwrap().as_ref().unwrap(), &modern_hello());
            says.extend(error(message, -32601, "unknown"));
            says
        }
        _ => echo(message),
    });
    let stage = Stage::one(manner);
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    assert_eq!(client.era(), Era::Modern);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_the_probe_kills_is_started_again_without_it() {
    let fragile: Manner = {
        let legacy = legacy(echo);
        Arc::new(move |message: &Value| match message["method"].as_str() {
            Some("server/discover") => vec![Say::Die],
            _ => legacy(message),
        })
    };
    let mut stage = Stage::one(fragile);
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    assert_eq!(client.era(), Era::Legacy(Revision::V2025_06_18));
    assert_eq!(stage.fake.released(), vec![("fake-0".to_owned(), ReleaseReason::Unfinished)]);
    stage.peer().await;
    assert_eq!(stage.peer().await.seen.recv().await.unwrap()["method"], "initialize");
}

#[tokio::test(start_paused = true)]
async fn modern_errors_are_no_reason_for_initialize() {
    let answer = |data: Value| -> Manner {
        Arc::new(move |message: &Value| match message["method"].as_str() {
            Some("server/discover") => vec![say(&json!({
                "jsonrpc": "2.0", "id": message["id"],
                "error": { "code": -32022, "message": "too\u{7} old", "data": data },
            }))],
            Some("initialize") => result(message, &legacy_hello()),
            _ => vec![],
        })
    };
    let failure = refusal(&Stage::one(answer(json!({ "supported": ["2031-01-01"] })))).await;
    assert_eq!((failure.phase, failure.class), (Phase::Handshake, Class::Permanent));
    assert_eq!(
        failure.text,
        "the server refused `server/discover` with error -32022: too\\u{7} old; it supports 2031-01-01"
    );
    // A server that names an older one it takes is asked for that.
    let both = Stage::one(answer(json!({ "supported": ["2031-01-01", "2025-11-25"] })));
    let client = both.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    assert_eq!(client.era(), Era::Legacy(Revision::V2025_06_18));
}

#[tokio::test(start_paused = true)]
async fn refusals_of_initialize() {
    type Says = fn(&Value) -> Vec<Say>;
    let with = |says: Says| -> Manner {
        Arc::new(move |message: &Value| match message["method"].as_str() {
            Some("server/discover") => error(message, -32601, "unknown"),
            Some("initialize") => says(message),
            _ => vec![],
        })
    };
    let table: &[(Says, Class, &str)] = &[
        (
            |m| error(m, -32000, "no\nlicence"),
            Class::Permanent,
            "the server refused `initialize` with error -32000: no\\nlicence",
        ),
        (
            |m| result(m, &json!({ "protocolVersion": "1999-01-01" })),
            Class::Permanent,
            "the server speaks MCP 1999-01-01, which the gateway does not",
        ),
        (
            |m| result(m, &json!({})),
            Class::Permanent,
            "the server's answer to `initialize` names no protocol version",
        ),
        (|_| vec![Say::Die], Class::Other, "the server ended during the handshake: its output ended"),
        (
            |_| vec![],
            Class::Timeout,
            "the server does not speak MCP: it did not complete the handshake in time",
        ),
    ];
    for (says, class, text) in table {
        let failure = refusal(&Stage::one(with(*says))).await;
        assert_eq!((failure.phase, failure.class, failure.text.as_str()), (Phase::Handshake, *class, *text));
    }
}

#[tokio::test(start_paused = true)]
async fn a_servers_own_words_are_cut_and_cannot_move_or_hide_anything() {
    let stage = Stage::one(Arc::new(|message: &Value| match message["method"].as_str() {
        Some("server/discover") => error(message, -32601, "unknown"),
        Some("initialize") => error(message, -32000, &"\u{202e}evil ".repeat(50_000)),
        _ => vec![],
    }));
    let text = refusal(&stage).await.text.clone();
    let start = "the server refused `initialize` with error -32000: \\u{202e}evil \\u{202e}evil ";
    assert!(text.starts_with(start), "{text}");
    assert!(text.ends_with('…') && text.len() < 1200, "{}", text.len());
    let stage = Stage::one(Arc::new(|message: &Value| match message["method"].as_str() {
        Some("server/discover") => error(message, -32601, "unknown"),
        Some("initialize") => result(message, &json!({ "protocolVersion": "9".repeat(50_000) })),
        _ => vec![],
    }));
    let text = refusal(&stage).await.text.clone();
    assert!(text.ends_with("…, which the gateway does not") && text.len() < 400, "{}", text.len());
}

#[tokio::test(start_paused = true)]
async fn rubbish_instead_of_mcp_is_shown() {
    let manner: Manner = Arc::new(|message| {
        if message["method"] == "server/discover" {
            vec![Say::Line(String::new()), Say::Line("\u{1b}[31mWelcome to v3!".to_owned())]
        } else {
            vec![]
        }
    });
    let start = Instant::now();
    let failure = refusal(&Stage::one(manner)).await;
    assert_eq!(failure.class, Class::Permanent);
    assert_eq!(
        failure.text,
        "the server does not speak MCP: it did not complete the handshake in time; instead of MCP it printed \
         `\\u{1b}[31mWelcome to v3!`"
    );
    assert!(failure.hint.as_ref().unwrap().contains("standard output"));
    // The grace, not the whole time for a start.
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_banner_before_mcp_is_counted_and_forgiven() {
    let manner: Manner = {
        let legacy = legacy(echo);
        Arc::new(move |message: &Value| {
            let banner =
                (message["method"] == "server/discover").then(|| Say::Line("running on stdio".to_owned()));
            banner.into_iter().chain(legacy(message)).collect()
        })
    };
    let stage = Stage::one(manner);
    let pool = stage.pool();
    pool.acquire("a", &Owner::Shared, None).await.unwrap();
    assert_eq!(pool.statuses()[0].rubbish, 1);
}

#[tokio::test(start_paused = true)]
async fn the_gateway_introduces_itself_by_its_name() {
    let mut stage = Stage::one(legacy(echo));
    let config = PoolConfig {
        client_name: "my \"gate\"".to_owned(),
        client_version: "9".to_owned(),
        ..Default::default()
    };
    stage.pool_with(config).acquire("a", &Owner::Shared, None).await.unwrap();
    let initialize = stage.peer().await.sees("initialize").await;
    assert_eq!(initialize["params"]["clientInfo"], json!({ "name": "my \"gate\"", "version": "9" }));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_the_version_it_names_is_asked_once_more() {
    let refusals = |times: usize| -> Manner {
        let left = std::sync::Mutex::new(times);
        Arc::new(move |message: &Value| match message["method"].as_str() {
            Some("server/discover") => {
                let mut left = left.lock().unwrap();
                if *left == 0 {
                    return result(message, &modern_hello());
                }
                *left -= 1;
                let data = json!({"supported": ["2026-07-28"], "requested": "2026-07-28"});
                let error = json!({"code": -32022, "message": "Unsupported protocol version", "data": data});
                vec![say(&json!({"jsonrpc": "2.0", "id": message["id"], "error": error}))]
            }
            _ => echo(message),
        })
    };
    let stage = Stage::one(refusals(1));
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    assert_eq!(client.era(), Era::Modern);
    let stage = Stage::one(refusals(usize::MAX));
    let Err(AcquireError::Failed { failure, .. }) = stage.pool().acquire("a", &Owner::Shared, None).await
    else {
        panic!("it never agrees")
    };
    assert!(failure.text.contains("it supports 2026-07-28"), "{failure:?}");
}
