//! Reads a plugin without running, linking or compiling it, and says in one sentence why it cannot be one.
//!
//! The order matters: what is no component at all, then what is no plugin, then what asks for too much. wasmtime would refuse all of it
//! too, but says only "a matching implementation was not found in the linker".

use crate::error::{LoadError, LoadErrorKind};
use crate::grants::Grants;
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

/// The largest plugin that is read. A Python interpreter with its library is 18 MiB.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

/// Prefix of the contract's interfaces.
const CONTRACT: &str = "gateway:provisioner/";
/// The track this host speaks.
const TRACK: &str = "0.1";
/// What a plugin must export.
const EXPORTS: [&str; 2] = ["provisioner", "container-runtime"];
/// What everybody may import.
const FREE: [&str; 7] = ["call", "connection", "log", "progress", "secrets", "settings", "types"];
/// What needs a grant.
const GRANTED: [&str; 5] = ["docker", "embedded", "http", "kubernetes", "registry"];

/// What a plugin turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Interfaces it imports beyond those that everybody has: `embedded`.
    pub(crate) abilities: Vec<String>,
}

/// What a component imports, whatever it is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    /// Every import, as it stands in the component.
    pub imports: Vec<String>,
    /// The interfaces of the contract among them that need a grant: `embedded`, `http`.
    pub abilities: Vec<String>,
    /// SHA-256 of the bytes in hexadecimal.
    pub digest: String,
}

/// Reads what a plugin imports, without running it and without regard to grants: for an operator who decides about them.
///
/// # Errors
/// It is no component, or no plugin; see the module.
pub fn asks(plugin: &str, bytes: &[u8]) -> Result<Asks, LoadError> {
    let names = outside(plugin, bytes, true)?;
    let needs_grant = |name: &&str| GRANTED.contains(name);
    let contract = names.imports.iter().filter_map(|name| of_contract(name)).map(|(interface, _)| interface);
    let abilities = contract.filter(needs_grant).map(str::to_owned).collect();
    Ok(Asks { imports: names.imports, abilities, digest: crate::server::hex(bytes) })
}

/// Checks the bytes of a plugin against what it is granted. Without `validate` the instructions in it are not looked at.
///
/// # Errors
/// See the module.
pub(crate) fn check(
    plugin: &str,
    bytes: &[u8],
    grants: &Grants,
    validate: bool,
) -> Result<Checked, LoadError> {
    let names = outside(plugin, bytes, validate)?;
    let abilities = imports(plugin, &names, grants)?;
    Ok(Checked { abilities })
}

/// What a plugin shows to the outside.
fn outside(plugin: &str, bytes: &[u8], validate: bool) -> Result<Names, LoadError> {
    let format = |text: String| LoadError::new(plugin, LoadErrorKind::Format, text);
    format_of(bytes).map_err(|(text, hint)| match hint {
        Some(hint) => format(text).with_hint(hint),
        None => format(text),
    })?;
    let names = names(bytes, validate).map_err(|text| format(text).with_hint(AGAIN))?;
    exports(plugin, &names)?;
    Ok(names)
}

/// Advice where nothing of the file can be used.
const AGAIN: &str = "build it again for `wasm32-wasip2`";

const BUILD: &str = "build it for `wasm32-wasip2`, or make a component of it with `wasm-tools component new`";

