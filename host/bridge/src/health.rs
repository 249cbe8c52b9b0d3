//! A port for probes: it answers as long as connections are accepted, and starts nothing.

use crate::listen::Listener;
use crate::log;
use crate::serve::Shared;
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bytes of a request that are read.
const LONGEST: usize = 8 << 10;

/// Time for a request to arrive and the answer to leave.
const TIME: Duration = Duration::from_secs(5);

/// Probes that are answered at once.
const MOST: usize = 32;

/// Whether something accepts connections there.
pub(crate) fn probe(address: SocketAddr) -> ExitCode {
    match TcpStream::connect_timeout(&address, TIME) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            log::line(format_args!("{address}: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Answers probes until it is dropped.
pub(crate) async fn answer(listener: Listener, shared: Rc<Shared>) {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(MOST));
    loop {
        let Ok((mut read, mut write)) = listener.accept().await else {
            tokio::time::sleep(crate::serve::PAUSE).await;
            continue;
        };
        let Ok(place) = std::sync::Arc::clone(&places).try_acquire_owned() else { continue };
        let shared = Rc::clone(&shared);
        tokio::task::spawn_local(async move {
            let _place = place;
            let _ = tokio::time::timeout(TIME, async {
                let mut request = Vec::new();
                let mut part = [0; 1024];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < LONGEST {
                    match read.read(&mut part).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => request.extend_from_slice(part.get(..count).unwrap_or_default()),
                    }
                }
                let (status, state) = match (shared.draining(), request.starts_with(b"GET ")) {
                    (_, false) => ("405 Method Not Allowed", "only GET"),
                    (true, _) => ("503 Service Unavailable", "draining"),
                    (false, _) => ("200 OK", "ok"),
                };
                let body = format!("{{\"status\":\"{state}\",\"sessions\":{}}}\n", shared.sessions());
                let head = "content-type: application/json\r\nconnection: close";
                let answer =
                    format!("HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _ = write.write_all(answer.as_bytes()).await;
                let _ = write.shutdown().await;
            })
            .await;
        });
    }
}
