//! The pool's own subscription: a modern server says that its lists changed only to those who listen.

use crate::outgoing::OwnMeta;
use crate::wire::Wire;
use crate::{Client, InFlight};
use host_message::{Kind, method};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A subscription that ends sooner than this is not renewed at once.
const SHORT: Duration = Duration::from_secs(10);
/// Longest wait before it is renewed.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What to do for a client that has just come up: it listens at once, before anybody's first call, and the future goes on with it until its wire ends, or the server does not want that. `None` if there is
/// nothing to listen for.
pub(crate) fn listen(client: &Client) -> Option<impl Future<Output = ()> + use<>> {
    let capabilities = client.capabilities();
    let own = client.own()?.clone();
    let kinds = [
        (capabilities.tools_changed, "\"toolsListChanged\":true"),
        (capabilities.prompts_changed, "\"promptsListChanged\":true"),
        (capabilities.resources_changed, "\"resourcesListChanged\":true"),
    ];
    let kinds: Vec<&str> = kinds.into_iter().filter(|kind| kind.0).map(|kind| kind.1).collect();
    if kinds.is_empty() {
        return None;
    }
    let more = format!(",\"notifications\":{{{}}}", kinds.join(","));
    let params = own.params_with(more.as_bytes());
    let wire = Arc::clone(&client.wire);
    // Before anybody's first call, or what that changes would be missed.
    let first = wire.call(method::SUBSCRIPTIONS_LISTEN, Some(&params)).ok();
    Some(run(wire, own, more, first))
}

async fn run(wire: Arc<Wire>, own: OwnMeta, more: String, mut first: Option<InFlight>) {
    let params = own.params_with(more.as_bytes());
    let mut wait = Duration::from_secs(1);
    loop {
        let started = Instant::now();
        // The notifications themselves are taken where they arrive; here only the end of the subscription is waited for.
        let next = first.take().or_else(|| wire.call(method::SUBSCRIPTIONS_LISTEN, Some(&params)).ok());
        let Some(mut call) = next else { return };
        match call.response().await {
            Ok(answer) if answer.kind() == Kind::Response => {}
            // Refused: its lists are then fetched when their time is over.
            Ok(_) => {
                tracing::debug!(server = %wire.server, "the server has no subscriptions");
                return;
            }
            Err(_) => return,
        }
        wait = if started.elapsed() < SHORT { (wait * 2).min(LONGEST_WAIT) } else { Duration::from_secs(1) };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = wire.dead.cancelled() => return,
        }
    }
}
