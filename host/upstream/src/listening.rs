//! Servers that are up already and speak MCP a line a message: static mode.

use crate::direct::Opened;
use host_provisioner::{Address, Class, Connection, Failure, Phase, Streams};
use tokio::net::UnixStream;

/// See the module.
pub(crate) struct Listening;

impl Listening {
    pub(crate) async fn open(&self, address: &Address) -> Result<Opened, Failure> {
        let connection = match address {
            // The pool connects, within the time that a server may take to come up.
            Address::Tcp(host, port) => Connection::Tcp(host.clone(), *port),
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| {
                    let text = format!("connecting to {address} failed: {error}");
                    Failure::new(Phase::Provision, Class::Retryable, text)
                })?;
                let (stdout, stdin) = stream.into_split();
                Connection::Streams(Streams {
                    label: address.to_string(),
                    stdin: Box::new(stdin),
                    stdout: Box::new(stdout),
                    stderr: None,
                })
            }
        };
        Ok(Opened { connection, number: 0, objects: Vec::new() })
    }
}
