//! What the gateway says about itself: the results of `initialize` and `server/discover`, answered at once from what is known.
//!
//! Declared is what is relayed, whether or not a server that offers it is up yet: a client cannot be told of a capability later.

use crate::config::FrontConfig;
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Params, Revision, find_member, meta, write_string};
use host_pool::Declared;

/// Lists of all kinds, each with change notices, subscriptions to single resources, completions and log messages. Tasks and extensions are
/// not relayed and therefore not declared.
const CAPABILITIES: &[u8] =
    b"\"capabilities\":{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true},\
      \"resources\":{\"listChanged\":true,\"subscribe\":true},\"completions\":{},\"logging\":{}}";

/// `serverInfo` as raw JSON.
pub(crate) fn server_info(config: &FrontConfig) -> Bytes {
    let mut out = BytesMut::new();
    out.put_slice(b"{\"name\":");
    write_string(&mut out, &config.name);
    out.put_slice(b",\"version\":");
    write_string(&mut out, &config.version);
    out.put_u8(b'}');
    out.freeze()
}

/// The revision to speak with a client that begins with `initialize`: the one it asks for, or else the newest that begins so.
pub(crate) fn agreed(params: Option<&Params>) -> Revision {
    let asked = params.and_then(|params| {
        let raw = params.raw();
        Revision::parse(&find_member(raw, "protocolVersion")?.string(raw)?)
    });
    asked.filter(|revision| !revision.era().is_modern()).unwrap_or(Revision::LATEST_LEGACY)
}

/// The result of `initialize`.
pub(crate) fn initialized(revision: Revision, server_info: &[u8], instructions: Option<&str>) -> Bytes {
    let mut out = BytesMut::with_capacity(512);
    out.put_slice(b"{\"protocolVersion\":\"");
    out.put_slice(revision.as_str().as_bytes());
    out.put_slice(b"\",");
    out.put_slice(CAPABILITIES);
    out.put_slice(b",\"serverInfo\":");
    out.put_slice(server_info);
    put_instructions(&mut out, instructions);
    out.put_u8(b'}');
    out.freeze()
}

/// The result of `server/discover`.
pub(crate) fn discovered(server_info: &[u8], instructions: Option<&str>) -> Bytes {
    let mut out = BytesMut::with_capacity(512);
    out.put_slice(b"{\"resultType\":\"complete\",\"supportedVersions\":[\"");
    out.put_slice(Revision::LATEST.as_str().as_bytes());
    out.put_slice(b"\"],");
    out.put_slice(CAPABILITIES);
    put_instructions(&mut out, instructions);
    // Instructions grow while servers come up, so nobody may keep this.
    out.put_slice(b",\"ttlMs\":0,\"cacheScope\":\"private\",\"_meta\":{\"");
    out.put_slice(meta::SERVER_INFO.as_bytes());
    out.put_slice(b"\":");
    out.put_slice(server_info);
    out.put_slice(b"}}");
    out.freeze()
}

fn put_instructions(out: &mut BytesMut, instructions: Option<&str>) {
    if let Some(text) = instructions {
        out.put_slice(b",\"instructions\":");
        write_string(out, text);
    }
}

/// What a client of the legacy era can be asked for, as its `initialize` says.
pub(crate) fn declared(params: Option<&Params>) -> Declared {
    let found = params.and_then(|params| {
        let raw = params.raw();
        Some(Declared::of(find_member(raw, "capabilities")?.value(raw)))
    });
    found.unwrap_or_default()
}
