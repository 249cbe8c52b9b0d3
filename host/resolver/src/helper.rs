//! Programs `docker-credential-NAME`, which keep credentials for Docker in some keychain. The protocol is that of Docker's credential helpers: one
//! word as argument (`get`, `store`, `erase`), a text on standard input, an answer on standard output, an exit code.
//!
//! A secret stands there under the key that Docker's own gateway uses for it, `docker/mcp/NAME` (`docker-mcp-gateway.md` 21.1).

use crate::SecretValue;
use crate::secrets_engine::key;
use serde::Deserialize;
use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a helper may take. Its keychain may be locked and ask its user, who may be away.
const WITHIN: Duration = Duration::from_secs(20);
/// Bytes of an answer.
const ANSWER: u64 = 1 << 20;

/// What `get` answers. The secret is wiped with it.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Secret", default, deserialize_with = "crate::secret::wiped")]
    secret: Zeroizing<String>,
}

/// Looks one name up.
///
/// # Errors
/// Why the helper cannot be used; nothing of a secret.
pub(crate) fn get(helper: &str, name: &str) -> Result<Option<SecretValue>, String> {
    match run(helper, "get", key(name).as_bytes())? {
        Said::Nothing => Ok(None),
        Said::Text(text) => {
            let answer: Answer =
                serde_json::from_slice(&text).map_err(|_| "its answer is malformed".to_owned())?;
            Ok(Some(SecretValue::new(answer.secret.to_string())).filter(|value| !value.reveal().is_empty()))
        }
    }
}

/// Keeps a secret, over one that may be there.
///
/// # Errors
/// As [`get`].
pub(crate) fn set(helper: &str, name: &str, value: &SecretValue) -> Result<(), String> {
    let quoted = |text: &str| serde_json::to_string(text).map(Zeroizing::new).map_err(|e| e.to_string());
    let input = Zeroizing::new(format!(
        "{{\"ServerURL\":{},\"Username\":{},\"Secret\":{}}}",
        *quoted(&key(name))?,
        *quoted(name)?,
        *quoted(value.reveal())?
    ));
    run(helper, "store", input.as_bytes()).map(|_| ())
}

/// Removes a secret; false if there was none.
///
/// # Errors
/// As [`get`].
pub(crate) fn remove(helper: &str, name: &str) -> Result<bool, String> {
    // Helpers erase what is not there without a word.
    if get(helper, name)?.is_none() {
        return Ok(false);
    }
    run(helper, "erase", key(name).as_bytes()).map(|_| true)
}

enum Said {
    /// There are no such credentials.
    Nothing,
    Text(Zeroizing<Vec<u8>>),
}

fn run(helper: &str, word: &str, input: &[u8]) -> Result<Said, String> {
    let program = format!("docker-credential-{helper}");
    let mut command = Command::new(&program);
    command.arg(word).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            format!("there is no program `{program}` in PATH; install it, or name another place")
        }
        _ => format!("start `{program}`: {error}"),
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read says by its exit code why.
        let _ = stdin.write_all(input);
    }
    let (send, answer) = mpsc::channel();
    let stdout = child.stdout.take();
    let reader = std::thread::Builder::new().name("credential-helper".to_owned()).spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        if let Some(stdout) = stdout {
            let _ = stdout.take(ANSWER).read_to_end(&mut bytes);
        }
        let _ = send.send(bytes);
    });
    reader.map_err(|error| error.to_string())?;
    // A program that has closed its output is about to end.
    let Ok(text) = answer.recv_timeout(WITHIN) else {
        let _ = child.kill();
        let _ = child.wait();
        let seconds = WITHIN.as_secs();
        return Err(format!("`{program}` gave no answer within {seconds} s; is its keychain locked?"));
    };
    if child.wait().map_err(|error| error.to_string())?.success() {
        return Ok(Said::Text(text));
    }
    let says = String::from_utf8_lossy(text.get(..text.len().min(300)).unwrap_or_default()).into_owned();
    // The words of the helpers' own library for "there is none".
    if says.contains("credentials not found") || says.contains("no credentials") {
        return Ok(Said::Nothing);
    }
    let says: String = says.trim().chars().filter(|c| !c.is_control()).collect();
    Err(if says.is_empty() { format!("`{program} {word}` refused without a word") } else { says })
}
