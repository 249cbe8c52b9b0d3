//! Imports go down the table, never up, and every heavy package has one home. The table is explained in `ARCHITECTURE.md`.

use super::manifest::{Manifest, manifests};
use super::nothing_found;
use std::collections::BTreeSet;

/// Which crates of ours a crate may import, by the folder it lives in. `*` in a folder stands for one name; `all` is everything in `host`.
const ALLOWED: [(&str, &str, &[&str]); 24] = [
    ("host/bridge", "host-bridge", &[]),
    ("host/cli", "host-cli", &["all", "gateway-testkit"]),
    ("host/config", "host-config", &[]),
    ("host/egress", "host-egress", &[]),
    ("host/gateway", "host-gateway", &["host-message", "host-pool", "host-provisioner"]),
    (
        "host/interceptor",
        "host-interceptor",
        &["host-gateway", "host-provisioner", "host-web", "host-workload-docker"],
    ),
    ("host/message", "host-message", &[]),
    ("host/outbound", "host-outbound", &["host-web"]),
    ("host/pool", "host-pool", &["host-message", "host-provisioner"]),
    ("host/provisioner", "host-provisioner", &[]),
    ("host/resolver", "host-resolver", &["host-provisioner", "host-config"]),
    ("host/signature", "host-signature", &["host-web", "host-workload-docker"]),
    ("host/toolbox", "host-toolbox", &["host-provisioner", "host-resolver", "host-config"]),
    (
        "host/upstream",
        "host-upstream",
        &["host-provisioner", "host-resolver", "host-web", "host-workload-process"],
    ),
    (
        "host/wasm",
        "host-wasm",
        &["host-outbound", "host-provisioner", "host-resolver", "host-web", "host-workload-*"],
    ),
    ("host/web", "host-web", &["host-provisioner"]),
    ("host/workload-*", "host-workload-*", &[]),
    ("plugins/*", "plugin-*", &["gateway-plugin"]),
    ("sdk/rust", "gateway-plugin", &[]),
    ("sdk/testkit", "gateway-testkit", &["host-provisioner", "host-wasm"]),
    ("tests", "gateway-tests", &["all", "gateway-plugin", "test-artifacts"]),
    ("tests/artifacts", "test-artifacts", &[]),
    (
        "tests/fuzz",
        "gateway-fuzz",
        &["host-config", "host-gateway", "host-message", "host-pool", "host-resolver"],
    ),
    // Built the way an outside author builds them, from folders of their own.
    ("tests/guests/*", "*", &["gateway-plugin"]),
];

/// What tests of a crate may import besides, so that they have something to run.
const ALLOWED_IN_TESTS: [&str; 1] = ["test-artifacts"];

/// Which folders a heavy package may be imported from. Searching the tree for a package answers where its subject lives.
const HOMES: [(&str, &[&str]); 21] = [
    ("aws-sigv4", &["host/outbound"]),
    ("bollard", &["host/workload-docker"]),
    ("clap", &["host/bridge", "host/cli", "tests"]),
    ("clap_complete", &["host/cli"]),
    ("hyper", &["host/gateway", "host/web", "host/workload-docker", "tests"]),
    ("hyper-util", &["host/gateway", "host/web", "host/workload-docker", "tests"]),
    ("k8s-openapi", &["host/workload-kubernetes"]),
    ("keyring-core", &["host/resolver"]),
    ("kube", &["host/workload-kubernetes"]),
    ("reqsign-aws-core", &["host/outbound"]),
    ("reqsign-core", &["host/outbound"]),
    ("rmcp", &["host/cli", "tests"]),
    ("rustls-native-certs", &["host/web"]),
    ("saphyr-parser", &["host/config"]),
    ("tokio-rustls", &["host/web", "host/workload-docker"]),
    ("tokio-tungstenite", &["host/workload-kubernetes"]),
    ("wasmparser", &["host/wasm", "host/workload-embedded"]),
    ("wasmtime", &["host/wasm", "host/workload-embedded"]),
    ("wasmtime-wasi", &["host/wasm", "host/workload-embedded"]),
    (
        "wit-bindgen",
        &[
            "sdk/rust",
            "tests/guests/plugin-docker",
            "tests/guests/plugin-deaf",
            "tests/guests/plugin-hostile",
            "tests/guests/plugin-http",
            "tests/guests/plugin-kubernetes",
        ],
    ),
    ("wit-parser", &["tests"]),
];

/// Projects that stand for somebody else's; the table does not bind them, but they import no crate of the host.
fn is_outside(manifest: &Manifest) -> bool {
    manifest.folder.starts_with("examples/") || manifest.folder.starts_with("sdk/template")
}

fn is_ours(package: &str) -> bool {
    ["host-", "plugin-", "gateway-", "test-"].iter().any(|start| package.starts_with(start))
}

/// `host/workload-*` matches `host/workload-docker`, and no folder below it.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text
            .strip_prefix(start)
            .and_then(|rest| rest.strip_suffix(end))
            .is_some_and(|middle| !middle.is_empty() && !middle.contains('/')),
    }
}

fn may_import(allowed: &[&str], package: &str) -> bool {
    allowed.iter().any(|a| (*a == "all" && package.starts_with("host-")) || matches(a, package))
}

