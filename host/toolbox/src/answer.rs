//! From what a container wrote to the result of a call: standard output is the text, byte for byte; standard error is told where it failed.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON values: what is not there is null, and what is written to is an object"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host_provisioner::{Captured, Ending, Failure, ToolOutput};
use serde_json::{Value, json};

/// Bytes of standard error that are told.
const COMPLAINTS: usize = 8 << 10;

/// The result of a run (`provisioning.md` 2.2).
pub(crate) fn of(tool: &str, output: &ToolOutput) -> Value {
    let failed = output.ending != Ending::Exited || output.exit_code != Some(0);
    let mut content = vec![block(tool, &output.stdout.bytes)];
    if output.stdout.left_out != Some(0) {
        content.push(text(&left_out(&output.stdout)));
    }
    if failed {
        let mut words = ending(output);
        let complaints = tail(&output.stderr.bytes);
        if !complaints.is_empty() {
            words = format!("{words}; standard error:\n{complaints}");
        }
        content.push(text(&words));
    }
    let mut result = json!({"content": content, "isError": failed});
    if let Some(code) = output.exit_code {
        result["_meta"] = json!({"gateway/exitCode": code});
    }
    result
}

/// The result of a call that came to no run.
pub(crate) fn refused(words: &str) -> Value {
    json!({"content": [text(words)], "isError": true})
}

/// The same, for a run that the platform refused.
pub(crate) fn failed(failure: &Failure) -> Value {
    refused(&failure.one_line())
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// Text is text; what is none is carried as it is.
fn block(tool: &str, bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(found) => text(found),
        Err(_) => json!({"type": "resource", "resource": {
            "uri": format!("tool-output:{tool}"), "mimeType": "application/octet-stream", "blob": STANDARD.encode(bytes)
        }}),
    }
}

fn left_out(stdout: &Captured) -> String {
    match stdout.left_out {
        Some(bytes) => format!("{bytes} further bytes of its standard output were left out"),
        None => "further bytes of its standard output were left out".to_owned(),
    }
}

fn ending(output: &ToolOutput) -> String {
    match (output.ending, output.exit_code) {
        (Ending::TimedOut, _) => "it was killed because its time was over".to_owned(),
        (Ending::OutOfMemory, _) => "it was killed for want of memory".to_owned(),
        (Ending::Exited, Some(code)) => format!("exit code {code}"),
        (Ending::Exited | Ending::Lost, _) => "how it ended is not known".to_owned(),
    }
}

/// The end of a text is what tells why.
fn tail(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(COMPLAINTS);
    String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).trim_end().to_owned()
}
