//! How containers end and fare, from one stream of the engine's events for all of them. The engine removes a container as soon as it has
//! ended, so its exit code can only be learnt by having listened.

use crate::engine::DockerEngine;
use crate::error::Error;
use crate::name::checked;
use crate::wire::Wire;
use bytes::BytesMut;
use http_body_util::BodyExt;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Only these events are sent to us, percent-encoded: containers that start, end, are out of memory, are removed, or change their health.
const EVENTS: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22start%22%2C%22die%22%2C%22oom%22%2C%22destroy%22%2C%22health_status%22%5D%7D";

/// Bytes of one event. Labels of a container are part of it.
const LONGEST: usize = 1 << 20;

/// Between two attempts to hear events again after the stream broke.
const PAUSE: Duration = Duration::from_millis(500);

/// How a container has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The exit code; `None` when the engine did not say (it was restarted in between, for example).
    pub exit_code: Option<i32>,
    /// Whether something in it was killed for want of memory.
    pub out_of_memory: bool,
}

/// What has been heard of one container.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    out_of_memory: bool,
    exit_code: Option<i32>,
    ended: bool,
    /// Number of changes of its health or of starts: a reason to look again.
    changes: u32,
}

impl Seen {
    fn end(&self) -> Option<End> {
        self.ended.then_some(End { exit_code: self.exit_code, out_of_memory: self.out_of_memory })
    }
}

type Slots = Arc<Mutex<HashMap<String, watch::Sender<Seen>>>>;

/// The stream, and who listens.
pub(crate) struct Watch {
    wire: Arc<Wire>,
    slots: Slots,
    task: Mutex<Option<(AbortHandle, watch::Receiver<bool>)>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((task, _)) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

/// One container that is listened to. What was heard stays until this is dropped, also when the container is gone.
#[derive(Debug, Clone)]
pub struct Watched {
    seen: watch::Receiver<Seen>,
}

impl Watched {
    /// How it has ended; `None` as long as it has not.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.seen.borrow().end()
    }

    /// Waits until it has ended. The engine being restarted in between is no reason to give up.
    pub async fn ended(&mut self) -> End {
        let lost = End { exit_code: None, out_of_memory: false };
        match self.seen.wait_for(|seen| seen.ended).await {
            Ok(seen) => seen.end().unwrap_or(lost),
            // The engine of this process is gone.
            Err(_) => lost,
        }
    }

    /// Waits until something of it has changed since the last call: it started, its health changed, it ended.
    pub async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Watch {
    pub(crate) fn new(wire: Arc<Wire>) -> Self {
        Self { wire, slots: Slots::default(), task: Mutex::default() }
    }

    /// The task that listens, started if it does not run.
    fn listening(&self) -> watch::Receiver<bool> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, listening)) = task.as_ref() {
            return listening.clone();
        }
        let (sender, listening) = watch::channel(false);
        let running = tokio::spawn(listen(Arc::clone(&self.wire), Arc::clone(&self.slots), sender));
        *task = Some((running.abort_handle(), listening.clone()));
        listening
    }
}

impl DockerEngine {
    /// Listens to a container. Returns as soon as no event of it can be missed any more, so it is called before it is started.
    ///
    /// # Errors
    /// The engine does not answer, or the container is not there.
    pub async fn watch(&self, container: &str) -> Result<Watched, Error> {
        // Events name containers by their ids only.
        let is_id = container.len() == 64 && container.bytes().all(|b| b.is_ascii_hexdigit());
        let found = if is_id { None } else { self.inspect(container).await? };
        let id = found.as_ref().map_or(checked("container", container)?, |info| info.id.as_str());
        self.docker().await?;
        let seen = {
            let mut slots = self.watch.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.retain(|_, sender| sender.receiver_count() > 0);
            slots.entry(id.to_owned()).or_default().subscribe()
        };
        let mut listening = self.watch.listening();
        if listening.wait_for(|listening| *listening).await.is_err() {
            return Err(Error::cut("listen to the engine", "its events have ended"));
        }
        // What happened before we listened is asked for.
        settle(self, id).await?;
        Ok(Watched { seen })
    }
}

/// Compares what was heard of a container with what the engine says now.
async fn settle(engine: &DockerEngine, id: &str) -> Result<(), Error> {
    let info = engine.inspect(id).await?;
    note(&engine.watch.slots, id, |seen| match &info {
        None if !seen.ended => seen.ended = true,
        Some(info) if matches!(info.state.as_str(), "exited" | "dead") => {
            seen.ended = true;
            seen.exit_code = seen.exit_code.or(info.exit_code);
            seen.out_of_memory |= info.out_of_memory;
        }
        _ => {}
    });
    Ok(())
}

fn note(slots: &Slots, id: &str, change: impl FnOnce(&mut Seen)) {
    let slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = slots.get(id) {
        sender.send_modify(change);
    }
}

