//! The vectors of `docker-mcp-gateway.md` 10.7, row by row, and the intentional differences.

use super::*;

fn list(items: &[Value]) -> Value {
    Value::List(items.to_vec())
}

fn t(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn root() -> Map {
    let map = |entries: Vec<(&str, Value)>| Map {
        entries: entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        has_other_keys: false,
    };
    map(vec![
        ("s", t("text")),
        ("empty", t("")),
        ("n", Value::Integer(42)),
        ("f", Value::Float(1.5)),
        ("t", Value::Bool(true)),
        ("nul", Value::Null),
        ("list", list(&[t("a"), t("b")])),
        ("el", list(&[])),
        ("le", list(&[t(""), t("a")])),
        ("nl", list(&[Value::Integer(1), Value::Float(2.5), Value::Bool(true), Value::Null])),
        ("nested", list(&[list(&[t("a"), t("b")]), list(&[t("c")])])),
        ("m", Value::Map(map(vec![("k", t("v")), ("z", Value::Integer(1))]))),
        ("win", t(r"C:\a\b")),
        ("winslash", t("C:/a/b")),
        ("big", Value::Integer(12_345_678)),
        ("j", Value::Float(1_000_000.0)),
        ("key", t("{{s}}")),
        ("dollar", t("$s")),
        ("sp key", t("spaced")),
        (
            "top",
            Value::Map(map(vec![("key", t("child")), ("deep", Value::Map(map(vec![("x", t("third"))])))])),
        ),
        ("odd", Value::Map(Map { entries: vec![("1".to_owned(), t("x"))], has_other_keys: true })),
    ])
}

/// Template, text, list. A list of `–` in the table is no words at all.
type Row = (&'static str, &'static str, &'static [&'static str]);

#[track_caller]
fn check(rows: &[Row]) {
    let root = root();
    for (template, expected, list) in rows {
        assert_eq!(text(template, &root).unwrap().value, *expected, "text of {template}");
        assert_eq!(words(template, &root).unwrap().value, *list, "list of {template}");
    }
}

#[test]
fn vectors_1_to_25() {
    check(&[
        ("", "", &[""]),
        ("text", "text", &["text"]),
        ("{{s}}", "text", &["text"]),
        ("{{ s }}", "text", &["text"]),
        ("{{\ts}}", "text", &["text"]),
        ("x{{s}}y", "xtexty", &["xtexty"]),
        ("{{s}}{{n}}", "text42", &["text42"]),
        (" {{s}} ", " text ", &[" text "]),
        ("{{missing}}", "", &[""]),
        ("{{s}}:{{missing}}", "text:", &["text:"]),
        ("{{nul}}", "", &[""]),
        ("p={{n}}", "p=42", &["p=42"]),
        ("p={{t}}", "p=true", &["p=true"]),
        ("{{list}}", "[a b]", &["a", "b"]),
        ("a{{list}}", "a[a b]", &["a[a b]"]),
        ("{{el}}", "[]", &[]),
        ("a{{el}}", "a[]", &["a[]"]),
        ("{{nl}}", "[1 2.5 true <nil>]", &["1", "2.5", "true", "<nil>"]),
        ("{{nl|into}}", "[1 2.5 true <nil>]", &["1", "2.5", "true", "<nil>"]),
        ("{{nested}}", "[[a b] [c]]", &["[a b]", "[c]"]),
        ("{{m.k}}", "v", &["v"]),
        ("{{m.k.x}}", "", &[""]),
        ("{{s.0}}", "", &[""]),
        ("{{list.0}}", "", &[""]),
        ("{{S}}", "", &[""]),
        ("{{.s}}", "", &[""]),
        ("{{s.}}", "", &[""]),
        ("{{}}", "", &[""]),
        ("{{\"s\"}}", "", &[""]),
    ]);
}

