//! Event streams of servers: any bytes, in any pieces. The pieces make no difference, and events are what a plain reading of the rules gives.
//!
//! The first byte of the input is the size of the pieces.

use host_pool::fuzzing::events;

pub(crate) fn holds(input: &[u8]) {
    let Some((&size, stream)) = input.split_first() else { return };
    let size = usize::from(size).max(1);
    let whole = events([stream], 1 << 20);
    let pieces = events(stream.chunks(size), 1 << 20);
    assert_eq!(whole, pieces, "pieces of {size}");
    let (seen, too_long, last) = whole;
    assert!(!too_long);
    assert_eq!((seen, last), plainly(stream));
    // With a limit, every event that is handed on is within it.
    let (some, _, _) = events(stream.chunks(size), 32);
    assert!(some.iter().all(|(_, data)| data.len() <= 32 + 1));
}

/// The whole text at once, line by line (WHATWG HTML 9.2.6), with our two additions: an event with an id and without data counts, and an id must
/// be printable.
fn plainly(stream: &[u8]) -> (Vec<(String, Vec<u8>)>, Option<String>) {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let (mut lines, mut line, mut bytes) = (Vec::new(), Vec::new(), stream.iter().copied().peekable());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                lines.push(std::mem::take(&mut line));
            }
            b'\n' => lines.push(std::mem::take(&mut line)),
            other => line.push(other),
        }
    }
    let (mut seen, mut kind, mut id, mut last) = (Vec::new(), String::new(), None, String::new());
    let mut data: Option<Vec<u8>> = None;
    for line in lines {
        if line.is_empty() {
            let event = id.is_some() || data.is_some();
            if let Some(id) = id.take() {
                last = id;
            }
            let kind = std::mem::take(&mut kind);
            let kind = if kind.is_empty() { "message".to_owned() } else { kind };
            let data = data.take().unwrap_or_default();
            if event {
                seen.push((kind, data));
            }
            continue;
        }
        let at = line.iter().position(|byte| *byte == b':');
        let (field, value) = (&line[..at.unwrap_or(line.len())], at.map_or(&b""[..], |at| &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => kind = String::from_utf8_lossy(value).into_owned(),
            b"data" => match &mut data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => data = Some(value.to_vec()),
            },
            b"id" if value.iter().all(|byte| (0x20..0x7f).contains(byte)) => {
                id = Some(String::from_utf8_lossy(value).into_owned());
            }
            _ => {}
        }
    }
    (seen, Some(last).filter(|last| !last.is_empty()))
}
