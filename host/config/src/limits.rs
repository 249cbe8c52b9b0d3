//! What one plugin may use up.

use std::time::Duration;

use crate::decode::Fields;
use crate::decode::table::{Form, Table, key};
use crate::quantity::{parse_size, parse_timeout};
use crate::report::Report;

/// What one plugin may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of one instance in bytes.
    pub memory: u64,
    /// How long one call may take, waiting included.
    pub call: Duration,
    /// How long one call may compute.
    pub cpu: Duration,
    /// How many handles one call may hold at once.
    pub handles: u32,
    /// How many host functions one call may use.
    pub host_calls: u32,
    /// How many calls may run at once.
    pub concurrency: u32,
    /// How much one call of a host function may hand over to the host and get from it, in bytes.
    pub data: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory: 64 << 20,
            call: Duration::from_secs(60),
            cpu: Duration::from_secs(5),
            handles: 1000,
            host_calls: 10_000,
            concurrency: 256,
            data: 16 << 20,
        }
    }
}

pub(crate) static LIMITS: Table = Table::new(
    "plugins.NAME.limits",
    "What the plugin may use up.",
    &[&[
        key("memory", Form::Size, "Memory of one instance.").or("64MiB"),
        key("call", Form::Duration, "How long one call may take, waiting included.").or("60s"),
        key("cpu", Form::Duration, "How long one call may compute.").or("5s"),
        key("handles", Form::Integer, "How many handles one call may hold at once.").or("1000"),
        key("hostCalls", Form::Integer, "How many host functions one call may use.").or("10000"),
        key(
            "concurrency",
            Form::Integer,
            "How many calls may run at once; at most 512, because the places of all plugins are shared.",
        )
        .or("256"),
        key("data", Form::Size, "How much one call of a host function may hand over and get.").or("16MiB"),
    ]],
);

/// The largest count that is more than a slip of the finger.
const MOST: i64 = 10_000_000;

impl Limits {
    pub(crate) fn decode(fields: Fields<'_>, report: &mut Report) -> Limits {
        let defaults = Limits::default();
        let limits = Limits {
            memory: fields.parsed("memory", report, parse_size).unwrap_or(defaults.memory),
            call: fields.parsed("call", report, parse_timeout).unwrap_or(defaults.call),
            cpu: fields.parsed("cpu", report, parse_timeout).unwrap_or(defaults.cpu),
            handles: fields.count("handles", 1, MOST, report).unwrap_or(defaults.handles),
            host_calls: fields.count("hostCalls", 1, MOST, report).unwrap_or(defaults.host_calls),
            concurrency: fields.count("concurrency", 1, MOST, report).unwrap_or(defaults.concurrency),
            data: fields.parsed("data", report, parse_size).unwrap_or(defaults.data),
        };
        fields.done();
        limits
    }
}
