//! Time zones by name: what was meant, or which names are like it.

use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::{self, Offset, TimeZone};

/// The zone of this name: an IANA name in any case, or a fixed offset such as `+05:30`.
pub(crate) fn find(name: &str) -> Result<TimeZone, String> {
    let name = name.trim();
    let found = if name.starts_with(['+', '-']) {
        DateTimeParser::new().parse_time_zone(name).ok()
    } else {
        tz::db().get(name).ok()
    };
    // The database has a zone for "unknown", which nobody asks for on purpose.
    found.filter(|zone| !zone.is_unknown()).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> String {
    let names: Vec<_> = tz::db().available().collect();
    let near = server_kit::nearest(name, names.iter().map(|name| name.as_str()), 3);
    if near.is_empty() {
        format!(
            "there is no time zone `{name}`; use an IANA name such as `Europe/Berlin`, or an offset such as `+05:30`"
        )
    } else {
        format!("there is no time zone `{name}`; the nearest names are `{}`", near.join("`, `"))
    }
}

/// The name of a zone as the database writes it, or its offset.
pub(crate) fn name(zone: &TimeZone) -> String {
    match (zone.iana_name(), zone.to_fixed_offset()) {
        (Some(name), _) => name.to_owned(),
        (None, Ok(fixed)) => offset(fixed),
        (None, Err(_)) => "unknown".into(),
    }
}

/// An offset as `+05:30`, with seconds only where there are some.
pub(crate) fn offset(offset: Offset) -> String {
    let (sign, seconds) = (if offset.is_negative() { '-' } else { '+' }, offset.seconds().unsigned_abs());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match seconds {
        0 => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}
