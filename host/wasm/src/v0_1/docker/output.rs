//! What a container writes to which nobody is attached: the gateway's log has it, under the server's name.

use crate::sanitize::{LINE, line};
use host_workload_docker::Attached;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// Reads both streams to their end, in a task that ends with the container.
pub(super) fn follow(server: &str, attached: Attached) {
    let server = server.to_owned();
    tokio::spawn(async move {
        let Attached { stdout, stderr, stdin, .. } = attached;
        // Kept until then: some engines end both ways of a connection when one is closed.
        let _stdin = stdin;
        tokio::join!(copy(&server, stdout), copy(&server, stderr));
    });
}

async fn copy(server: &str, stream: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(stream);
    let mut text = Vec::new();
    loop {
        text.clear();
        let most = u64::try_from(LINE).unwrap_or(u64::MAX);
        match (&mut lines).take(most).read_until(b'\n', &mut text).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                tracing::debug!(server, "{}", line(String::from_utf8_lossy(&text).trim_end(), LINE));
            }
        }
    }
}
