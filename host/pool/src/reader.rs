//! Reading from a server: one task per connection that cuts the stream into lines.

use crate::wire::Wire;
use bytes::BytesMut;
use host_provisioner::BoxRead;
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// Room that is made for one read. Small messages share one such block.
const BLOCK: usize = 16 << 10;
/// A read is not started with less room than this.
const LEAST: usize = 2 << 10;

/// Reads until the stream ends, a line is too long, or the wire ends; then the wire has ended.
pub(crate) async fn read(wire: Arc<Wire>, mut input: BoxRead, limit: usize) {
    let dead = wire.dead.clone();
    let cancelled = dead.cancelled();
    tokio::pin!(cancelled);
    let mut buffer = BytesMut::new();
    // Bytes at the start of the buffer that hold no newline.
    let mut searched = 0;
    let too_long = || format!("a line of its output is longer than {limit} bytes");
    let reason = 'ended: loop {
        if buffer.capacity() - buffer.len() < LEAST {
            // Doubling for long lines, a block for short ones.
            buffer.reserve(BLOCK.max(buffer.len()));
        }
        let read = tokio::select! {
            biased;
            read = input.read_buf(&mut buffer) => read,
            () = &mut cancelled => return,
        };
        match read {
            Ok(0) => break "its output ended".to_owned(),
            Ok(_) => {}
            Err(error) => break format!("reading from it failed: {error}"),
        }
        while let Some(at) = buffer.get(searched..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let length = searched + at;
            // Also one that came with its end, in one piece.
            if length > limit {
                searched = length;
                break 'ended too_long();
            }
            let mut line = buffer.split_to(length + 1);
            line.truncate(length);
            searched = 0;
            wire.line(line.freeze());
        }
        searched = buffer.len();
        if searched > limit {
            break too_long();
        }
        if searched == 0 && buffer.capacity() > 16 * BLOCK {
            buffer = BytesMut::new();
        }
    };
    // A last line without its newline may still be a whole message.
    if searched != 0 && searched <= limit {
        wire.line(buffer.freeze());
    }
    wire.die(&reason);
}
