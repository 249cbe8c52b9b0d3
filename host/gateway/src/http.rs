//! Streamable HTTP, both eras on one path (`docker-mcp-gateway.md` 17.2, `mcp-ecosystem.md` 3).

mod batch;
mod body;
mod connection;
mod guard;
mod incoming;
mod media;
mod modern;
mod post;
mod respond;
mod routing;
mod service;

pub(crate) use modern::{check_meta, check_version};

use crate::config::{HttpConfig, Stop};
use crate::front::Front;
use guard::Guard;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// How long to wait before accepting again after the system refused, as it does when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Front {
    /// Serves HTTP clients until it is stopped: first requests in flight are finished and event streams ended in good order, then, with
    /// the second token, everything is cut. Returns when no connection is left.
    pub async fn serve_http(self: &Arc<Self>, listener: TcpListener, config: HttpConfig, stop: Stop) {
        let shared = Arc::new(service::Shared {
            front: Arc::clone(self),
            guard: Guard::new(&config),
            body_timeout: config.body_timeout,
        });
        let connections = TaskTracker::new();
        let accept = async {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let (shared, stop) = (Arc::clone(&shared), stop.clone());
                        connections.spawn(connection::serve(stream, shared, config.header_timeout, stop));
                    }
                    Err(error) => {
                        tracing::warn!("can't accept a connection: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accept => {}
            () = stop.drain.cancelled() => {}
            () = stop.cut.cancelled() => {}
        }
        drop(listener);
        // Event streams have no end of their own.
        self.announcer().close_all();
        connections.close();
        connections.wait().await;
    }
}
