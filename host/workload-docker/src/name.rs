//! Which names may become part of a request's path.

use crate::error::Error;

/// A container, network or image id in a path: what the engine itself allows as a name (`[a-zA-Z0-9][a-zA-Z0-9_.-]*`), at most 255 bytes.
///
/// # Errors
/// Another text, which could address something else.
pub(crate) fn checked<'a>(kind: &str, name: &'a str) -> Result<&'a str, Error> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let ok = name.len() <= 255
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.bytes().all(inner);
    if ok { Ok(name) } else { Err(Error::specification(format!("`{name}` is no name of a {kind}"))) }
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        for name in ["", "a/b", "../secrets", "a?force=1", "a b", ".a", "-a", "a%2f", "ä", "a#b"] {
            assert!(checked("container", name).is_err(), "{name}");
        }
        assert_eq!(
            checked("network", "a/b").map_err(|e| e.text),
            Err("`a/b` is no name of a network".to_owned())
        );
        for name in ["a", "0", "notes-4358b5a0-a.b_c", &"a".repeat(255)] {
            assert!(checked("container", name).is_ok(), "{name}");
        }
    }
}
