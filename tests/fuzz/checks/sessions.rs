//! `Mcp-Session-Id`, `Last-Event-ID` and the session of HTTP+SSE: any text. Only a session's own id leads to it.

use super::front::{TOKEN, World, status};
use std::cell::LazyCell;

struct Open {
    world: World,
    id: String,
}

thread_local! {
    static OPEN: LazyCell<Open> = const { LazyCell::new(|| {
        let world = World::new();
        let body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\"}}";
        let answer = String::from_utf8(world.exchange(&request("POST /mcp", "", body))).expect("text");
        let id = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session").to_owned();
        Open { world, id }
    }) };
}

const PING: &str = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}";

fn request(line: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nAccept: application/json\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) fn holds(text: &str) {
    if let Some(again) = host_gateway::fuzzing::event_id(text) {
        assert_eq!(again, text);
    }
    // A line end would be another header, which is the matter of another target.
    if text.bytes().any(|byte| byte < b' ' && byte != b'\t') {
        return;
    }
    OPEN.with(|open| {
        // `$` stands for the id, so that inputs can be near it.
        let named = text.replace('$', &open.id);
        // A longer head is refused before anybody looks at it.
        if named.len() > 8192 {
            return;
        }
        let answer =
            open.world.exchange(&request("POST /mcp", &format!("Mcp-Session-Id: {named}\r\n"), PING));
        let own = named.trim_matches([' ', '\t']) == open.id;
        assert_eq!(status(&answer) == Some(200), own, "{named:?}: {}", String::from_utf8_lossy(&answer));
        assert!(own || matches!(status(&answer), Some(400 | 404)), "{}", String::from_utf8_lossy(&answer));
        // Twice is never once.
        let twice = format!("Mcp-Session-Id: {}\r\nMcp-Session-Id: {named}\r\n", open.id);
        let answer = open.world.exchange(&request("POST /mcp", &twice, PING));
        assert_eq!(status(&answer), Some(400), "{named:?}");
        // Nobody is connected by HTTP+SSE, and a session over HTTP is none there.
        if named.bytes().all(|byte| {
            byte.is_ascii_graphic()
                && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
        }) {
            let answer = open.world.exchange(&request(&format!("POST /sse?sessionid={named}"), "", PING));
            assert!(
                matches!(status(&answer), Some(400 | 404 | 414)),
                "{named:?}: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        // A DELETE of another does not end this one.
        if !own {
            let line = format!("Mcp-Session-Id: {named}\r\n");
            let answer = open.world.exchange(&request("DELETE /mcp", &line, ""));
            assert!(
                matches!(status(&answer), Some(400 | 404)),
                "{named:?}: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        let alive =
            open.world.exchange(&request("POST /mcp", &format!("Mcp-Session-Id: {}\r\n", open.id), PING));
        assert_eq!(status(&alive), Some(200));
    });
}
