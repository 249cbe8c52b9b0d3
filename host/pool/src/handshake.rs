//! Finding out how a server speaks, and agreeing with it.
//!
//! `server/discover` goes first. A discover result means modern; any error that is none of the modern codes, and silence, mean legacy,
//! where `initialize` follows (`reference/mcp-ecosystem.md`, "Telling the eras apart").

use crate::capabilities::RawCapabilities;
use crate::outgoing::OwnMeta;
use crate::wire::Wire;
use crate::{CallError, Declared, InFlight, PoolConfig, SendError};
use bytes::Bytes;
use host_message::{
    Envelope, Era, ErrorBody, JsonKind, Kind, Revision, code, elements, find_member, meta, method,
    write_string,
};
use host_provisioner::{Blotter, Class, Failure, Phase, sanitize};
use std::sync::Arc;

/// Bytes of a server's own words that a failure shows.
const SHOWN: usize = 1 << 10;
/// Bytes of the revisions it names that a failure shows.
const SHOWN_VERSIONS: usize = 200;

/// What both sides agreed on.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) era: Era,
    pub(crate) capabilities: RawCapabilities,
    pub(crate) server_info: Option<Bytes>,
    pub(crate) instructions: Option<String>,
}

/// Why there was no agreement.
#[derive(Debug)]
pub(crate) enum NoDeal {
    /// The server ended. True: while it was asked for its era, so that the question itself may have been its end.
    Gone(bool),
    /// It said something that is no agreement.
    Failed(Failure),
}

impl From<Failure> for NoDeal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Raw client info for `initialize` and `_meta`.
pub(crate) fn client_info(config: &PoolConfig) -> Vec<u8> {
    let mut out = b"{\"name\":".to_vec();
    write_string(&mut out, &config.client_name);
    out.extend_from_slice(b",\"version\":");
    write_string(&mut out, &config.client_version);
    out.push(b'}');
    out
}

/// Agrees with the server. `known` is what it spoke the last time: true for modern. The caller limits the time.
pub(crate) async fn agree(
    wire: &Arc<Wire>,
    config: &PoolConfig,
    own: &OwnMeta,
    declared: &Declared,
    known: Option<bool>,
) -> Result<Agreed, NoDeal> {
    let old = wire.http().is_some_and(|http| http.is_old());
    if known == Some(false) || old {
        return initialize(wire, config, declared, None).await;
    }
    let ask = || match wire.call(method::DISCOVER, Some(&own.params())) {
        Ok(call) => Ok(call.quiet()),
        Err(error) => Err(unsent(&error)),
    };
    let mut probe = ask()?;
    // Over HTTP there is always an answer, be it a status, and distance is no silence.
    let answer = if known == Some(true) || wire.http().is_some() {
        probe.response().await
    } else {
        match tokio::time::timeout(config.probe_timeout, probe.response()).await {
            Ok(answer) => answer,
            // Silence. A server that answers late has our `initialize` before it by then.
            Err(_) => return initialize(wire, config, declared, Some(probe)).await,
        }
    };
    let mut answer = answer.map_err(|_| NoDeal::Gone(known.is_none()))?;
    if refuses_what_it_supports(&answer) {
        // It names the version that it was asked in: the protocol wants the question repeated with one that is named.
        answer = ask()?.response().await.map_err(|_| NoDeal::Gone(false))?;
    }
    match discovered(&answer, &wire.blotter)? {
        Some(agreed) => {
            wire.agreed(agreed.era.revision());
            Ok(agreed)
        }
        None => initialize(wire, config, declared, None).await,
    }
}

/// Whether a server refuses our version and says that it supports it.
fn refuses_what_it_supports(answer: &Envelope) -> bool {
    answer.error().map(|error| ErrorBody::scan(&error)).is_some_and(|body| {
        let supported = body.data.as_deref().and_then(|data| strings(data, "supported")).unwrap_or_default();
        body.code == code::UNSUPPORTED_VERSION
            && supported.iter().any(|version| version == Revision::LATEST.as_str())
    })
}

/// Reads the answer to `server/discover`; `None` means that the server is a legacy one.
fn discovered(answer: &Envelope, blotter: &Blotter) -> Result<Option<Agreed>, Failure> {
    if let Some(error) = answer.error() {
        let body = ErrorBody::scan(&error);
        if !code::is_modern(body.code) {
            return Ok(None);
        }
        let supported = body.data.as_deref().and_then(|data| strings(data, "supported")).unwrap_or_default();
        if supports_legacy(&supported) {
            return Ok(None);
        }
        return Err(no_common(body.code, &body.message, &supported, blotter));
    }
    let result = answer.result().unwrap_or_default();
    // A server that answers everything with some result is no modern one.
    let Some(supported) = strings(&result, "supportedVersions") else { return Ok(None) };
    if !supported.iter().any(|version| version == Revision::LATEST.as_str()) {
        if supports_legacy(&supported) {
            return Ok(None);
        }
        return Err(no_common(code::UNSUPPORTED_VERSION, "no revision in common", &supported, blotter));
    }
    let about = find_member(&result, "_meta").map(|member| member.value(&result).to_vec());
    let about = about.and_then(|raw| object(&raw, meta::SERVER_INFO));
    Ok(Some(agreed(Era::Modern, &result, about)))
}

