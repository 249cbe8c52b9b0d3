//! Finding the program that a command names, as a shell would, so that a missing one is told apart from one that fails.

use crate::error::{Error, ErrorKind};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The file that `program` means: a path as it is, seen from the folder it will run in; a name from the first folder of `path` that has it.
pub(crate) fn find(program: &str, path: Option<&OsStr>, directory: &Path) -> Result<PathBuf, Error> {
    if program.is_empty() {
        return Err(Error::new(ErrorKind::Specification, "the command is empty"));
    }
    if program.contains('/') {
        let file = directory.join(program);
        return match why_not(&file) {
            None => Ok(file),
            Some(why) => Err(Error::new(ErrorKind::Program, format!("`{program}` {why}"))),
        };
    }
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        let text = format!("`{program}` cannot be looked up: the server's environment has no PATH");
        return Err(Error::new(ErrorKind::Program, text)
            .with_hint("write the whole path of the program, or give it a `PATH`"));
    };
    let mut seen = None;
    for folder in std::env::split_paths(path) {
        let file = directory.join(folder).join(program);
        match why_not(&file) {
            None => return Ok(file),
            Some(MISSING) => {}
            Some(why) => seen = seen.or(Some((file, why))),
        }
    }
    Err(match seen {
        Some((file, why)) => Error::new(ErrorKind::Program, format!("`{}` {why}", file.display())),
        None => {
            Error::new(ErrorKind::Program, format!("`{program}` is in no folder of PATH ({})", shown(path)))
                .with_hint(format!("install `{program}`, or write its whole path as the command"))
        }
    })
}

const MISSING: &str = "is not there";

fn why_not(file: &Path) -> Option<&'static str> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::metadata(file) {
        Ok(data) if data.is_dir() => Some("is a folder"),
        Ok(data) if data.permissions().mode() & 0o111 == 0 => Some("is not executable"),
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Some("may not be looked at"),
        Err(_) => Some(MISSING),
    }
}

fn shown(path: &OsStr) -> String {
    OsString::from(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_program_is_found_or_the_reason_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (good, plain) = (folder.path().join("good"), folder.path().join("plain"));
        for (file, mode) in [(&good, 0o755), (&plain, 0o644)] {
            std::fs::write(file, "").unwrap();
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = OsString::from(format!("/nonexistent:{}", folder.path().display()));
        let look = |program: &str| find(program, Some(&path), folder.path()).map_err(|error| error.text);
        assert_eq!(look("good"), Ok(good.clone()));
        assert_eq!(look("./good"), Ok(folder.path().join("./good")));
        assert_eq!(look("plain"), Err(format!("`{}` is not executable", plain.display())));
        assert_eq!(look("./none"), Err("`./none` is not there".to_owned()));
        assert_eq!(look("none"), Err(format!("`none` is in no folder of PATH ({})", path.display())));
        assert_eq!(look(""), Err("the command is empty".to_owned()));
        let error = find("good", None, folder.path()).unwrap_err();
        assert_eq!(error.text, "`good` cannot be looked up: the server's environment has no PATH");
    }
}
