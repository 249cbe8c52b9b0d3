//! When a request is sent again: pure rules over what came back.

use crate::error::{Error, ErrorKind};
use std::time::{Duration, SystemTime};

/// How often a request is sent at most.
pub(crate) const MOST: u32 = 5;
/// The first pause, and the longest that nobody asked for.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// The longest pause that a host is granted: a day.
const LONGEST_WISH: Duration = Duration::from_secs(86_400);

/// What came back.
pub(crate) enum Came<'a> {
    /// A status, and what `Retry-After` says.
    Status(u16, Option<Duration>),
    /// Nothing.
    Nothing(&'a Error),
}

/// How long to wait before the request is sent again; `None`: it is not. `attempt` counts from 1, `jitter` is between 0 and 1, `left` is the time
/// that the caller has.
pub(crate) fn again(
    came: &Came<'_>,
    repeatable: bool,
    attempt: u32,
    jitter: f64,
    left: Duration,
) -> Option<Duration> {
    let (worth_it, asked) = match came {
        Came::Status(429 | 502 | 503 | 504 | 500, after) => (repeatable, *after),
        Came::Status(..) => (false, None),
        // Nobody has seen it.
        Came::Nothing(error) if error.kind == ErrorKind::Unreachable => (true, None),
        Came::Nothing(error) if error.kind == ErrorKind::Broken => (repeatable, None),
        Came::Nothing(_) => (false, None),
    };
    if !worth_it || attempt >= MOST {
        return None;
    }
    let pause = asked.unwrap_or_else(|| pause(attempt, jitter));
    // Who would wait beyond the time learns now what came.
    (pause < left).then_some(pause)
}

/// Doubles, between a half and the whole of it.
fn pause(attempt: u32, jitter: f64) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST);
    whole.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

/// `Retry-After`: seconds or a date. What is longer than [`LONGEST_WISH`] counts as that: a host must not be able to name a time that no clock has.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wish = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().map_or(LONGEST_WISH, Duration::from_secs)
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wish.min(LONGEST_WISH))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_repeated() {
        let unreachable = Error::new(ErrorKind::Unreachable, "");
        let broken = Error::new(ErrorKind::Broken, "");
        let refused = Error::new(ErrorKind::Refused, "");
        for (came, repeatable, expected) in [
            (Came::Status(200, None), true, false),
            (Came::Status(400, None), true, false),
            (Came::Status(429, None), true, true),
            (Came::Status(429, None), false, false),
            (Came::Status(500, None), true, true),
            (Came::Status(501, None), true, false),
            (Came::Status(503, None), false, false),
            (Came::Nothing(&unreachable), false, true),
            (Came::Nothing(&broken), false, false),
            (Came::Nothing(&broken), true, true),
            (Came::Nothing(&refused), true, false),
        ] {
            assert_eq!(again(&came, repeatable, 1, 0.5, LEFT).is_some(), expected);
        }
        assert_eq!(again(&Came::Status(503, None), true, MOST, 0.5, LEFT), None);
    }

    #[test]
    fn pauses_grow_and_a_wish_of_the_server_counts() {
        let pause = |attempt, jitter| again(&Came::Status(503, None), true, attempt, jitter, LEFT).unwrap();
        assert_eq!(pause(1, 0.0), Duration::from_millis(100));
        assert_eq!(pause(1, 1.0), Duration::from_millis(200));
        assert_eq!(pause(3, 1.0), Duration::from_millis(800));
        let asked =
            |seconds| again(&Came::Status(429, Some(Duration::from_secs(seconds))), true, 1, 0.5, LEFT);
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        // Longer than anybody waits: the answer goes back as it is.
        assert_eq!(asked(61), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Wed, 21 Oct 2026 07:28:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Wed, 21 Oct 2026 07:00:00 GMT", now), Some(Duration::ZERO));
        for text in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(text, now), None, "{text}");
        }
        // A wish beyond what a clock can add is a day, as any long one.
        for text in
            ["86401", "18446744073709551615", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"]
        {
            assert_eq!(retry_after(text, now), Some(LONGEST_WISH), "{text}");
        }
    }
}
