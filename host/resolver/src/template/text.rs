//! Values as text (`docker-mcp-gateway.md` 10.1), numbers as JSON has them.

use host_config::{Map, Value};

/// The text of a value; nothing is an empty one.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        value => element(value),
    }
}

/// The text of a value inside a list or map, where nothing shows.
pub(super) fn element(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Unsigned(value) => value.to_string(),
        Value::Float(value) => number(*value),
        Value::Timestamp(text) => moment(text).unwrap_or_else(|| text.clone()),
        Value::Text(text) => text.clone(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(element).collect::<Vec<_>>().join(" "))
        }
        Value::Map(map) => format!("map[{}]", entries(map).join(" ")),
    }
}

fn entries(map: &Map) -> Vec<String> {
    let mut entries: Vec<&(String, Value)> = map.entries.iter().collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries.into_iter().map(|(key, value)| format!("{key}:{}", element(value))).collect()
}

/// About how many bytes a value is as text.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Timestamp(text) => text.len(),
        Value::List(items) => items.iter().map(|item| size(item) + 1).sum(),
        Value::Map(map) => map.entries.iter().map(|(key, value)| key.len() + size(value) + 2).sum(),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) => 20,
    }
}

/// The value as JSON, on one line.
pub(super) fn json(value: &Value) -> String {
    value.to_string()
}

/// Shortest digits that read back as the same number; an exponent only outside of 10^-6 to 10^21, as JSON is usually written.
fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if (1e-6..1e21).contains(&size) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

/// A date as the original prints it: `2024-01-02 00:00:00 +0000 UTC`. None for what is no date after all.
fn moment(text: &str) -> Option<String> {
    let text = text.trim();
    let (date, rest) = text.split_at(text.find(['T', 't', ' ', '\t']).unwrap_or(text.len()));
    let mut numbers = date.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let rest = rest.trim_start_matches(['T', 't', ' ', '\t']);
    if rest.is_empty() {
        return Some(format!("{year:04}-{month:02}-{day:02} 00:00:00 +0000 UTC"));
    }
    let (time, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len()));
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut numbers = time.split(':').map(|part| part.parse::<u32>().ok());
    let (hour, minute, second) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let fraction = match fraction.trim_end_matches('0') {
        "" => String::new(),
        digits => format!(".{digits}"),
    };
    let zone = match zone.trim() {
        "" | "Z" | "z" => "+0000 UTC".to_owned(),
        offset => {
            let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
            let sign = if offset.starts_with('-') { '-' } else { '+' };
            let digits = match digits.len() {
                1 => format!("0{digits}00"),
                2 => format!("{digits}00"),
                3 => format!("0{digits}"),
                _ => digits,
            };
            if digits == "0000" { "+0000 UTC".to_owned() } else { format!("{sign}{digits} {sign}{digits}") }
        }
    };
    Some(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction} {zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of section 10.1; 1000000, 12345678 and 0.00001 are written without an exponent on purpose.
    #[test]
    fn numbers_are_written_as_json() {
        for (value, text) in [
            (999_999.0, "999999"),
            (1_000_000.0, "1000000"),
            (12_345_678.0, "12345678"),
            (8080.0, "8080"),
            (0.0001, "0.0001"),
            (0.00001, "0.00001"),
            (1.0, "1"),
            (1.5, "1.5"),
            (-0.0, "0"),
            (1e21, "1e21"),
            (1e-7, "1e-7"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn dates_are_written_as_the_original_does() {
        for (text, expected) in [
            ("2024-01-02", "2024-01-02 00:00:00 +0000 UTC"),
            ("2024-1-2T3:04:05Z", "2024-01-02 03:04:05 +0000 UTC"),
            ("2024-01-02 15:04:05.50 +01:00", "2024-01-02 15:04:05.5 +0100 +0100"),
            ("2024-01-02t15:04:05", "2024-01-02 15:04:05 +0000 UTC"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(element(&Value::Timestamp(text.to_owned())), expected);
        }
    }
}
