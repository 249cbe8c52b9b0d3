//! Builds the bundled plugins and the quickstart servers for `wasm32-wasip2` and compiles them into the program, so that a fresh checkout
//! needs nothing but cargo. Programs for containers (`SIDES`) are built the same way.
//!
//! Writes `$OUT_DIR/bundled.rs`, which the program includes: two tables of name and bytes, `PLUGINS` and `SERVERS`. The guests are always
//! built in release mode and share one target directory beside the program's profiles, so debug, release and clippy builds of the
//! program build them once.
#![expect(clippy::disallowed_methods, reason = "cargo tells a build script everything in variables")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

const TARGET: &str = "wasm32-wasip2";

/// Everything of one manifest that is bundled.
struct Guests {
    /// Name of the table in `bundled.rs`.
    table: &'static str,
    doc: &'static str,
    /// Manifest that cargo is called with, from the root of the repository.
    manifest: &'static str,
    guests: &'static [Guest],
}

struct Guest {
    /// What it is called at run time.
    name: &'static str,
    package: &'static str,
    /// What cargo calls the file.
    file: &'static str,
}

const ALL: &[Guests] = &[
    Guests {
        table: "PLUGINS",
        doc: "The bundled provisioner plugins: name and component.",
        manifest: "Cargo.toml",
        guests: &[
            Guest { name: "cloud-ecs", package: "plugin-cloud-ecs", file: "plugin_cloud_ecs.wasm" },
            Guest { name: "cloud-run", package: "plugin-cloud-run", file: "plugin_cloud_run.wasm" },
            Guest { name: "docker", package: "plugin-docker", file: "plugin_docker.wasm" },
            Guest { name: "embedded", package: "plugin-embedded", file: "plugin_embedded.wasm" },
            Guest { name: "kubernetes", package: "plugin-kubernetes", file: "plugin_kubernetes.wasm" },
        ],
    },
    Guests {
        table: "SERVERS",
        doc: "The MCP servers of the quickstart: name and component.",
        manifest: "examples/servers/Cargo.toml",
        guests: &[
            Guest { name: "notes", package: "server-notes", file: "notes.wasm" },
            Guest { name: "time", package: "server-time", file: "time.wasm" },
        ],
    },
];

/// A program that runs in containers beside servers.
struct Side {
    /// Name of the constant in `bundled.rs`.
    item: &'static str,
    doc: &'static str,
    package: &'static str,
    /// What cargo calls the program.
    file: &'static str,
    /// How it is built otherwise than the guests.
    profile: &'static [(&'static str, &'static str)],
    /// Bytes that it may have.
    most: Option<usize>,
}

const SIDES: &[Side] = &[
    Side {
        item: "BRIDGE",
        doc: "The program that is put in front of others in a cluster, and what it was built for.",
        package: "host-bridge",
        file: "gateway-bridge",
        // It travels in a ConfigMap.
        profile: &[("OPT_LEVEL", "z")],
        most: Some(1 << 20),
    },
    Side {
        item: "EGRESS",
        doc: "The program of the egress proxy, and what it was built for.",
        package: "host-egress",
        file: "gateway-egress",
        // What goes wrong with one connection ends that one.
        profile: &[("PANIC", "unwind")],
        most: None,
    },
];

/// What the guests are made of. Folders are watched with everything in them, so none with build output is named.
const SOURCES: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "examples/servers/Cargo.lock",
    "examples/servers/Cargo.toml",
    "examples/servers/kit",
    "examples/servers/notes",
    "examples/servers/time",
    "host/bridge/Cargo.toml",
    "host/bridge/src",
    "host/egress/Cargo.toml",
    "host/egress/src",
    "plugins/cloud-ecs/Cargo.toml",
    "plugins/cloud-ecs/src",
    "plugins/cloud-run/Cargo.toml",
    "plugins/cloud-run/src",
    "plugins/docker/Cargo.toml",
    "plugins/docker/src",
    "plugins/embedded/Cargo.toml",
    "plugins/embedded/src",
    "plugins/kubernetes/Cargo.toml",
    "plugins/kubernetes/src",
    "rust-toolchain.toml",
    "sdk/rust/Cargo.toml",
    "sdk/rust/src",
    "wit/v0.1",
];