fn wrong_imports(manifest: &Manifest) -> Vec<String> {
    let file = format!("{}/Cargo.toml", manifest.folder);
    if is_outside(manifest) {
        let upward = manifest.imports.iter().chain(&manifest.test_imports).filter(|p| p.starts_with("host-"));
        return upward
            .map(|p| format!("{file}: `{p}` is the host's own; examples import the SDK only"))
            .collect();
    }
    let Some((_, _, allowed)) = ALLOWED.iter().find(|(folder, ..)| matches(folder, &manifest.folder)) else {
        return vec![format!("{file}: the crate is not in the table of `tests/it/tidy/imports.rs`")];
    };
    let list = if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
    let wrong = |package: &&String| is_ours(package) && !may_import(allowed, package);
    let for_tests = |package: &&String| wrong(package) && !ALLOWED_IN_TESTS.contains(&package.as_str());
    let upward = manifest.imports.iter().filter(wrong).chain(manifest.test_imports.iter().filter(for_tests));
    upward.map(|package| format!("{file}: `{package}` goes against the flow; it may import {list}")).collect()
}

fn strangers(manifest: &Manifest) -> Vec<String> {
    let imported: BTreeSet<_> = manifest.imports.union(&manifest.test_imports).collect();
    HOMES
        .iter()
        .filter(|(package, homes)| {
            imported.iter().any(|i| *i == package) && !homes.iter().any(|h| matches(h, &manifest.folder))
        })
        .map(|(package, homes)| {
            format!("{}/Cargo.toml: `{package}` has its home in {}", manifest.folder, homes.join(" and "))
        })
        .collect()
}

fn wrong_name(manifest: &Manifest) -> Option<String> {
    let (folder, name, _) = ALLOWED.iter().find(|(folder, ..)| matches(folder, &manifest.folder))?;
    let last = manifest.folder.rsplit('/').next().unwrap_or_default();
    let middle = match folder.rsplit('/').next()?.split_once('*') {
        Some((start, _)) => last.strip_prefix(start)?,
        None => "",
    };
    let expected = name.replace('*', middle);
    (manifest.name != expected).then(|| {
        format!("{}/Cargo.toml: the package is called `{}`, not `{expected}`", manifest.folder, manifest.name)
    })
}

#[test]
fn imports_go_down_the_table() {
    nothing_found(
        "a crate imports what it must not know",
        manifests().iter().flat_map(wrong_imports).collect(),
    );
}

#[test]
fn heavy_packages_have_one_home() {
    // Servers and guests of examples are projects of their own; what they import does not reach the program.
    let ours = manifests();
    nothing_found(
        "a heavy package outside its home",
        ours.iter().filter(|m| !is_outside(m)).flat_map(strangers).collect(),
    );
}

#[test]
fn crates_are_called_like_their_folders() {
    nothing_found("folder = crate, with dashes", manifests().iter().filter_map(wrong_name).collect());
}

#[test]
fn every_crate_of_the_program_is_in_the_table_once() {
    let mut found = Vec::new();
    for manifest in manifests().iter().filter(|m| !is_outside(m)) {
        let rows = ALLOWED.iter().filter(|(folder, ..)| matches(folder, &manifest.folder)).count();
        if rows != 1 {
            found.push(format!("{}/Cargo.toml: {rows} rows of the table", manifest.folder));
        }
    }
    nothing_found("one row for each crate", found);
}

fn sample(folder: &str, name: &str, imports: &[&str], test_imports: &[&str]) -> Manifest {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Manifest {
        folder: folder.to_owned(),
        name: name.to_owned(),
        imports: set(imports),
        test_imports: set(test_imports),
    }
}

#[test]
fn an_import_against_the_flow_is_found() {
    let wrong = |folder, imports, tests| wrong_imports(&sample(folder, "x", imports, tests)).join("; ");
    assert_eq!(
        wrong("host/pool", &["host-wasm", "host-message", "tokio"], &[]),
        "host/pool/Cargo.toml: `host-wasm` goes against the flow; it may import host-message, host-provisioner"
    );
    assert_eq!(
        wrong("host/workload-docker", &[], &["host-config", "test-artifacts"]),
        "host/workload-docker/Cargo.toml: `host-config` goes against the flow; it may import nothing of ours"
    );
    assert_eq!(wrong("host/wasm", &["host-workload-docker"], &[]), "");
    assert_eq!(wrong("host/cli", &["host-wasm", "host-gateway"], &[]), "");
    assert_eq!(
        wrong("host/new", &[], &[]),
        "host/new/Cargo.toml: the crate is not in the table of `tests/it/tidy/imports.rs`"
    );
    assert_eq!(
        wrong("examples/servers/notes", &["host-config"], &[]),
        "examples/servers/notes/Cargo.toml: `host-config` is the host's own; examples import the SDK only"
    );
}

#[test]
fn a_package_away_from_home_and_a_wrong_name_are_found() {
    assert_eq!(
        strangers(&sample("host/pool", "host-pool", &["wasmtime"], &["clap"])).join("; "),
        "host/pool/Cargo.toml: `clap` has its home in host/bridge and host/cli and tests; \
         host/pool/Cargo.toml: `wasmtime` has its home in host/wasm and host/workload-embedded"
    );
    assert_eq!(
        wrong_name(&sample("host/workload-docker", "docker", &[], &[])).as_deref(),
        Some("host/workload-docker/Cargo.toml: the package is called `docker`, not `host-workload-docker`")
    );
    assert_eq!(wrong_name(&sample("plugins/embedded", "plugin-embedded", &[], &[])), None);
}
