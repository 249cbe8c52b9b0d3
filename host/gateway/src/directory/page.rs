//! One page of a merged list, as the result of a list request.

use crate::directory::view::Shelf;
use crate::error::{NAME_CLASH, RpcError};
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Digits, Era};

/// Which list, as results and cursors call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// Starts a cursor, so that one of another list is not taken for ours.
    const fn letter(self) -> char {
        match self {
            Self::Tools => 't',
            Self::Prompts => 'p',
            Self::Resources => 'r',
            Self::Templates => 'm',
        }
    }
}

/// Writes the page that `cursor` leads to; none, or an empty one, leads to the first. `server_info` is raw JSON for `_meta`.
///
/// A cursor is a position. When a list changes between two pages the client is told so, and asks anew.
pub(crate) fn page(
    list: List,
    shelf: &Shelf,
    cursor: Option<&str>,
    size: usize,
    era: Era,
    server_info: &[u8],
) -> Result<Bytes, RpcError> {
    if let Some(clash) = &shelf.clash {
        return Err(RpcError::new(NAME_CLASH, clash.clone()));
    }
    let start = match cursor {
        None | Some("") => 0,
        Some(cursor) => position(list, cursor, shelf.items.len())
            .ok_or_else(|| RpcError::invalid_params("the cursor is none of this list"))?,
    };
    let rest = shelf.items.get(start..).unwrap_or_default();
    let items = rest.get(..size.max(1)).unwrap_or(rest);
    let length: usize = items.iter().map(|item| item.len() + 1).sum();
    let mut out = BytesMut::with_capacity(length + server_info.len() + 192);
    out.put_u8(b'{');
    if era.is_modern() {
        out.put_slice(b"\"resultType\":\"complete\",");
    }
    out.put_u8(b'"');
    out.put_slice(list.member().as_bytes());
    out.put_slice(b"\":[");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(item);
    }
    out.put_u8(b']');
    let end = start + items.len();
    if end < shelf.items.len() {
        out.put_slice(format!(",\"nextCursor\":\"{}{end}\"", list.letter()).as_bytes());
    }
    if era.is_modern() {
        out.put_slice(b",\"ttlMs\":");
        out.put_slice(Digits::new(shelf.ttl_ms).as_bytes());
        let scope: &[u8] =
            if shelf.public { b",\"cacheScope\":\"public\"" } else { b",\"cacheScope\":\"private\"" };
        out.put_slice(scope);
        out.put_slice(b",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":");
        out.put_slice(server_info);
        out.put_u8(b'}');
    }
    out.put_u8(b'}');
    Ok(out.freeze())
}

fn position(list: List, cursor: &str, len: usize) -> Option<usize> {
    let digits = cursor.strip_prefix(list.letter())?;
    let at: usize = digits.parse().ok()?;
    // A list that became shorter meanwhile simply ends here. What we would not write ourselves is no cursor of ours.
    (digits == at.to_string() && at > 0).then_some(at.min(len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_message::Revision;

    fn shelf(n: usize) -> Shelf {
        let items = (0..n).map(|i| Bytes::from(format!("{{\"name\":\"{i}\"}}"))).collect();
        Shelf { items, ttl_ms: 7, public: true, clash: None }
    }

    fn legacy(n: usize, cursor: Option<&str>) -> Result<String, RpcError> {
        let era = Era::Legacy(Revision::V2025_11_25);
        page(List::Tools, &shelf(n), cursor, 2, era, b"{}").map(|b| String::from_utf8(b.to_vec()).unwrap())
    }

    #[test]
    fn pages() {
        let first = "{\"tools\":[{\"name\":\"0\"},{\"name\":\"1\"}],\"nextCursor\":\"t2\"}";
        assert_eq!(legacy(3, None).unwrap(), first);
        assert_eq!(legacy(3, Some("")).unwrap(), first);
        assert_eq!(legacy(3, Some("t2")).unwrap(), "{\"tools\":[{\"name\":\"2\"}]}");
        assert_eq!(legacy(2, None).unwrap(), "{\"tools\":[{\"name\":\"0\"},{\"name\":\"1\"}]}");
        assert_eq!(legacy(0, None).unwrap(), "{\"tools\":[]}");
        for bad in ["p2", "t", "t-1", "t02", "tx", "t0", "2", "t99999999999999999999"] {
            assert_eq!(legacy(3, Some(bad)).unwrap_err().code, -32602, "{bad}");
        }
    }

    #[test]
    fn the_modern_era_wants_hints() {
        let text = page(List::Templates, &shelf(1), None, 2, Era::Modern, b"{\"name\":\"g\"}").unwrap();
        assert_eq!(
            std::str::from_utf8(&text).unwrap(),
            "{\"resultType\":\"complete\",\"resourceTemplates\":[{\"name\":\"0\"}],\"ttlMs\":7,\"cacheScope\":\"public\",\
             \"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"g\"}}}"
        );
    }
}
