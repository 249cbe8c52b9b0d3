//! Messages: any bytes. What is a message to us is JSON to others; what is looked up in it is there; what is written anew keeps every byte of its
//! payload.

use bytes::Bytes;
use host_message::{
    Envelope, JsonKind, Kind, MAX_BATCH, MAX_DEPTH, Params, decode_string, elements, find_member, members,
    mirrors,
};
use serde_json::value::RawValue;

pub(crate) fn holds(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    // JSON by a second opinion, which has no limit on the depth of what it does not look into, and takes half surrogate pairs there too.
    let json = serde_json::from_slice::<&RawValue>(input).is_ok();
    match Envelope::parse(bytes.clone()) {
        Ok(envelope) => {
            assert!(json, "a message that is no JSON");
            check(&envelope);
        }
        Err(error) => {
            assert!([-32700, -32600, -32602].contains(&error.code), "{error:?}");
            if error.code == -32700 && json {
                // It stays within our bounds by refusing what others take: too deep.
                let depth = input.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
                assert!(depth > MAX_DEPTH as usize, "JSON is refused: {error}");
            }
            if let Some(id) = &error.id {
                assert!(serde_json::from_slice::<&RawValue>(id.as_bytes()).is_ok());
            }
        }
    }
    let _ = Params::scan(bytes);
    let _ = mirrors(input);
}

fn check(envelope: &Envelope) {
    let id = envelope.id();
    match envelope.kind() {
        Kind::Batch => {
            for item in envelope.batch_items().into_iter().take(MAX_BATCH) {
                assert!(serde_json::from_slice::<&RawValue>(&item).is_ok());
                if let Ok(inner) = Envelope::parse(item) {
                    assert!(inner.kind() != Kind::Batch || inner.bytes().first() == Some(&b'['));
                }
            }
        }
        Kind::Request | Kind::Notification => {
            let method = envelope.method().expect("it has a method");
            let written = match &id {
                Some(_) => host_message::request(7, method, envelope.params_raw()),
                None => host_message::notification(method, envelope.params_raw()),
            };
            let again = Envelope::parse(written).expect("what we write is a message");
            assert_eq!((again.method(), again.params_raw()), (Some(method), envelope.params_raw()));
            if let Some(params) = envelope.params() {
                spliced(&params);
            }
        }
        Kind::Response => {
            let result = envelope.result().expect("it has a result");
            if let Some(id) = id {
                let again =
                    Envelope::parse(host_message::response(id.as_bytes(), &result)).expect("a message");
                assert_eq!((again.id(), again.result()), (Some(id), Some(result)));
            }
        }
        Kind::Error => {
            let error = envelope.error().expect("it has an error");
            assert!(serde_json::from_slice::<&RawValue>(&error).is_ok());
        }
    }
}

/// What the relay does to parameters leaves everything else as it is.
fn spliced(params: &Params) {
    let raw = params.raw();
    for member in
        [params.name(), params.uri(), params.meta_progress_token(), params.cursor()].into_iter().flatten()
    {
        let before = members(raw).count();
        let mut splice = params.splice();
        splice.set(member, b"\"x\"");
        let set = splice.build().expect("one edit");
        let end = raw.len() - member.value_range().end;
        assert_eq!(&set[..member.value_range().start], &raw[..member.value_range().start]);
        assert_eq!(&set[set.len() - end..], &raw[raw.len() - end..]);
        let again = Params::scan(set).expect("parameters");
        assert_eq!(members(again.raw()).count(), before);
        let mut splice = params.splice();
        splice.remove_member(member);
        let removed = Params::scan(splice.build().expect("one edit")).expect("parameters without one");
        assert!(removed.raw().len() < raw.len());
    }
    let mut splice = params.splice();
    splice.object_insert_first(0, b"\"new\":1");
    let grown = splice.build().expect("one edit");
    assert_eq!(members(&grown).count(), members(raw).count() + 1);
    assert!(find_member(&grown, "new").is_some());
    for member in members(raw).map_while(Result::ok) {
        let value = member.value(raw);
        if member.kind() == JsonKind::String && decode_string(value).is_some() {
            // What has no half surrogate pair is the same text to others.
            assert_eq!(
                serde_json::from_slice::<String>(value).ok().as_deref(),
                decode_string(value).as_deref()
            );
        }
        if member.kind() == JsonKind::Array {
            assert!(elements(value).all(|element| element.is_ok()));
        }
    }
}
