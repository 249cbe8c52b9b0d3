//! What `tests/fuzz` reaches of the inside. Nothing of it is in the program.

use crate::http::{over_stream, strangers};
use crate::{Front, HttpConfig, Stop};
use std::sync::Arc;
use tokio::io::DuplexStream;

/// Serves one connection in memory, as if it had come over loopback, to its end.
pub fn serve(
    stream: DuplexStream,
    front: Arc<Front>,
    config: &HttpConfig,
) -> impl Future<Output = ()> + use<> {
    over_stream(stream, strangers(config).enter(), front, config, Stop::default())
}

/// Reads `Last-Event-ID` and writes it again; `None` for one that is none of ours.
#[must_use]
pub fn event_id(text: &str) -> Option<String> {
    crate::replay::EventId::parse(text).map(|id| id.to_string())
}
