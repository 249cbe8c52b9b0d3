//! Content codings: what a server compressed although nobody asked it to is undone, within the limit of the answer.

use crate::error::{Error, ErrorKind};
use bytes::Bytes;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use std::io::Read;

/// Codings on top of each other. One is usual.
const MOST: usize = 2;

/// Undoes the codings of a header `Content-Encoding`, the last first.
///
/// # Errors
/// One is not known or the body is none, or more than `limit` bytes come out.
pub(crate) fn undo(body: Bytes, codings: &str, limit: usize) -> Result<Bytes, Error> {
    let names: Vec<String> = codings
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    if names.len() > MOST {
        return Err(Error::new(ErrorKind::Unreadable, "the answer is compressed more than twice"));
    }
    let mut body = body;
    for name in names.iter().rev() {
        body = match name.as_str() {
            "gzip" | "x-gzip" => all(GzDecoder::new(body.as_ref()), limit)?,
            // Some servers leave the wrapper out.
            "deflate" => match all(ZlibDecoder::new(body.as_ref()), limit) {
                Err(error) if error.kind == ErrorKind::Broken => {
                    all(DeflateDecoder::new(body.as_ref()), limit)?
                }
                other => other?,
            },
            other => {
                let shown: String = other.chars().take(40).collect();
                let text = format!("the answer has the content coding `{shown}`, which is not known here");
                return Err(Error::new(ErrorKind::Unreadable, text));
            }
        };
    }
    Ok(body)
}

/// What was compressed and is cut counts as a broken conversation.
fn all(reader: impl Read, limit: usize) -> Result<Bytes, Error> {
    let mut whole = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(most).read_to_end(&mut whole).map_err(|error| {
        Error::new(ErrorKind::Broken, format!("the answer cannot be decompressed: {error}"))
    })?;
    if whole.len() > limit {
        return Err(Error::new(ErrorKind::Unreadable, format!("the answer is longer than {limit} bytes")));
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn packed(kind: &str, text: &[u8]) -> Bytes {
        let level = Compression::default();
        let done = match kind {
            "gzip" => {
                let mut out = GzEncoder::new(Vec::new(), level);
                out.write_all(text).unwrap();
                out.finish()
            }
            "zlib" => {
                let mut out = ZlibEncoder::new(Vec::new(), level);
                out.write_all(text).unwrap();
                out.finish()
            }
            _ => {
                let mut out = DeflateEncoder::new(Vec::new(), level);
                out.write_all(text).unwrap();
                out.finish()
            }
        };
        done.unwrap().into()
    }

    #[test]
    fn what_was_compressed_is_read() {
        for (kind, name) in [("gzip", "gzip"), ("gzip", " X-GZIP "), ("zlib", "deflate"), ("raw", "deflate")]
        {
            assert_eq!(undo(packed(kind, b"hello"), name, 5).unwrap(), "hello", "{kind}");
        }
        let twice = packed("zlib", &packed("gzip", b"hello"));
        assert_eq!(undo(twice, "gzip, deflate", 100).unwrap(), "hello");
        assert_eq!(undo(Bytes::from("plain"), "identity", 5).unwrap(), "plain");
    }

    #[test]
    fn a_bomb_a_stump_and_an_unknown_coding_are_named() {
        let bomb = packed("gzip", &vec![0; 1 << 20]);
        assert_eq!(undo(bomb, "gzip", 1000).unwrap_err().text, "the answer is longer than 1000 bytes");
        let whole = packed("gzip", b"hello hello hello");
        let stump = undo(whole.slice(..whole.len() - 9), "gzip", 1000).unwrap_err();
        assert_eq!(stump.kind, ErrorKind::Broken);
        let unknown = undo(Bytes::new(), "br", 1000).unwrap_err();
        assert_eq!(unknown.text, "the answer has the content coding `br`, which is not known here");
    }
}
