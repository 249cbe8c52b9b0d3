//! Why a plugin could not be loaded, and what a stopped instance means for whoever called it.

use crate::limits::{Limits, Met};
use crate::output::Tail;
use crate::sanitize;
use host_provisioner::{Class, Failure, Phase};
use std::fmt;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

/// What kind of obstacle it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// The file cannot be read or is too large.
    File,
    /// It is no WebAssembly component, or a damaged one.
    Format,
    /// It is a component, but no plugin of this track.
    Contract,
    /// It imports what it was not granted, or what nobody is offered.
    Grant,
    /// It did not compile, or not in time.
    Compile,
    /// Its description could not be had or breaks a rule.
    Description,
    /// The operator's settings for it do not fit its schema.
    Settings,
    /// It cannot replace the one that runs.
    Replace,
    /// The engine of this process cannot be built.
    Engine,
}

/// Why a plugin could not be loaded. Holds no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The operator's name for the plugin.
    pub plugin: String,
    /// What kind of obstacle it is.
    pub kind: LoadErrorKind,
    /// A lower-case fragment: `imports …, which is not granted`.
    pub text: String,
    /// What the operator can do.
    pub hint: Option<String>,
}

impl LoadError {
    pub(crate) fn new(plugin: &str, kind: LoadErrorKind, text: impl AsRef<str>) -> Self {
        Self {
            plugin: plugin.to_owned(),
            kind,
            text: sanitize::line(text.as_ref(), sanitize::LINE),
            hint: None,
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl AsRef<str>) -> Self {
        self.hint = Some(sanitize::line(hint.as_ref(), sanitize::LINE));
        self
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin `{}` {}", self.plugin, self.text)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LoadError {}

/// What a host function throws when the plugin breaks a rule of the contract that no answer can express.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) String);

/// What ends an instance on purpose (`faults`).
#[derive(Debug, thiserror::Error)]
#[error("cut at `{0}` by a test")]
pub(crate) struct Cut(pub(crate) &'static str);

/// Lines of standard error that stand in a failure.
const LAST_LINES: usize = 4;
/// Frames that stand in a failure.
const FRAMES: usize = 4;
/// Bytes of the name of a function.
const FUNCTION: usize = 120;

/// Reads why an instance was stopped. `begun` tells whether it ran at all: before that, what has no name is the machine's doing.
pub(crate) fn stopped(
    plugin: &str,
    phase: Phase,
    error: &wasmtime::Error,
    begun: bool,
    limits: &Limits,
    output: &Tail,
) -> Failure {
    if let Some(met) = met(error, limits) {
        return limit(plugin, phase, &met);
    }
    let mut failure = if error.is::<PoolConcurrencyLimitError>() {
        busy(plugin, phase)
    } else if let Some(cut) = error.downcast_ref::<Cut>() {
        Failure::new(phase, Class::Other, format!("plugin `{plugin}` was {cut}"))
    } else if let Some(broken) = error.downcast_ref::<Broken>() {
        Failure::new(phase, Class::Permanent, format!("plugin `{plugin}` broke the contract: {broken}"))
    } else if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        let text = format!("plugin `{plugin}` ended itself with exit code {} instead of answering", exit.0);
        Failure::new(phase, Class::Permanent, text)
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        let what = match trap {
            Trap::UnreachableCodeReached => "gave up (a panic or an abort)".to_owned(),
            Trap::StackOverflow => "ran out of stack: it calls itself too deeply".to_owned(),
            Trap::CannotEnterComponent => {
                // We never call into an instance twice.
                let text = format!("internal error: plugin `{plugin}` was entered after it had stopped");
                return named(Failure::new(phase, Class::Other, text), plugin);
            }
            other => format!("trapped: {other}"),
        };
        Failure::new(phase, Class::Permanent, format!("plugin `{plugin}` {what}"))
    } else if !begun {
        let text = format!("plugin `{plugin}` could not be started: {}", error.root_cause());
        Failure::new(phase, Class::Retryable, text).with_hint("the machine may be out of memory")
    } else {
        // What is left comes from the boundary: text that is not UTF-8, a case that does not exist.
        Failure::new(
            phase,
            Class::Permanent,
            format!("plugin `{plugin}` broke the contract: {}", error.root_cause()),
        )
    };
    let mut text = std::mem::take(&mut failure.text);
    let lines = output.last_lines(LAST_LINES);
    if !lines.is_empty() {
        text.push_str(&format!("; its last words: {}", lines.join(" | ")));
    }
    text.push_str(&frames(error));
    failure.text = sanitize::line(&text, sanitize::LINE);
    named(failure, plugin)
}

/// The failure for a limit, with the setting that raises it.
pub(crate) fn limit(plugin: &str, phase: Phase, met: &Met) -> Failure {
    let class = if matches!(met, Met::Call(_)) { Class::Timeout } else { Class::Permanent };
    let failure = Failure::new(phase, class, format!("plugin `{plugin}` {met}"));
    named(
        match met.setting() {
            Some(setting) => failure.with_hint(format!(
                "if the plugin is right to need that, raise `plugins.{plugin}.limits.{setting}`"
            )),
            None => failure,
        },
        plugin,
    )
}

/// Every place is taken.
pub(crate) fn busy(plugin: &str, phase: Phase) -> Failure {
    let text = format!("plugin `{plugin}` is busy: as many calls run as may");
    let hint =
        format!("it is tried again; `plugins.{plugin}.limits.concurrency` says how many may run at once");
    named(Failure::new(phase, Class::Retryable, text).with_hint(hint), plugin)
}

/// The same with the plugin's name in its field.
pub(crate) fn named(mut failure: Failure, plugin: &str) -> Failure {
    plugin.clone_into(&mut failure.plugin);
    failure
}

/// The limit behind an error. wasmtime's own limits have no type; a test holds on to their texts.
fn met(error: &wasmtime::Error, limits: &Limits) -> Option<Met> {
    if let Some(met) = error.downcast_ref::<Met>() {
        return Some(met.clone());
    }
    let text = error.root_cause().to_string();
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        Some(Met::Data(limits.data))
    } else if text.contains("handle limit exceeded") || text.contains("resource table has no free keys") {
        Some(Met::Handles(limits.handles))
    } else {
        None
    }
}

/// ` (in a, called by b)`, as far as the component tells names.
fn frames(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    // The machinery of a panic says nothing; what called it does.
    let dull = ["panic", "abort", "unwind", "__rust", "rust_begin", "lang_start"];
    let names: Vec<String> = trace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name().map(str::to_owned))
        .filter(|name| !dull.iter().any(|word| name.contains(word)))
        .take(FRAMES)
        .map(|name| name.chars().take(FUNCTION).collect())
        .collect();
    if names.is_empty() { String::new() } else { format!(" (in {})", names.join(", called by ")) }
}
