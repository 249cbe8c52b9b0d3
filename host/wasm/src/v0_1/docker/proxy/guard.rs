//! An egress proxy while its server lives: its standard input is kept open, what it refuses is logged, and when it ends before its time,
//! its server is taken down too. Without a way out a server would fail at everything it does, and nobody would know why.

use crate::sanitize::{LINE, line};
use crate::server::ServerScope;
use crate::v0_1::docker::Docker;
use crate::v0_1::docker::output::Tail;
use host_workload_docker::{Attached, Watched};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio_util::sync::CancellationToken;

/// Keeps the streams until they end.
pub(super) fn follow(server: &str, attached: Attached) -> Tail {
    let (server, tail) = (server.to_owned(), Tail::default());
    let kept = tail.clone();
    tokio::spawn(async move {
        let Attached { stdin, mut stdout, stderr, .. } = attached;
        // Its end is the end of the proxy.
        let _stdin = stdin;
        // Standard error only comes as long as standard output is read: both share a connection.
        let read = async { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await.map(drop) };
        let told = async {
            let mut lines = BufReader::new(stderr);
            let mut text = Vec::new();
            loop {
                text.clear();
                let most = u64::try_from(LINE).unwrap_or(u64::MAX);
                match (&mut lines).take(most).read_until(b'\n', &mut text).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {
                        let text = line(String::from_utf8_lossy(&text).trim_end(), LINE);
                        kept.push(&text);
                        tracing::info!(server, "egress proxy: {text}");
                    }
                }
            }
        };
        let _ = tokio::join!(read, told);
        kept.end();
    });
    tail
}

/// Waits for its end. `expected` is cancelled by whoever takes it down.
pub(super) fn watch(
    docker: &Docker<'_>,
    server: &ServerScope,
    name: &str,
    request: &str,
    mut watched: Watched,
    expected: CancellationToken,
) {
    let (host, server) = (Arc::downgrade(&docker.host), server.spec.name.clone());
    let (name, request) = (name.to_owned(), request.to_owned());
    tokio::spawn(async move {
        let end = tokio::select! {
            biased;
            () = expected.cancelled() => return,
            end = watched.ended() => end,
        };
        // The gateway has ended too, or is about to.
        let Some(host) = host.upgrade() else { return };
        let how = end.exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
        tracing::warn!(
            server,
            "egress proxy `{name}` has ended{how}: the server reaches nothing without it and is stopped; the next call starts both anew"
        );
        let Ok(engine) = &host.config.docker else { return };
        for id in host.containers.of_request(&request) {
            host.containers.expect_end(&id);
            if let Err(error) = engine.remove(&id).await {
                tracing::warn!(server, %error, "its container could not be stopped");
            }
        }
    });
}
