//! Reading a file into text: bounded, UTF-8 only, with a clear word for each way it can fail.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::problem::Problem;

/// The largest file that is read, in bytes. Docker's published catalogue is below 2 MiB.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The whole text of a file, without a byte-order mark.
///
/// Anything that can be opened and read is accepted, so `<(command)` of a shell works too.
pub(crate) fn read(path: &Path) -> Result<String, Problem> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Problem::of_file(&name, "no such file", None),
        ErrorKind::PermissionDenied => Problem::of_file(
            &name,
            "not readable: permission denied",
            Some("the user who runs the gateway must be allowed to read it"),
        ),
        _ => Problem::of_file(&name, format!("not readable: {error}"), None),
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(Problem::of_file(&name, "this is a folder, not a file", Some("name the file inside it")));
    }
    // The length of a pipe is not known and that of a file may grow, so the limit is on what is read.
    let mut bytes = Vec::with_capacity(metadata.len().min(MAX_FILE_BYTES) as usize);
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Problem::of_file(&name, "larger than 16 MiB", Some("is this the right file?")));
    }
    text(&name, bytes)
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, Problem> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Problem::of_file(name, "not UTF-8 but UTF-16", Some("save it as UTF-8")));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line_start = good.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let in_line = String::from_utf8_lossy(good.get(line_start..).unwrap_or_default());
        let mut problem = Problem::of_file(name, "not UTF-8 text", Some("save it as UTF-8"));
        problem.line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        problem.column = 1 + in_line.chars().count();
        problem
    })?;
    if text.starts_with('\u{FEFF}') {
        text.drain(..'\u{FEFF}'.len_utf8());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(path: &Path) -> String {
        let problem = read(path).unwrap_err();
        let place =
            if problem.line == 0 { String::new() } else { format!("{}:{}: ", problem.line, problem.column) };
        format!("{place}{}", problem.what)
    }

    #[test]
    fn each_way_to_fail_has_its_word() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        assert_eq!(what(&folder.path().join("absent.yaml")), "no such file");
        assert_eq!(what(folder.path()), "this is a folder, not a file");
        assert_eq!(what(&file("latin1", b"a: b\nc: caf\xE9\n")), "2:7: not UTF-8 text");
        assert_eq!(what(&file("utf16", b"\xFF\xFEa\0")), "not UTF-8 but UTF-16");
        assert_eq!(what(&file("large", &vec![b'#'; MAX_FILE_BYTES as usize + 1])), "larger than 16 MiB");
        assert_eq!(read(&file("mark", "\u{FEFF}a: b".as_bytes())).unwrap(), "a: b");
        let largest = file("largest", &vec![b'#'; MAX_FILE_BYTES as usize]);
        assert_eq!(read(&largest).unwrap().len() as u64, MAX_FILE_BYTES);
    }
}