#[test]
fn vectors_26_to_48_defaults() {
    check(&[
        ("{{missing|or:x}}", "x", &["x"]),
        ("{{empty|or:x}}", "x", &["x"]),
        ("{{nul|or:x}}", "x", &["x"]),
        ("{{|or:x}}", "x", &["x"]),
        ("{{missing | or:x}}", "", &[""]),
        ("{{missing|or: x }}", " x ", &[" x "]),
        ("{{missing|or:}}", "", &[""]),
        ("{{missing|or:a:b}}", "a:b", &["a:b"]),
        ("{{missing|or:a|or:b}}", "a", &["a"]),
        ("{{n|or:x}}", "42", &["42"]),
        ("{{t|or:x}}", "true", &["true"]),
        ("{{list|or:x}}", "[a b]", &["a", "b"]),
        ("{{missing|or:[a,b]}}", "[a,b]", &["[a,b]"]),
        ("{{el|or:[]}}", "[]", &[]),
        ("{{el|or:[a,b]}}", "[a b]", &["a", "b"]),
        ("{{el|or:[a, b]}}", "[a  b]", &["a", " b"]),
        ("{{el|or:[\"a\",\"b\"]}}", "[\"a\" \"b\"]", &["\"a\"", "\"b\""]),
        ("{{el|or:[,]}}", "[ ]", &["", ""]),
        ("{{el|or: [a]}}", " [a]", &[" [a]"]),
        ("{{el|or:x}}", "x", &["x"]),
        ("{{el|or:[a]|first}}", "a", &["a"]),
        ("{{missing|or:\"q\"}}", "\"q\"", &["\"q\""]),
        ("{{s|default:x}}", "text", &["text"]),
        ("{{s|VOLUME}}", "text", &["text"]),
        ("{{s|}}", "text", &["text"]),
    ]);
}

#[test]
fn vectors_49_to_75_volumes_and_lists() {
    check(&[
        ("{{s|volume}}", "text:text", &["text:text"]),
        ("{{s| volume }}", "text:text", &["text:text"]),
        ("{{s||volume}}", "text:text", &["text:text"]),
        ("{{empty|volume}}", "", &[""]),
        ("{{missing|volume}}", "", &[""]),
        ("{{n|volume}}", "42:42", &["42:42"]),
        ("{{list|volume}}", "[a:a b:b]", &["a:a", "b:b"]),
        ("{{list|into|volume}}", "[a:a b:b]", &["a:a", "b:b"]),
        ("{{le|volume}}", "[ a:a]", &["", "a:a"]),
        ("{{el|volume}}", "[]", &[]),
        ("{{s|volume|volume}}", "text:text:text:text", &["text:text:text:text"]),
        ("{{win|volume}}", r"C:\a\b:/C/a/b", &[r"C:\a\b:/C/a/b"]),
        ("{{winslash|volume}}", "C:/a/b:C:/a/b", &["C:/a/b:C:/a/b"]),
        ("{{win|volume-target}}", "/C/a/b", &["/C/a/b"]),
        ("{{n|volume-target}}", "42", &["42"]),
        ("{{s|into}}", "[text]", &["text"]),
        ("{{missing|into}}", "[]", &[""]),
        ("{{empty|into}}", "[]", &[""]),
        ("{{n|into}}", "[42]", &["42"]),
        ("{{list|first}}:{{list|last}}", "a:b", &["a:b"]),
        ("{{el|first}}", "", &[""]),
        ("{{el|last}}", "", &[""]),
        ("{{n|first}}", "42", &["42"]),
        ("{{nl|last}}", "<nil>", &["<nil>"]),
        ("{{nested|first}}", "[a b]", &["[a b]"]),
        ("{{list|volume|first}}", "a:a", &["a:a"]),
        ("{{s|mount_as:/x}}", "text:/x", &["text:/x"]),
        ("{{s|mount_as: /x }}", "text:/x", &["text:/x"]),
        ("{{s| mount_as:/x}}", "text", &["text"]),
        ("{{s|mount_as:/x:ro}}", "text:/x:ro", &["text:/x:ro"]),
        ("{{s|mount_as:}}", "text:", &["text:"]),
        ("{{missing|mount_as:/x}}", "", &[""]),
        ("{{el|mount_as:/x}}", "", &[""]),
        ("{{le|mount_as:/x}}", "", &[""]),
        ("{{list|mount_as:/x}}", "a:/x", &["a:/x"]),
        ("{{list|last|mount_as:/x}}", "b:/x", &["b:/x"]),
        ("{{win|mount_as:/x}}", r"C:\a\b:/x", &[r"C:\a\b:/x"]),
    ]);
}

#[test]
fn vectors_79_to_84_and_paths() {
    check(&[
        ("{{a{b}}", "", &[""]),
        ("{{a}b}}", "", &[""]),
        ("{{key}}", "{{s}}", &["{{s}}"]),
        ("{{dollar}}", "$s", &["$s"]),
        ("{{top . key}}", "child", &["child"]),
        ("{{top.deep.x}}", "third", &["third"]),
        ("{{sp key}}", "spaced", &["spaced"]),
        ("{{odd.1}}", "", &[""]),
        ("{{nul.x}}", "", &[""]),
        ("{{odd}}", "map[1:x]", &["{\"1\":\"x\"}"]),
    ]);
}

