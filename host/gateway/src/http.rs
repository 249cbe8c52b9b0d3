//! Streamable HTTP, both eras on one path, and the older HTTP+SSE on another (`docker-mcp-gateway.md` 17.2, `mcp-ecosystem.md` 3).

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
mod sse;
mod strangers;
mod woken;

pub(crate) use modern::{check_meta, check_version};

use crate::config::{HttpConfig, Stop};
use crate::front::Front;
use connection::Limits;
use guard::Guard;
use std::sync::Arc;
use std::time::Duration;
use strangers::Strangers;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
            home: config.home,
            sse: sse::Clients::default(),
        });
        let connections = TaskTracker::new();
        let limits = Limits { header: config.header_timeout, idle: config.idle_timeout };
        let strangers = Strangers::new(config.stranger_cap);
        let places = Arc::new(Semaphore::new(config.connection_cap.clamp(1, Semaphore::MAX_PERMITS)));
        let accept = async {
            loop {
                let place = place(&places).await;
                match listener.accept().await {
                    Ok((stream, _)) => {
                        // An answer in several small writes would otherwise wait for acknowledgements that the other side delays
                        // (`mcp-ecosystem.md` 10).
                        if let Err(error) = stream.set_nodelay(true) {
                            tracing::debug!("can't set TCP_NODELAY: {error}");
                        }
                        let Ok(local) = stream.local_addr() else { continue };
                        let (shared, stop, stranger) = (Arc::clone(&shared), stop.clone(), strangers.enter());
                        connections.spawn(async move {
                            connection::serve(stream, local.ip(), stranger, shared, limits, stop).await;
                            drop(place);
                        });
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

/// Waits for a place for one more connection. Clients in excess wait in the system's queue, and the log says why.
async fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Some(place);
    }
    tracing::warn!("as many connections as allowed are open; further clients wait until one ends");
    // It is never closed.
    Arc::clone(places).acquire_owned().await.ok()
}

/// The place of connections on which nothing was shown yet, as a listener with these settings has it.
#[cfg(any(test, fuzzing))]
pub(crate) fn strangers(config: &HttpConfig) -> Arc<Strangers> {
    Strangers::new(config.stranger_cap)
}

/// Serves one connection that is no socket, as if it had come over loopback.
#[cfg(any(test, fuzzing))]
pub(crate) fn over_stream(
    stream: tokio::io::DuplexStream,
    stranger: strangers::Stranger,
    front: Arc<Front>,
    config: &HttpConfig,
    stop: Stop,
) -> impl Future<Output = ()> + use<> {
    let shared = service::Shared {
        front,
        guard: Guard::new(config),
        body_timeout: config.body_timeout,
        home: config.home,
        sse: sse::Clients::default(),
    };
    let limits = Limits { header: config.header_timeout, idle: config.idle_timeout };
    connection::serve(stream, std::net::Ipv4Addr::LOCALHOST.into(), stranger, Arc::new(shared), limits, stop)
}
