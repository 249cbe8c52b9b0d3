//! The first bytes of a connection, and the name that stands in them: the `Host` of HTTP, or the server name of a TLS hello (RFC 6066).
//! Nothing is changed or decrypted.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Bytes until a name must have come: a whole head of HTTP, or a TLS hello.
pub(crate) const MOST: usize = 16 << 10;
/// Time for them.
const TIME: Duration = Duration::from_secs(10);

/// What the first bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// More is needed to tell.
    More,
    /// A TLS hello, with the name it asks for.
    Tls(Option<String>),
    /// A head of HTTP, whole: its length.
    Http(usize),
    /// Neither.
    Other,
}

/// Reads until the first bytes can be told.
pub(crate) fn read(stream: &mut TcpStream) -> io::Result<(Vec<u8>, First)> {
    let ends = Instant::now() + TIME;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let outcome = loop {
        let left = ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut piece)?;
        if read == 0 {
            break Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
        match first(&bytes) {
            First::More if bytes.len() < MOST => {}
            First::More => break Ok(First::Other),
            known => break Ok(known),
        }
    };
    stream.set_read_timeout(None)?;
    outcome.map(|first| (bytes, first))
}

/// Tells what bytes are the beginning of.
fn first(bytes: &[u8]) -> First {
    match bytes {
        [] => First::More,
        [0x16, ..] => tls(bytes),
        [start, ..] if start.is_ascii_alphabetic() => match end_of_head(bytes) {
            Some(end) => First::Http(end),
            None if bytes
                .iter()
                .all(|b| (0x20..0x7f).contains(b) || matches!(b, b'\r' | b'\n' | b'\t') || *b >= 0x80) =>
            {
                First::More
            }
            None => First::Other,
        },
        _ => First::Other,
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The handshake message of a hello may be cut into several records.
fn tls(bytes: &[u8]) -> First {
    let mut message = Vec::new();
    let mut rest = bytes;
    while let [kind, _, _, high, low, body @ ..] = rest {
        if *kind != 0x16 {
            return First::Other;
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let whole = body.get(..length);
        message.extend_from_slice(whole.unwrap_or(body));
        if let [1, a, b, c, hello @ ..] = message.as_slice() {
            let wanted = usize::from(*a) << 16 | usize::from(u16::from_be_bytes([*b, *c]));
            if let Some(hello) = hello.get(..wanted) {
                return First::Tls(server_name(hello));
            }
        } else if !message.is_empty() && message.first() != Some(&1) {
            return First::Other;
        }
        match whole {
            Some(_) => rest = body.get(length..).unwrap_or_default(),
            None => break,
        }
    }
    First::More
}

/// `extension_server_name` of a ClientHello.
fn server_name(hello: &[u8]) -> Option<String> {
    let mut at = Reader(hello);
    at.take(2 + 32)?; // version, random
    at.block8()?; // session
    at.block16()?; // cipher suites
    at.block8()?; // compression
    let mut extensions = Reader(at.block16()?);
    while !extensions.0.is_empty() {
        let kind = extensions.number16()?;
        let body = extensions.block16()?;
        if kind == 0 {
            let mut names = Reader(Reader(body).block16()?);
            let kind = names.take(1)?;
            let name = names.block16()?;
            return (kind == [0]).then(|| String::from_utf8(name.to_vec()).ok()).flatten();
        }
    }
    None
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number16(&mut self) -> Option<usize> {
        let bytes: [u8; 2] = self.take(2)?.try_into().ok()?;
        Some(usize::from(u16::from_be_bytes(bytes)))
    }

    fn block8(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.take(1)?.first()?);
        self.take(length)
    }

    fn block16(&mut self) -> Option<&'a [u8]> {
        let length = self.number16()?;
        self.take(length)
    }
}

/// A header's value in a head, if it is there exactly once: of two, two readers could take two.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut found = head.split("\r\n").skip(1).filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    });
    let value = found.next()?;
    found.next().is_none().then_some(value)
}

/// `host[:port]` or `[address][:port]`.
pub(crate) fn authority(text: &str, usual: u16) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        None => usual,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    (!host.is_empty() && port > 0).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello for a name, as the RFCs have it, without what does not matter here.
    fn hello(name: &str) -> Vec<u8> {
        let block16 = |body: &[u8]| [&u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
        let entry = [&[0], block16(name.as_bytes()).as_slice()].concat();
        let other = [&[0, 23], block16(&[]).as_slice()].concat();
        let extension = [&[0, 0], block16(&block16(&entry)).as_slice()].concat();
        let body = [
            &[3, 3],
            [7; 32].as_slice(),
            &[0],
            &block16(&[0x13, 1]),
            &[1, 0],
            &block16(&[other, extension].concat()),
        ]
        .concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[1], &length[1..], body.as_slice()].concat();
        [&[0x16, 3, 1], block16(&message).as_slice()].concat()
    }

    #[test]
    fn the_name_of_a_hello_is_found_wherever_it_is_cut() {
        let whole = hello("api.example");
        assert_eq!(first(&whole), First::Tls(Some("api.example".to_owned())));
        for cut in 1..whole.len() {
            assert_eq!(first(&whole[..cut]), First::More, "{cut}");
        }
        let (head, body) = whole.split_at(5);
        let (one, two) = body.split_at(20);
        let record =
            |part: &[u8]| [&head[..3], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
        assert_eq!(first(&[record(one), record(two)].concat()), First::Tls(Some("api.example".to_owned())));
        assert_eq!(first(b"\x16\x03\x01\x00\x02\x02\x00"), First::Other);
        assert_eq!(first(b"SSH"), First::More);
        assert_eq!(first(b"\x00\x01"), First::Other);
        assert_eq!(first(b"a\x01"), First::Other);
    }

    #[test]
    fn no_bytes_are_trusted() {
        let whole = hello("api.example");
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                first(&bytes);
            }
        }
    }

    #[test]
    fn a_head_has_one_host() {
        let head = "GET / HTTP/1.1\r\nhost: a.example:80 \r\nX: y\r\n\r\n";
        assert_eq!(header(head, "Host"), Some("a.example:80"));
        assert_eq!(header("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "Host"), None);
        for (text, expected) in [
            ("a:1", Some(("a", 1))),
            ("a", Some(("a", 443))),
            ("[::1]:2", Some(("::1", 2))),
            ("[::1]", Some(("::1", 443))),
            ("a:", None),
            ("a:+1", None),
            (":1", None),
            ("a:0", None),
            ("[::1]x", None),
        ] {
            assert_eq!(authority(text, 443), expected, "{text}");
        }
        assert_eq!(first(b"GET / HTTP/1.1\r\n\r\nrest"), First::Http(18));
    }
}
