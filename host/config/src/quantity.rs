//! Sizes, lengths of time and numbers of processors as people write them.

use std::fmt;
use std::time::Duration;

use crate::misfit::Misfit;

/// Bytes in the units that files use.
const UNITS: [(char, u32); 6] = [('k', 10), ('m', 20), ('g', 30), ('t', 40), ('p', 50), ('b', 0)];

/// An amount of memory in bytes: `64MiB`, `512m`, `2Gb`, `1.5g`, `1048576`.
///
/// As in Docker, units are binary whether or not they say so, and letter case does not matter.
///
/// # Errors
/// Anything else, nothing at all (`0`), and more than fits.
pub fn parse_size(text: &str) -> Result<u64, Misfit> {
    let hint = "write it like `512MiB`, `64m` or `2Gb`";
    let misfit = |why: &str| Misfit::new(text, why).hint(hint);
    let end = text.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let shift = match unit.as_str() {
        "" => 0,
        unit => {
            let known = |(letter, shift)| {
                let rest = unit.strip_prefix(letter)?;
                let fits = if letter == 'b' { rest.is_empty() } else { matches!(rest, "" | "b" | "ib") };
                fits.then_some(shift)
            };
            UNITS.into_iter().find_map(known).ok_or_else(|| misfit("not a size"))?
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(misfit("not a size"));
    }
    let too_large = || misfit("larger than any memory");
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let bytes =
        whole.checked_mul(1 << shift).filter(|bytes| i64::try_from(*bytes).is_ok()).ok_or_else(too_large)?;
    // A fraction is less than one unit, so rounding loses less than a byte of it.
    let part: f64 = format!("0.{fraction}").parse().unwrap_or(0.0);
    match bytes + (part * (1_u64 << shift) as f64) as u64 {
        0 => Err(misfit("no memory at all")),
        bytes => Ok(bytes),
    }
}

/// A size in the largest unit that says it exactly: `64MiB`.
pub fn format_size(bytes: u64) -> String {
    let unit = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)]
        .into_iter()
        .find(|(_, shift)| bytes >= 1 << shift && bytes.trailing_zeros() >= *shift);
    match unit {
        Some((name, shift)) => format!("{}{name}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

/// A length of time: `300ms`, `5s`, `10m`, `1h`, `1h30m`, `1.5s`, `2d`; a bare `0` is none.
///
/// # Errors
/// A number without a unit, anything else, and more than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, Misfit> {
    let misfit = |why: &str| Misfit::new(text, why).hint("write it like `300ms`, `5s`, `10m` or `1h30m`");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(
            Misfit::new(text, "a number without a unit of time").hint(format!("seconds are `{text}s`"))
        );
    }
    let mut rest = text;
    let mut total = 0.0_f64;
    let mut smallest = f64::INFINITY;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(misfit("not a length of time")),
        };
        // From large to small, each once: `30m1h` is more likely a slip than a wish.
        if seconds >= smallest || !number.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(misfit("not a length of time"));
        }
        smallest = seconds;
        total += number.parse::<f64>().map_err(|_| misfit("not a length of time"))? * seconds;
        rest = after;
    }
    if text.is_empty() {
        return Err(misfit("not a length of time"));
    }
    if total > 3_153_600_000.0 {
        return Err(misfit("longer than a hundred years"));
    }
    // To the microsecond, so that `0.1s` is not 100.000000005 ms.
    Ok(Duration::from_micros((total * 1e6).round() as u64))
}

/// A length of time that is more than none.
///
/// # Errors
/// As [`parse_duration`], and none at all.
pub fn parse_timeout(text: &str) -> Result<Duration, Misfit> {
    match parse_duration(text)? {
        Duration::ZERO => Err(Misfit::new(text, "no time at all").hint("write it like `30s`")),
        duration => Ok(duration),
    }
}

