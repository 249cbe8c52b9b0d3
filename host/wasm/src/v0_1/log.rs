//! `log`: lines of a plugin in the gateway's log, escaped, cut, and summarised when there are too many.

use crate::sanitize;
use crate::state::CallState;
use crate::v0_1::imported::log::{Host, Level};

/// Lines of one call that are written; the rest is counted.
const LINES: u32 = 200;
/// Fields of one line.
const FIELDS: usize = 32;
/// Bytes of a field.
const FIELD: usize = 1 << 10;

/// Counts the lines of one call.
#[derive(Default)]
pub(crate) struct Lines {
    written: u32,
    dropped: u64,
}

impl Lines {
    /// Says how much was left out. Called when the instance is gone.
    pub(crate) fn finish(&self, plugin: &str) {
        if self.dropped > 0 {
            tracing::warn!(
                plugin,
                dropped = self.dropped,
                "the plugin wrote more than {LINES} lines in one call"
            );
        }
    }
}

impl Host for CallState {
    fn write(
        &mut self,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.enter("log.write")?;
        if self.lines.written >= LINES {
            self.lines.dropped += 1;
            return Ok(());
        }
        self.lines.written += 1;
        let plugin = self.scope.plugin.name.as_str();
        let server = self.scope.server.as_ref().map_or("", |server| server.spec.name.as_str());
        // No line is put together that nobody reads.
        macro_rules! write {
            ($level:ident) => {
                if tracing::enabled!(tracing::Level::$level) {
                    let (message, fields) = (sanitize::line(&message, sanitize::LINE), joined(&fields));
                    tracing::event!(tracing::Level::$level, plugin, server, fields, "{message}");
                }
            };
        }
        match level {
            Level::Debug => write!(DEBUG),
            Level::Info => write!(INFO),
            Level::Warn => write!(WARN),
        }
        Ok(())
    }
}

fn joined(fields: &[(String, String)]) -> String {
    let fields = fields.iter().take(FIELDS);
    let fields = fields.map(|(k, v)| format!("{}={}", sanitize::line(k, 64), sanitize::line(v, FIELD)));
    fields.collect::<Vec<_>>().join(" ")
}