/// The first eight bytes tell most.
fn format_of(bytes: &[u8]) -> Result<(), (String, Option<&'static str>)> {
    if bytes.is_empty() {
        return Err(("is an empty file".to_owned(), Some(AGAIN)));
    }
    if bytes.starts_with(b"\x7fELF") {
        let hint = "name the WebAssembly component itself; the gateway compiles it and keeps the result";
        return Err(("is native code, not a WebAssembly component".to_owned(), Some(hint)));
    }
    if !bytes.starts_with(b"\0asm") {
        if b"\0asm".starts_with(bytes) {
            return Err((format!("is cut off: it has only {} bytes", bytes.len()), Some(AGAIN)));
        }
        let start = String::from_utf8_lossy(bytes.get(..64.min(bytes.len())).unwrap_or_default());
        if start.trim_start().starts_with("(component") || start.trim_start().starts_with("(module") {
            let hint = "translate it with `wasm-tools parse`";
            return Err(("is WebAssembly text, not a binary component".to_owned(), Some(hint)));
        }
        return Err(("is not WebAssembly: it does not begin with `\\0asm`".to_owned(), Some(AGAIN)));
    }
    match bytes.get(4..8) {
        None => Err((format!("is cut off: it has only {} bytes", bytes.len()), Some(AGAIN))),
        Some([1, 0, 0, 0]) => Err(("is a core module, not a component".to_owned(), Some(BUILD))),
        Some([13, 0, 1, 0]) => Ok(()),
        Some(version) => Err((
            format!("is WebAssembly of an unknown kind (version bytes {version:02x?})"),
            Some("a newer gateway may know it"),
        )),
    }
}

