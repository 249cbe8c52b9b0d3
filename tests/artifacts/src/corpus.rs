//! Inputs that fuzzing has found worth keeping (`tests/fuzz/corpus`), for tests that try them again without a fuzzer.

use std::io::Read;
use std::path::Path;

/// Gives every kept input of a target of `tests/fuzz` to `check`, which panics at what is wrong. A failure names the input.
///
/// # Panics
///
/// When `check` does, and when there are no inputs that can be read.
pub fn replay(target: &str, check: impl Fn(&[u8])) {
    let inputs = kept(target);
    assert!(inputs.len() > 100, "hardly an input is kept for `{target}`");
    for (name, input) in &inputs {
        let named = Named(name);
        check(input);
        drop(named);
    }
}

/// The same for a target that takes text: up to the first byte that is none, as the fuzzer reads it.
///
/// # Panics
///
/// As [`replay`].
pub fn replay_text(target: &str, check: impl Fn(&str)) {
    replay(target, |input| check(input.utf8_chunks().next().map_or("", |chunk| chunk.valid())));
}

/// The seeds and what earlier runs found, each with its name.
fn kept(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(folder.join(target)).expect("the target has seeds") {
        let path = entry.expect("a folder that can be read").path();
        inputs.push((path.display().to_string(), std::fs::read(&path).expect("a seed that can be read")));
    }
    let archive =
        std::fs::File::open(folder.join(format!("{target}.tar.gz"))).expect("the target has a corpus");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for entry in archive.entries().expect("a corpus that can be read") {
        let mut entry = entry.expect("a corpus that can be read");
        if entry.header().entry_type().is_file() {
            let name = format!("{target}.tar.gz/{}", String::from_utf8_lossy(&entry.path_bytes()));
            let mut input = Vec::new();
            entry.read_to_end(&mut input).expect("a corpus that can be read");
            inputs.push((name, input));
        }
    }
    inputs
}

/// The input that is being tried.
struct Named<'a>(&'a str);

impl Drop for Named<'_> {
    #[expect(clippy::print_stderr, reason = "beside the words of the test that fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input was {}", self.0);
        }
    }
}
