//! The tools as a client meets them, with the clock held still.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::tools;

/// 2026-11-03, a Tuesday.
fn noon() -> Timestamp {
    "2026-11-03T12:00:00Z".parse().unwrap()
}

/// Calls a tool; the structured content, or the text of its failure.
fn call(name: &str, arguments: Value) -> Result<Value, String> {
    let lines = [
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": "2025-11-25" } }),
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name, "arguments": arguments } }),
    ];
    let input = lines.map(|line| format!("{line}\n")).concat();
    let mut output = Vec::new();
    tools::server(noon).serve(input.as_bytes(), &mut output).unwrap();
    let answer: Value = serde_json::from_slice(output.split(|byte| *byte == b'\n').nth(1).unwrap()).unwrap();
    let result = &answer["result"];
    let text = result["content"][0]["text"].as_str().unwrap();
    if result["isError"] == true {
        return Err(text.to_owned());
    }
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), result["structuredContent"]);
    Ok(result["structuredContent"].clone())
}

#[test]
fn now_knows_zone_offset_and_daylight_saving() {
    let cases = [
        (json!({}), "2026-11-03T12:00:00+00:00", "UTC", "+00:00", false),
        (json!({ "zone": null }), "2026-11-03T12:00:00+00:00", "UTC", "+00:00", false),
        (json!({ "zone": "europe/berlin" }), "2026-11-03T13:00:00+01:00", "Europe/Berlin", "+01:00", false),
        (json!({ "zone": "Asia/Kathmandu" }), "2026-11-03T17:45:00+05:45", "Asia/Kathmandu", "+05:45", false),
        (
            json!({ "zone": "Australia/Lord_Howe" }),
            "2026-11-03T23:00:00+11:00",
            "Australia/Lord_Howe",
            "+11:00",
            true,
        ),
        (json!({ "zone": "-03:30" }), "2026-11-03T08:30:00-03:30", "-03:30", "-03:30", false),
    ];
    for (arguments, time, zone, offset, dst) in cases {
        let result = call("now", arguments).unwrap();
        assert_eq!(result["time"], time);
        assert_eq!((&result["zone"], &result["offset"]), (&json!(zone), &json!(offset)));
        assert_eq!(result["dst"], dst, "{zone}");
        assert_eq!((&result["weekday"], &result["unixSeconds"]), (&json!("Tuesday"), &json!(1_793_707_200)));
    }
}

#[test]
fn an_unknown_zone_names_its_neighbours() {
    let failed = |zone: &str| call("now", json!({ "zone": zone })).unwrap_err();
    let near = failed("Europe/Berln");
    assert!(
        near.starts_with("there is no time zone `Europe/Berln`; the nearest names are `Europe/Berlin`"),
        "{near}"
    );
    assert!(near.matches("`, `").count() < 3, "{near}");
    assert!(failed("New York").contains("`America/New_York`"), "{}", failed("New York"));
    assert!(failed("tokio").contains("`Asia/Tokyo`"), "{}", failed("tokio"));
    assert!(failed("../../etc/passwd").contains("use an IANA name"), "{}", failed("../../etc/passwd"));
    assert!(failed("Etc/Unknown").starts_with("there is no time zone `Etc/Unknown`"));
    assert_eq!(failed(""), "argument `zone` must not be empty");
    assert_eq!(failed(&"x".repeat(101)), "argument `zone` must have at most 100 characters, not 101");
}

#[test]
fn convert_follows_the_clocks() {
    let source = |arguments: Value| {
        let result = call("convert", arguments).unwrap();
        let time = |side: &str| result[side]["time"].as_str().unwrap().to_owned();
        (time("source"), time("target"), result["chosen"].as_str().unwrap_or("").to_owned())
    };
    let cases = [
        (
            "2026-07-01T09:00",
            "America/New_York",
            "Asia/Tokyo",
            "compatible",
            ("2026-07-01T09:00:00-04:00", "2026-07-01T22:00:00+09:00", ""),
        ),
        // A gap in spring and a fold in autumn.
        (
            "2026-03-29T02:30",
            "Europe/Berlin",
            "UTC",
            "compatible",
            ("2026-03-29T03:30:00+02:00", "2026-03-29T01:30:00+00:00", "later"),
        ),
        (
            "2026-03-29 02:30",
            "Europe/Berlin",
            "UTC",
            "earlier",
            ("2026-03-29T01:30:00+01:00", "2026-03-29T00:30:00+00:00", "earlier"),
        ),
        (
            "2026-10-25T02:30",
            "Europe/Berlin",
            "UTC",
            "compatible",
            ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00+00:00", "earlier"),
        ),
        (
            "2026-10-25T02:30",
            "Europe/Berlin",
            "UTC",
            "later",
            ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00+00:00", "later"),
        ),
        // An offset settles a fold, and `Z` fits every zone.
        (
            "2026-10-25T02:30+01:00",
            "Europe/Berlin",
            "UTC",
            "compatible",
            ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00+00:00", ""),
        ),
        (
            "2026-07-01T12:00Z",
            "Europe/Berlin",
            "America/Los_Angeles",
            "compatible",
            ("2026-07-01T14:00:00+02:00", "2026-07-01T05:00:00-07:00", ""),
        ),
        // A whole day left out: Samoa crossed the date line.
        (
            "2011-12-30T12:00",
            "Pacific/Apia",
            "UTC",
            "compatible",
            ("2011-12-31T12:00:00+14:00", "2011-12-30T22:00:00+00:00", "later"),
        ),
        (
            "14:30",
            "Europe/Berlin",
            "UTC",
            "compatible",
            ("2026-11-03T14:30:00+01:00", "2026-11-03T13:30:00+00:00", ""),
        ),
        (
            "2026-07-01T12:00+02:00[Europe/Berlin]",
            "Europe/Berlin",
            "UTC",
            "compatible",
            ("2026-07-01T12:00:00+02:00", "2026-07-01T10:00:00+00:00", ""),
        ),
    ];
    for (time, from, to, disambiguation, (was, becomes, chosen)) in cases {
        let arguments = json!({ "time": time, "from": from, "to": to, "disambiguation": disambiguation });
        assert_eq!(
            source(arguments),
            (was.into(), becomes.into(), chosen.into()),
            "{time} {from} {disambiguation}"
        );
    }
    let without = source(json!({ "time": "now", "to": "Asia/Tokyo" }));
    assert_eq!(without.1, "2026-11-03T21:00:00+09:00");
}

