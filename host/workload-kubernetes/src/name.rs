//! Names that reach the path of a request.

use crate::error::Error;

/// A name of an object: a DNS subdomain (RFC 1123), at most 253 characters.
///
/// # Errors
/// [`crate::ErrorKind::Specification`] for anything else.
pub(crate) fn object(name: &str) -> Result<&str, Error> {
    let parts = name.split('.').all(is_label);
    if name.len() <= 253 && parts {
        return Ok(name);
    }
    Err(Error::specification(format!("`{}` is no name of an object", shown(name))))
}

/// A name of a namespace or of a container: a DNS label, at most 63 characters.
///
/// # Errors
/// [`crate::ErrorKind::Specification`] for anything else.
pub(crate) fn label(name: &str) -> Result<&str, Error> {
    if name.len() <= 63 && is_label(name) {
        return Ok(name);
    }
    Err(Error::specification(format!("`{}` is no name of a namespace or container", shown(name))))
}

fn is_label(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !part.starts_with('-')
        && !part.ends_with('-')
}

fn shown(name: &str) -> String {
    name.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A value inside a query.
pub(crate) fn query(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => {
                use std::fmt::Write as _;
                // Writing into a text cannot fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{label, object, query};

    #[test]
    fn no_name_leads_elsewhere() {
        for good in ["a", "mcp-time-1a2b", "a.b", "0"] {
            assert_eq!(object(good).unwrap(), good);
        }
        for bad in ["", ".", "..", "a/b", "a/../b", "A", "a b", "a?x=1", "-a", "a-", "a..b", "a%2fb", "ä"] {
            object(bad).unwrap_err();
            label(bad).unwrap_err();
        }
        label("a.b").unwrap_err();
        label(&"x".repeat(64)).unwrap_err();
    }

    #[test]
    fn what_stands_in_a_query_stays_one_value() {
        assert_eq!(query("a=b,c in (d)&x"), "a%3Db%2Cc%20in%20%28d%29%26x");
    }
}
