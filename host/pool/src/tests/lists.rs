//! Whole lists, page by page.

use super::harness::*;
use crate::{ListError, ListKind, Listing, Owner};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

async fn list(
    calls: impl Fn(&Value) -> Vec<Say> + Send + Sync + 'static,
    kind: ListKind,
) -> Result<Listing, ListError> {
    let stage = Stage::one(legacy(calls));
    let pool = stage.pool();
    let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    client.list(kind).await
}

#[tokio::test(start_paused = true)]
async fn every_page_is_followed() {
    // An empty cursor is one; an exotic one goes back as it came.
    let cursors = [json!(null), json!(""), json!("\u{1f600} \"x\"")];
    let listing = list(
        move |message| {
            let page = cursors.iter().position(|cursor| *cursor == message["params"]["cursor"]).unwrap();
            let mut page_json = json!({
                "tools": [{ "name": format!("t{page}"), "$schema": { "x": 1.5 } }, { "name": "u" }],
                "ttlMs": ([9000, 500, 7000][page]),
                "cacheScope": (["public", "private", "public"][page]),
            });
            match cursors.get(page + 1) {
                Some(cursor) => page_json["nextCursor"] = cursor.clone(),
                None => page_json["nextCursor"] = Value::Null,
            }
            result(message, &page_json)
        },
        ListKind::Tools,
    )
    .await
    .unwrap();
    let items: Vec<Value> = listing.items.iter().map(|item| serde_json::from_slice(item).unwrap()).collect();
    let names: Vec<_> = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["t0", "u", "t1", "u", "t2", "u"]);
    assert_eq!(items[0]["$schema"], json!({ "x": 1.5 }));
    assert_eq!((listing.ttl_ms, listing.private), (Some(500), Some(true)));
}

#[tokio::test(start_paused = true)]
async fn hints_are_optional_and_negative_ones_are_zero() {
    let plain = list(|m| result(m, &json!({ "tools": [] })), ListKind::Tools).await.unwrap();
    assert_eq!(plain, Listing::default());
    let odd =
        list(|m| result(m, &json!({ "tools": [], "ttlMs": -5, "cacheScope": "odd" })), ListKind::Tools).await;
    let odd = odd.unwrap();
    assert_eq!((odd.ttl_ms, odd.private), (Some(0), Some(true)));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_offered_is_not_asked_for() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let none = list(
        move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            vec![]
        },
        ListKind::Prompts,
    );
    assert_eq!((none.await.unwrap(), asked.load(Ordering::SeqCst)), (Listing::default(), 0));
    let unknown = list(|message| error(message, -32601, "unknown"), ListKind::Templates).await;
    assert_eq!(unknown.unwrap(), Listing::default());
}

#[tokio::test(start_paused = true)]
async fn lists_that_cannot_be_are_refused() {
    type Calls = fn(&Value) -> Vec<Say>;
    let table: &[(Calls, &str)] = &[
        (
            |m| result(m, &json!({ "tools": [], "nextCursor": "again" })),
            "the answer to `tools/list` is not usable: the server gave the same cursor twice",
        ),
        (
            |m| {
                let page = m["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse::<u32>().unwrap());
                result(m, &json!({ "tools": [], "nextCursor": (page + 1).to_string() }))
            },
            "the answer to `tools/list` is not usable: the list has too many pages",
        ),
        (
            |m| result(m, &json!({ "prompts": [] })),
            "the answer to `tools/list` is not usable: the result has no array `tools`",
        ),
        (
            |m| result(m, &json!({ "tools": [1] })),
            "the answer to `tools/list` is not usable: an item of `tools` is no object",
        ),
        (|m| error(m, -32603, "broken"), "the server refused `tools/list` with error -32603: broken"),
        (|_| vec![Say::Die], "the server has gone: its output ended"),
        (|_| vec![], "the server did not answer within 30s"),
    ];
    for (calls, expected) in table {
        let error = list(*calls, ListKind::Tools).await.expect_err(expected);
        assert_eq!(error.to_string(), *expected);
    }
}
