//! The control socket of a running gateway: how `plugin reload` and `server list` reach it.
//!
//! A Unix socket in the state folder, for this user only. One JSON object a line in, one a line out. It has no part in MCP: what an
//! agent is connected to must never be where its own limits are changed.

use crate::assemble::private;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// What can be asked.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Load plugin files anew.
    Reload {
        /// Only this one.
        plugin: Option<String>,
    },
    /// How the servers fare.
    Servers,
    /// One server, with its plan.
    Server {
        /// Its name.
        name: String,
    },
}

/// What comes back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Response {
    /// It worked.
    Ok {
        /// The answer.
        ok: serde_json::Value,
    },
    /// It did not.
    Error {
        /// Why.
        error: String,
    },
}

/// Whoever answers.
#[async_trait::async_trait]
pub(crate) trait Answer: Send + Sync {
    /// Answers one request.
    async fn answer(&self, request: Request) -> Result<serde_json::Value>;
}

/// The longest request line.
const LINE_LIMIT: u64 = 64 << 10;

/// Folder of the sockets.
fn folder(state: &Path) -> PathBuf {
    state.join("run")
}

/// A control socket that is being served. Dropping it removes the file.
pub(crate) struct Control {
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens the control socket of this session and serves it until `stop`.
///
/// # Errors
/// The folder cannot be made or the socket cannot be bound.
pub(crate) fn serve(
    state: &Path,
    session: &str,
    answer: Arc<dyn Answer>,
    stop: CancellationToken,
) -> Result<Control> {
    let folder = folder(state);
    private::folder("folder of control sockets", &folder)?;
    // Sockets of gateways that were killed go with the next start.
    drop(running(state));
    let path = folder.join(format!("{session}.sock"));
    let listener =
        UnixListener::bind(&path).with_context(|| format!("open control socket {}", path.display()))?;
    tokio::spawn(async move {
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!("control socket: {error}");
                        return;
                    }
                },
            };
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                if let Err(error) = converse(stream, answer).await {
                    tracing::debug!("control connection: {error:#}");
                }
            });
        }
    });
    Ok(Control { path })
}

/// Whether the other end is a process of this user. The folder keeps others out already; this holds also if somebody opens it.
fn same_user(stream: &UnixStream) -> Result<()> {
    let peer = stream.peer_cred().context("ask who is at the other end")?.uid();
    let user = rustix::process::geteuid().as_raw();
    if peer != user {
        bail!("the other end belongs to user {peer}, and this is user {user}");
    }
    Ok(())
}

async fn converse(stream: UnixStream, answer: Arc<dyn Answer>) -> Result<()> {
    same_user(&stream)?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read.take(LINE_LIMIT)).lines();
    if let Some(line) = lines.next_line().await? {
        let response = match serde_json::from_str::<Request>(&line) {
            Ok(request) => match answer.answer(request).await {
                Ok(ok) => Response::Ok { ok },
                Err(error) => Response::Error { error: format!("{error:#}") },
            },
            Err(error) => Response::Error { error: format!("not a request: {error}") },
        };
        let mut line = serde_json::to_vec(&response)?;
        line.push(b'\n');
        write.write_all(&line).await?;
    }
    Ok(())
}

/// Sockets of gateways that run, by session.
fn running(state: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder(state)) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let session = path.file_name()?.to_str()?.strip_suffix(".sock")?.to_owned();
            // It will be shown, so it must be what a gateway calls itself.
            if session.is_empty() || !session.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
                return None;
            }
            match std::os::unix::net::UnixStream::connect(&path) {
                // A socket that nobody listens on is of a gateway that was killed.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    let _ = std::fs::remove_file(&path);
                    None
                }
                // It went in this moment.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                // Anything else says nothing about the gateway: this process may be out of files, or that one busy.
                _ => Some((session, path)),
            }
        })
        .collect();
    found.sort();
    found
}

fn ids(sessions: &[(String, PathBuf)]) -> String {
    sessions.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ")
}

