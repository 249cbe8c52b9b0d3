//! Streams of events: that of one call, resumed where it broke off, and that of messages that belong to no call.

use super::answer::media;
use super::head::Common;
use super::{Http, REST, Trouble};
use crate::connect::events::Events;
use bytes::Bytes;
use host_provisioner::BoxBody;
use http::{Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a stream is resumed without a single event between.
const MOST_RESUMES: usize = 5;
/// How long a server is left alone before a stream is resumed, unless it says otherwise.
pub(super) const RESUME_AFTER: Duration = Duration::from_secs(1);
/// However short it says.
const RESUME_LEAST: Duration = Duration::from_millis(100);
/// However long it says.
pub(super) const RESUME_MOST: Duration = Duration::from_secs(60);
/// A stream for unsolicited messages, or a session, that lived this long was no failure.
pub(super) const LASTING: Duration = Duration::from_secs(10);

impl Http {
    /// Hands over what comes on the stream of a call, until its answer is there.
    pub(super) async fn follow(self: &Arc<Self>, id: u64, body: BoxBody) -> Result<(), Trouble> {
        let mut events = Events::new(self.limit);
        let mut body = Some(body);
        let mut idle = 0;
        loop {
            if let Some(mut stream) = body.take() {
                if self.pump(&mut stream, &mut events, Some(id)).await? {
                    idle = 0;
                }
                if !self.is_waiting(id) {
                    rest(stream).await;
                    return Ok(());
                }
            }
            let common = self.state().common.clone();
            let last = events.last_id().filter(|_| !common.mirrors).map(str::to_owned);
            let Some(last) = last.filter(|_| idle < MOST_RESUMES) else {
                return Err(Trouble::Call("the server ended its stream before it answered".to_owned()));
            };
            idle += 1;
            tokio::time::sleep(events.retry().unwrap_or(RESUME_AFTER).clamp(RESUME_LEAST, RESUME_MOST)).await;
            match self.get(&common, Some(&last)).await {
                Ok(response) if streams(&response) => {
                    events.reconnect();
                    body = Some(response.into_body());
                }
                Ok(response) => {
                    let text = format!(
                        "the server does not go on with a stream that broke off: HTTP {}",
                        response.status()
                    );
                    return Err(Trouble::Call(text));
                }
                // It may be back in a moment.
                Err(text) => tracing::debug!(url = self.url, text, "a stream was not resumed"),
            }
        }
    }

    /// Hands over what comes on a stream until it ends, or until the call that it belongs to is answered. True if anything came.
    pub(super) async fn pump(
        &self,
        stream: &mut BoxBody,
        events: &mut Events,
        call: Option<u64>,
    ) -> Result<bool, Trouble> {
        let mut any = false;
        while let Some(piece) = stream.chunk().await {
            let Ok(piece) = piece else { break };
            let too_long =
                |_| Trouble::Call(format!("an event of the server is longer than {} bytes", self.limit));
            for event in events.feed(&piece).map_err(too_long)? {
                any = true;
                self.take(event.kind.as_str(), event.data, call);
            }
            if call.is_some_and(|id| !self.is_waiting(id)) {
                break;
            }
        }
        Ok(any)
    }

    pub(super) fn take(&self, kind: &str, data: Bytes, call: Option<u64>) {
        if let Some(wire) = self.wire().filter(|_| kind == "message" && !data.is_empty()) {
            wire.message(data, call);
        }
    }

    fn is_waiting(&self, id: u64) -> bool {
        self.wire().is_some_and(|wire| wire.pending.is_waiting(id))
    }

    async fn get(&self, common: &Common, after: Option<&str>) -> Result<Response<BoxBody>, String> {
        let request = common.get(&self.url, after).map_err(|error| error.to_string())?;
        self.channel.send(request).await.map_err(|failure| failure.text)
    }

    /// Listens for messages that belong to no call, in the place of who did before, as long as the server wants that.
    pub(super) fn listen(self: &Arc<Self>) {
        let stop = self.closed.child_token();
        if let Some(before) = self.state().stream.replace(stop.clone()) {
            before.cancel();
        }
        let http = Arc::clone(self);
        self.tracker.spawn(async move { stop.run_until_cancelled(http.unsolicited()).await });
    }

    async fn unsolicited(self: Arc<Self>) {
        let mut events = Events::new(self.limit);
        let mut wait = RESUME_AFTER;
        let mut stood = false;
        loop {
            let (common, generation) = {
                let state = self.state();
                (state.common.clone(), state.generation)
            };
            let started = Instant::now();
            let last = events.last_id().map(str::to_owned);
            match self.get(&common, last.as_deref()).await {
                Ok(response) if streams(&response) => {
                    stood = true;
                    events.reconnect();
                    let mut stream = response.into_body();
                    if let Err(Trouble::Call(text) | Trouble::Dead(text)) =
                        self.pump(&mut stream, &mut events, None).await
                    {
                        return self.die(&text);
                    }
                }
                // Where it never had one, 404 says so, as frameworks do for a method without a route; that the session is gone a POST will say.
                Ok(response)
                    if response.status() == StatusCode::NOT_FOUND && common.session.is_some() && stood =>
                {
                    // Whoever begins it anew listens anew, and ends this task by that.
                    let http = Arc::clone(&self);
                    self.tracker.spawn(async move {
                        let stop = http.closed.clone();
                        let renew = async {
                            if let Err(Trouble::Dead(reason) | Trouble::Call(reason)) =
                                http.renew(generation).await
                            {
                                http.die(&reason);
                            }
                        };
                        stop.run_until_cancelled(renew).await
                    });
                    return;
                }
                Ok(response) if response.status().is_server_error() => {}
                // It has none, which is its right.
                Ok(_) => return,
                Err(text) => {
                    tracing::debug!(url = self.url, text, "the stream of the server could not be reached")
                }
            }
            wait = if started.elapsed() >= LASTING { RESUME_AFTER } else { (wait * 2).min(RESUME_MOST) };
            tokio::time::sleep(events.retry().unwrap_or(wait).clamp(RESUME_LEAST, RESUME_MOST)).await;
        }
    }
}

fn streams(response: &Response<BoxBody>) -> bool {
    response.status().is_success() && media(response.headers()) == "text/event-stream"
}

/// Reads a stream to its end that has nothing more to say, so that the connection can be used again.
async fn rest(mut stream: BoxBody) {
    let to_the_end = async { while let Some(Ok(_)) = stream.chunk().await {} };
    let _ = tokio::time::timeout(REST, to_the_end).await;
}
