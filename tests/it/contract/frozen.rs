//! Track 0.1 is frozen: its files are those that plugins were built against. Their hashes stand beside them, as `sha256sum` writes them.

use super::nothing_found;
use gateway_tests::contract::track;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What a finding means, and what is to be done.
const RULE: &str = "track 0.1 of the contract is frozen: plugins that exist were built against exactly these files, and nobody can build them again. A change is one of three.\n  \
    1. It was not meant, or it can wait: take it back, and write the wish under \"Wishes for 0.2\" in wit/README.md.\n  \
    2. The host offers more, a function or an interface that plugins may import, marked with the version that brought it (`@since`), and plugins of 0.1.0 still run: \
    write it under \"What changed\" in wit/README.md, and the hashes anew with `cd wit/v0.1 && sha256sum *.wit > HASHES`. Comments may become looser, never stricter.\n  \
    3. Anything else (a field, a case, a function that plugins must offer, another meaning) begins a new track: copy wit/v0.1 to wit/v0.2, change the package's version \
    there, and give it an adapter of its own beside host/wasm/src/v0_1.rs; 0.1 stays as it is, and is carried on";

#[test]
fn the_files_of_the_track_are_the_frozen_ones() {
    let written = std::fs::read_to_string(track().join("HASHES")).unwrap();
    let frozen: BTreeMap<&str, &str> =
        written.lines().map(|line| line.split_once("  ").unwrap()).map(|(hash, name)| (name, hash)).collect();
    let mut found = Vec::new();
    let mut there = Vec::new();
    for entry in std::fs::read_dir(track()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wit") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let hash: String =
            Sha256::digest(std::fs::read(&path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        match frozen.get(name.as_str()) {
            Some(known) if *known == hash => {}
            Some(_) => found.push(format!("`wit/v0.1/{name}` is not what it was")),
            None => found.push(format!("`wit/v0.1/{name}` is new")),
        }
        there.push(name);
    }
    for name in frozen.keys().filter(|name| !there.iter().any(|there| there == *name)) {
        found.push(format!("`wit/v0.1/{name}` is gone"));
    }
    nothing_found(RULE, &found);
}
