//! A gateway without servers, and connections to it in memory.

use futures_util::FutureExt;
use host_gateway::fuzzing::serve;
use host_gateway::{Front, FrontConfig, HttpConfig, Token};
use host_pool::{Pool, PoolConfig};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// The token that clients must show.
pub(crate) const TOKEN: &str = "the-token-of-this-target";

pub(crate) struct World {
    runtime: Runtime,
    front: Arc<Front>,
}

impl World {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let config = FrontConfig {
            token: Some(Token::new(TOKEN)),
            session_cap: 8,
            message_limit: 2048,
            ..FrontConfig::default()
        };
        let front =
            runtime.block_on(async { Front::new(Pool::new(Vec::new(), PoolConfig::default()), config) });
        Self { runtime, front }
    }

    /// Everything that is answered to these bytes until nothing more happens.
    pub(crate) fn exchange(&self, request: &[u8]) -> Vec<u8> {
        self.runtime.block_on(async {
            let (mut ours, theirs) = tokio::io::duplex(1 << 16);
            let serving = tokio::spawn(serve(theirs, Arc::clone(&self.front), &HttpConfig::default()));
            ours.write_all(request).await.expect("it fits");
            let (mut answer, mut idle) = (Vec::new(), 0);
            // There is one thread, so after a few turns in which nothing came nothing comes.
            while idle < 12 {
                let mut piece = [0; 4096];
                match ours.read(&mut piece).now_or_never() {
                    Some(Ok(0) | Err(_)) => break,
                    Some(Ok(length)) => {
                        idle = 0;
                        answer.extend_from_slice(&piece[..length]);
                    }
                    None => {
                        idle += 1;
                        tokio::task::yield_now().await;
                    }
                }
            }
            drop(ours);
            serving.await.expect("a connection does not panic");
            answer
        })
    }
}

/// The status of the first answer; `None` if there is none.
pub(crate) fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.strip_prefix(b"HTTP/1.1 ").or(answer.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}
