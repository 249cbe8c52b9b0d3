//! An engine that refuses what a test says: a socket before the real one, which passes everything else through.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Which requests are answered here instead: what their first line holds, a status line, and a body.
#[derive(Clone, Default)]
pub(super) struct Refusals(Arc<Mutex<Vec<(&'static str, &'static str, String)>>>);

impl Refusals {
    /// From now on, requests whose first line holds this text get this answer.
    pub(super) fn refuse(&self, request: &'static str, status: &'static str, body: &str) {
        self.0.lock().unwrap().push((request, status, body.to_owned()));
    }

    /// From now on everything passes.
    pub(super) fn none(&self) {
        self.0.lock().unwrap().clear();
    }

    fn answer(&self, head: &str) -> Option<String> {
        let first = head.lines().next().unwrap_or_default();
        let refusals = self.0.lock().unwrap();
        let (_, status, body) = refusals.iter().find(|(request, ..)| first.contains(request))?;
        let length = body.len();
        Some(format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }
}

/// Starts it in this folder; its `DOCKER_HOST`. Ends with the test.
pub(super) fn start(folder: &Path, engine: &str, refusals: &Refusals) -> String {
    let path = folder.join("engine.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let engine = PathBuf::from(engine.strip_prefix("unix://").unwrap_or("/var/run/docker.sock"));
    let refusals = refusals.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (engine, refusals) = (engine.clone(), refusals.clone());
            // A client that goes, or an engine that is not there, ends its own connection.
            tokio::spawn(async move { drop(pass(client, &engine, &refusals).await) });
        }
    });
    format!("unix://{}", path.display())
}

/// One request a connection, so that each is looked at.
async fn pass(mut client: UnixStream, engine: &Path, refusals: &Refusals) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut one = [0_u8; 1];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut one).await? == 0 {
            return Ok(());
        }
        head.push(one[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    if let Some(answer) = refusals.answer(&text) {
        // What it has sent is read, so that the answer is not lost with the connection.
        let length = text
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        client.read_exact(&mut body).await?;
        return client.write_all(answer.as_bytes()).await;
    }
    let mut behind = UnixStream::connect(engine).await?;
    // An attachment takes the whole connection anyway.
    let upgrades = text.to_ascii_lowercase().contains("\r\nupgrade:");
    let end = if upgrades { "\r\n" } else { "Connection: close\r\n\r\n" };
    behind.write_all(text.trim_end_matches("\r\n").as_bytes()).await?;
    behind.write_all(b"\r\n").await?;
    behind.write_all(end.as_bytes()).await?;
    tokio::io::copy_bidirectional(&mut client, &mut behind).await?;
    Ok(())
}
