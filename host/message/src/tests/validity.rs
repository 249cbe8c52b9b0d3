//! What is JSON and what is not, against serde_json as the second opinion.

use super::{Random, bytes};
use crate::{Envelope, MAX_DEPTH, Params, decode_string, elements, find_member, members};
use bytes::Bytes;
use serde::de::IgnoredAny;

const SAMPLE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":"a-1","method":"tools/call","params":{"name":"echo","arguments":{"text":"h\u00e9llo \ud83d\ude00 "#,
    r#"\"quoted\" and quite a bit longer than eight bytes","n":[-0.5e+10,1,{"deep":[[[]]]},true,false,null]},"_meta":"#,
    r#"{"progressToken":17,"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#
);

/// Whether the text is JSON of a depth that we accept, by serde_json.
fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok() && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Whether it is, by us. A text within an array is a batch, whose elements are only validated.
fn is_ours(text: &[u8]) -> bool {
    let wrapped = [b"[", text, b"]"].concat();
    elements(&wrapped).all(|element| element.is_ok()) && elements(&wrapped).count() == 1
}

#[test]
fn texts_of_doubt() {
    let table: &[(&[u8], bool)] = &[
        (b"0", true),
        (b"-0", true),
        (b"01", false),
        (b"-", false),
        (b"+1", false),
        (b".5", false),
        (b"1.", false),
        (b"1.e5", false),
        (b"1e", false),
        (b"1E+", false),
        (b"1e999999999999999999999", true),
        (b"-123456789012345678901234567890.000000000000000000001e-99999", true),
        (b"NaN", false),
        (b"Infinity", false),
        (b"tru", false),
        (b"truex", false),
        (b"nul", false),
        (b"\"\\ud800\"", true),
        (b"\"\\udc00\\ud800\"", true),
        (b"\"\\u12\"", false),
        (b"\"\\u12g4\"", false),
        (b"\"\\x41\"", false),
        (b"\"a\tb\"", false),
        (b"\"abcdefghijk\x1fm\"", false),
        (b"\"abcdefghijk\x7fm\"", true),
        (b"\"a\x00b\"", false),
        (b"\"\\u0000\"", true),
        ("\"é\u{2028}😀\"".as_bytes(), true),
        (b"\"\xc3\"", false),
        (b"\"\xed\xa0\x80\"", false),
        (b"'a'", false),
        (b"{\"a\":1,}", false),
        (b"{,}", false),
        (b"{\"a\"}", false),
        (b"{\"a\":}", false),
        (b"{a:1}", false),
        (b"{\"a\" 1}", false),
        (b"{\"a\":1 \"b\":2}", false),
        (b"[1,]", false),
        (b"[,1]", false),
        (b"[1 2]", false),
        (b"[1]]", false),
        (b"[}", false),
        (b"{]", false),
        (b"[{\"a\":[{}]},{}]", true),
        (b"/* */ 1", false),
        (b"\x0b1", false),
        (b"{\"a\":{\"b\":[]},\"c\":[{}]}", true),
    ];
    for (text, expected) in table {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(is_ours(text), *expected, "{shown}");
        if std::str::from_utf8(text).is_ok() {
            assert_eq!(is_json(text), *expected, "{shown} by serde_json");
        }
    }
}

#[test]
fn depth_is_limited_exactly() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |levels: usize| {
            let core = if open == "[" { "" } else { "0" };
            bytes(&format!("{}{core}{}", open.repeat(levels), close.repeat(levels)))
        };
        let limit = MAX_DEPTH as usize;
        // Within a batch and within the parameters of a request.
        for (prefix, suffix, around) in
            [("[", "]", 1), (r#"{"jsonrpc":"2.0","method":"x","params":{"_meta":{"a":"#, "}}}", 3)]
        {
            for (levels, good) in [(limit - around, true), (limit - around + 1, false), (100_000, false)] {
                let text = [prefix.as_bytes(), &nested(levels), suffix.as_bytes()].concat();
                let parsed = Envelope::parse(text.into());
                assert_eq!(parsed.is_ok(), good, "{open} {levels}: {:?}", parsed.err());
            }
        }
    }
    let unclosed = Envelope::parse(Bytes::from("[".repeat(1_000_000))).expect_err("too deep");
    assert_eq!(unclosed.text, "the message is nested deeper than 128 levels");
}

#[test]
fn every_truncation_is_refused_quietly() {
    assert!(Envelope::parse(bytes(SAMPLE)).is_ok());
    for end in 0..SAMPLE.len() {
        let part = Bytes::copy_from_slice(&SAMPLE.as_bytes()[..end]);
        let error = Envelope::parse(part.clone()).expect_err("a part");
        assert_eq!(error.code, crate::code::PARSE, "{end}");
        assert!(Params::scan(part.clone()).is_err());
        assert!(members(&part).any(|member| member.is_err()), "{end}");
        let _ = (find_member(&part, "params"), decode_string(&part));
    }
}

#[test]
fn mutations_are_judged_as_serde_json_judges_them() {
    let mut random = Random::new(11);
    let spice = br#"{}[]",:\u0019.eE+-tfn /"#;
    let mut accepted = 0;
    for round in 0..40_000 {
        let mut text = SAMPLE.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len());
            match random.below(4) {
                0 => text[at] = spice[random.below(spice.len())],
                1 => text[at] = random.below(256) as u8,
                2 => drop(text.remove(at)),
                _ => text.insert(at, spice[random.below(spice.len())]),
            }
        }
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(is_ours(&text), is_json(&text), "{round}: {shown}");
        let walked = members(&text).all(|member| member.is_ok());
        let parsed = Envelope::parse(text.clone().into());
        match &parsed {
            Ok(envelope) => {
                accepted += 1;
                assert!(is_json(&text), "{shown}");
                let _ = (envelope.params(), envelope.method(), envelope.id());
            }
            Err(error) if error.code == crate::code::PARSE => assert!(!is_json(&text), "{shown}"),
            Err(_) => assert!(is_json(&text), "{shown}"),
        }
        assert_eq!(walked, is_json(&text) && text.trim_ascii_start().starts_with(b"{"), "{shown}");
    }
    assert!(accepted > 1000, "only {accepted} mutations were still messages");
}

#[test]
fn strings_decode_as_serde_json_decodes_them() {
    for quoted in [
        r#""""#,
        r#""plain""#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u0041\u00e9\u20ac\ud83d\ude00""#,
        r#""a\ud83d\ude00b""#,
        r#""\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\u0041""#,
        r#""\ude00\ud83d""#,
        r#""\u00""#,
        r#""\q""#,
        r#"""#,
        r#"a"#,
    ] {
        let theirs = serde_json::from_str::<String>(quoted).ok();
        assert_eq!(decode_string(quoted.as_bytes()).map(|text| text.into_owned()), theirs, "{quoted}");
    }
}
