//! How a workload has ended, in a sentence.

use crate::error::printable;
use crate::limits::MemoryLimit;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// Frames that the sentence about a trap names.
const FRAMES: usize = 3;

/// Where a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Running,
    /// It has ended, by itself or not.
    Ended,
    /// There never was one of that id, or it ended so long ago that it is forgotten.
    Unknown,
}

/// What is known about a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Where it is.
    pub status: Status,
    /// What it gave as exit code, if it ended by itself. WASI 0.2 as most languages use it only tells success (0) from failure (1).
    pub exit_code: Option<i32>,
    /// Whether it ended because it got no more memory.
    pub out_of_memory: bool,
    /// Lower-case fragment for people: `memory limit of 64 MiB (`memory`) reached`.
    pub text: String,
}

impl Info {
    pub(crate) fn new(status: Status, exit_code: Option<i32>, text: &str) -> Self {
        Self { status, exit_code, out_of_memory: false, text: text.to_owned() }
    }

    /// The end by order of the gateway.
    pub(crate) fn stopped() -> Self {
        Self::new(Status::Ended, None, "stopped")
    }

    /// The end by a mistake of ours.
    pub(crate) fn failed() -> Self {
        Self::new(Status::Ended, None, "failed: internal error of the embedded engine")
    }

    fn exited(code: i32) -> Self {
        Self::new(Status::Ended, Some(code), &format!("ended by itself with exit code {code}"))
    }

    /// Reads the outcome of `wasi:cli/run`. `memory_mib` is given if a growth of memory was refused, `max_files` is the limit.
    pub(crate) fn of(
        outcome: wasmtime::Result<Result<(), ()>>,
        memory_mib: Option<u32>,
        max_files: u32,
    ) -> Self {
        let error = match outcome {
            Ok(Ok(())) => return Self::exited(0),
            Ok(Err(())) => return Self::exited(1),
            Err(error) => error,
        };
        if let Some(I32Exit(code)) = error.downcast_ref() {
            return Self::exited(*code);
        }
        let out_of_memory = memory_mib.is_some()
            && (error.downcast_ref::<Trap>().is_some() || error.to_string().contains("memory"));
        let cause = match (error.downcast_ref::<Trap>(), memory_mib) {
            // What languages do when they get no memory: they give up.
            (_, Some(mib)) if out_of_memory => MemoryLimit::sentence(mib),
            (Some(Trap::StackOverflow), _) => "ran out of stack: it calls itself too deeply".to_owned(),
            (Some(Trap::UnreachableCodeReached), _) => {
                "gave up (panic or abort; standard error has its last words)".to_owned()
            }
            (Some(trap), _) => format!("trapped: {trap}"),
            (None, _) => match error.root_cause().to_string() {
                // wasmtime has no types for these two. Either may come first, and both end the guest: WASI has no way to refuse a handle.
                text if text.contains("handle limit exceeded") || text.contains("no free keys") => {
                    format!("limit of {max_files} open files reached; a server cannot have more")
                }
                text => format!("failed: {text}"),
            },
        };
        let text = printable(&format!("{cause}{}", frames(&error)));
        Self { out_of_memory, ..Self::new(Status::Ended, None, &text) }
    }
}

/// ` in a, called by b, called by c` as far as the component tells names.
fn frames(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let mut text = String::new();
    for (at, frame) in trace.frames().iter().take(FRAMES).enumerate() {
        text.push_str(if at == 0 { "; in " } else { ", called by " });
        match frame.func_name() {
            Some(name) => text.extend(name.chars().take(120)),
            None => text.push_str(&format!("function {}", frame.func_index())),
        }
    }
    text
}
