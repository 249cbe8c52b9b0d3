//! The three tools.

use jiff::tz::Disambiguation;
use jiff::{Timestamp, Unit, Zoned};
use serde_json::{Value, json};
use server_kit::{Arguments, Server, Tool, ToolOutput, object};

use crate::moment::{Reading, iso};
use crate::zone;

/// Where the current time comes from; tests have a clock of their own.
pub(crate) type Clock = fn() -> Timestamp;

const ZONE: &str = "An IANA time zone such as Europe/Berlin, or a fixed offset such as +05:30";
const TIME: &str =
    "A time such as 2026-03-29T14:30, with or without an offset; 14:30 means today, `now` means now";

pub(crate) fn server(clock: Clock) -> Server {
    // Whole seconds: nobody who asks for the time needs nine digits more, and every reader stumbles over them.
    let clock = move || Timestamp::new(clock().as_second(), 0).unwrap_or_else(|_| clock());
    Server::new("time", "Time", env!("CARGO_PKG_VERSION"))
        .instructions(
            "Knows the current time and the rules of all time zones, past and future. Ask it instead of guessing dates, \
             offsets or daylight saving time.",
        )
        .tool(
            Tool::new(
                "now",
                "Current time",
                "The current time in a time zone.",
                object(json!({ "zone": text(&format!("{ZONE}. UTC if left out")) }), &[]),
                move |arguments, _| now(arguments, clock()),
            )
            .output(instant_schema()),
        )
        .tool(
            Tool::new(
                "convert",
                "Convert between zones",
                "Converts a time from one time zone to another. Says so where clocks were changed and the time came twice \
                 or not at all, and which reading was taken.",
                object(
                    json!({
                        "time": text(TIME),
                        "from": text(&format!("{ZONE}. Not needed if the time has an offset")),
                        "to": text(ZONE),
                        "disambiguation": disambiguation_schema(),
                    }),
                    &["time", "to"],
                ),
                move |arguments, _| convert(arguments, clock()),
            )
            .output(convert_schema()),
        )
        .tool(
            Tool::new(
                "difference",
                "Time between two moments",
                "The time from one moment to another, in calendar parts (years to seconds, by the calendar of the zone, \
                 so that a day with a change of clocks is still a day) and in total seconds.",
                object(
                    json!({
                        "start": text(TIME),
                        "end": text(TIME),
                        "zone": text(&format!("{ZONE}, for times without an offset and for the calendar. UTC if left out")),
                        "disambiguation": disambiguation_schema(),
                    }),
                    &["start", "end"],
                ),
                move |arguments, _| difference(arguments, clock()),
            )
            .output(difference_schema()),
        )
}

fn now(arguments: &Arguments<'_>, now: Timestamp) -> Result<ToolOutput, String> {
    let zone = zone::find(arguments.text("zone").unwrap_or("UTC"))?;
    Ok(ToolOutput::new(describe(&now.to_zoned(zone))))
}

fn convert(arguments: &Arguments<'_>, now: Timestamp) -> Result<ToolOutput, String> {
    let from = arguments.text("from").map(zone::find).transpose()?;
    let to = zone::find(arguments.text("to").unwrap_or_default())?;
    let reading = Reading {
        argument: "time",
        zone: from.as_ref(),
        strict: true,
        disambiguation: disambiguation(arguments),
        now,
    };
    let moment = reading.read(arguments.text("time").unwrap_or_default())?;
    let target = moment.zoned.with_time_zone(to);
    let mut result = json!({ "source": describe(&moment.zoned), "target": describe(&target) });
    if let (Some((chosen, note)), Some(result)) = (moment.chosen, result.as_object_mut()) {
        result.insert("chosen".into(), chosen.into());
        result.insert("note".into(), note.into());
    }
    Ok(ToolOutput::new(result))
}

