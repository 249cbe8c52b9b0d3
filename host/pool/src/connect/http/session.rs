//! The session with a server: who lost it gets another one, and his call is sent once more, if it cannot have been carried out.

use super::answer::{Whole, collect, media};
use super::head::{Common, SESSION};
use super::stream::{LASTING, RESUME_AFTER, RESUME_MOST};
use super::{Http, PATIENCE, REFUSAL_LIMIT, State, Trouble};
use crate::connect::events::Events;
use crate::event::{Changed, Event};
use bytes::Bytes;
use host_message::{Envelope, ErrorBody, Mirror, code, find_member, method};
use host_provisioner::{BoxBody, Class, Failure, HttpFailure, Phase};
use http::{Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn lost(why: &str) -> Trouble {
    Trouble::Dead(format!("it has ended the session and does not begin another: {why}"))
}

/// Whether the body of a 400 says that there is no such session. Only an error without an id can: it answers no request, so none was looked at;
/// with the request's id it may be what a tool has to say about sessions of its own. The words are those of the TypeScript SDK, its example
/// that many servers are made from, and the Python SDK, which writes them as plain text.
fn says_lost(body: &Bytes) -> bool {
    let Ok(envelope) = Envelope::parse(body.clone()) else {
        return body.trim_ascii().starts_with(b"Bad Request: No valid session ID provided");
    };
    if envelope.id_raw().is_some_and(|id| id != b"null") {
        return false;
    }
    envelope.error().is_some_and(|error| {
        let error = ErrorBody::scan(&error);
        let message = error.message.to_ascii_lowercase();
        let is_transports = (-32099..=-32000).contains(&error.code) || error.code == code::INVALID_REQUEST;
        is_transports && (message.contains("session") || message.contains("server not initialized"))
    })
}

impl State {
    /// How long the server is left alone before its session is begun anew: not at all, unless it has lost one that had just been begun anew.
    fn pause_to_renew(&mut self) -> Duration {
        let lasted = self.renewed.is_none_or(|renewed| renewed.elapsed() >= LASTING);
        self.pause = if lasted { Duration::ZERO } else { (self.pause * 2).clamp(RESUME_AFTER, RESUME_MOST) };
        self.pause
    }
}

impl Http {
    /// Sends a message and gives what comes back; begins a lost session anew and sends it once more. What comes back then is the answer,
    /// whatever it says.
    pub(super) async fn post(
        self: &Arc<Self>,
        message: &Bytes,
        tool: Option<Arc<[Mirror]>>,
    ) -> Result<Response<BoxBody>, Trouble> {
        let tool = tool.unwrap_or_default();
        let (response, session) = self.post_once(message, &tool).await?;
        let Some(generation) = session else { return Ok(response) };
        match self.knows_session(response).await? {
            Some(response) => Ok(response),
            None => {
                self.renew(generation).await?;
                self.post_once(message, &tool).await.map(|(response, _)| response)
            }
        }
    }

    /// Sends a message, and says with which session, if there is one.
    async fn post_once(
        &self,
        message: &Bytes,
        tool: &[Mirror],
    ) -> Result<(Response<BoxBody>, Option<u64>), Trouble> {
        let (common, generation, url) = {
            let state = self.state();
            let url = state.posts_to.clone().unwrap_or_else(|| self.url.clone());
            (state.common.clone(), state.generation, url)
        };
        let request = common.post(&url, message, tool);
        let request =
            request.map_err(|error| Trouble::Call(format!("the request cannot be sent: {error}")))?;
        let response = self.channel.send(request).await.map_err(|failure| self.unsent(failure))?;
        Ok((response, common.session.map(|_| generation)))
    }

    /// The same answer, or `None` if it says that there is no such session and the message has reached nobody: 404 as the protocol wants (2025-11-25,
    /// session management), or a 400 that servers give in its place.
    async fn knows_session(&self, response: Response<BoxBody>) -> Result<Option<Response<BoxBody>>, Trouble> {
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::BAD_REQUEST => {
                let (head, body) = response.into_parts();
                let body = collect(body, REFUSAL_LIMIT).await?;
                let lost = says_lost(&body);
                Ok((!lost).then(|| Response::from_parts(head, BoxBody::new(Whole(body)))))
            }
            _ => Ok(Some(response)),
        }
    }

    pub(super) fn unsent(&self, failure: HttpFailure) -> Trouble {
        if failure.seen {
            return Trouble::Call(failure.text);
        }
        let class = if failure.permanent { Class::Config } else { Class::Other };
        let mut refusal = Failure::new(Phase::Handshake, class, failure.text.clone());
        refusal.hint = failure.hint;
        self.state().refusal = Some(refusal);
        Trouble::Dead(failure.text)
    }

    /// Begins another session with the message that began the first one. Gives what requests have in common from now on.
    async fn begin(&self, message: Option<Bytes>, mut common: Common) -> Result<Common, Trouble> {
        let message = message.ok_or_else(|| lost("there was none"))?;
        let revision = common.version.take();
        common.session = None;
        let request = common.post(&self.url, &message, &[]).map_err(|error| lost(&error.to_string()))?;
        let response = self.channel.send(request).await.map_err(|failure| self.unsent(failure))?;
        if !response.status().is_success() {
            return Err(lost(&format!("it answers HTTP {}", response.status())));
        }
        common.session = response.headers().get(SESSION).cloned();
        let answer = self.single(response).await.ok_or_else(|| lost("its answer is not usable"))?;
        let version = find_member(&answer, "protocolVersion")
            .and_then(|member| member.string(&answer).map(|text| text.into_owned()));
        common.version = revision;
        if version.is_none() || (revision.is_some() && version.as_deref() != revision) {
            return Err(lost("it speaks another revision now"));
        }
        let initialized = host_message::notification(method::INITIALIZED, None);
        let request = common.post(&self.url, &initialized, &[]).map_err(|error| lost(&error.to_string()))?;
        self.channel.send(request).await.map_err(|failure| self.unsent(failure))?;
        let level = self.state().level.clone();
        if let Some(request) = level.and_then(|level| common.post(&self.url, &level, &[]).ok()) {
            // Whether it agrees changes nothing here.
            let _ = self.channel.send(request).await;
        }
        Ok(common)
    }

    /// Begins the session anew, unless somebody did since this generation. A server that loses one after the other is left alone in between: what
    /// follows a renewal, such as fetching lists, would bring about the next one.
    pub(super) async fn renew(self: &Arc<Self>, generation: u64) -> Result<(), Trouble> {
        let _one = self.renewing.lock().await;
        let (message, common, pause) = {
            let mut state = self.state();
            if state.generation != generation {
                return Ok(());
            }
            (state.initialize.clone(), state.common.clone(), state.pause_to_renew())
        };
        tokio::time::sleep(pause).await;
        let begun = tokio::time::timeout(PATIENCE, self.begin(message, common))
            .await
            .unwrap_or_else(|_| Err(lost(&format!("it did not answer within {} s", PATIENCE.as_secs()))))?;
        let generation = {
            let mut state = self.state();
            state.common = begun;
            state.renewed = Some(Instant::now());
            state.generation += 1;
            state.generation
        };
        self.renewed.send_replace(generation);
        tracing::info!(url = self.url, "the server has lost its session; a new one was begun");
        self.listen();
        if let Some(wire) = self.wire() {
            let (server, owner) = (Arc::clone(&wire.server), wire.owner());
            wire.emit(Event::Ready { server: Arc::clone(&server), owner: owner.clone() });
            for what in [Changed::Tools, Changed::Prompts, Changed::Resources] {
                wire.emit(Event::ListChanged { server: Arc::clone(&server), owner: owner.clone(), what });
            }
        }
        Ok(())
    }

    /// The result in an answer that nobody else waits for.
    async fn single(&self, response: Response<BoxBody>) -> Option<Bytes> {
        let streams = media(response.headers()) == "text/event-stream";
        let mut body = response.into_body();
        if !streams {
            return Envelope::parse(collect(body, self.limit).await.ok()?).ok()?.result();
        }
        let mut events = Events::new(self.limit);
        while let Some(Ok(piece)) = body.chunk().await {
            for event in events.feed(&piece).ok()? {
                if let Some(result) = Envelope::parse(event.data).ok().and_then(|envelope| envelope.result())
                {
                    return Some(result);
                }
            }
        }
        None
    }
}
