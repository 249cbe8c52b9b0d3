//! Builds the test guests of `tests/guests`, the egress proxy and the bridge, and says where they are; gives the inputs that fuzzing has found.
//! For tests only.

mod corpus;

pub use corpus::{replay, replay_text};

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Path of the built component of a guest, by its package name: `echo-server`.
///
/// The first call in a process builds all guests in release mode; cargo decides what is out of date. Processes that do so at the same time
/// wait for each other, so that none reads a file that another one is writing.
///
/// # Panics
///
/// When the guests do not compile, with the compiler's own output, or when there is no guest of that name.
#[must_use]
#[expect(clippy::panic, reason = "a test that lacks its guest cannot go on, and this is the clearest end")]
pub fn guest(name: &str) -> PathBuf {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = match FOLDER.get_or_init(build) {
        Ok(folder) => folder,
        Err(text) => panic!("the test guests could not be built: {text}"),
    };
    let file = folder.join(format!("{name}.wasm"));
    assert!(file.is_file(), "there is no test guest `{name}`: `{}` was not built", file.display());
    file
}

/// Path of the egress proxy's program, static and for the processor of this machine, built as [`guest`] builds.
///
/// # Panics
///
/// When it does not compile.
#[must_use]
#[expect(clippy::panic, reason = "a test that lacks its program cannot go on, and this is the clearest end")]
pub fn egress() -> PathBuf {
    static FILE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let triple = egress_triple();
    match FILE.get_or_init(|| cargo_build("Cargo.toml", &triple, &["--package", "host-egress"])) {
        Ok(folder) => folder.join("gateway-egress"),
        Err(text) => panic!("the egress proxy could not be built: {text}"),
    }
}

/// Path of the bridge's program, static and for the processor of this machine, built as [`guest`] builds.
///
/// # Panics
///
/// When it does not compile.
#[must_use]
#[expect(clippy::panic, reason = "a test that lacks its program cannot go on, and this is the clearest end")]
pub fn bridge() -> PathBuf {
    static FILE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let triple = egress_triple();
    match FILE.get_or_init(|| cargo_build("Cargo.toml", &triple, &["--package", "host-bridge"])) {
        Ok(folder) => folder.join("gateway-bridge"),
        Err(text) => panic!("the bridge could not be built: {text}"),
    }
}

fn egress_triple() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

fn build() -> Result<PathBuf, String> {
    cargo_build("tests/guests/Cargo.toml", "wasm32-wasip2", &[])
}

fn cargo_build(manifest: &str, triple: &str, further: &[&str]) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("target/guests");
    std::fs::create_dir_all(&target).map_err(|e| format!("create `{}`: {e}", target.display()))?;
    let lock = std::fs::File::create(target.join(".test-artifacts.lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| format!("lock `{}`: {e}", target.display()))?;
    // They are for another machine than the tests, so flags meant for the tests must not reach their compiler.
    let output = Command::new(cargo())
        .args(["build", "--quiet", "--release", "--locked", "--target", triple])
        .args(further)
        .arg("--manifest-path")
        .arg(root.join(manifest))
        .arg("--target-dir")
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .map_err(|e| format!("run cargo: {e}"))?;
    if output.status.success() {
        Ok(target.join(triple).join("release"))
    } else {
        Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

#[expect(clippy::disallowed_methods, reason = "cargo tells its children where it is in a variable")]
fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