async fn initialize(
    wire: &Arc<Wire>,
    config: &PoolConfig,
    declared: &Declared,
    mut probe: Option<InFlight>,
) -> Result<Agreed, NoDeal> {
    let mut params = b"{\"protocolVersion\":".to_vec();
    write_string(&mut params, Revision::LATEST_LEGACY.as_str());
    params.extend_from_slice(b",\"capabilities\":");
    params.extend_from_slice(declared.raw());
    params.extend_from_slice(b",\"clientInfo\":");
    params.extend_from_slice(&client_info(config));
    params.push(b'}');
    let mut call = wire.call(method::INITIALIZE, Some(&params)).map_err(|error| unsent(&error))?.quiet();
    let answer = call.response().await.map_err(|_: CallError| NoDeal::Gone(false))?;
    if let Some(error) = answer.error() {
        if let Some(refusal) = wire.refusal() {
            return Err(refusal.into());
        }
        // A modern server that was only slow: it answers the probe too, before or soon after.
        let was_silent = probe.is_some();
        if let Some(probe) = probe.as_mut()
            && let Ok(Ok(late)) = tokio::time::timeout(config.probe_timeout, probe.response()).await
            && late.kind() == Kind::Response
            && let Some(agreed) = discovered(&late, &wire.blotter)?
        {
            wire.agreed(agreed.era.revision());
            return Ok(agreed);
        }
        let body = ErrorBody::scan(&error);
        let text = format!(
            "the server refused `initialize` with error {}: {}",
            body.code,
            sanitize::line(&wire.blotter.text(&body.message), SHOWN)
        );
        // Who was silent first may only have been slow, and answer in time when it is started again.
        let class = if was_silent { Class::Retryable } else { Class::Permanent };
        return Err(Failure::new(Phase::Handshake, class, text).into());
    }
    let result = answer.result().unwrap_or_default();
    let version = find_member(&result, "protocolVersion")
        .and_then(|member| member.string(&result).map(|text| text.into_owned()));
    let Some(version) = version else {
        let text = "the server's answer to `initialize` names no protocol version";
        return Err(Failure::new(Phase::Handshake, Class::Permanent, text).into());
    };
    let Some(revision) = Revision::parse(&version) else {
        let text = format!(
            "the server speaks MCP {}, which the gateway does not",
            sanitize::line(&wire.blotter.text(&version), SHOWN_VERSIONS)
        );
        return Err(Failure::new(Phase::Handshake, Class::Permanent, text).into());
    };
    wire.agreed(revision);
    wire.send_raw(&host_message::notification(method::INITIALIZED, None)).map_err(|error| unsent(&error))?;
    let about = object(&result, "serverInfo");
    Ok(agreed(revision.era(), &result, about))
}

fn agreed(era: Era, result: &[u8], server_info: Option<Bytes>) -> Agreed {
    let capabilities = object(result, "capabilities").unwrap_or_else(|| Bytes::from_static(b"{}"));
    let instructions = find_member(result, "instructions")
        .and_then(|member| member.string(result).map(|text| text.into_owned()))
        .filter(|text| !text.is_empty());
    Agreed { era, capabilities: RawCapabilities::scan(&capabilities), server_info, instructions }
}

/// A member that is an object, copied so that it does not hold the whole message.
fn object(raw: &[u8], name: &str) -> Option<Bytes> {
    find_member(raw, name)
        .filter(|member| member.kind() == JsonKind::Object)
        .map(|member| Bytes::copy_from_slice(member.value(raw)))
}

/// A member that is an array, with those of its elements that are strings.
fn strings(raw: &[u8], name: &str) -> Option<Vec<String>> {
    let member = find_member(raw, name).filter(|member| member.kind() == JsonKind::Array)?;
    let list = member.value(raw);
    let texts = elements(list)
        .map_while(Result::ok)
        .filter_map(|(range, _)| host_message::decode_string(list.get(range)?).map(|text| text.into_owned()));
    Some(texts.collect())
}

fn supports_legacy(versions: &[String]) -> bool {
    versions.iter().filter_map(|version| Revision::parse(version)).any(|revision| !revision.era().is_modern())
}

fn no_common(code: i64, message: &str, supported: &[String], blotter: &Blotter) -> Failure {
    let supported = sanitize::line(&blotter.text(&supported.join(", ")), SHOWN_VERSIONS);
    let message = sanitize::line(&blotter.text(message), SHOWN);
    let text = format!(
        "the server refused `server/discover` with error {code}: {message}; it supports {}",
        if supported.is_empty() { "no revision that it names" } else { &supported }
    );
    Failure::new(Phase::Handshake, Class::Permanent, text).with_hint(format!(
        "the gateway speaks MCP {} to {}",
        Revision::V2024_11_05,
        Revision::LATEST
    ))
}

fn unsent(error: &SendError) -> NoDeal {
    match error {
        SendError::Gone { .. } => NoDeal::Gone(false),
        other => NoDeal::Failed(Failure::new(Phase::Handshake, Class::Other, other.to_string())),
    }
}
