//! Endpoints at the other end of a tunnel, which is open as long as the connection is.

use crate::sanitize::line;
use crate::state::Scope;
use crate::v0_1::types::{Failure, FailureCategory};
use async_trait::async_trait;
use bytes::Bytes;
use host_provisioner::{BoxBody, HttpChannel, HttpFailure};
use host_workload_kubernetes::Tunnel;
use http::{Request, Response};
use std::sync::Arc;

impl Scope {
    /// The tunnel that an endpoint names, if it leads there and was opened in this call.
    pub(super) fn tunnel(
        &self,
        id: Option<&str>,
        host: &str,
        port: u16,
    ) -> Result<Option<Arc<Tunnel>>, Failure> {
        let Some(id) = id else { return Ok(None) };
        match self.tunnels.tunnel(id, host, port) {
            Some(tunnel) => Ok(Some(tunnel)),
            None => {
                let text = format!("no tunnel `{}` of this call leads to {host}:{port}", line(id, 60));
                Err(self.refuse(FailureCategory::Permission, text))
            }
        }
    }
}

/// A channel that keeps its tunnel open.
struct Tunnelled<C> {
    channel: C,
    _tunnel: Arc<Tunnel>,
}

/// The channel, through the tunnel if there is one.
pub(super) fn through(
    tunnel: Option<Arc<Tunnel>>,
    channel: impl HttpChannel + 'static,
) -> Arc<dyn HttpChannel> {
    match tunnel {
        None => Arc::new(channel),
        Some(tunnel) => Arc::new(Tunnelled { channel, _tunnel: tunnel }),
    }
}

#[async_trait]
impl<C: HttpChannel> HttpChannel for Tunnelled<C> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<BoxBody>, HttpFailure> {
        self.channel.send(request).await
    }

    fn resolve(&self, reference: &str) -> Result<String, HttpFailure> {
        self.channel.resolve(reference)
    }
}
