//! Requests against servers of the test: what is sent, what is repeated, what comes back, and where credentials are from.

mod credentials;
mod sending;
mod stores;

use crate::{Client, Outgoing, Signer, Surroundings};
use bytes::Bytes;
use host_web::{Access, Target};
use http::{HeaderMap, Method};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// More than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A server of the test: answers in their order, the last again and again, and what it was asked.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answer` gets the whole request and how many came before; what it gives is written as it is, and the connection is closed. Nothing: it
    /// never answers.
    async fn start(answer: impl Fn(&str, usize) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let (tells, answer) = (Arc::clone(&seen), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tells, answer) = (Arc::clone(&tells), Arc::clone(&answer));
                tokio::spawn(async move {
                    let (mut stream, request) = read(stream).await;
                    let before = {
                        let mut seen = tells.lock().unwrap();
                        seen.push(request.clone());
                        seen.len() - 1
                    };
                    match answer(&request, before) {
                        Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap_or_default(),
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

/// One request: its head and as many bytes as it says.
async fn read(mut stream: TcpStream) -> (TcpStream, String) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return (stream, text);
            }
        }
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => return (stream, text),
        }
    }
}

/// An answer with a length.
fn answer(status: u16, headers: &str, body: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

fn outgoing(url: &str) -> Outgoing {
    Outgoing {
        who: "p".to_owned(),
        method: Method::POST,
        target: Target::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from("{}"),
        signer: None,
        access: Access::new(|host, _| host == "127.0.0.1", "grant `HOST:PORT`"),
        repeatable: true,
        within: LONG,
        limit: 1 << 20,
    }
}

fn around(variables: &[(&str, &str)], home: Option<PathBuf>) -> Surroundings {
    let variables: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Surroundings { variables, home }
}

/// What a signed request shows of its signer.
async fn authorization(client: &Client, server: &Server, signer: Signer) -> Result<String, String> {
    let request = Outgoing { signer: Some(signer), ..outgoing(&server.url("/signed")) };
    client.send(&request, &Mutex::default()).await.map_err(|error| error.to_string())?;
    let seen = server.seen().into_iter().find(|seen| seen.contains(" /signed ")).unwrap();
    let line = seen.lines().find(|line| line.to_lowercase().starts_with("authorization: ")).unwrap();
    Ok(line.split_once(": ").unwrap().1.to_owned())
}
