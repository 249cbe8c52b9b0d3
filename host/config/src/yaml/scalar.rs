//! What a scalar means: text by default, something else where its bare text says so.
//!
//! Two readings exist. [`Schema::Core`] is YAML 1.2's and holds for our own files. [`Schema::Docker`]
//! is what Docker's gateway makes of untyped values: YAML 1.2 with the octals, binaries, underscores
//! and dates of YAML 1.1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Style, Tag};

/// Which reading of bare scalars applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// YAML 1.2 core.
    Core,
    /// YAML 1.2 with YAML 1.1 numbers and dates.
    Docker,
}

/// A scalar with its meaning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Timestamp(String),
    Text(String),
}

impl Scalar {
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Scalar::Null => "nothing",
            Scalar::Bool(true) => "`true`",
            Scalar::Bool(false) => "`false`",
            Scalar::Integer(_) | Scalar::Unsigned(_) | Scalar::Float(_) => "a number",
            Scalar::Timestamp(_) | Scalar::Text(_) => "text",
        }
    }
}

/// Whether a scalar is nothing.
pub(crate) fn is_null(text: &str, style: Style, tag: Option<&Tag>) -> bool {
    match tag {
        None => style == Style::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL"),
        Some(Tag::Core(name)) => &**name == "null",
        Some(Tag::Other) => false,
    }
}

/// The text of a scalar where text is wanted: its source text, except that `!!binary` is decoded.
pub(crate) fn source_text(text: &str, tag: Option<&Tag>) -> String {
    match tag {
        Some(Tag::Core(name)) if &**name == "binary" => {
            decode_binary(text).unwrap_or_else(|| text.to_owned())
        }
        _ => text.to_owned(),
    }
}

/// The meaning of a scalar where anything is allowed.
pub(crate) fn resolve(text: &str, style: Style, tag: Option<&Tag>, schema: Schema) -> Scalar {
    let typed = match tag {
        None => style == Style::Plain,
        // `!!int "5"` is 5: the tag says more than the quotes.
        Some(Tag::Core(name)) => !matches!(&**name, "str" | "binary"),
        Some(Tag::Other) => false,
    };
    if is_null(text, style, tag) {
        Scalar::Null
    } else if typed {
        plain(text, schema)
    } else {
        Scalar::Text(source_text(text, tag))
    }
}

fn decode_binary(text: &str) -> Option<String> {
    let packed: String = text.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(packed).ok()?).ok()
}

fn plain(text: &str, schema: Schema) -> Scalar {
    match text {
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    // Everything else that is not text starts like a number.
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-')) {
        return Scalar::Text(text.to_owned());
    }
    if schema == Schema::Docker && is_timestamp(text) {
        return Scalar::Timestamp(text.to_owned());
    }
    let digits = match schema {
        Schema::Core => text.to_owned(),
        Schema::Docker => text.replace('_', ""),
    };
    if let Some(number) = integer(&digits, schema) {
        return number;
    }
    match is_float(&digits).then(|| digits.parse::<f64>().ok()).flatten() {
        Some(float) => Scalar::Float(float),
        None => Scalar::Text(text.to_owned()),
    }
}

fn integer(text: &str, schema: Schema) -> Option<Scalar> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let prefixed = |low: &str, high: &str| digits.strip_prefix(low).or_else(|| digits.strip_prefix(high));
    let (digits, radix) = match schema {
        Schema::Core => match (digits.strip_prefix("0x"), digits.strip_prefix("0o")) {
            (Some(hex), _) => (hex, 16),
            (_, Some(octal)) => (octal, 8),
            _ => (digits, 10),
        },
        Schema::Docker => {
            if let Some(hex) = prefixed("0x", "0X") {
                (hex, 16)
            } else if let Some(binary) = prefixed("0b", "0B") {
                (binary, 2)
            } else if let Some(octal) = prefixed("0o", "0O") {
                (octal, 8)
            } else if digits.len() > 1 && digits.starts_with('0') {
                (digits, 8)
            } else {
                (digits, 10)
            }
        }
    };
    // `from_str_radix` would take a second sign.
    if digits.is_empty() || !digits.bytes().all(|b| (b as char).is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match (i64::try_from(magnitude), sign) {
        (Ok(value), false) => Some(Scalar::Integer(value)),
        (Ok(value), true) => Some(Scalar::Integer(-value)),
        (Err(_), false) => Some(Scalar::Unsigned(magnitude)),
        (Err(_), true) => (magnitude == i64::MIN.unsigned_abs()).then_some(Scalar::Integer(i64::MIN)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// A date `2024-1-2`, with an optional time of day.
fn is_timestamp(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let number = |part: Option<&str>, width: std::ops::RangeInclusive<usize>, most: u32| {
        part.filter(|part| width.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|part| part.parse::<u32>().ok())
            .is_some_and(|value| value <= most)
    };
    let is_date = number(parts.next(), 4..=4, 9999)
        && number(parts.next(), 1..=2, 12)
        && number(parts.next(), 1..=2, 31)
        && parts.next().is_none();
    is_date
        && time.is_none_or(|time| {
            let clock = time.trim_end_matches(|c: char| c == 'Z' || c.is_whitespace());
            let clock = match clock.rfind(['+', '-']) {
                Some(at) => clock.get(..at).unwrap_or_default().trim_end(),
                None => clock,
            };
            let mut parts = clock.split(':');
            number(parts.next(), 1..=2, 23)
                && number(parts.next(), 1..=2, 59)
                && parts.next().is_some_and(|second| {
                    let (whole, fraction) = second.split_once('.').unwrap_or((second, "0"));
                    number(Some(whole), 1..=2, 59) && fraction.bytes().all(|b| b.is_ascii_digit())
                })
                && parts.next().is_none()
        })
}
