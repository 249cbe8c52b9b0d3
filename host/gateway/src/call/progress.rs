//! Progress on its way to the client: under the client's own token, in its own JSON type, with values that rise.

use super::Event;
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Params, find_member, method, notification, write_string};
use host_provisioner::{Progress, ProgressSink};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::sync::mpsc;

/// Lets only values through that are higher than the one before, as the protocol demands of whoever sends them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rising(f64);

impl Default for Rising {
    fn default() -> Self {
        Self(f64::NEG_INFINITY)
    }
}

impl Rising {
    /// A server's notification with the client's token; `None` if its value does not rise.
    pub(crate) fn message(&mut self, params: &Params, token: &[u8]) -> Option<Bytes> {
        let raw = params.raw();
        let value = find_member(raw, "progress")?;
        let value: f64 = std::str::from_utf8(value.value(raw)).ok()?.parse().ok()?;
        if value <= self.0 {
            return None;
        }
        self.0 = value;
        let mut splice = params.splice();
        splice.set(params.progress_token()?, token);
        Some(notification(method::PROGRESS, Some(&splice.build().ok()?)))
    }
}

/// Tells a client what is done to bring its server up.
pub(crate) struct Provisioning {
    events: mpsc::Sender<Event>,
    token: Bytes,
    server: String,
    told: AtomicU32,
    over: AtomicBool,
}

/// The values of our own progress: small ones, so that the server's own values, which count from nothing, still rise after them.
const STEP: f64 = 1e-6;

impl Provisioning {
    pub(crate) fn new(events: mpsc::Sender<Event>, token: Bytes, server: &str) -> Self {
        Self {
            events,
            token,
            server: server.to_owned(),
            told: AtomicU32::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// Says no more, and tells where the server's values must begin.
    pub(crate) fn end(&self) -> Rising {
        self.over.store(true, Ordering::Release);
        match self.told.load(Ordering::Acquire) {
            0 => Rising::default(),
            told => Rising(f64::from(told) * STEP),
        }
    }
}

impl ProgressSink for Provisioning {
    fn report(&self, progress: Progress) {
        if self.over.load(Ordering::Acquire) {
            return;
        }
        let told = self.told.fetch_add(1, Ordering::AcqRel) + 1;
        let count = match (progress.done, progress.total) {
            (Some(done), Some(total)) => format!(" ({done}/{total})"),
            (Some(done), None) => format!(" ({done})"),
            _ => String::new(),
        };
        let mut params = BytesMut::new();
        params.put_slice(b"{\"progressToken\":");
        params.put_slice(&self.token);
        params.put_slice(format!(",\"progress\":{},\"message\":", f64::from(told) * STEP).as_bytes());
        write_string(&mut params, &format!("starting server `{}`: {}{count}", self.server, progress.text));
        params.put_u8(b'}');
        // Nobody waits for a client that reads slowly; the next report says more than the one that was lost.
        let _ = self.events.try_send(Event::Progress(notification(method::PROGRESS, Some(&params))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_rise_and_the_token_is_the_clients() {
        let mut rising = Rising::default();
        let mut message = |params: &'static str| {
            let params = Params::scan(Bytes::from_static(params.as_bytes())).unwrap();
            rising.message(&params, b"\"7\"").map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        };
        let first = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"7\",\"progress\":0,\"x\":[ 1 ]}}";
        assert_eq!(message("{\"progressToken\":3,\"progress\":0,\"x\":[ 1 ]}").as_deref(), Some(first));
        assert_eq!(message("{\"progressToken\":3,\"progress\":0}"), None);
        assert_eq!(message("{\"progressToken\":3,\"progress\":-1}"), None);
        assert_eq!(message("{\"progressToken\":3,\"progress\":\"x\"}"), None);
        assert!(message("{\"progressToken\":3,\"progress\":0.5}").is_some());
    }

    #[test]
    fn steps_of_a_start_come_before_all_steps_of_the_server() {
        let (events, mut received) = mpsc::channel(4);
        let provisioning = Provisioning::new(events, Bytes::from_static(b"5"), "s");
        let report = |done, total| provisioning.report(Progress { text: "pulling".to_owned(), done, total });
        report(Some(1), Some(3));
        report(None, None);
        let Rising(last) = provisioning.end();
        assert!(last > 0.0 && last < 0.001);
        report(None, None);
        let Some(Event::Progress(message)) = received.try_recv().ok() else { panic!() };
        assert_eq!(
            std::str::from_utf8(&message).unwrap(),
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":5,\"progress\":0.000001,\
             \"message\":\"starting server `s`: pulling (1/3)\"}}"
        );
        assert!(received.try_recv().is_ok());
        assert!(received.try_recv().is_err(), "nothing after the end");
    }
}