#[test]
fn convert_says_what_was_chosen() {
    let note = |time: &str| {
        call("convert", json!({ "time": time, "from": "Europe/Berlin", "to": "UTC" })).unwrap()["note"]
            .clone()
    };
    assert_eq!(
        note("2026-03-29T02:30"),
        "02:30:00 does not exist in Europe/Berlin on 2026-03-29: clocks go from +01:00 to +02:00; the later reading, 2026-03-29T03:30:00+02:00, was taken"
    );
    assert_eq!(
        note("2026-10-25T02:30"),
        "02:30:00 comes twice in Europe/Berlin on 2026-10-25, at +02:00 and at +01:00; the earlier reading, 2026-10-25T02:30:00+02:00, was taken"
    );
    assert_eq!(note("2026-10-25T04:30"), Value::Null);
}

#[test]
fn convert_refuses_what_it_would_have_to_guess() {
    let cases = [
        (
            json!({ "time": "2026-03-29T02:30", "from": "Europe/Berlin", "to": "UTC", "disambiguation": "reject" }),
            "argument `time`: 02:30:00 does not exist in Europe/Berlin on 2026-03-29: clocks go from +01:00 to +02:00",
        ),
        (
            json!({ "time": "2026-07-01T12:00", "to": "UTC" }),
            "argument `time` has no offset, so its zone is needed",
        ),
        (
            json!({ "time": "2026-07-01T12:00+05:00", "from": "Europe/Berlin", "to": "UTC" }),
            "argument `time` has the offset +05:00, but Europe/Berlin is at +02:00 then; leave out one of the two",
        ),
        (
            json!({ "time": "2026-07-01T12:00[Asia/Tokyo]", "from": "Europe/Berlin", "to": "UTC" }),
            "argument `time` names the zone Asia/Tokyo, but Europe/Berlin was asked for",
        ),
        (
            json!({ "time": "12:00", "to": "UTC", "form": "UTC" }),
            "there is no argument `form`; did you mean `from`?",
        ),
        (json!({ "time": "12:00" }), "argument `to` is required"),
        (json!({ "time": 12, "to": "UTC" }), "argument `time` must be a string"),
        (
            json!({ "time": "12:00", "from": "UTC", "to": "UTC", "disambiguation": "both" }),
            "argument `disambiguation` must be one of: compatible, earlier, later, reject",
        ),
    ];
    for (arguments, text) in cases {
        assert_eq!(call("convert", arguments.clone()).unwrap_err(), text, "{arguments}");
    }
    for time in
        ["2026-02-30T12:00", "25:00", "tomorrow", "2026-07-01T12:00[Mars/Olympus]", "99999-01-01T00:00Z"]
    {
        let text = call("convert", json!({ "time": time, "from": "UTC", "to": "UTC" })).unwrap_err();
        assert!(text.starts_with(&format!("argument `time`: `{time}` is not a time")), "{text}");
    }
}

#[test]
fn difference_counts_calendar_days_and_real_seconds() {
    let cases = [
        // A day with a change of clocks is a day of 23 hours.
        ("2026-03-28T12:00", "2026-03-29T12:00", "Europe/Berlin", "P1D", json!(82_800), false),
        ("2026-03-28T12:00", "2026-03-29T12:00", "UTC", "P1D", json!(86_400), false),
        ("2024-01-31", "2024-02-29", "UTC", "P29D", json!(2_505_600), false),
        ("2024-02-29", "2025-03-01T06:07:08", "UTC", "P1Y1DT6H7M8S", json!(31_644_428), false),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "UTC", "-P1D", json!(-86_400), true),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01.5Z", "UTC", "PT1.5S", json!(1.5), false),
        ("now", "now", "UTC", "PT0S", json!(0), false),
        (
            "2026-01-01T00:00:00+05:00",
            "2026-01-01T00:00:00-05:00",
            "Europe/Berlin",
            "PT10H",
            json!(36_000),
            false,
        ),
    ];
    for (start, end, zone, iso, total, negative) in cases {
        let result = call("difference", json!({ "start": start, "end": end, "zone": zone })).unwrap();
        assert_eq!(result["iso8601"], iso, "{start} {end} {zone}");
        assert_eq!(result["totalSeconds"], total, "{start} {end} {zone}");
        assert_eq!(result["negative"], negative);
    }
    let result = call("difference", json!({ "start": "2024-02-29", "end": "2025-03-01T06:07:08" })).unwrap();
    let parts = json!({ "years": 1, "months": 0, "days": 1, "hours": 6, "minutes": 7, "seconds": 8 });
    assert_eq!(result["parts"], parts);
}
