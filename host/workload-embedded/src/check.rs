//! Looks at a component before it is compiled, and says in words what is wrong with it.
//!
//! wasmtime finds all of this too, but late, and in terms of its own.

use crate::error::Error;
use wasmparser::{Encoding, Parser, Payload};

/// Interfaces of WASI 0.2 that a component may import, without their version.
const OFFERED: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// What a gateway plugin exports. The engine knows no more about plugins than this, so that it can say where one belongs.
const PLUGIN: &str = "gateway:provisioner/";

/// Refuses what the engine cannot run. `name` is what the messages call the component.
pub(crate) fn check(name: &str, bytes: &[u8]) -> Result<(), Error> {
    kind_of_file(name, bytes)?;
    let (imports, exports) = surface(name, bytes)?;
    if exports.iter().any(|export| export.starts_with(PLUGIN)) {
        return Err(Error::component(format!("`{name}` is a gateway plugin, not an MCP server"))
            .with_hint("put it under `plugins`"));
    }
    if !exports.iter().any(|export| split(export) == ("wasi:cli/run", Some("0.2"))) {
        return Err(no_run(name, &exports));
    }
    let missing: Vec<&str> = imports.iter().map(String::as_str).filter(|import| !offered(import)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.iter().map(|import| format!("`{import}`")).collect::<Vec<_>>().join(", ");
    let hint = if missing.iter().any(|import| import.starts_with("wasi:http/")) {
        "HTTP is not offered to servers inside the gateway; give the server TCP through `hosts`, or run it in a container"
    } else {
        "the embedded engine offers WASI 0.2: cli, clocks, random, io, filesystem and sockets"
    };
    Err(Error::component(format!("`{name}` needs {list}, which the embedded engine does not offer"))
        .with_hint(hint))
}

fn no_run(name: &str, exports: &[String]) -> Error {
    let error =
        Error::component(format!("`{name}` is not a command: it does not export `wasi:cli/run` of WASI 0.2"));
    if exports.iter().any(|export| split(export).0 == "wasi:cli/run") {
        error.with_hint("it is built for another version of WASI; build it for `wasm32-wasip2`")
    } else if exports.iter().any(|export| export.starts_with("wasi:http/incoming-handler")) {
        error.with_hint("it is an HTTP handler; a server for the embedded engine is a program with a main function that speaks over its standard streams")
    } else {
        error.with_hint("build a program with a main function for `wasm32-wasip2`, not a library")
    }
}

/// `wasi:cli/run@0.2.6` as the interface and the track of its version.
fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        None => (name, None),
        Some((interface, version)) => {
            let mut dots = version.match_indices('.').map(|(at, _)| at);
            let track = dots.nth(1).and_then(|at| version.get(..at));
            // Pre-releases match nothing but themselves.
            (interface, track.filter(|_| !version.contains('-')))
        }
    }
}

fn offered(import: &str) -> bool {
    let (interface, track) = split(import);
    track == Some("0.2") && OFFERED.contains(&interface)
}

fn kind_of_file(name: &str, bytes: &[u8]) -> Result<(), Error> {
    let not = |what: &str, hint: &str| Error::component(format!("`{name}` is {what}")).with_hint(hint);
    let build = "build the server for `wasm32-wasip2`";
    match bytes {
        [] => Err(not("empty", build)),
        [0, b'a', b's', b'm', rest @ ..] => match rest {
            // Version and layer: a module is 1 and 0, a component 13 and 1.
            [_, _, 1, 0, ..] => Ok(()),
            [1, 0, 0, 0, ..] => Err(not("a core module of WebAssembly, not a component", build)),
            [_, _, _, _, ..] => Err(not("of an unknown version of WebAssembly", build)),
            _ => Err(not("truncated", "copy the file again")),
        },
        [0x7f, b'E', b'L', b'F', ..] | [0xfe | 0xcf | 0xce, 0xed | 0xfa, ..] => Err(not(
            "native code, not a WebAssembly component",
            "native code is never loaded; name the `.wasm` file it was made from",
        )),
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => Err(not("compressed", "unpack it first")),
        _ => {
            let start = bytes.get(..bytes.len().min(64)).unwrap_or_default().trim_ascii_start();
            if start.starts_with(b"(component") || start.starts_with(b"(module") {
                Err(not("WebAssembly in text form", "assemble it first, for example with `wasm-tools parse`"))
            } else {
                Err(not("not a WebAssembly file", build))
            }
        }
    }
}