/// A length of time as files write it: `1h30m`.
pub fn format_duration(duration: Duration) -> String {
    let mut milliseconds = duration.as_millis();
    let mut text = String::new();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if milliseconds >= size {
            text.push_str(&format!("{}{unit}", milliseconds / size));
            milliseconds %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A share of processors, exact to a billionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus {
    nanos: u64,
}

impl Cpus {
    /// From billionths of a processor.
    pub fn from_nanos(nanos: u64) -> Cpus {
        Cpus { nanos }
    }

    /// Billionths of a processor, as Docker's API wants it.
    pub fn nanos(self) -> u64 {
        self.nanos
    }

    /// Thousandths of a processor, rounded up, as Kubernetes and the clouds want it.
    pub fn millis(self) -> u64 {
        self.nanos.div_ceil(1_000_000)
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:09}", self.nanos / 1_000_000_000, self.nanos % 1_000_000_000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A number of processors: `1`, `0.5`, or `500m` as Kubernetes writes it.
///
/// # Errors
/// Anything else, none at all, and more than ten thousand.
pub fn parse_cpus(text: &str) -> Result<Cpus, Misfit> {
    let misfit = |why: &str| Misfit::new(text, why).hint("write it like `0.5` or `2`");
    let (number, unit) = match text.strip_suffix('m') {
        Some(number) => (number, 1_000_000_u64),
        None => (text, 1_000_000_000),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(misfit("not a number of processors"));
    }
    let whole: u64 = whole.parse().map_err(|_| misfit("not a number of processors"))?;
    let billionths: u64 = format!("{fraction:0<9}").parse().unwrap_or(0);
    let nanos = whole.saturating_mul(unit) + billionths * unit / 1_000_000_000;
    match nanos {
        0 => Err(misfit("no processor at all")),
        nanos if nanos > 10_000 * 1_000_000_000 => Err(misfit("more processors than there are")),
        nanos => Ok(Cpus { nanos }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        const MIB: u64 = 1 << 20;
        let cases = [
            ("64MiB", 64 * MIB),
            ("64mib", 64 * MIB),
            ("2Gb", 2 << 30),
            ("2gb", 2 << 30),
            ("2GiB", 2 << 30),
            ("512m", 512 * MIB),
            ("512 MB", 512 * MIB),
            ("64 MiB", 64 * MIB),
            ("1.5g", 1536 * MIB),
            ("32k", 32 << 10),
            ("1t", 1 << 40),
            ("1048576", MIB),
            ("100b", 100),
            ("0.5k", 512),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        let refused = [
            "", "MiB", "64MX", "64  MiB", "-1m", "1e3", "64MiBs", "1.m", ".5m", "1.2.3m", "0", "0m",
            "9999999p",
        ];
        for text in refused {
            parse_size(text).unwrap_err();
        }
        assert_eq!(
            parse_size("64MX").unwrap_err().to_string(),
            "`64MX` is not a size; write it like `512MiB`, `64m` or `2Gb`"
        );
    }

    #[test]
    fn sizes_are_written_back() {
        for text in ["64MiB", "3GiB", "1536MiB", "1000B", "1KiB", "1TiB"] {
            assert_eq!(format_size(parse_size(text).unwrap()), text);
        }
    }

    #[test]
    fn durations() {
        let cases = [
            ("300ms", 300),
            ("5s", 5_000),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("0.1s", 100),
            ("2d", 172_800_000),
            ("0s", 0),
            ("0", 0),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(milliseconds), "{text}");
        }
        for text in
            ["", "s", "5", "5x", "5 s", "-5s", "30m1h", "5s5s", "1.2.3s", ".s", ".5s", "1e3s", "99999999d"]
        {
            parse_duration(text).unwrap_err();
        }
        assert_eq!(
            parse_duration("60").unwrap_err().to_string(),
            "`60` is a number without a unit of time; seconds are `60s`"
        );
        parse_timeout("0s").unwrap_err();
    }

    #[test]
    fn durations_are_written_back() {
        for text in ["300ms", "5s", "10m", "1h30m", "0s", "1s500ms"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn processors() {
        let cases = [
            ("1", 1_000_000_000, "1"),
            ("0.5", 500_000_000, "0.5"),
            ("500m", 500_000_000, "0.5"),
            ("2.25", 2_250_000_000, "2.25"),
            ("0.000000001", 1, "0.000000001"),
            ("10", 10_000_000_000, "10"),
        ];
        for (text, nanos, written) in cases {
            let cpus = parse_cpus(text).unwrap();
            assert_eq!((cpus.nanos(), cpus.to_string().as_str()), (nanos, written), "{text}");
        }
        assert_eq!(parse_cpus("0.0001").unwrap().millis(), 1);
        for text in ["", "0", "0.0", "x", "-1", "1e3", "1.", ".5", "99999", "inf", "0.0000000001"] {
            parse_cpus(text).unwrap_err();
        }
    }
}
