//! `.env` files as Docker's gateway reads them: `NAME=value`, split at the first `=`, no quoting, comments from column one.
//!
//! Rules and vectors: `docker-mcp-gateway.md` 6.8. A bad line is named by its number, never by its text, which may be a secret.

use crate::{SecretError, SecretValue};
use std::io::ErrorKind;
use std::path::Path;
use zeroize::Zeroizing;

/// Looks one name up. Of a repeated name the last counts.
pub(crate) fn get(path: &Path, name: &str) -> Result<Option<SecretValue>, SecretError> {
    let text = match std::fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, error.to_string())),
    };
    let text = std::str::from_utf8(&text).map_err(|_| unreadable(path, "it is not UTF-8".to_owned()))?;
    let mut found = None;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let (key, value) =
            line.split_once('=').ok_or_else(|| unreadable(path, format!("line {} has no `=`", index + 1)))?;
        if key == name {
            found = Some(SecretValue::new(value.to_owned()));
        }
    }
    Ok(found)
}

fn unreadable(path: &Path, reason: String) -> SecretError {
    SecretError::Unreadable { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    /// Rows of `provisioning.md` 1.13.
    #[test]
    fn lines_are_split_at_the_first_equals_sign_and_not_trimmed_again() {
        let f = file("# comment\n\na=b=c\n  x=1  \ny = z \nq=\"v\"\nempty=\na2=first\na2=last\n");
        for (name, value) in
            [("a", "b=c"), ("x", "1"), ("y ", " z"), ("q", "\"v\""), ("empty", ""), ("a2", "last")]
        {
            assert_eq!(
                get(f.path(), name).unwrap().map(|v| v.reveal().to_owned()).as_deref(),
                Some(value),
                "{name}"
            );
        }
        assert!(get(f.path(), "y").unwrap().is_none());
    }

    #[test]
    fn a_bad_line_is_named_by_number_and_never_by_text() {
        let f = file("a=b\n  hunter2\n");
        let error = get(f.path(), "a").err().unwrap().to_string();
        assert!(error.ends_with("cannot be read: line 2 has no `=`"), "{error}");
        assert!(!error.contains("hunter2"));
    }

    #[test]
    fn a_missing_file_has_no_secrets() {
        assert!(get(Path::new("/nonexistent/.env"), "a").unwrap().is_none());
    }
}
