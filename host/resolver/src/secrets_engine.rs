//! Docker's secrets engine: a service of Docker Desktop, or of `docker pass`, behind a socket of this user. It is asked for one secret at a time by
//! `resolver.v1.ResolverService/GetSecrets` in JSON, as Docker's own gateway asks it.
//!
//! The original hands `se://` addresses to containers and lets Docker Desktop fill values in, which on any other engine leaves the address where the
//! credential should be (`docker-mcp-gateway.md` 21.2). Here values are asked for, and filled in by the host as all others.

use crate::SecretValue;
use serde::Deserialize;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long each step of the conversation may take. The engine may ask its user.
const WITHIN: Duration = Duration::from_secs(20);
/// Bytes of an answer.
const ANSWER: u64 = 4 << 20;

/// Under which key Docker keeps a secret of a catalogue's (section 21.1).
pub(crate) fn key(name: &str) -> String {
    format!("docker/mcp/{name}")
}

#[derive(Deserialize, Default)]
struct Answer {
    #[serde(default)]
    envelopes: Vec<Envelope>,
    /// Of a refusal.
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    id: String,
    /// Base64.
    #[serde(default, deserialize_with = "crate::secret::wiped")]
    value: Zeroizing<String>,
    #[serde(default)]
    error: String,
}

/// Whether an engine listens there.
///
/// # Errors
/// Why not.
pub(crate) fn reach(socket: &Path) -> Result<(), String> {
    UnixStream::connect(socket).map(|_| ()).map_err(|error| error.to_string())
}

/// Looks one name up.
///
/// # Errors
/// Why the engine cannot be used or does not want to answer; nothing of a secret.
pub(crate) fn get(socket: &Path, name: &str) -> Result<Option<SecretValue>, String> {
    // What is no id to the engine is none of its secrets, and a pattern is not asked for.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:/@".contains(&b)) {
        return Ok(None);
    }
    let id = key(name);
    let (status, body) = post(socket, &format!("{{\"pattern\":\"{id}\"}}"))?;
    let answer: Answer = serde_json::from_slice(&body).unwrap_or_default();
    if status != 200 {
        return match answer.code.as_str() {
            "not_found" => Ok(None),
            "" => Err(format!("it answered with status {status}")),
            code => Err(format!("it refused ({code}: {})", plain(&answer.message))),
        };
    }
    let Some(envelope) = answer.envelopes.into_iter().find(|envelope| envelope.id == id) else {
        return Ok(None);
    };
    if !envelope.error.is_empty() {
        return Err(format!("it refused: {}", plain(&envelope.error)));
    }
    let bytes = decoded(&envelope.value).ok_or("its answer is malformed")?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "the secret is no text".to_owned())?;
    Ok(Some(SecretValue::new(text.to_owned())))
}

fn post(socket: &Path, body: &str) -> Result<(u16, Zeroizing<Vec<u8>>), String> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            format!("no answer within {} s; is its store locked?", WITHIN.as_secs())
        }
        _ => error.to_string(),
    };
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(WITHIN)).map_err(failed)?;
    stream.set_write_timeout(Some(WITHIN)).map_err(failed)?;
    // HTTP/1.0: one answer, in one piece, and the end of the connection is its end.
    let request = format!(
        "POST /resolver.v1.ResolverService/GetSecrets HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Zeroizing::new(Vec::with_capacity(16 << 10));
    stream.take(ANSWER).read_to_end(&mut answer).map_err(failed)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("its answer is no HTTP")?;
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = Zeroizing::new(answer.get(end + 4..).unwrap_or_default().to_vec());
    Ok((status.ok_or("its answer is no HTTP")?, body))
}

/// The engine's words, fit for one line.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Base64 with or without padding, in either alphabet; small enough here not to need a package.
fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn base64_is_read() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("8J-YgA==", "\u{1f600}"),
        ] {
            assert_eq!(decoded(text).unwrap().as_slice(), bytes.as_bytes(), "{text}");
        }
        assert!(decoded("no base64").is_none());
    }

    /// An engine that answers one question with these words, and gives the question.
    fn asked(status: &str, body: &'static str, name: &str) -> (Result<Option<String>, String>, String) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let head = format!("HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n");
        let engine = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut got, mut piece) = (Vec::new(), [0; 1024]);
            while !got.ends_with(b"}") {
                let n = stream.read(&mut piece).unwrap();
                got.extend_from_slice(&piece[..n]);
            }
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
            String::from_utf8(got).unwrap()
        });
        let found = get(&socket, name).map(|value| value.map(|value| value.reveal().to_owned()));
        (found, engine.join().unwrap())
    }

    #[test]
    fn a_secret_is_asked_for_by_its_key_and_nothing_else() {
        let body = r#"{"envelopes":[{"id":"docker/mcp/acme.other","value":"eA=="},{"id":"docker/mcp/acme.token","value":"czNjcmV0","provider":"docker-pass"}]}"#;
        let (found, question) = asked("200 OK", body, "acme.token");
        assert_eq!(found, Ok(Some("s3cret".to_owned())));
        assert!(
            question.starts_with("POST /resolver.v1.ResolverService/GetSecrets HTTP/1.0\r\n"),
            "{question}"
        );
        assert!(question.ends_with("\r\n\r\n{\"pattern\":\"docker/mcp/acme.token\"}"), "{question}");
    }

    #[test]
    fn none_and_refusals_are_told_apart() {
        assert_eq!(asked("200 OK", "{}", "a").0, Ok(None));
        assert_eq!(asked("404 Not Found", r#"{"code":"not_found","message":"x"}"#, "a").0, Ok(None));
        let refused =
            asked("403 Forbidden", r#"{"code":"permission_denied","message":"the user said no"}"#, "a").0;
        assert_eq!(refused, Err("it refused (permission_denied: the user said no)".to_owned()));
        let refused = asked("200 OK", r#"{"envelopes":[{"id":"docker/mcp/a","error":"locked"}]}"#, "a").0;
        assert_eq!(refused, Err("it refused: locked".to_owned()));
        assert_eq!(asked("500 Oh", "oh", "a").0, Err("it answered with status 500".to_owned()));
        assert!(get(Path::new("/nowhere/engine.sock"), "a").is_err());
        // No pattern reaches it.
        assert!(get(Path::new("/nowhere/engine.sock"), "**").is_ok_and(|found| found.is_none()));
    }
}