/// What the original gives stands behind each row.
#[test]
fn intentional_differences() {
    check(&[
        // 10, 11, 12, 15: `<int Value>`, `<float64 Value>`, `<bool Value>`, `<int Value>` as a list.
        ("{{n}}", "42", &["42"]),
        ("{{f}}", "1.5", &["1.5"]),
        ("{{t}}", "true", &["true"]),
        ("{{big}}", "12345678", &["12345678"]),
        // 14: `p=1e+06`.
        ("p={{j}}", "p=1000000", &["p=1000000"]),
        // 22: `<map[string]interface {} Value>` as a list.
        ("{{m}}", "map[k:v z:1]", &["{\"k\":\"v\",\"z\":1}"]),
        // 34: the argument `[]`. 36: `[[]:[]]` and `[]:[]`.
        ("{{missing|or:[]}}", "[]", &[]),
        ("{{missing|or:[]|volume|into}}", "[]", &[]),
        // 47: empty.
        ("{{missing|default:x}}", "x", &["x"]),
        // 45: `{x`, without the last brace.
        ("{{missing|or:{x}}}", "{x}", &["{x}"]),
        // 76, 77: all braces dropped.
        ("{", "{", &["{"]),
        ("}", "}", &["}"]),
        ("{}", "{}", &["{}"]),
        ("{{", "{{", &["{{"]),
        ("}}", "}}", &["}}"]),
        ("{a}", "{a}", &["{a}"]),
        ("{{s", "{{s", &["{{s"]),
        ("{s}}", "{s}}", &["{s}}"]),
        ("{{s}", "{{s}", &["{{s}"]),
        ("a{b}c", "a{b}c", &["a{b}c"]),
        // 78: empty. 79: `text`.
        ("{{{s}}}", "{text}", &["{text}"]),
        ("{{{{s}}}}", "{{text}}", &["{{text}}"]),
        ("{{s}}}", "text}", &["text}"]),
        // 80: `"a":"text"`.
        ("{\"a\":\"{{s}}\"}", "{\"a\":\"text\"}", &["{\"a\":\"text\"}"]),
        // 82: `<LF>s<LF>`.
        ("{{\ns\n}}", "{{\ns\n}}", &["{{\ns\n}}"]),
    ]);
}

#[test]
fn what_had_no_value_is_named() {
    let missing = |template: &str| words(template, &root()).unwrap().missing;
    assert_eq!(missing("{{acme.url}}/{{s}}/{{ top.none |volume}}"), ["acme.url", "top.none"]);
    for fine in [
        "{{s}}",
        "{{nul}}",
        "{{empty}}",
        "{{x|or:}}",
        "{{x|default:y}}",
        "{{x|mount_as:/y}}",
        "text",
        "{{el}}",
    ] {
        assert_eq!(missing(fine), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn a_server_without_configuration_has_an_empty_map() {
    let root = server_root("acme", None);
    assert_eq!(text("{{acme}}", &root).unwrap().value, "map[]");
    assert_eq!(text("{{acme|or:x}}", &root).unwrap().value, "map[]");
    assert_eq!(text("{{acme.x}}", &root).unwrap().missing, ["acme.x"]);
}

/// Found by fuzzing: each `|volume` doubles what it is given.
#[test]
fn what_grows_without_end_is_refused() {
    let root = root();
    let often = format!("{{{{s{}}}}}", "|volume".repeat(60));
    assert_eq!(text(&often, &root), Err(TooLarge));
    assert_eq!(words(&often.replace("s|", "list|"), &root), Err(TooLarge));
    assert_eq!(text(&often.replace("s|", "none|or:x|"), &root), Err(TooLarge));
    let large = Map {
        entries: vec![("l".to_owned(), t(&"x".repeat(MAX_BYTES))), ("s".to_owned(), t("x"))],
        has_other_keys: false,
    };
    assert_eq!(text("{{l}}", &large).unwrap().value.len(), MAX_BYTES);
    assert_eq!(text("{{l}}{{s}}", &large), Err(TooLarge));
}

#[test]
fn only_both_pairs_of_braces_make_a_template() {
    for (text, is) in [("{{a}}", true), ("}}{{", true), ("{\"a\": 1}", false), ("{{a}", false)] {
        assert_eq!(is_template(text), is, "{text}");
    }
}
