//! What is a message, of which kind, and what is said about the rest.

use super::bytes;
use crate::{Envelope, ErrorBody, Kind, Params, code};

#[test]
fn kinds_ids_and_methods() {
    use Kind::{Batch, Error, Notification, Request, Response};
    let table: &[(&str, Kind, Option<&str>, Option<&str>)] = &[
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Request, Some("1"), Some("ping")),
        (r#"{"jsonrpc":"2.0","id":"1","method":"ping"}"#, Request, Some("\"1\""), Some("ping")),
        (r#"{"jsonrpc":"2.0","id":-7,"method":"ping"}"#, Request, Some("-7"), Some("ping")),
        (" \t\r\n{\"method\" : \"a\", \"id\" : 0 ,\"jsonrpc\": \"2.0\" } ", Request, Some("0"), Some("a")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call"}"#, Request, Some("1"), Some("tools/call")),
        (r#"{"jsonrpc":"2.0","id":1,"m\u0065thod":"ping"}"#, Request, Some("1"), Some("ping")),
        (r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#, Request, Some(r#""\ud800""#), Some("ping")),
        (
            r#"{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"x"}"#,
            Request,
            Some("123456789012345678901234567890"),
            Some("x"),
        ),
        (r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, Notification, None, Some("notifications/x")),
        (r#"{"jsonrpc":"2.0","method":"x","params":null}"#, Notification, None, Some("x")),
        (r#"{"jsonrpc":"2.0","method":"x","Method":"y","extra":[1]}"#, Notification, None, Some("x")),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Response, Some("1"), None),
        (r#"{"jsonrpc":"2.0","id":1,"result":null}"#, Response, Some("1"), None),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}"#, Error, Some("1"), None),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":""}}"#, Error, None, None),
        (r#"{"jsonrpc":"2.0","error":{"code":-1,"message":""}}"#, Error, None, None),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Batch, None, None),
        ("[]", Batch, None, None),
    ];
    for (text, kind, id, method) in table {
        let envelope = Envelope::parse(bytes(text)).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(envelope.kind(), *kind, "{text}");
        assert_eq!(envelope.id_raw(), id.map(str::as_bytes), "{text}");
        assert_eq!(envelope.id().as_ref().map(crate::RawId::as_bytes), id.map(str::as_bytes), "{text}");
        assert_eq!(envelope.method(), *method, "{text}");
    }
}

#[test]
fn refusals_say_what_and_whose() {
    let deep = format!(r#"{{"jsonrpc":"2.0","id":9,"method":"x","params":{{"a":{}}}}}"#, "[".repeat(200));
    let many: String = (0..20).map(|n| format!(r#","k{n}":0"#)).collect();
    let many = format!(r#"{{"jsonrpc":"2.0","id":9,"method":"x"{many}}}"#);
    let table: &[(&str, i64, &str, Option<&str>)] = &[
        ("", code::PARSE, "ends in the middle", None),
        ("   ", code::PARSE, "ends in the middle", None),
        ("{", code::PARSE, "ends in the middle", None),
        ("hello", code::PARSE, "not JSON at byte 0", None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x"} x"#, code::PARSE, "not JSON at byte 38", None),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\u{0}\"}", code::PARSE, "not JSON at byte 35", None),
        ("\u{feff}{}", code::PARSE, "not JSON at byte 0", None),
        ("17", code::INVALID_REQUEST, "no JSON object", None),
        ("\"text\"", code::INVALID_REQUEST, "no JSON object", None),
        ("{}", code::INVALID_REQUEST, "`jsonrpc` must be", None),
        (r#"{"id":3,"method":"x"}"#, code::INVALID_REQUEST, "`jsonrpc` must be", Some("3")),
        (r#"{"jsonrpc":"1.0","id":3,"method":"x"}"#, code::INVALID_REQUEST, "`jsonrpc` must be", Some("3")),
        (r#"{"jsonrpc":2.0,"id":3,"method":"x"}"#, code::INVALID_REQUEST, "`jsonrpc` must be", Some("3")),
        (r#"{"jsonrpc":"2.0","id":3}"#, code::INVALID_REQUEST, "no method", Some("3")),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#, code::INVALID_REQUEST, "`id` must be", None),
        (r#"{"jsonrpc":"2.0","id":1e3,"method":"x"}"#, code::INVALID_REQUEST, "`id` must be", None),
        (r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, code::INVALID_REQUEST, "`id` must be", None),
        (r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#, code::INVALID_REQUEST, "must not be null", None),
        (r#"{"jsonrpc":"2.0","id":3,"method":7}"#, code::INVALID_REQUEST, "`method` must be", Some("3")),
        (r#"{"jsonrpc":"2.0","id":3,"method":"\udfff"}"#, code::INVALID_REQUEST, "`method`", Some("3")),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"x","params":[1]}"#,
            code::INVALID_REQUEST,
            "`params`",
            Some("3"),
        ),
        (r#"{"jsonrpc":"2.0","id":3,"method":"x","result":1}"#, code::INVALID_REQUEST, "not both", Some("3")),
        (r#"{"jsonrpc":"2.0","id":3,"result":1,"error":{}}"#, code::INVALID_REQUEST, "not both", Some("3")),
        (r#"{"jsonrpc":"2.0","id":3,"error":"no"}"#, code::INVALID_REQUEST, "`error` must be", Some("3")),
        (r#"{"jsonrpc":"2.0","result":1}"#, code::INVALID_REQUEST, "no id", None),
        (r#"{"jsonrpc":"2.0","id":null,"result":1}"#, code::INVALID_REQUEST, "no id", None),
        (r#"{"jsonrpc":"2.0","id":3,"method":"x","method":"y"}"#, code::INVALID_REQUEST, "twice", Some("3")),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"x","m\u0065thod":"y"}"#,
            code::INVALID_REQUEST,
            "twice",
            Some("3"),
        ),
        (r#"{"jsonrpc":"2.0","id":3,"id":4,"method":"x"}"#, code::INVALID_REQUEST, "twice", None),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"x","params":{},"params":{}}"#,
            code::INVALID_REQUEST,
            "twice",
            Some("3"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"x","a":1,"\u0061":2}"#,
            code::INVALID_REQUEST,
            "twice",
            Some("3"),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a","n\u0061me":"b"},"id":3}"#,
            code::INVALID_PARAMS,
            "`name` occurs twice",
            Some("3"),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"x","params":{"_meta":{"progressToken":1,"progressToken":2}},"id":3}"#,
            code::INVALID_PARAMS,
            "`progressToken` occurs twice",
            Some("3"),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"x","params":{"_meta":{},"_meta":{}},"id":3}"#,
            code::INVALID_PARAMS,
            "`_meta` occurs twice",
            Some("3"),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"x","params":{"_meta":[]},"id":3}"#,
            code::INVALID_PARAMS,
            "`_meta` must be an object",
            Some("3"),
        ),
        (&deep, code::INVALID_REQUEST, "deeper than 128", None),
        (&many, code::INVALID_REQUEST, "too many members", Some("9")),
    ];
    for (text, expected, part, id) in table {
        let error = Envelope::parse(bytes(text)).expect_err(text);
        assert_eq!(error.code, *expected, "{text}: {error}");
        assert!(error.text.contains(part), "{text}: {error}");
        assert_eq!(error.id.as_ref().map(crate::RawId::as_bytes), id.map(str::as_bytes), "{text}");
    }
    let broken = Envelope::parse(bytes::Bytes::from_static(b"{\"a\":\"\xff\"}")).expect_err("no UTF-8");
    assert_eq!((broken.code, broken.text.as_ref()), (code::PARSE, "the message is not UTF-8 at byte 6"));
}

#[test]
fn members_of_params_are_found_where_they_are() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params": {"name":"a\n\ud83d\ude00","Name":"b",
        "arguments":{"name":"not this","_meta":{"progressToken":0}},"_meta":{"progressToken":"7","x":{"progressToken":1},
        "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c"},
        "io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"info",
        "io.modelcontextprotocol/subscriptionId":5},"uri":"u:x","cursor":"","requestId":3,"progressToken":4,"ref":{},
        "level":"debug"}}"#;
    let envelope = Envelope::parse(bytes(text)).unwrap();
    let from_envelope = envelope.params().unwrap();
    let scanned =
        Params::scan(bytes(&format!("  {}", std::str::from_utf8(from_envelope.raw()).unwrap()))).unwrap();
    for params in [from_envelope, scanned] {
        let raw = params.raw();
        let value = |member: Option<&crate::Member>| {
            String::from_utf8(member.expect("found").value(raw).to_vec()).unwrap()
        };
        assert_eq!(params.text(params.name().unwrap()).unwrap(), "a\n\u{1f600}");
        assert_eq!(value(params.arguments()), r#"{"name":"not this","_meta":{"progressToken":0}}"#);
        assert_eq!(params.token(params.meta_progress_token().unwrap()).unwrap(), b"\"7\"");
        assert_eq!(value(params.meta_protocol_version()), "\"2026-07-28\"");
        assert_eq!(value(params.meta_client_info()), r#"{"name":"c"}"#);
        assert_eq!(value(params.meta_client_capabilities()), "{}");
        assert_eq!(value(params.meta_log_level()), "\"info\"");
        assert_eq!(value(params.meta_subscription_id()), "5");
        assert_eq!(value(params.uri()), "\"u:x\"");
        assert_eq!(value(params.cursor()), "\"\"");
        assert_eq!(value(params.request_id()), "3");
        assert_eq!(value(params.progress_token()), "4");
        assert_eq!(value(params.reference()), "{}");
        assert_eq!(value(params.level()), "\"debug\"");
        assert!(value(params.meta()).starts_with(r#"{"progressToken":"7""#));
    }
}

#[test]
fn members_of_the_wrong_type_are_named() {
    let params = Params::scan(bytes(r#"{"name":7,"uri":"\ud800","_meta":{"progressToken":1.0}}"#)).unwrap();
    let name = params.text(params.name().unwrap()).expect_err("a number");
    assert_eq!((name.code, name.text.as_ref()), (code::INVALID_PARAMS, "`name` must be a string"));
    let uri = params.text(params.uri().unwrap()).expect_err("half a pair");
    assert_eq!(uri.text, "`uri` holds half a surrogate pair");
    let token = params.token(params.meta_progress_token().unwrap()).expect_err("a fraction");
    assert_eq!(token.text, "`progressToken` must be a string or an integer");
    let list = Params::scan(bytes("[]")).expect_err("an array");
    assert_eq!((list.code, list.text.as_ref()), (code::PARSE, "the message is not JSON at byte 0"));
}

#[test]
fn payloads_come_out_as_they_went_in() {
    let envelope =
        Envelope::parse(bytes(r#"{"jsonrpc":"2.0","id":1,"result": {"a": 1.0e+2,"b":"\ud800"} }"#)).unwrap();
    assert_eq!(envelope.result().unwrap(), r#"{"a": 1.0e+2,"b":"\ud800"}"#);
    assert_eq!(envelope.error(), None);
    let text = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"no \"x\"","data":{"uri":"u"}}}"#;
    let body = ErrorBody::scan(&Envelope::parse(bytes(text)).unwrap().error().unwrap());
    assert_eq!((body.code, body.message.as_str()), (-32002, "no \"x\""));
    assert_eq!(body.data.unwrap(), r#"{"uri":"u"}"#);
    let sloppy = ErrorBody::scan(&bytes(r#"{"code":"x"}"#));
    assert_eq!((sloppy.code, sloppy.message.as_str()), (code::INTERNAL, ""));
    let batch = Envelope::parse(bytes(r#"[ {"a":1} , 2,"x" ]"#)).unwrap();
    assert_eq!(batch.batch_items(), vec![bytes(r#"{"a":1}"#), bytes("2"), bytes("\"x\"")]);
}

#[test]
fn what_is_written_is_read_back() {
    let nasty = "a\"b\\c\n\r\t\u{1}\u{7f}é😀/";
    let error = Envelope::parse(crate::error(Some(b"\"x\""), -32601, nasty, Some(b"[1]"))).unwrap();
    let body = ErrorBody::scan(&error.error().unwrap());
    assert_eq!((body.code, body.message.as_str(), body.data), (-32601, nasty, Some(bytes("[1]"))));
    assert_eq!(error.id_raw(), Some(&b"\"x\""[..]));
    assert_eq!(Envelope::parse(crate::error(None, 1, "", None)).unwrap().id(), None);
    let response = Envelope::parse(crate::response(b"18446744073709551615", b"{}")).unwrap();
    assert_eq!((response.id_u64(), response.result()), (Some(u64::MAX), Some(bytes("{}"))));
    let request = Envelope::parse(crate::request(u64::MAX, nasty, Some(b"{\"a\":1}"))).unwrap();
    assert_eq!((request.id_u64(), request.method()), (Some(u64::MAX), Some(nasty)));
    assert_eq!(request.params_raw(), Some(&b"{\"a\":1}"[..]));
    let notification = Envelope::parse(crate::notification("x", None)).unwrap();
    assert_eq!((notification.kind(), notification.params_raw()), (Kind::Notification, None));
    assert_eq!(crate::Digits::new(0).as_bytes(), b"0");
}