/// Names of what a component imports and exports.
#[derive(Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Validates the component, if that is wanted, and collects the names at its outermost level.
fn names(bytes: &[u8], validate: bool) -> Result<Names, String> {
    let damaged = |e: wasmparser::BinaryReaderError| {
        if e.message().contains("unexpected end") {
            format!("is cut off: it ends at byte {} in the middle of something", bytes.len())
        } else {
            format!("is damaged at byte {}: {}", e.offset(), e.message())
        }
    };
    let mut names = Names::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding: Encoding::Component | Encoding::Module, .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    names.imports.push(import.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    names.exports.push(export.map_err(damaged)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    if validate {
        // The asynchronous part of the component model stays off: this track has no asynchronous functions.
        let features = WasmFeatures::default() & !WasmFeatures::CM_ASYNC;
        Validator::new_with_features(features).validate_all(bytes).map_err(damaged)?;
    }
    Ok(names)
}

/// Name and version of an interface of the contract.
fn of_contract(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(CONTRACT).map(|rest| rest.split_once('@').unwrap_or((rest, "")))
}

/// Whether a version belongs to the track that is spoken here.
fn on_track(version: &str) -> bool {
    version.strip_prefix(TRACK).is_some_and(|rest| {
        rest.strip_prefix('.')
            .is_some_and(|patch| patch.bytes().all(|b| b.is_ascii_digit()) && !patch.is_empty())
    })
}

fn other_track(plugin: &str, version: &str) -> LoadError {
    // Of a finished version the track says it all; unfinished ones match nothing but themselves.
    let wanted = if version.contains('-') {
        version
    } else {
        version.rsplit_once('.').map_or(version, |(track, _)| track)
    };
    let text = format!("needs version {wanted} of the contract, and this gateway offers {TRACK}");
    LoadError::new(plugin, LoadErrorKind::Contract, text)
        .with_hint("use a gateway of that version, or a build of the plugin for this one")
}

fn exports(plugin: &str, names: &Names) -> Result<(), LoadError> {
    let contract = |text: String| LoadError::new(plugin, LoadErrorKind::Contract, text);
    let offered: Vec<(&str, &str)> = names.exports.iter().filter_map(|name| of_contract(name)).collect();
    for wanted in EXPORTS {
        match offered.iter().find(|(name, _)| *name == wanted) {
            Some((_, version)) if on_track(version) => {}
            Some((_, version)) => return Err(other_track(plugin, version)),
            None if names.exports.iter().any(|name| name.starts_with("wasi:cli/run@")) => {
                return Err(contract("is a program (it exports `wasi:cli/run`), not a plugin".to_owned())
                    .with_hint(
                        "if it is an MCP server, put it under `servers:` as `NAME: {component: FILE}`",
                    ));
            }
            None => {
                return Err(contract(format!("does not export `{CONTRACT}{wanted}@{TRACK}.0`"))
                    .with_hint("build it against a world of the contract, for example with the SDK"));
            }
        }
    }
    Ok(())
}

fn imports(plugin: &str, names: &Names, grants: &Grants) -> Result<Vec<String>, LoadError> {
    let mut abilities = Vec::new();
    for name in &names.imports {
        if let Some((interface, version)) = of_contract(name) {
            if !on_track(version) {
                return Err(other_track(plugin, version));
            }
            granted(plugin, name, interface, grants)?;
            if !FREE.contains(&interface) {
                abilities.push(interface.to_owned());
            }
        } else {
            foreign(plugin, name)?;
        }
    }
    Ok(abilities)
}

fn granted(plugin: &str, name: &str, interface: &str, grants: &Grants) -> Result<(), LoadError> {
    if FREE.contains(&interface) {
        return Ok(());
    }
    if !GRANTED.contains(&interface) {
        let text = format!("imports `{name}`, which this gateway does not know");
        return Err(LoadError::new(plugin, LoadErrorKind::Contract, text)
            .with_hint("the plugin was built for a newer gateway"));
    }
    if grants.has(interface) {
        return Ok(());
    }
    let text = format!("imports `{name}`, which it is not granted");
    Err(LoadError::new(plugin, LoadErrorKind::Grant, text)
        .with_hint(format!("if you trust it with that, grant it with `plugins.{plugin}.grants.{interface}`")))
}

/// WASI that carries no authority is offered; the rest is named.
fn foreign(plugin: &str, name: &str) -> Result<(), LoadError> {
    let grant =
        |text: String, hint: &str| Err(LoadError::new(plugin, LoadErrorKind::Grant, text).with_hint(hint));
    let (package, version) = name.split_once('@').unwrap_or((name, ""));
    let kind = package.split_once('/').map_or(package, |(kind, _)| kind);
    match kind {
        "wasi:io" | "wasi:cli" | "wasi:clocks" | "wasi:random" => {
            if version.starts_with("0.2.") {
                return Ok(());
            }
            let text = format!("imports `{name}`, and this gateway offers WASI 0.2");
            Err(LoadError::new(plugin, LoadErrorKind::Contract, text).with_hint(AGAIN))
        }
        "wasi:filesystem" => grant(
            format!("imports `{name}`, and files are offered to no plugin"),
            "its source uses the files of its language somewhere; settings and state come through the contract",
        ),
        "wasi:sockets" => grant(
            format!("imports `{name}`, and sockets are offered to no plugin"),
            "its source uses the network of its language somewhere; platforms are reached through the contract",
        ),
        "wasi:http" => grant(
            format!("imports `{name}`, and WASI HTTP is offered to no plugin"),
            "HTTP goes through `gateway:provisioner/http`, which the gateway signs and checks",
        ),
        _ => grant(
            format!("imports `{name}`, which this gateway does not offer"),
            "a plugin may import the interfaces of the contract, and WASI's io, cli, clocks and random",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        check("p", bytes, &Grants::default(), true).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_component_is_named() {
        for (bytes, text) in [
            (&b""[..], "plugin `p` is an empty file (build it again for `wasm32-wasip2`)"),
            (b"\0as", "plugin `p` is cut off: it has only 3 bytes (build it again for `wasm32-wasip2`)"),
            (b"\0asm\x0d", "plugin `p` is cut off: it has only 5 bytes (build it again for `wasm32-wasip2`)"),
            (
                b"hello\n",
                "plugin `p` is not WebAssembly: it does not begin with `\\0asm` (build it again for `wasm32-wasip2`)",
            ),
            (
                b" (component)",
                "plugin `p` is WebAssembly text, not a binary component (translate it with `wasm-tools parse`)",
            ),
            (
                b"\x7fELF\x02\x01\x01\0\0\0",
                "plugin `p` is native code, not a WebAssembly component (name the WebAssembly component itself; the gateway compiles \
                 it and keeps the result)",
            ),
            (
                b"\0asm\x01\0\0\0",
                "plugin `p` is a core module, not a component (build it for `wasm32-wasip2`, or make a component of it with \
                 `wasm-tools component new`)",
            ),
            (
                b"\0asm\x0e\0\x01\0",
                "plugin `p` is WebAssembly of an unknown kind (version bytes [0e, 00, 01, 00]) (a newer gateway may know it)",
            ),
            (
                b"\0asm\x0d\0\x01\0",
                "plugin `p` does not export `gateway:provisioner/provisioner@0.1.0` (build it against a world of the contract, for \
                 example with the SDK)",
            ),
            (
                b"\0asm\x0d\0\x01\0\x07\x7f",
                "plugin `p` is cut off: it ends at byte 10 in the middle of something (build it again for `wasm32-wasip2`)",
            ),
        ] {
            assert_eq!(refusal(bytes), text);
        }
    }

    #[test]
    fn every_import_beyond_the_grant_is_named_with_its_setting() {
        let ask = |name: &str, grants: &Grants| {
            let names = Names { imports: vec![name.to_owned()], exports: Vec::new() };
            imports("p", &names, grants).map_err(|e| e.to_string())
        };
        let none = Grants::default();
        let all = Grants {
            embedded: Some(crate::EmbeddedGrant::default()),
            docker: Some(crate::DockerGrant::default()),
            kubernetes: Some(crate::grants::KubernetesGrant::default()),
            http: vec![crate::grants::HttpGrant::any()],
            registry: Some(crate::RegistryGrant::default()),
            ..Grants::default()
        };
        for name in GRANTED {
            let text = format!(
                "plugin `p` imports `gateway:provisioner/{name}@0.1.0`, which it is not granted (if you trust it with that, \
                 grant it with `plugins.p.grants.{name}`)"
            );
            assert_eq!(ask(&format!("gateway:provisioner/{name}@0.1.0"), &none), Err(text));
            assert_eq!(ask(&format!("gateway:provisioner/{name}@0.1.7"), &all), Ok(vec![name.to_owned()]));
        }
        for (import, text) in [
            ("gateway:provisioner/call@0.1.0", None),
            ("wasi:io/streams@0.2.6", None),
            (
                "gateway:provisioner/call@0.2.0",
                Some("needs version 0.2 of the contract, and this gateway offers 0.1"),
            ),
            (
                "gateway:provisioner/call@0.1.0-dev",
                Some("needs version 0.1.0-dev of the contract, and this gateway offers 0.1"),
            ),
            (
                "gateway:provisioner/magic@0.1.3",
                Some("imports `gateway:provisioner/magic@0.1.3`, which this gateway does not know"),
            ),
            (
                "wasi:sockets/tcp@0.2.6",
                Some("imports `wasi:sockets/tcp@0.2.6`, and sockets are offered to no plugin"),
            ),
            (
                "wasi:filesystem/types@0.2.6",
                Some("imports `wasi:filesystem/types@0.2.6`, and files are offered to no plugin"),
            ),
            (
                "wasi:http/outgoing-handler@0.2.6",
                Some("imports `wasi:http/outgoing-handler@0.2.6`, and WASI HTTP is offered to no plugin"),
            ),
            (
                "wasi:clocks/monotonic-clock@0.3.0",
                Some("imports `wasi:clocks/monotonic-clock@0.3.0`, and this gateway offers WASI 0.2"),
            ),
            ("acme:x/y@1.0.0", Some("imports `acme:x/y@1.0.0`, which this gateway does not offer")),
        ] {
            match (ask(import, &none), text) {
                (Ok(abilities), None) => assert_eq!(abilities, Vec::<String>::new()),
                (Err(error), Some(text)) => {
                    assert!(error.starts_with(&format!("plugin `p` {text}")), "{error}")
                }
                (other, _) => panic!("{import}: {other:?}"),
            }
        }
    }
}
