//! The published test vectors of Signature Version 4: what AWS's own libraries are tested with (`aws-c-auth`, `tests/aws-signing-test-suite/v4`, Apache-2.0),
//! as they stand in the crate `aws-sigv4`. `fixtures/sigv4.jsonl` has one per line.

use super::{Scope, sign};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SigningSettings, UriPathNormalizationMode,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use reqsign_aws_core::Credential;
use serde::Deserialize;
use std::time::SystemTime;

const VECTORS: &str = include_str!("../../fixtures/sigv4.jsonl");

#[derive(Deserialize)]
struct Vector {
    name: String,
    context: Context,
    request: String,
    signature: String,
}

#[derive(Deserialize)]
struct Context {
    credentials: Credentials,
    normalize: bool,
    region: String,
    service: String,
    sign_body: bool,
    #[serde(default)]
    omit_session_token: bool,
    timestamp: String,
}

#[derive(Deserialize)]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

/// A request as the suite writes it. Letters that no URL has are encoded as a client would.
fn parse(text: &str) -> Request<Bytes> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (first, lines) = head.split_once('\n').unwrap_or((head, ""));
    let (method, rest) = first.split_once(' ').unwrap();
    let path = rest.strip_suffix(" HTTP/1.1").unwrap();
    let path: String = path
        .bytes()
        .map(|b| if b.is_ascii_graphic() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines.lines() {
        match line.split_once(':').filter(|_| !line.starts_with(' ')) {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            // A line that goes on.
            None => {
                let last = headers.last_mut().unwrap();
                last.1 = format!("{} {}", last.1.trim(), line.trim());
            }
        }
    }
    let host =
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).unwrap().1.trim().to_owned();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://{host}{path}"))
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    for (name, value) in headers.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request
}

fn signature(vector: &Vector) -> Result<String, String> {
    let mut request = parse(&vector.request);
    let mut settings = SigningSettings::default();
    if request.uri().path().contains('%') {
        // What the suite writes raw was encoded above, and must not be once more.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
    }
    if !vector.context.normalize {
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    if vector.context.sign_body {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if vector.context.omit_session_token {
        settings.session_token_mode = SessionTokenMode::Exclude;
    }
    let time = reqsign_core::time::Timestamp::parse_datetime_utc(&vector.context.timestamp)
        .or_else(|_| vector.context.timestamp.parse::<reqsign_core::time::Timestamp>())
        .unwrap()
        .as_system_time();
    let time: SystemTime = time;
    let credential = Credential {
        access_key_id: vector.context.credentials.access_key_id.clone(),
        secret_access_key: vector.context.credentials.secret_access_key.clone(),
        session_token: vector.context.credentials.token.clone(),
        expires_in: None,
    };
    let scope = Scope { service: &vector.context.service, region: &vector.context.region, time, settings };
    sign(&mut request, &credential, scope).map_err(|error| error.to_string())?;
    let header = request.headers()["authorization"].to_str().unwrap();
    Ok(header.rsplit('=').next().unwrap().to_owned())
}

#[test]
fn signatures_are_those_that_were_published() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in VECTORS.lines() {
        let vector: Vector = serde_json::from_str(line).unwrap();
        count += 1;
        match signature(&vector) {
            Ok(signature) if signature == vector.signature => {}
            Ok(other) => wrong.push(format!("{}: {other}, not {}", vector.name, vector.signature)),
            Err(error) => wrong.push(format!("{}: {error}", vector.name)),
        }
    }
    assert!(wrong.is_empty() && count == 38, "{count} vectors, wrong:\n{}", wrong.join("\n"));
}