fn main() -> ExitCode {
    match bundle() {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            for line in text.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn bundle() -> Result<(), String> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../..");
    let out = PathBuf::from(variable("OUT_DIR")?);
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    ensure_target(&root, TARGET)?;
    // `OUT_DIR` is `<target>/<profile>/build/<package>/out`.
    let target = out.ancestors().nth(4).ok_or("`OUT_DIR` is not inside a target directory")?.join("bundled");
    let mut source = String::new();
    for group in ALL {
        build(&root, &target, group)?;
        source.push_str(&table(&target.join(TARGET).join("release"), &out, group)?);
    }
    for side in SIDES {
        source.push_str(&side_program(&root, &target, &out, side)?);
    }
    write_if_changed(&out.join("bundled.rs"), source.as_bytes())
}

/// What runs in containers is built static, for Linux, and for the processor of this build. A compiler that cannot do so makes a program without
/// it, which refuses what it would be needed for.
fn side_program(root: &Path, target: &Path, out: &Path, side: &Side) -> Result<String, String> {
    let item = format!("/// {}\npub(crate) static {}: Option<(&str, &[u8])> = ", side.doc, side.item);
    let architecture = variable("CARGO_CFG_TARGET_ARCH")?.to_string_lossy().into_owned();
    let triple = format!("{architecture}-unknown-linux-musl");
    if let Err(text) = ensure_target(root, &triple) {
        println!("cargo::warning=built without `{}`: {text}", side.file);
        return Ok(format!("{item}None;\n"));
    }
    let mut command = cargo(root.join("Cargo.toml"), target, &triple);
    command.args(["--package", side.package]);
    for (key, value) in side.profile {
        command.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
    }
    run(command, side.package)?;
    let file = target.join(&triple).join("release").join(side.file);
    let bytes = fs::read(&file).map_err(|e| format!("read `{}`: {e}", file.display()))?;
    if side.most.is_some_and(|most| bytes.len() > most) {
        return Err(format!("`{}` has {} bytes, which is more than it may", side.file, bytes.len()));
    }
    write_if_changed(&out.join(side.file), &bytes)?;
    let include = format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{}\"))", side.file);
    Ok(format!("{item}Some(({architecture:?}, {include}));\n"))
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set `{name}`"))
}

/// Installs the target if the toolchain lacks it. A toolchain that is not rustup's is asked, not changed.
fn ensure_target(root: &Path, target: &str) -> Result<(), String> {
    if has_target(target) {
        return Ok(());
    }
    let added = Command::new("rustup").args(["target", "add", target]).current_dir(root).output();
    if added.is_ok_and(|output| output.status.success()) && has_target(target) {
        return Ok(());
    }
    Err(format!(
        "the compiler has no target `{target}`, which what is bundled needs: rustup target add {target}"
    ))
}

fn has_target(target: &str) -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output();
    asked.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn build(root: &Path, target: &Path, group: &Guests) -> Result<(), String> {
    let mut command = cargo(root.join(group.manifest), target, TARGET);
    for guest in group.guests {
        command.args(["--package", guest.package]);
    }
    run(command, group.manifest)
}

/// Cargo for what is bundled, without what is meant for the program around it.
fn cargo(manifest: PathBuf, target_dir: &Path, target: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--release", "--target", target, "--manifest-path"]).arg(manifest);
    command.arg("--target-dir").arg(target_dir);
    // Flags, wrappers (clippy is one) and directories are meant for the program, not for code of another machine.
    for meant_for_the_program in [
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
    ] {
        command.env_remove(meant_for_the_program);
    }
    // A guest is compiled by the engine at its first start, so it is built small. The workspace's own release profile is for the program.
    for (key, value) in [
        ("OPT_LEVEL", "s"),
        ("LTO", "fat"),
        ("CODEGEN_UNITS", "1"),
        ("PANIC", "abort"),
        ("STRIP", "symbols"),
        ("DEBUG", "0"),
        ("DEBUG_ASSERTIONS", "false"),
        ("OVERFLOW_CHECKS", "false"),
        ("INCREMENTAL", "false"),
    ] {
        command.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
    }
    command
}

fn run(mut command: Command, what: &str) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("run cargo for `{what}`: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{what}` could not be built ({})\n{said}", output.status))
}

/// Copies the components beside `bundled.rs`, so that a later build of another profile cannot change them under the compiler.
fn table(built: &Path, out: &Path, group: &Guests) -> Result<String, String> {
    let mut source = format!("/// {}\npub(crate) static {}: &[(&str, &[u8])] = &[\n", group.doc, group.table);
    for guest in group.guests {
        let file = built.join(guest.file);
        let bytes = fs::read(&file).map_err(|e| format!("read `{}`: {e}", file.display()))?;
        write_if_changed(&out.join(guest.file), &bytes)?;
        let include = format!("concat!(env!(\"OUT_DIR\"), \"/{}\")", guest.file);
        source.push_str(&format!("    ({:?}, include_bytes!({include})),\n", guest.name));
    }
    source.push_str("];\n");
    Ok(source)
}

fn write_if_changed(file: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(file).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    fs::write(file, bytes).map_err(|e| format!("write `{}`: {e}", file.display()))
}
