//! Requests over HTTP: any head. Who does not show the token gets nothing, and what two readers could take for different requests is refused.

use super::front::{TOKEN, World, status};
use std::cell::LazyCell;

thread_local! {
    static WORLD: LazyCell<World> = const { LazyCell::new(World::new) };
}

const PING: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{}}";

pub(crate) fn holds(input: &[u8]) {
    WORLD.with(|world| {
        // As it is, from its first byte, by somebody who does not know the token.
        if !contains(input, TOKEN.as_bytes()) {
            let answer = world.exchange(input);
            for at in starts(&answer) {
                let fine = match status(&answer[at..]) {
                    // Health is for everybody.
                    Some(200) => contains(input, b"/health"),
                    Some(status) => status >= 400,
                    None => false,
                };
                assert!(fine, "{}: {}", text(input), text(&answer));
            }
        }
        // As lines of a head that is otherwise in order, by somebody who does.
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nAccept: */*\r\nContent-Type: application/json\r\n"
        );
        let end = format!("Content-Length: {}\r\n\r\n{PING}", PING.len());
        let request = [head.as_bytes(), input, end.as_bytes()].concat();
        let answer = world.exchange(&request);
        let lines = &request[..position(&request, b"\r\n\r\n").unwrap_or(request.len())];
        if status(&answer).is_some_and(|status| status < 300) {
            let lower = lines.to_ascii_lowercase();
            let framed = |name: &[u8]| values(&lower, name);
            let lengths = framed(b"content-length");
            // The same number may be written twice, and with zeros before it (RFC 9110, 8.6).
            let plain: Vec<_> = lengths.iter().map(|length| number(length)).collect();
            assert!(plain.windows(2).all(|pair| pair[0] == pair[1]), "two lengths: {}", text(&request));
            if !lengths.is_empty() && !framed(b"transfer-encoding").is_empty() {
                // Read by the coding alone, and nothing that follows is read at all (RFC 9112, 6.1).
                assert!(contains(&answer, b"connection: close") && starts(&answer).count() == 1, "two framings: {}", text(&request));
            }
            assert_eq!(framed(b"host").len(), 1, "two hosts: {}", text(&request));
            assert_eq!(framed(b"authorization").len(), 1, "two tokens: {}", text(&request));
        }
    });
}

/// Digits without the zeros before them.
fn number(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros.min(digits.len().saturating_sub(1))..]
}

fn text(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    position(text, part).is_some()
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// Where answers begin.
fn starts(answer: &[u8]) -> impl Iterator<Item = usize> {
    (0..answer.len()).filter(|at| answer[*at..].starts_with(b"HTTP/1."))
}

/// The values of a header, whatever ends the lines.
fn values<'a>(head: &'a [u8], name: &[u8]) -> Vec<&'a [u8]> {
    let lines = head.split(|byte| *byte == b'\n');
    let value = |line: &'a [u8]| {
        let (left, right) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        (left == name).then(|| right[1..].trim_ascii())
    };
    lines.filter_map(value).collect()
}
