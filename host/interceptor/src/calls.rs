//! The log of calls (`docker-mcp-gateway.md` 20.1). Lines are gathered and written together, so that a busy gateway does not make a system call
//! for each.

use crate::Say;
use host_provisioner::sanitize;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a line may wait for others.
const WAIT: Duration = Duration::from_millis(20);
/// Bytes of lines that wait; more are written at once.
const MOST: usize = 32 << 10;
/// Bytes of a tool's name that are shown.
const NAME: usize = 200;

/// The log of calls. Cheap to clone.
#[derive(Clone)]
pub struct CallLog {
    say: Say,
    waiting: Arc<Mutex<String>>,
}

impl CallLog {
    /// `say` gets one or several lines at a time, without the last line feed.
    #[must_use]
    pub fn new(say: Say) -> Self {
        Self { say, waiting: Arc::default() }
    }

    /// A call that reaches its tool. Values are never told, only what kind they are and how many.
    pub(crate) fn begins(&self, tool: &str, arguments: Option<&[u8]>) {
        let tool = sanitize::line(tool, NAME);
        self.line(format_args!("  - Calling tool {tool} with arguments: {}", Summary(arguments)));
    }

    /// A result that came.
    pub(crate) fn ends(&self, tool: &str, took: Duration) {
        self.line(format_args!("  > Calling tool {} took: {took:?}", sanitize::line(tool, NAME)));
    }

    /// Writes what waits.
    pub fn flush(&self) {
        let text = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if !text.is_empty() {
            (self.say)(text.trim_end_matches('\n'));
        }
    }

    fn line(&self, line: std::fmt::Arguments<'_>) {
        let (first, full) = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let first = waiting.is_empty();
            let _ = writeln!(waiting, "{line}");
            (first, waiting.len() > MOST)
        };
        if full {
            return self.flush();
        }
        if first {
            let log = self.clone();
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => {
                    runtime.spawn(async move {
                        tokio::time::sleep(WAIT).await;
                        log.flush();
                    });
                }
                Err(_) => self.flush(),
            }
        }
    }
}

impl Drop for CallLog {
    fn drop(&mut self) {
        // The last one; a task that waits has one too.
        if Arc::strong_count(&self.waiting) == 1 {
            self.flush();
        }
    }
}

/// What arguments are, without what they hold.
struct Summary<'a>(Option<&'a [u8]>);

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let raw = self.0.unwrap_or(b"null").trim_ascii();
        match raw.first() {
            Some(b'n') => f.write_str("none"),
            Some(b'{') => write!(f, "object with {} field(s)", count(raw)),
            Some(b'[') => write!(f, "array with {} item(s)", count(raw)),
            Some(b'"') => f.write_str("string"),
            Some(b't' | b'f') => f.write_str("boolean"),
            Some(b'-' | b'0'..=b'9') => f.write_str("number"),
            _ => f.write_str("raw JSON"),
        }
    }
}

/// Members or elements of the outermost object or array. The text is valid JSON.
fn count(raw: &[u8]) -> usize {
    let (mut depth, mut commas, mut inside, mut escaped, mut any) = (0_usize, 0, false, false, false);
    for byte in raw {
        match (inside, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => inside = false,
            (true, _) => {}
            (false, b'{' | b'[') => {
                any |= depth == 1;
                depth += 1;
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (false, b',') if depth == 1 => commas += 1,
            (false, b'"') => {
                any |= depth == 1;
                inside = true;
            }
            (false, byte) => any |= depth == 1 && !byte.is_ascii_whitespace(),
        }
    }
    if any { commas + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_summed_up_and_never_told() {
        for (raw, summary) in [
            (None, "none"),
            (Some("null"), "none"),
            (Some("{}"), "object with 0 field(s)"),
            (Some("{ }"), "object with 0 field(s)"),
            (Some("{\"a,\\\"b\":{\"c\":[1,2],\"d\":3}, \"e\":\"x,y\"}"), "object with 2 field(s)"),
            (Some("[]"), "array with 0 item(s)"),
            (Some("[[1,2],{},3]"), "array with 3 item(s)"),
            (Some("[[]]"), "array with 1 item(s)"),
            (Some("[7]"), "array with 1 item(s)"),
            (Some("\"s\""), "string"),
            (Some("true"), "boolean"),
            (Some("-1.5"), "number"),
            (Some(""), "raw JSON"),
        ] {
            assert_eq!(Summary(raw.map(str::as_bytes)).to_string(), summary, "{raw:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_written_together_and_none_is_lost() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&said);
        let log = CallLog::new(Arc::new(move |text: &str| into.lock().unwrap().push(text.to_owned())));
        log.begins("a\nb", Some(b"{\"k\":1}"));
        log.ends("a\nb", Duration::from_micros(1500));
        assert!(said.lock().unwrap().is_empty());
        tokio::time::sleep(WAIT * 2).await;
        let both = "  - Calling tool a\\nb with arguments: object with 1 field(s)\n  > Calling tool a\\nb took: 1.5ms";
        assert_eq!(*said.lock().unwrap(), [both]);
        log.begins("c", None);
        drop(log);
        tokio::time::sleep(WAIT * 2).await;
        assert_eq!(said.lock().unwrap()[1..], ["  - Calling tool c with arguments: none"]);
    }
}
