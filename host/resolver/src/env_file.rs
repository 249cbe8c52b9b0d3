//! `.env` files as Docker's gateway reads them: `NAME=value`, split at the first `=`, no quoting, comments from column one.
//!
//! Rules and vectors: `docker-mcp-gateway.md` 6.8. A bad line is named by its number, never by its text, which may be a secret.

use crate::{SecretError, SecretValue};
use std::io::ErrorKind;
use std::path::Path;
use zeroize::Zeroizing;

/// Looks one name up. Of a repeated name the last counts.
pub(crate) fn get(path: &Path, name: &str) -> Result<Option<SecretValue>, SecretError> {
    match read(path)? {
        Some(text) => get_from(path, &text, name),
        None => Ok(None),
    }
}

/// Looks one name up in what a file held; `path` is for messages.
pub(crate) fn get_from(path: &Path, text: &[u8], name: &str) -> Result<Option<SecretValue>, SecretError> {
    let mut found = None;
    for line in lines(path, text)? {
        let (key, value) = line?;
        if key == name {
            found = Some(value);
        }
    }
    Ok(found.map(|value| SecretValue::new(value.to_owned())))
}

/// Reads the whole file without looking for anything; gives what it held, none if it is not there.
pub(crate) fn check(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
    let Some(text) = read(path)? else { return Ok(None) };
    lines(path, &text)?.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(text))
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error.to_string())),
    }
}

type Line<'t> = Result<(&'t str, &'t str), SecretError>;

/// The names and values of a file.
fn lines<'t>(path: &'t Path, bytes: &'t [u8]) -> Result<impl Iterator<Item = Line<'t>>, SecretError> {
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable(path, "it is not UTF-8".to_owned()))?;
    Ok(text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')).filter_map(
        move |(index, line)| {
            let line = line.trim();
            let no_sign = || unreadable(path, format!("line {} has no `=`", index + 1));
            (!line.is_empty()).then(|| line.split_once('=').ok_or_else(no_sign))
        },
    ))
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

    /// The first table of `docker-mcp-gateway.md` 6.8: all names and values of a file, in order. The long line is read here, where the
    /// original stops.
    #[test]
    fn the_table_of_the_reference() {
        let pairs = |text: &str| -> Vec<(String, String)> {
            let lines = lines(Path::new("x"), text.as_bytes()).unwrap();
            lines.map(|line| line.map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap()).collect()
        };
        let long = "x".repeat(70_000);
        let with_long = format!("a=b\nl={long}\nc=d");
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("\n  \n\n", &[]),
            ("a=b", &[("a", "b")]),
            ("a=b\n", &[("a", "b")]),
            ("a=b\r\n", &[("a", "b")]),
            ("  a=b  ", &[("a", "b")]),
            ("a = b", &[("a ", " b")]),
            ("a=", &[("a", "")]),
            ("=b", &[("", "b")]),
            ("a=b=c", &[("a", "b=c")]),
            ("a=\"b\"", &[("a", "\"b\"")]),
            ("a='b'", &[("a", "'b'")]),
            ("a=b # c", &[("a", "b # c")]),
            ("export a=b", &[("export a", "b")]),
            (";a=b", &[(";a", "b")]),
            ("#c", &[]),
            (" # c=d", &[("# c", "d")]),
            ("a=1\na=2", &[("a", "1"), ("a", "2")]),
            ("a=b\\nc", &[("a", "b\\nc")]),
            ("a=${HOME}", &[("a", "${HOME}")]),
            ("a=%41", &[("a", "%41")]),
            ("a=line1\n line2=x", &[("a", "line1"), ("line2", "x")]),
            ("\u{FEFF}a=b", &[("\u{FEFF}a", "b")]),
            ("a=b\rc=d", &[("a", "b\rc=d")]),
            (&with_long, &[("a", "b"), ("l", &long), ("c", "d")]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert!(pairs(text) == expected, "{}", text.chars().take(40).collect::<String>());
        }
        for refused in ["  #c", "a:b", "a"] {
            assert!(check(file(refused).path()).is_err(), "{refused}");
        }
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
