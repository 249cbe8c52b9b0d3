//! Arguments that are repeated in headers.

use crate::{Mirrored, mirrors};

const SCHEMA: &str = r#"{"type":"object","properties":{
  "region":{"type":"string","x-mcp-header":"Region","description":"x-mcp-header"},
  "n":{"x\u002dmcp-header":"Count","type":["integer","null"]},
  "deep":{"type":"object","properties":{"flag":{"type":"boolean","x-mcp-header":"Flag"}}},
  "x-mcp-header":{"type":"object","default":{"x-mcp-header":"no schema"}},
  "plain":{"type":"number"}}}"#;

#[test]
fn annotations_are_found_where_properties_lead() {
    let found = mirrors(SCHEMA.as_bytes()).unwrap();
    assert_eq!(found.iter().map(crate::Mirror::header).collect::<Vec<_>>(), ["Region", "Count", "Flag"]);
    let arguments = br#"{"region":"gr\u00fc\u00dfe","n":4.2e1,"deep":{"flag":true}}"#;
    let values: Vec<_> = found.iter().map(|mirror| mirror.value(arguments)).collect();
    assert_eq!(values, [Mirrored::Text("grüße".into()), Mirrored::Number("4.2e1"), Mirrored::Bool(true)]);
    for arguments in
        [&b""[..], b"{}", b"null", br#"{"region":null,"n":null,"deep":{"flag":null}}"#, br#"{"deep":7}"#]
    {
        assert!(found.iter().all(|mirror| mirror.value(arguments) == Mirrored::Absent), "{arguments:?}");
    }
    assert!(mirrors(br#"{"properties":{"a":{"type":"string"}}}"#).unwrap().is_empty());
    assert!(mirrors(b"true").unwrap().is_empty());
}

#[test]
fn annotations_that_break_the_rules() {
    let property = |text: &str| format!("{{\"properties\":{{\"a\":{text}}}}}");
    for (schema, problem) in [
        (property(r#"{"type":"string","x-mcp-header":""}"#), "`x-mcp-header` is no name of a header"),
        (property(r#"{"type":"string","x-mcp-header":"My Region"}"#), "`x-mcp-header` is no name of a header"),
        (property(r#"{"type":"string","x-mcp-header":"Région"}"#), "`x-mcp-header` is no name of a header"),
        (property(r#"{"type":"string","x-mcp-header":"R\tx"}"#), "`x-mcp-header` is no name of a header"),
        (property(r#"{"type":"string","x-mcp-header":7}"#), "`x-mcp-header` is no name of a header"),
        (
            property(r#"{"type":"number","x-mcp-header":"N"}"#),
            "`x-mcp-header` `N` is on something else than a string, an integer or a boolean",
        ),
        (
            property(r#"{"type":"object","x-mcp-header":"N"}"#),
            "`x-mcp-header` `N` is on something else than a string, an integer or a boolean",
        ),
        (
            property(r#"{"x-mcp-header":"N"}"#),
            "`x-mcp-header` `N` is on something else than a string, an integer or a boolean",
        ),
        (
            property(r#"{"type":["null"],"x-mcp-header":"N"}"#),
            "`x-mcp-header` `N` is on something else than a string, an integer or a boolean",
        ),
        (
            property(r#"{"type":"array","items":{"type":"string","x-mcp-header":"I"}}"#),
            "`x-mcp-header` `I` is not reachable by `properties` alone",
        ),
        (
            r#"{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"I"}}}]}"#.to_owned(),
            "`x-mcp-header` `I` is not reachable by `properties` alone",
        ),
        (
            r#"{"$defs":{"d":{"type":"string","x-mcp-header":"I"}}}"#.to_owned(),
            "`x-mcp-header` `I` is not reachable by `properties` alone",
        ),
        (
            r#"{"type":"string","x-mcp-header":"I"}"#.to_owned(),
            "`x-mcp-header` `I` is not reachable by `properties` alone",
        ),
        (
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"F"},"b":{"type":"string","x-mcp-header":"f"}}}"#
                .to_owned(),
            "`x-mcp-header` `f` occurs twice",
        ),
    ] {
        assert_eq!(mirrors(schema.as_bytes()).unwrap_err(), problem, "{schema}");
    }
}

#[test]
fn agreement() {
    for (value, header, agrees) in [
        (Mirrored::Absent, None, true),
        (Mirrored::Absent, Some("x"), false),
        (Mirrored::Text("x".into()), Some("x"), true),
        (Mirrored::Text("x".into()), Some("X"), false),
        (Mirrored::Text("x".into()), None, false),
        (Mirrored::Text("1".into()), Some("1.0"), false),
        (Mirrored::Number("42"), Some("42"), true),
        (Mirrored::Number("42"), Some("42.0"), true),
        (Mirrored::Number("4.2e1"), Some("42"), true),
        (Mirrored::Number("42"), Some("43"), false),
        (Mirrored::Number("9007199254740993"), Some("9007199254740992"), false),
        (Mirrored::Number("42"), Some("x"), false),
        (Mirrored::Number("42"), None, false),
        (Mirrored::Bool(true), Some("true"), true),
        (Mirrored::Bool(false), Some("true"), false),
        (Mirrored::Unsayable, Some("{}"), false),
        (Mirrored::Unsayable, None, false),
    ] {
        assert_eq!(value.agrees(header.map(str::as_bytes)), agrees, "{value:?} {header:?}");
    }
}
