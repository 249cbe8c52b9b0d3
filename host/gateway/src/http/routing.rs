//! The headers by which the modern era mirrors a message, so that machines on the way can route without reading it. Whoever sends
//! a header that says something else than the body could be routed by one and served by the other, so they must agree
//! (`mcp-ecosystem.md` 3, "Modern HTTP headers").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use host_message::Mirror;
use http::HeaderMap;
use std::borrow::Cow;

/// `MCP-Protocol-Version`.
pub(crate) const VERSION: &str = "mcp-protocol-version";
/// `Mcp-Method`.
pub(crate) const METHOD: &str = "mcp-method";
/// `Mcp-Name`.
pub(crate) const NAME: &str = "mcp-name";

/// Begins the name of a header that repeats an argument.
const PARAM: &str = "mcp-param-";

/// What a body says that headers must repeat.
#[derive(Debug)]
pub(crate) struct Mirrored<'a> {
    /// `_meta["io.modelcontextprotocol/protocolVersion"]`.
    pub(crate) version: &'a str,
    /// `method`.
    pub(crate) method: &'a str,
    /// `params.name` or `params.uri`, for the methods that have one.
    pub(crate) name: Option<&'a str>,
}

/// Compares headers and body. The error is the text for code −32020.
pub(crate) fn check(headers: &HeaderMap, body: &Mirrored<'_>) -> Result<(), String> {
    same(headers, VERSION, body.version.as_bytes())?;
    same(headers, METHOD, body.method.as_bytes())?;
    if let Some(name) = body.name {
        let offered = one(headers, NAME)?.ok_or_else(|| format!("{NAME} header is missing"))?;
        let offered =
            decode(offered).ok_or_else(|| format!("{NAME} header carries a malformed base64 value"))?;
        if *offered != *name.as_bytes() {
            return Err(format!("{NAME} header does not match the name in the body"));
        }
    } else {
        // A value that routes what has no name would be read by somebody, just not by us.
        one(headers, NAME)?;
    }
    Ok(())
}

/// Compares the headers that repeat arguments with the raw `arguments`. The error is the text for code −32020. Headers that the tool
/// does not ask for are nobody's business here.
pub(crate) fn check_arguments(
    headers: &HeaderMap,
    mirrors: &[Mirror],
    arguments: &[u8],
) -> Result<(), String> {
    for mirror in mirrors {
        let name = format!("{PARAM}{}", mirror.header().to_ascii_lowercase());
        let offered = match one(headers, &name)? {
            None => None,
            Some(offered) => Some(
                decode(offered).ok_or_else(|| format!("{name} header carries a malformed base64 value"))?,
            ),
        };
        if mirror.value(arguments).agrees(offered.as_deref()) {
            continue;
        }
        return Err(match offered {
            None => format!("{name} header is missing, or cannot say what the argument is"),
            Some(_) => format!("{name} header does not match the argument in the body"),
        });
    }
    Ok(())
}

fn same(headers: &HeaderMap, header: &str, body: &[u8]) -> Result<(), String> {
    match one(headers, header)? {
        Some(offered) if offered == body => Ok(()),
        Some(_) => Err(format!("{header} header does not match the body")),
        None => Err(format!("{header} header is missing")),
    }
}

/// The value of a header that may occur once. First-copy and last-copy readers would differ on a second one.
pub(crate) fn one<'a>(headers: &'a HeaderMap, header: &str) -> Result<Option<&'a [u8]>, String> {
    let mut values = headers.get_all(header).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first.map(http::HeaderValue::as_bytes)),
        _ => Err(format!("{header} header appears more than once")),
    }
}

/// Undoes `=?base64?…?=`; only the canonical form, because two spellings of one value would be two values to others.
fn decode(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(payload) = value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?=")) else {
        return Some(Cow::Borrowed(value));
    };
    STANDARD.decode(payload).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(rows: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in rows {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    const BODY: Mirrored<'static> =
        Mirrored { version: "2026-07-28", method: "tools/call", name: Some("grüße") };
    const GOOD: [(&str, &str); 3] =
        [(VERSION, "2026-07-28"), (METHOD, "tools/call"), (NAME, "=?base64?Z3LDvMOfZQ==?=")];

    #[test]
    fn what_agrees_passes() {
        assert_eq!(check(&headers(&GOOD), &BODY), Ok(()));
        let plain = Mirrored { name: Some("echo"), ..BODY };
        assert_eq!(check(&headers(&[GOOD[0], GOOD[1], (NAME, "echo")]), &plain), Ok(()));
        let nameless = Mirrored { name: None, ..BODY };
        assert_eq!(check(&headers(&GOOD[..2]), &nameless), Ok(()));
    }

    #[test]
    fn what_differs_does_not() {
        let text = |rows: &[(&'static str, &str)]| check(&headers(rows), &BODY).unwrap_err();
        assert_eq!(text(&GOOD[1..]), "mcp-protocol-version header is missing");
        assert_eq!(text(&[GOOD[0], GOOD[2]]), "mcp-method header is missing");
        assert_eq!(text(&GOOD[..2]), "mcp-name header is missing");
        assert_eq!(
            text(&[GOOD[0], (METHOD, "tools/list"), GOOD[2]]),
            "mcp-method header does not match the body"
        );
        assert_eq!(
            text(&[GOOD[0], GOOD[1], (NAME, "echo")]),
            "mcp-name header does not match the name in the body"
        );
        assert_eq!(
            text(&[GOOD[0], GOOD[1], (NAME, "=?base64?Z3LDvMOfZR==?=")]),
            "mcp-name header carries a malformed base64 value"
        );
        assert_eq!(text(&[GOOD[0], GOOD[1], GOOD[2], GOOD[2]]), "mcp-name header appears more than once");
        assert_eq!(
            text(&[GOOD[0], GOOD[0], GOOD[1], GOOD[2]]),
            "mcp-protocol-version header appears more than once"
        );
    }
}
