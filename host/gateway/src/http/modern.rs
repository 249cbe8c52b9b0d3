//! What a request of the modern era must bring along (`mcp-ecosystem.md` 3 and 4).

use super::routing::{self, Mirrored};
use crate::error::RpcError;
use crate::front::Front;
use host_message::{Envelope, JsonKind, Params, Revision, code, meta, method};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// Why a request is not served, with the status that goes with it.
pub(crate) type Rejected = (StatusCode, RpcError);

/// Checks the keys of `_meta`. Also for clients on standard streams.
pub(crate) fn check_meta(params: Option<&Params>) -> Result<String, RpcError> {
    let mut missing = Vec::new();
    let version = params.and_then(Params::meta_protocol_version);
    if version.is_none() {
        missing.push(meta::PROTOCOL_VERSION);
    }
    let capabilities = params.and_then(Params::meta_client_capabilities);
    if capabilities.is_none() {
        missing.push(meta::CLIENT_CAPABILITIES);
    }
    let (Some(params), Some(version), Some(capabilities)) = (params, version, capabilities) else {
        return Err(RpcError::invalid_params(format!("`_meta` lacks {}", missing.join(" and "))));
    };
    if capabilities.kind() != JsonKind::Object {
        return Err(RpcError::invalid_params(format!("`{}` must be an object", meta::CLIENT_CAPABILITIES)));
    }
    Ok(params.text(version)?.into_owned())
}

/// Checks that the revision is one that we speak.
pub(crate) fn check_version(version: &str) -> Result<(), RpcError> {
    if version == Revision::LATEST.as_str() { Ok(()) } else { Err(RpcError::unsupported_version(version)) }
}

/// Checks a request over HTTP: first that it is complete, then that its headers agree with it, then that we speak its revision. A
/// client that contradicts itself is told so rather than that its revision is unknown.
pub(crate) fn check(
    headers: &HeaderMap,
    envelope: &Envelope,
    params: Option<&Params>,
) -> Result<(), Rejected> {
    let bad = |error| (StatusCode::BAD_REQUEST, error);
    let version = check_meta(params).map_err(bad)?;
    let method = envelope.method().unwrap_or_default();
    let named = match method {
        method::TOOLS_CALL | method::PROMPTS_GET => params.and_then(Params::name),
        method::RESOURCES_READ => params.and_then(Params::uri),
        _ => None,
    };
    let name = match (params, named) {
        (Some(params), Some(member)) => Some(params.text(member).map_err(|error| bad(error.into()))?),
        _ => None,
    };
    let mirrored = Mirrored { version: &version, method, name: name.as_deref() };
    routing::check(headers, &mirrored).map_err(|text| bad(RpcError::new(code::HEADER_MISMATCH, text)))?;
    check_version(&version).map_err(bad)
}

/// Checks the headers that repeat arguments of a tool. Which those are is in the tool's schema, so a tool that is not known yet is waited
/// for; one that nobody has is refused later, by name.
pub(crate) async fn check_arguments(
    front: &Front,
    headers: &HeaderMap,
    params: Option<&Params>,
) -> Result<(), Rejected> {
    let Some(params) = params else { return Ok(()) };
    let Some(name) = params.name().and_then(|name| params.text(name).ok()) else { return Ok(()) };
    let directory = front.directory();
    let mut mirrors = directory.view().tool(&name).map(|route| Arc::clone(&route.mirrors));
    if mirrors.is_none() {
        directory.wait().await;
        mirrors = directory.view().tool(&name).map(|route| Arc::clone(&route.mirrors));
    }
    let Some(mirrors) = mirrors.filter(|mirrors| !mirrors.is_empty()) else { return Ok(()) };
    let arguments = params.arguments().map(|member| member.value(params.raw())).unwrap_or_default();
    routing::check_arguments(headers, &mirrors, arguments)
        .map_err(|text| (StatusCode::BAD_REQUEST, RpcError::new(code::HEADER_MISMATCH, text)))
}
