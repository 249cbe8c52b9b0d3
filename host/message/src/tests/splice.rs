//! Splicing a raw text gives what editing its value gives.

use super::{Random, bytes};
use crate::{Member, Params, Splice, SpliceError, find_member, members};
use serde_json::{Map, Value, json};

#[test]
fn members_come_and_go_with_their_commas() {
    // Text, keys to remove, members to insert first, result.
    let table: &[(&str, &[&str], Option<&str>, &str)] = &[
        ("{}", &[], Some(r#""x":1"#), r#"{"x":1}"#),
        ("{ }", &[], Some(r#""x":1"#), r#"{"x":1 }"#),
        (r#"{"a":1}"#, &[], Some(r#""x":1"#), r#"{"x":1,"a":1}"#),
        (r#"{"a":1}"#, &["a"], None, "{}"),
        (r#"{"a":1}"#, &["a"], Some(r#""x":1"#), r#"{"x":1}"#),
        (r#"{"a":1,"b":2}"#, &["a"], None, r#"{"b":2}"#),
        (r#"{"a":1,"b":2}"#, &["b"], None, r#"{"a":1}"#),
        (r#"{"a":1,"b":2}"#, &["a", "b"], None, "{}"),
        (r#"{"a":1,"b":2,"c":3}"#, &["b", "a"], None, r#"{"c":3}"#),
        (r#"{"a":1,"b":2,"c":3}"#, &["b", "c"], None, r#"{"a":1}"#),
        (r#"{"a":1,"b":2,"c":3}"#, &["a", "c"], None, r#"{"b":2}"#),
        (r#"{"a":1,"b":2,"c":3}"#, &["a", "c"], Some(r#""x":1"#), r#"{"x":1,"b":2}"#),
        (r#"{"a":1,"b":2,"c":3}"#, &["a", "b", "c"], Some(r#""x":1"#), r#"{"x":1}"#),
        ("{ \"a\" : 1 , \"b\" : 2 }", &["a", "b"], Some("\"x\":1"), "{\"x\":1 }"),
        ("{ \"a\" : 1 , \"b\" : 2 }", &["a"], None, "{  \"b\" : 2 }"),
    ];
    for (text, gone, first, expected) in table {
        let mut splice = Splice::new(text.as_bytes());
        for key in *gone {
            splice.remove_member(&find_member(text.as_bytes(), key).unwrap());
        }
        if let Some(first) = first {
            splice.object_insert_first(0, first.as_bytes());
        }
        assert_eq!(splice.build().unwrap(), *expected, "{text} - {gone:?} + {first:?}");
    }
}

#[test]
fn a_relay_edit() {
    let params = Params::scan(bytes(
        r#"{"name":"notes_read","arguments":{"z": 1.50, "\ud800":""},"_meta":{"progressToken":"t","a/b":[1]}}"#,
    ))
    .unwrap();
    let mut splice = params.splice();
    assert!(splice.is_empty());
    splice.set(params.meta_progress_token().unwrap(), b"17");
    splice.object_insert_first(params.meta().unwrap().value_range().start, br#""own":{}"#);
    splice.set(params.name().unwrap(), b"\"read\"");
    assert_eq!(
        splice.build().unwrap(),
        r#"{"name":"read","arguments":{"z": 1.50, "\ud800":""},"_meta":{"own":{},"progressToken":17,"a/b":[1]}}"#
    );
}

#[test]
fn contradictions_are_refused() {
    let text = br#"{"a":1,"b":2}"#;
    let a = find_member(text, "a").unwrap();
    let mut overlap = Splice::new(text);
    overlap.replace(a.value_range(), b"2");
    overlap.remove_member(&a);
    assert_eq!(overlap.build(), Err(SpliceError::Overlap));
    let mut outside = Splice::new(text);
    outside.replace(10..99, b"");
    assert_eq!(outside.build(), Err(SpliceError::Outside));
    let mut backwards = Splice::new(text);
    #[expect(clippy::reversed_empty_ranges, reason = "the mistake under test")]
    backwards.replace(5..4, b"");
    assert_eq!(backwards.build(), Err(SpliceError::Outside));
    let mut beyond = Splice::new(text);
    beyond.insert(usize::MAX, b"");
    assert_eq!(beyond.build(), Err(SpliceError::Outside));
}

#[test]
fn many_edits_spill_over_in_order() {
    let text = format!("[{}]", vec!["0"; 40].join(","));
    let mut splice = Splice::new(text.as_bytes());
    for (at, _) in text.match_indices('0').rev() {
        splice.replace(at..at + 1, b"12");
    }
    assert_eq!(splice.build().unwrap(), format!("[{}]", vec!["12"; 40].join(",")));
}

/// A random value as text with random white space, and as serde_json sees it.
fn value(random: &mut Random, depth: usize) -> String {
    let space = |random: &mut Random| ["", "", "", " ", "\n\t"][random.below(5)];
    match random.below(if depth == 0 { 5 } else { 8 }) {
        0 => "null".to_owned(),
        1 => "true".to_owned(),
        2 => format!("{}", random.below(100_000)),
        3 => r#""plain""#.to_owned(),
        4 => r#""\"},{\\\u00e9,\"a\":1""#.to_owned(),
        5 => {
            let items: Vec<_> = (0..random.below(4))
                .map(|_| format!("{}{}{}", space(random), value(random, depth - 1), space(random)))
                .collect();
            format!("[{}{}]", space(random), items.join(","))
        }
        _ => object(random, depth - 1),
    }
}

fn object(random: &mut Random, depth: usize) -> String {
    let members: Vec<_> = (0..random.below(7))
        .map(|n| {
            let space = |random: &mut Random| ["", "", " ", "\r\n"][random.below(4)];
            format!(
                "{}\"k{n}\"{}:{}{}{}",
                space(random),
                space(random),
                space(random),
                value(random, depth),
                space(random)
            )
        })
        .collect();
    format!("{{{}{}}}", if members.is_empty() && random.below(2) == 0 { " " } else { "" }, members.join(","))
}

#[test]
fn splicing_equals_editing_the_value() {
    let mut random = Random::new(5);
    for round in 0..20_000 {
        let text = object(&mut random, 3);
        let mut expected: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let all: Vec<Member> = members(text.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!(all.len(), expected.len(), "{text}");
        let replacement = value(&mut random, 2);
        let mut splice = Splice::new(text.as_bytes());
        let insert_early = random.below(2) == 0;
        let insert = random.below(2) == 0;
        if insert && insert_early {
            splice.object_insert_first(0, br#""new":[1,{"x":2}]"#);
        }
        for member in &all {
            let key = member.key(text.as_bytes()).unwrap().into_owned();
            match random.below(3) {
                0 => {
                    splice.remove_member(member);
                    expected.remove(&key);
                }
                1 => {
                    splice.set(member, replacement.as_bytes());
                    expected.insert(key, serde_json::from_str(&replacement).unwrap());
                }
                _ => {}
            }
        }
        if insert {
            if !insert_early {
                splice.object_insert_first(0, br#""new":[1,{"x":2}]"#);
            }
            expected.insert("new".to_owned(), json!([1, { "x": 2 }]));
        }
        let built = splice.build().unwrap();
        assert!(built.len() <= splice.len_bound());
        let got: Value = serde_json::from_slice(&built).unwrap_or_else(|error| {
            panic!("{round}: {text} gave {}: {error}", String::from_utf8_lossy(&built))
        });
        assert_eq!(got, Value::Object(expected), "{round}: {text}");
    }
}