/// Hears events as long as the engine lives; when the stream breaks (the engine is restarted), it is opened again, and everybody who is
/// listened to is asked how he fares.
async fn listen(wire: Arc<Wire>, slots: Slots, listening: watch::Sender<bool>) {
    let mut first = true;
    loop {
        match wire.get("listen to the engine", EVENTS).await {
            Ok(response) => {
                if !first {
                    catch_up(&wire, &slots).await;
                }
                first = false;
                listening.send_replace(true);
                let mut body = response.into_body();
                let mut buffer = BytesMut::new();
                while let Some(Ok(frame)) = body.frame().await {
                    let Some(data) = frame.data_ref() else { continue };
                    buffer.extend_from_slice(data);
                    while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                        hear(&slots, &buffer.split_to(end + 1));
                    }
                    if buffer.len() > LONGEST {
                        break;
                    }
                }
                tracing::debug!("the engine's events have ended; listening again");
            }
            Err(error) => tracing::debug!(%error, "the engine's events cannot be heard"),
        }
        listening.send_replace(false);
        tokio::time::sleep(PAUSE).await;
    }
}

/// After the stream was broken: whatever is not running any more has ended meanwhile.
async fn catch_up(wire: &Wire, slots: &Slots) {
    #[derive(Deserialize)]
    struct Inspected {
        #[serde(rename = "State")]
        state: State,
    }
    #[derive(Deserialize)]
    struct State {
        #[serde(rename = "Status")]
        status: String,
        #[serde(rename = "ExitCode")]
        exit_code: i32,
        #[serde(rename = "OOMKilled")]
        out_of_memory: bool,
    }
    let ids: Vec<String> = slots.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
    for id in ids {
        let answer = wire.get("ask for a container", &format!("/containers/{id}/json")).await;
        let state = match answer {
            Err(error) if error.is_not_found() => None,
            // Asked again when the stream breaks again; until then it counts as running.
            Err(_) => continue,
            Ok(response) => {
                let Ok(body) = response.into_body().collect().await else { continue };
                match serde_json::from_slice::<Inspected>(&body.to_bytes()) {
                    Ok(inspected) => Some(inspected.state),
                    Err(_) => continue,
                }
            }
        };
        note(slots, &id, |seen| match state {
            None => seen.ended = true,
            Some(state) if matches!(state.status.as_str(), "exited" | "dead") => {
                seen.ended = true;
                seen.exit_code = Some(state.exit_code);
                seen.out_of_memory |= state.out_of_memory;
            }
            Some(_) => seen.changes += 1,
        });
    }
}

/// One event.
fn hear(slots: &Slots, line: &[u8]) {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(rename = "Action", borrow)]
        action: std::borrow::Cow<'a, str>,
        #[serde(rename = "Actor", borrow)]
        actor: Actor<'a>,
    }
    #[derive(Deserialize)]
    struct Actor<'a> {
        #[serde(rename = "ID", borrow)]
        id: std::borrow::Cow<'a, str>,
        #[serde(rename = "Attributes", default, borrow)]
        attributes: Attributes<'a>,
    }
    #[derive(Deserialize, Default)]
    struct Attributes<'a> {
        #[serde(rename = "exitCode", default, borrow)]
        exit_code: Option<std::borrow::Cow<'a, str>>,
    }
    // What is no event of the known shape concerns nobody.
    let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else { return };
    note(slots, &event.actor.id, |seen| match event.action.as_ref() {
        "oom" => seen.out_of_memory = true,
        "die" => {
            seen.exit_code = event.actor.attributes.exit_code.and_then(|code| code.parse().ok());
            seen.ended = true;
        }
        "destroy" => seen.ended = true,
        _ => seen.changes += 1,
    });
}

#[cfg(test)]
mod tests {
    use super::{End, Slots, Watched, hear};
    use tokio::sync::watch;

    fn slot(slots: &Slots, id: &str) -> Watched {
        let (sender, seen) = watch::channel(super::Seen::default());
        slots.lock().unwrap().insert(id.to_owned(), sender);
        Watched { seen }
    }

    #[tokio::test]
    async fn an_end_is_heard_with_its_reason() {
        let slots = Slots::default();
        let (mut a, b) = (slot(&slots, "a"), slot(&slots, "b"));
        hear(&slots, br#"{"Type":"container","Action":"oom","Actor":{"ID":"a","Attributes":{"image":"i"}}}"#);
        assert_eq!(a.end(), None);
        hear(&slots, br#"{"Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"137","x":"\n"}}}"#);
        // The engine removes it at once; what was heard stays.
        hear(&slots, br#"{"Action":"destroy","Actor":{"ID":"a","Attributes":{}}}"#);
        assert_eq!(a.ended().await, End { exit_code: Some(137), out_of_memory: true });
        assert_eq!(b.end(), None);
    }

    #[test]
    fn what_is_no_event_concerns_nobody() {
        let slots = Slots::default();
        let a = slot(&slots, "a");
        for line in
            [b"".as_slice(), b"{", b"[]", br#"{"Action":"die"}"#, br#"{"Action":"die","Actor":{"ID":"z"}}"#]
        {
            hear(&slots, line);
        }
        assert_eq!(a.end(), None);
    }
}