/// Names of the component's own imports and exports; those of the parts inside it do not count.
fn surface(name: &str, bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), Error> {
    let damaged = |e: wasmparser::BinaryReaderError| {
        Error::component(format!("`{name}` is damaged or truncated: {e}"))
            .with_hint("copy or build the file again")
    };
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0_usize);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding, .. } => {
                if depth == 0 && encoding != Encoding::Component {
                    return Err(Error::component(format!("`{name}` is not a component")));
                }
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    imports.push(import.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.push(export.map_err(damaged)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        check("x", bytes).unwrap_err().to_string()
    }

    #[test]
    fn files_of_other_kinds_are_named() {
        let cases: [(&[u8], &str); 8] = [
            (b"", "`x` is empty (build the server for `wasm32-wasip2`)"),
            (b"#!/bin/sh\n", "`x` is not a WebAssembly file (build the server for `wasm32-wasip2`)"),
            (
                b" (component)",
                "`x` is WebAssembly in text form (assemble it first, for example with `wasm-tools parse`)",
            ),
            (
                b"\x7fELF\x02\x01",
                "`x` is native code, not a WebAssembly component (native code is never loaded; name the `.wasm` file it was made from)",
            ),
            (b"\x1f\x8b\x08", "`x` is compressed (unpack it first)"),
            (
                b"\0asm\x01\0\0\0",
                "`x` is a core module of WebAssembly, not a component (build the server for `wasm32-wasip2`)",
            ),
            (b"\0asm\x0d", "`x` is truncated (copy the file again)"),
            (
                b"\0asm\x0d\0\x01\0",
                "`x` is not a command: it does not export `wasi:cli/run` of WASI 0.2 (build a program with a main function for `wasm32-wasip2`, not a library)",
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(refusal(bytes), expected);
        }
    }

    /// A component that imports and exports empty interfaces of these names, byte by byte.
    fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
        let size = |bytes: usize| u8::try_from(bytes).ok().filter(|size| *size < 128).unwrap();
        let section = |id: u8, body: &[u8]| [&[id, size(body.len())], body].concat();
        let name = |text: &str| [&[0, size(text.len())], text.as_bytes()].concat();
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend(section(7, &[1, 0x42, 0]));
        bytes.extend(section(5, &[1, 1, 0]));
        for import in imports {
            bytes.extend(section(10, &[&[1], name(import).as_slice(), &[5, 0]].concat()));
        }
        for export in exports {
            bytes.extend(section(11, &[&[1], name(export).as_slice(), &[5, 0, 0]].concat()));
        }
        bytes
    }

    #[test]
    fn what_is_imported_and_exported_decides() {
        let run = "wasi:cli/run@0.2.0";
        check("x", &component(&["wasi:cli/stdin@0.2.6", "wasi:sockets/tcp@0.2.0"], &[run])).unwrap();
        let case = |imports: &[&str], exports: &[&str]| refusal(&component(imports, exports));
        assert_eq!(
            case(&[], &["gateway:provisioner/provisioner@0.1.0"]),
            "`x` is a gateway plugin, not an MCP server (put it under `plugins`)"
        );
        assert_eq!(
            case(&["wasi:http/types@0.2.6", "wasi:io/poll@0.2.0", "acme:own/thing"], &[run]),
            "`x` needs `wasi:http/types@0.2.6`, `acme:own/thing`, which the embedded engine does not offer (HTTP is not offered to \
             servers inside the gateway; give the server TCP through `hosts`, or run it in a container)"
        );
        assert_eq!(
            case(&["wasi:io/poll@0.3.0"], &[run]),
            "`x` needs `wasi:io/poll@0.3.0`, which the embedded engine does not offer (the embedded engine offers WASI 0.2: cli, \
             clocks, random, io, filesystem and sockets)"
        );
        assert_eq!(
            case(&[], &["wasi:cli/run@0.3.0"]),
            "`x` is not a command: it does not export `wasi:cli/run` of WASI 0.2 (it is built for another version of WASI; build it \
             for `wasm32-wasip2`)"
        );
        assert!(case(&[], &["wasi:http/incoming-handler@0.2.3"]).contains("(it is an HTTP handler; "));
    }

    #[test]
    fn tracks() {
        assert_eq!(split("wasi:cli/run@0.2.6"), ("wasi:cli/run", Some("0.2")));
        assert_eq!(split("wasi:cli/run@0.3.0"), ("wasi:cli/run", Some("0.3")));
        assert_eq!(split("wasi:cli/run@0.2.0-rc"), ("wasi:cli/run", None));
        assert_eq!(split("run"), ("run", None));
        assert!(offered("wasi:io/streams@0.2.12"));
        assert!(!offered("wasi:http/types@0.2.6"));
        assert!(!offered("wasi:io/streams@0.3.0"));
    }
}