/// Asks a running gateway.
///
/// # Errors
/// None runs, several run and none was chosen, it does not answer, or its answer is an error.
pub(crate) async fn ask(state: &Path, session: Option<&str>, request: &Request) -> Result<serde_json::Value> {
    let mut found = running(state);
    if let Some(session) = session {
        found.retain(|(id, _)| !session.is_empty() && id.starts_with(session));
    }
    let path = match found.as_slice() {
        [] if session.is_some() => bail!(
            "no gateway with session `{}` runs (state folder {}; there {})",
            session.unwrap_or_default(),
            state.display(),
            match running(state).as_slice() {
                [] => "runs none".to_owned(),
                others => format!("run {}", ids(others)),
            }
        ),
        [] => bail!("no gateway runs (state folder {}); start one with `gateway run`", state.display()),
        [(_, path)] => path,
        several => {
            bail!("{} gateways run; choose one with `--session`: {}", several.len(), ids(several))
        }
    };
    let exchange = async {
        let mut stream = UnixStream::connect(path).await?;
        same_user(&stream)?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(120), exchange)
        .await
        .context("the gateway did not answer within two minutes")?
        .context("speak to the gateway")?;
    match serde_json::from_str(&answer).context("read the gateway's answer")? {
        Response::Ok { ok } => Ok(ok),
        Response::Error { error } => bail!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    #[async_trait::async_trait]
    impl Answer for Echo {
        async fn answer(&self, request: Request) -> Result<serde_json::Value> {
            match request {
                Request::Servers => bail!("no servers"),
                other => Ok(serde_json::to_value(other)?),
            }
        }
    }

    #[tokio::test]
    async fn a_request_is_answered_and_the_socket_goes_with_the_gateway() {
        let state = tempfile::tempdir().unwrap();
        let error = ask(state.path(), None, &Request::Servers).await.unwrap_err().to_string();
        assert!(error.starts_with("no gateway runs"), "{error}");

        let stop = CancellationToken::new();
        let control = serve(state.path(), "s1", Arc::new(Echo), stop.clone()).unwrap();
        let answer = ask(state.path(), None, &Request::Server { name: "notes".to_owned() }).await.unwrap();
        assert_eq!(answer["name"], "notes");
        let error = ask(state.path(), None, &Request::Servers).await.unwrap_err().to_string();
        assert_eq!(error, "no servers");

        let second = serve(state.path(), "s2", Arc::new(Echo), stop.clone()).unwrap();
        let error = ask(state.path(), None, &Request::Servers).await.unwrap_err().to_string();
        assert_eq!(error, "2 gateways run; choose one with `--session`: s1, s2");
        for (session, told) in
            [("s1", Ok("notes")), ("", Err("no gateway with session ``")), ("s3", Err("run s1, s2"))]
        {
            let asked = ask(state.path(), Some(session), &Request::Server { name: "notes".to_owned() }).await;
            match told {
                Ok(name) => assert_eq!(asked.unwrap()["name"], name),
                Err(text) => {
                    let error = asked.unwrap_err().to_string();
                    assert!(error.contains(text), "{error}");
                }
            }
        }
        // What is no id of a gateway is not shown.
        let odd = std::os::unix::net::UnixListener::bind(state.path().join("run/\u{1b}[2J.sock")).unwrap();
        assert_eq!(running(state.path()).len(), 2);
        drop((control, second, odd));
        assert!(running(state.path()).is_empty());
    }

    #[test]
    fn only_a_socket_that_refuses_is_taken_for_a_dead_gateways() {
        let state = tempfile::tempdir().unwrap();
        let folder = folder(state.path());
        std::fs::create_dir_all(&folder).unwrap();
        let (dead, unclear) = (folder.join("dead.sock"), folder.join("unclear.sock"));
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        // The system answers a connection to it with another error than to one that nobody listens on.
        let _datagrams = std::os::unix::net::UnixDatagram::bind(&unclear).unwrap();
        assert_eq!(running(state.path()), [("unclear".to_owned(), unclear.clone())]);
        assert!(!dead.exists() && unclear.exists());
    }
}
