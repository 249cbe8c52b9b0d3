//! Keeping secrets: the other direction of [`Source`](crate::Source). Files are replaced as a whole, so that nobody reads half of one, and only
//! this user reads them.

use crate::SecretValue;
use std::fs::{OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Keeps a secret in a `.env` file, over one of that name; the other lines stay as they are.
///
/// # Errors
/// The name or the value cannot stand there, or the file cannot be written. Nothing of the value.
pub(crate) fn set_in_file(file: &Path, name: &str, value: &SecretValue) -> Result<(), String> {
    if name.is_empty() || name.starts_with('#') || name.trim() != name || name.contains(['=', '\n', '\r']) {
        return Err(format!("`{name}` cannot be a name in such a file"));
    }
    let text = value.reveal();
    if text.contains(['\n', '\r']) || text.trim_end() != text {
        return Err(
            "a value with line ends, or with a blank at its end, cannot stand in such a file; use a \
                    `folder:` or a keychain"
                .to_owned(),
        );
    }
    let mut lines = Zeroizing::new(without(&read(file)?, name).0);
    if !lines.is_empty() && !lines.ends_with('\n') {
        lines.push('\n');
    }
    // As large as it gets, so that growing leaves no copy behind.
    let mut whole = Zeroizing::new(String::with_capacity(lines.len() + name.len() + text.len() + 2));
    for part in [&lines, name, "=", text, "\n"] {
        whole.push_str(part);
    }
    replace(file, whole.as_bytes())
}

/// Takes a secret out of a `.env` file; false if it was not there.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn remove_from_file(file: &Path, name: &str) -> Result<bool, String> {
    let (lines, found) = without(&read(file)?, name);
    let lines = Zeroizing::new(lines);
    if found {
        replace(file, lines.as_bytes())?;
    }
    Ok(found)
}

/// Keeps a secret as a file of a folder.
///
/// # Errors
/// The name is no file's, or the file cannot be written.
pub(crate) fn set_in_folder(folder: &Path, name: &str, value: &SecretValue) -> Result<(), String> {
    replace(&inside(folder, name)?, value.reveal().as_bytes())
}

/// Removes a file of a folder; false if it was not there.
///
/// # Errors
/// The name is no file's, or the file cannot be removed.
pub(crate) fn remove_from_folder(folder: &Path, name: &str) -> Result<bool, String> {
    let file = inside(folder, name)?;
    match std::fs::remove_file(&file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

fn inside(folder: &Path, name: &str) -> Result<PathBuf, String> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
        return Err(format!("`{name}` cannot be the name of a file"));
    }
    Ok(folder.join(name))
}

fn read(file: &Path) -> Result<Zeroizing<String>, String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Zeroizing::default()),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

/// The lines without those of one name, and whether there were any.
fn without(text: &str, name: &str) -> (String, bool) {
    let mut rest = String::with_capacity(text.len() + 1);
    let mut found = false;
    for line in text.split_inclusive('\n') {
        let of_name =
            !line.starts_with('#') && line.trim().split_once('=').is_some_and(|(key, _)| key == name);
        if of_name {
            found = true;
        } else {
            rest.push_str(line);
        }
    }
    (rest, found)
}

/// Writes a file anew, for this user only unless others could read it before.
fn replace(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let shown = |error: std::io::Error| format!("{}: {error}", file.display());
    // A link stays one; what it leads to is written.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mode = std::fs::metadata(&file).map_or(0o600, |found| found.permissions().mode() & 0o777);
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("secrets");
    let fresh = file.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        out.write_all(bytes)?;
        out.set_permissions(Permissions::from_mode(mode))?;
        out.sync_all()?;
        std::fs::rename(&fresh, &file)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    written.map_err(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> SecretValue {
        SecretValue::new(text.to_owned())
    }

    #[test]
    fn a_file_keeps_its_other_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        set_in_file(&file, "acme.token", &value("one")).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "# acme.token=old\nacme.token=one\n other = x\nacme.token=two").unwrap();
        set_in_file(&file, "acme.token", &value("thr=ee")).unwrap();
        let text = || std::fs::read_to_string(&file).unwrap();
        assert_eq!(text(), "# acme.token=old\n other = x\nacme.token=thr=ee\n");
        assert_eq!(remove_from_file(&file, "acme.token"), Ok(true));
        assert_eq!(text(), "# acme.token=old\n other = x\n");
        assert_eq!(remove_from_file(&file, "acme.token"), Ok(false));
        assert_eq!(remove_from_file(&folder.path().join("none"), "x"), Ok(false));
        // Nothing else is left in the folder.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_stand_in_a_file_is_refused_without_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        for text in ["hunter2\nb=c", "hunter2 ", "hunter2\r"] {
            let refused = set_in_file(&file, "a", &value(text)).unwrap_err();
            assert!(refused.contains("line ends") && !refused.contains("hunter2"), "{refused}");
        }
        for name in ["", "#a", "a=b", " a", "a\nb"] {
            assert!(
                set_in_file(&file, name, &value("x")).unwrap_err().contains("cannot be a name"),
                "{name}"
            );
        }
        assert!(!file.exists());
    }

    #[test]
    fn a_folder_keeps_one_file_for_each() {
        let folder = tempfile::tempdir().unwrap();
        set_in_folder(folder.path(), "acme.token", &value("a\nb")).unwrap();
        set_in_folder(folder.path(), "acme.token", &value("c\n")).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("acme.token")).unwrap(), "c\n");
        assert_eq!(remove_from_folder(folder.path(), "acme.token"), Ok(true));
        assert_eq!(remove_from_folder(folder.path(), "acme.token"), Ok(false));
        for name in ["../x", ".x", "", "a/b"] {
            assert!(set_in_folder(folder.path(), name, &value("x")).is_err(), "{name}");
        }
    }
}
