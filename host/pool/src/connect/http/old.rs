//! HTTP+SSE of 2024-11-05: one stream of events for everything that the server says, whose first event names where messages go.

use super::answer::{media, refusal};
use super::{Http, Trouble};
use crate::connect::events::Events;
use host_provisioner::{Class, Failure, Phase};
use std::sync::Arc;
use tokio::sync::oneshot;

impl Http {
    /// Opens the stream and waits until it has named where messages go.
    pub(super) async fn begin_old(self: &Arc<Self>) -> Result<(), Trouble> {
        let request = super::head::Common::default().get(&self.url, None);
        let request = request.map_err(|error| Trouble::Call(error.to_string()))?;
        let response = self.channel.send(request).await.map_err(|failure| self.unsent(failure))?;
        if !response.status().is_success() || media(response.headers()) != "text/event-stream" {
            let failure = if response.status().is_success() {
                let text = "the server has no stream of events there";
                Failure::new(Phase::Handshake, Class::Permanent, text)
            } else {
                refusal(response.status(), response.headers(), b"")
            };
            let text = failure.text.clone();
            self.state().refusal = Some(failure);
            return Err(Trouble::Call(text));
        }
        let mut stream = response.into_body();
        let (named, name) = oneshot::channel();
        let (http, stop) = (Arc::clone(self), self.closed.child_token());
        self.tracker.spawn(async move {
            let read = async {
                let mut events = Events::new(http.limit);
                let mut named = Some(named);
                while let Some(Ok(piece)) = stream.chunk().await {
                    let Ok(complete) = events.feed(&piece) else {
                        return http.die(&format!("an event of it is longer than {} bytes", http.limit));
                    };
                    for event in complete {
                        match (event.kind.as_str(), named.take()) {
                            ("endpoint", Some(named)) => {
                                let _ = named.send(String::from_utf8_lossy(&event.data).trim().to_owned());
                            }
                            (kind, waits) => {
                                named = waits;
                                http.take(kind, event.data, None);
                            }
                        }
                    }
                }
                http.die("its stream of events ended");
            };
            stop.run_until_cancelled(read).await
        });
        let unnamed = || Trouble::Dead("it did not say where messages go".to_owned());
        let reference = name.await.map_err(|_| unnamed())?;
        let url = self.channel.resolve(&reference).map_err(|failure| self.unsent(failure))?;
        let mut state = self.state();
        state.posts_to = Some(url);
        state.refusal = None;
        Ok(())
    }
}
