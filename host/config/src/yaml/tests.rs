//! The layer below the formats: trees, anchors, merges, bounds, and what is said about bad text.

use super::Value;
use super::scalar::Schema;
use crate::report::{Mode, Report};

/// The first document in JSON, or the problems.
fn read(text: &str) -> Result<String, String> {
    let mut report = Report::new("f", Mode::Docker);
    let value = super::read(text, &mut report, |document, report| {
        Some(document.root().map_or(Value::Null, |root| Value::decode(root, Schema::Core, report)))
    });
    report.finish(value).map(|(value, _)| value.to_string()).map_err(|problems| problems.to_string())
}

fn problems(text: &str) -> String {
    read(text).unwrap_err()
}

#[test]
fn documents() {
    let cases = [
        ("", "null"),
        ("# nothing", "null"),
        ("---\n", "null"),
        ("a: b", r#"{"a":"b"}"#),
        ("\u{FEFF}a: b", r#"{"a":"b"}"#),
        ("---\na: 1\n---\nb: [\n", r#"{"a":1}"#),
        ("a: 1\n...\nb: 2\n", r#"{"a":1}"#),
        ("z: 1\na: 2\nm: 3", r#"{"z":1,"a":2,"m":3}"#),
        ("a:\n- 1\n- b: 2\n  c: 3", r#"{"a":[1,{"b":2,"c":3}]}"#),
        ("a: |\n  x\n  y\nb: >\n  x\n  y\n", r#"{"a":"x\ny\n","b":"x y\n"}"#),
        ("a: 'it''s'\nb: \"\\u00e9\\n\"", r#"{"a":"it's","b":"é\n"}"#),
        ("a: 1 # comment\r\nb: 2\r\n", r#"{"a":1,"b":2}"#),
        ("? a\n: b", r#"{"a":"b"}"#),
        ("é: ü", r#"{"é":"ü"}"#),
    ];
    for (text, value) in cases {
        assert_eq!(read(text).as_deref(), Ok(value), "{text}");
    }
}

#[test]
fn core_scalars() {
    let cases = [
        ("010", "10"),
        ("0o10", "8"),
        ("0x1F", "31"),
        ("0b101", r#""0b101""#),
        ("1_000", r#""1_000""#),
        ("yes", r#""yes""#),
        ("True", "true"),
        ("2024-01-02", r#""2024-01-02""#),
        ("1.5", "1.5"),
        ("-.5e3", "-500.0"),
        ("+5", "5"),
        ("~", "null"),
        ("'~'", r#""~""#),
        ("!!str null", r#""null""#),
        ("!foo x", r#""x""#),
        ("! 5", r#""5""#),
        ("-", "[null]"),
        (".", r#"".""#),
        ("e5", r#""e5""#),
        ("1e", r#""1e""#),
    ];
    for (text, value) in cases {
        assert_eq!(read(text).as_deref(), Ok(value), "{text}");
    }
}

#[test]
fn json() {
    let cases = [
        ("{\"a\":{\"b\":[1,2.5,true,null,\"x\"]}}", r#"{"a":{"b":[1,2.5,true,null,"x"]}}"#),
        ("{\n\t\"a\": [\n\t\t1,\n\t\t2\n\t],\n\t\"b\": {}\n}\n", r#"{"a":[1,2],"b":{}}"#),
        ("{\n  \"a\": [\n  ],\n  \"b\":\"c\"\n}", r#"{"a":[],"b":"c"}"#),
        (r#"{"a":"\u00e9\/\"\\\n\t\b\f\r"}"#, r#"{"a":"é/\"\\\n\t\b\f\r"}"#),
        (r#"{"a":"\ud83d\ude00","b":"\\ud83d\\ude00"}"#, r#"{"a":"😀","b":"\\ud83d\\ude00"}"#),
        (r#"{"http://a:1/b":"c:d #e"}"#, r#"{"http://a:1/b":"c:d #e"}"#),
        ("[]", "[]"),
    ];
    for (text, value) in cases {
        assert_eq!(read(text).as_deref(), Ok(value), "{text}");
    }
}

#[test]
fn anchors_and_merges() {
    let cases = [
        ("a: &x 1\nb: *x", r#"{"a":1,"b":1}"#),
        ("a: &x [1, &y 2]\nb: [*x, *y]", r#"{"a":[1,2],"b":[[1,2],2]}"#),
        ("a: &x 1\nb: &x 2\nc: *x", r#"{"a":1,"b":2,"c":2}"#),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", r#"{"a":{"p":1,"q":2},"b":{"q":3,"p":1}}"#),
        ("a: &x {p: 1, q: 2}\nb: {q: 3, <<: *x}", r#"{"a":{"p":1,"q":2},"b":{"q":3,"p":1}}"#),
        ("b: {<<: [{p: 1}, {p: 2, q: 2}]}", r#"{"b":{"p":1,"q":2}}"#),
        ("b: {<<: {<<: {r: 0}, p: 1}}", r#"{"b":{"p":1,"r":0}}"#),
        ("b: {'<<': {p: 1}}", r#"{"b":{"<<":{"p":1}}}"#),
        ("b: {<<: []}", r#"{"b":{}}"#),
    ];
    for (text, value) in cases {
        assert_eq!(read(text).as_deref(), Ok(value), "{text}");
    }
}

#[test]
fn what_is_said_about_bad_text() {
    insta::assert_snapshot!(problems("a: *nope"), @r"
    f:1:4: unknown anchor `nope`
      hint: an alias needs `&nope` somewhere above it
    ");
    insta::assert_snapshot!(problems("a: &x [*x]"), @r"f:1:8: this alias stands inside what it refers to");
    insta::assert_snapshot!(problems("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n"), @r"
    f:4:3: the key `c` is already defined at line 3
      hint: keep one of the two
    f:5:1: the key `a` is already defined at line 1
      hint: keep one of the two
    ");
    insta::assert_snapshot!(problems("a: {<<: x}\nb: {<<: [{}, 1]}"), @r"
    f:1:9: the merge key `<<` takes a map or a list of maps, not text
    f:2:14: the merge key `<<` takes a map or a list of maps, not a number
    ");
    insta::assert_snapshot!(problems("a:\n\tb: 1"), @r"
    f:2:2: not valid YAML: tabs disallowed within this context (block indentation)
      hint: indent with spaces, YAML allows no tabs there
    ");
    insta::assert_snapshot!(problems("a: [1, 2\nb: 3"), @r"
    f:2:2: not valid YAML: illegal placement of ':' indicator
      hint: is a bracket above left open?
    ");
    insta::assert_snapshot!(problems("a: {{b.c}}:/x"), @r"
    f:1:11: not valid YAML: while parsing a block mapping, did not find expected key
      hint: put quotes around a template: `'{{name.key}}'`
    ");
    insta::assert_snapshot!(problems("a: {{b.c}}"), @r"
    f:1:5: a key must be text, not a map
      hint: put quotes around a template: `'{{name.key}}'`
    ");
    insta::assert_snapshot!(problems("a: 'x"), @r"
    f:1:4: not valid YAML: while scanning a quoted scalar, found unexpected end of stream
      hint: is a quote left open?
    ");
    insta::assert_snapshot!(problems("a: b: c"), @r"
    f:1:5: not valid YAML: mapping values are not allowed in this context
      hint: text that contains `: ` needs quotes
    ");
    insta::assert_snapshot!(problems("a: b\nc\n"), @r"
    f:3:1: not valid YAML: simple key expect ':'
      hint: a line above has no `:` after its key
    ");
    insta::assert_snapshot!(problems("a: \"\\ud83d\""), @r"f:1:4: not valid YAML: while parsing a quoted scalar, found invalid Unicode character escape code");
}

#[test]
fn what_follows_the_first_document_is_said() {
    let said = |text: &str, mode: Mode| {
        let mut report = Report::new("f", mode);
        let read = super::read(text, &mut report, |_, _| Some(()));
        match report.finish(read) {
            Ok((_, warnings)) => warnings.iter().map(ToString::to_string).collect(),
            Err(problems) => format!("refused: {problems}"),
        }
    };
    insta::assert_snapshot!(said("a: 1\n---\nb: 2\n", Mode::Docker), @r"f:2:1: only the first document of a file counts");
    insta::assert_snapshot!(said("a: 1\n---\nb: 2\n", Mode::Own), @r"refused: f:2:1: only the first document of a file counts");
    insta::assert_snapshot!(said("{a: 1} x", Mode::Docker), @r"f:1:8: nothing may follow the end of the document");
    insta::assert_snapshot!(said("{a: 1}\n}", Mode::Own), @r"refused: f:2:1: not valid YAML: misplaced bracket");
    for text in ["a: 1\n", "a: 1\n...\n", "---\na: 1\n...\n# end\n", "", "# x"] {
        assert_eq!(said(text, Mode::Own), "", "{text}");
    }
}

#[test]
fn many_keys_are_checked_like_few() {
    let mut text: String = (0..40).map(|n| format!("k{n}: {n}\n")).collect();
    read(&text).unwrap();
    text.push_str("k7: x\n");
    insta::assert_snapshot!(problems(&text), @r"
    f:41:1: the key `k7` is already defined at line 8
      hint: keep one of the two
    ");
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    read(&nested(128)).unwrap();
    assert_eq!(problems(&nested(129)), "f:1:129: nested more than 128 levels deep");
    assert!(problems(&"[".repeat(1_000_000)).contains("nested more than 128 levels deep"));
    assert!(problems(&"- ".repeat(1_000_000)).contains("nested more than 128 levels deep"));
    // Aliases do not help to get deeper.
    let half = format!("a: &x {}\nb: {}*x{}", nested(100), "[".repeat(27), "]".repeat(27));
    read(&half).unwrap();
    let more = format!("a: &x {}\nb: {}*x{}", nested(100), "[".repeat(28), "]".repeat(28));
    assert!(problems(&more).contains("nested more than 128 levels deep"));
}

#[test]
fn repetition_is_bounded() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    let mut merges = "m0: &m0 {k0: 0}\n".to_owned();
    for n in 1..12 {
        let list = vec![format!("*a{}", n - 1); 9].join(", ");
        laughs.push_str(&format!("a{n}: &a{n} [{list}]\n"));
    }
    for n in 1..5000 {
        merges.push_str(&format!("m{n}: &m{n} {{<<: *m{}, k{n}: {n}}}\n", n - 1));
    }
    for text in [laughs, merges] {
        assert!(problems(&text).ends_with("aliases repeat more than 16 MiB of content"));
    }
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(100_000), vec!["*a"; 200].join(","));
    assert!(problems(&long).ends_with("aliases repeat more than 16 MiB of content"));
    let fair = format!("a: &a {{x: 1, y: [1, 2, 3]}}\nb: [{}]", vec!["*a"; 1000].join(","));
    read(&fair).unwrap();
}

#[test]
fn a_file_of_something_else_does_not_flood() {
    let text = "k: 1\n".repeat(5000);
    assert!(problems(&text).ends_with("\nand at least 950 more"));
}
