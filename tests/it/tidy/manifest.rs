//! As much of a `Cargo.toml` as the rules need: the package's name, and which packages it imports.

use super::{files, shown, text};
use std::collections::BTreeSet;

/// One crate.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Folder of the crate, relative to the checkout, with `/`.
    pub(super) folder: String,
    /// `package.name`; empty for a virtual manifest.
    pub(super) name: String,
    /// Packages in `dependencies` and `build-dependencies`, of any target.
    pub(super) imports: BTreeSet<String>,
    /// Packages in `dev-dependencies`.
    pub(super) test_imports: BTreeSet<String>,
}

/// Every crate of the checkout.
pub(super) fn manifests() -> Vec<Manifest> {
    files()
        .iter()
        .filter(|file| file.file_name().is_some_and(|name| name == "Cargo.toml"))
        .filter_map(|file| {
            let folder = file.parent().map(shown).unwrap_or_default();
            Some(Manifest { folder, ..parse(&text(file)?) })
        })
        .filter(|manifest| !manifest.name.is_empty())
        .collect()
}

/// Reads the tables line by line. Good for manifests as people write them; values over several lines are skipped unseen.
fn parse(toml: &str) -> Manifest {
    let mut manifest = Manifest::default();
    let mut table = String::new();
    for line in toml.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']').trim().to_owned();
            // `[dependencies.serde]`
            if let Some((of, package)) = table.rsplit_once('.')
                && let Some(imports) = imports(&mut manifest, of)
            {
                imports.insert(package.trim_matches('"').to_owned());
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.trim();
        if table == "package" && key == "name" {
            manifest.name = value.trim().trim_matches('"').to_owned();
        } else if !line.starts_with('#')
            && let Some(imports) = imports(&mut manifest, &table)
        {
            // `serde.workspace = true` and `serde = …`
            let package = key.split('.').next().unwrap_or(key);
            imports.insert(renamed(value).unwrap_or_else(|| package.trim_matches('"').to_owned()));
        }
    }
    manifest
}

/// The set that a table fills, if it is a table of dependencies.
fn imports<'a>(manifest: &'a mut Manifest, table: &str) -> Option<&'a mut BTreeSet<String>> {
    match table.rsplit('.').next()? {
        "dependencies" | "build-dependencies" if !table.starts_with("workspace") => {
            Some(&mut manifest.imports)
        }
        "dev-dependencies" => Some(&mut manifest.test_imports),
        _ => None,
    }
}

/// `{ package = "name", … }`: the real name of a renamed dependency.
fn renamed(value: &str) -> Option<String> {
    let rest = value.split_once("package")?.1.trim_start().strip_prefix('=')?;
    rest.split('"').nth(1).map(str::to_owned)
}

#[test]
fn a_manifest_is_read_in_every_way_it_is_written() {
    let manifest = parse(
        r#"
        [package]
        name = "host-pool"
        [dependencies]
        # clap = "4"
        bytes.workspace = true
        tokio = { version = "1", features = ["sync"] }
        wasm = { package = "wasmtime", version = "48" }
        [dependencies.kube]
        version = "1"
        [target.'cfg(unix)'.dependencies]
        rustix.workspace = true
        [build-dependencies]
        cc = "1"
        [dev-dependencies]
        tempfile = "3"
        [features]
        default = ["x"]
        [workspace.dependencies]
        hyper = "1"
        "#,
    );
    let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(manifest.name, "host-pool");
    assert_eq!(names(&manifest.imports), "bytes cc kube rustix tokio wasmtime");
    assert_eq!(names(&manifest.test_imports), "tempfile");
}