fn difference(arguments: &Arguments<'_>, now: Timestamp) -> Result<ToolOutput, String> {
    let zone = zone::find(arguments.text("zone").unwrap_or("UTC"))?;
    let disambiguation = disambiguation(arguments);
    let read = |argument: &str| {
        let reading = Reading { argument, zone: Some(&zone), strict: false, disambiguation, now };
        let moment = reading.read(arguments.text(argument).unwrap_or_default())?;
        Ok::<_, String>((moment.zoned.with_time_zone(zone.clone()), moment.chosen))
    };
    let ((start, start_chosen), (end, end_chosen)) = (read("start")?, read("end")?);
    let span = start.until((Unit::Year, &end)).map_err(|cause| format!("no difference: {cause}"))?;
    let total = start.duration_until(&end);
    let parts = span.abs();
    let fraction =
        parts.get_milliseconds() * 1_000_000 + parts.get_microseconds() * 1_000 + parts.get_nanoseconds();
    let mut result = json!({
        "start": describe(&start),
        "end": describe(&end),
        "negative": total.is_negative(),
        "parts": {
            "years": parts.get_years(),
            "months": parts.get_months(),
            "days": parts.get_days(),
            "hours": parts.get_hours(),
            "minutes": parts.get_minutes(),
            "seconds": number(parts.get_seconds(), fraction),
        },
        "iso8601": span.to_string(),
        "totalSeconds": number(total.as_secs(), total.subsec_nanos().into()),
    });
    let notes: Vec<String> = [start_chosen, end_chosen].into_iter().flatten().map(|(_, note)| note).collect();
    if let (false, Some(result)) = (notes.is_empty(), result.as_object_mut()) {
        result.insert("note".into(), notes.join(". ").into());
    }
    Ok(ToolOutput::new(result))
}

/// Seconds, as a whole number where they are whole.
#[expect(clippy::cast_precision_loss, reason = "a fraction of a second in a number of JSON is never exact")]
fn number(seconds: i64, nanoseconds: i64) -> Value {
    if nanoseconds == 0 { seconds.into() } else { (seconds as f64 + nanoseconds as f64 / 1e9).into() }
}

fn disambiguation(arguments: &Arguments<'_>) -> Disambiguation {
    match arguments.text("disambiguation") {
        Some("earlier") => Disambiguation::Earlier,
        Some("later") => Disambiguation::Later,
        Some("reject") => Disambiguation::Reject,
        _ => Disambiguation::Compatible,
    }
}

fn describe(zoned: &Zoned) -> Value {
    let information = zoned.time_zone().to_offset_info(zoned.timestamp());
    json!({
        "time": iso(zoned),
        "zone": zone::name(zoned.time_zone()),
        "offset": zone::offset(zoned.offset()),
        "abbreviation": information.abbreviation(),
        "dst": information.dst().is_dst(),
        "weekday": zoned.strftime("%A").to_string(),
        "unixSeconds": zoned.timestamp().as_second(),
    })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 100, "description": description })
}

fn disambiguation_schema() -> Value {
    json!({
        "type": "string",
        "enum": ["compatible", "earlier", "later", "reject"],
        "description": "What to take where clocks change and a time comes twice or not at all. `compatible`, the \
            default, takes the earlier of two and moves a skipped time forward",
    })
}

fn instant_schema() -> Value {
    object(
        json!({
            "time": { "type": "string", "description": "ISO 8601 with offset" },
            "zone": { "type": "string" },
            "offset": { "type": "string" },
            "abbreviation": { "type": "string" },
            "dst": { "type": "boolean", "description": "Whether daylight saving time is in force" },
            "weekday": { "type": "string" },
            "unixSeconds": { "type": "integer" },
        }),
        &["time", "zone", "offset", "abbreviation", "dst", "weekday", "unixSeconds"],
    )
}

fn convert_schema() -> Value {
    object(
        json!({
            "source": instant_schema(),
            "target": instant_schema(),
            "chosen": { "type": "string", "enum": ["earlier", "later"],
                "description": "Which reading was taken; only where there was not just one" },
            "note": { "type": "string" },
        }),
        &["source", "target"],
    )
}

fn difference_schema() -> Value {
    let whole = json!({ "type": "integer", "minimum": 0 });
    let parts = object(
        json!({
            "years": whole, "months": whole, "days": whole, "hours": whole, "minutes": whole,
            "seconds": { "type": "number", "minimum": 0 },
        }),
        &["years", "months", "days", "hours", "minutes", "seconds"],
    );
    object(
        json!({
            "start": instant_schema(),
            "end": instant_schema(),
            "negative": { "type": "boolean", "description": "Whether the end is before the start" },
            "parts": parts,
            "iso8601": { "type": "string", "description": "The parts as an ISO 8601 duration" },
            "totalSeconds": { "type": "number" },
            "note": { "type": "string" },
        }),
        &["start", "end", "negative", "parts", "iso8601", "totalSeconds"],
    )
}
