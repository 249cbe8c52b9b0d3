//! How requests are written: the protocol's keys of `_meta` are ours, everything else is the caller's.

use super::harness::params;
use crate::SendError;
use crate::outgoing::{Outgoing, OwnMeta};
use bytes::BytesMut;
use host_message::Params;
use serde_json::{Value, json};

fn own() -> OwnMeta {
    OwnMeta::new("2026-07-28", br#"{"name":"g"}"#)
}

fn written(outgoing: Outgoing<'_>, modern: bool) -> Value {
    let own = own();
    let mut out = BytesMut::from(&b"{\"x\":0"[..]);
    outgoing.write_tail(77, modern.then_some(&own), &mut out).unwrap();
    let text = String::from_utf8(out.to_vec()).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    value.as_object_mut().unwrap().remove("params").unwrap_or(Value::Null)
}

fn ours() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "g" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn and(mut base: Value, more: &Value) -> Value {
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}

#[test]
fn every_kind_of_meta_to_both_eras() {
    let theirs = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "them" },
        "io.modelcontextprotocol/clientCapabilities": { "sampling": {} },
    });
    let level = json!({ "io.modelcontextprotocol/logLevel": "info" });
    // Parameters of the caller, what a legacy server sees, what a modern one sees.
    let table = [
        (json!({}), json!({}), json!({ "_meta": ours() })),
        (json!({ "a": 1 }), json!({ "a": 1 }), json!({ "a": 1, "_meta": ours() })),
        (json!({ "_meta": null }), json!({}), json!({ "_meta": ours() })),
        (json!({ "_meta": null, "a": 1 }), json!({ "a": 1 }), json!({ "a": 1, "_meta": ours() })),
        (json!({ "_meta": {} }), json!({ "_meta": {} }), json!({ "_meta": ours() })),
        (
            json!({ "_meta": { "progressToken": "t", "x/y": [1] } }),
            json!({ "_meta": { "progressToken": 77, "x/y": [1] } }),
            json!({ "_meta": and(ours(), &json!({ "progressToken": 77, "x/y": [1] })) }),
        ),
        (json!({ "_meta": { "progressToken": null } }), json!({ "_meta": {} }), json!({ "_meta": ours() })),
        (json!({ "_meta": theirs }), json!({ "_meta": {} }), json!({ "_meta": ours() })),
        (
            json!({ "_meta": and(theirs, &json!({ "progressToken": 1, "traceparent": "00-1", "io.modelcontextprotocol/subscriptionId": 4 })) }),
            json!({ "_meta": { "progressToken": 77, "traceparent": "00-1" } }),
            json!({ "_meta": and(ours(), &json!({ "progressToken": 77, "traceparent": "00-1" })) }),
        ),
        (
            json!({ "_meta": { "io.modelcontextprotocol/clientInfo": 1, "a": 2 } }),
            json!({ "_meta": { "a": 2 } }),
            json!({ "_meta": and(ours(), &json!({ "a": 2 })) }),
        ),
        (json!({ "_meta": level }), json!({ "_meta": {} }), json!({ "_meta": and(ours(), &level) })),
    ];
    for (from, legacy, modern) in table {
        let params = params(&from);
        assert_eq!(written(Outgoing::new("x").params(&params), false), legacy, "{from} to legacy");
        assert_eq!(written(Outgoing::new("x").params(&params), true), modern, "{from} to modern");
    }
    assert_eq!(written(Outgoing::new("x"), false), Value::Null);
    assert_eq!(written(Outgoing::new("x"), true), json!({ "_meta": ours() }));
}

#[test]
fn the_gateways_edits_and_its_log_level() {
    let level = json!({ "io.modelcontextprotocol/logLevel": "debug" });
    for from in [
        json!({ "name": "p_echo" }),
        json!({ "name": "p_echo", "_meta": null }),
        json!({ "name": "p_echo", "_meta": {} }),
        json!({ "name": "p_echo", "_meta": { "io.modelcontextprotocol/logLevel": "error" } }),
    ] {
        let params = params(&from);
        let outgoing = || {
            let mut outgoing = Outgoing::new("x").params(&params).log_level("debug");
            outgoing.edits().set(params.name().unwrap(), b"\"echo\"");
            outgoing
        };
        assert_eq!(
            written(outgoing(), true),
            json!({ "name": "echo", "_meta": and(ours(), &level) }),
            "{from}"
        );
        let meta = written(outgoing(), false);
        assert_eq!(meta["name"], "echo", "{from}");
        assert!(meta["_meta"].get("io.modelcontextprotocol/logLevel").is_none(), "{from}");
    }
    assert_eq!(written(Outgoing::new("x").log_level("debug"), true), json!({ "_meta": and(ours(), &level) }));
}

#[test]
fn raw_bytes_stay_as_they_are() {
    let text = r#"{"name":"a","arguments":{"n":1.50e+2,"s":"\ud800","b" : 12345678901234567890},"_meta":{"progressToken":9}}"#;
    let params = Params::scan(text.to_owned().into()).unwrap();
    let mut out = BytesMut::new();
    Outgoing::new("x").params(&params).write_tail(5, None, &mut out).unwrap();
    let expected = text.replace("\"progressToken\":9", "\"progressToken\":5");
    assert_eq!(out, format!(",\"params\":{expected}}}").as_bytes());
}

#[test]
fn edits_that_cannot_be_are_refused() {
    let params = params(&json!({ "name": "a" }));
    let mut outgoing = Outgoing::new("x").params(&params);
    outgoing.edits().remove_member(params.name().unwrap());
    outgoing.edits().set(params.name().unwrap(), b"1");
    let error = outgoing.write_tail(1, None, &mut BytesMut::new()).expect_err("overlap");
    assert!(matches!(error, SendError::Edits(host_message::SpliceError::Overlap)), "{error:?}");
    let mut nothing = Outgoing::new("x");
    nothing.edits().insert(1, b"\"a\":1");
    let error = nothing.write_tail(1, None, &mut BytesMut::new()).expect_err("no parameters");
    assert!(matches!(error, SendError::Edits(host_message::SpliceError::Outside)), "{error:?}");
}
