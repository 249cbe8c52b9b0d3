//! Resources that clients want to hear about: one subscription upward for any number of clients, ended with the last of them and made anew when
//! a server starts again (`mcp-ecosystem.md` 2, "resource subscriptions").
//!
//! Clients say what they want; one task per server and owner makes the server agree, whichever of the two ways its era has.

use crate::announce::Listener;
use crate::error::{RpcError, START_FAILED};
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Envelope, ErrorBody, Params, method, write_string};
use host_pool::{Client, InFlight, Incoming, Outgoing, Owner, Pool, Renewals};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Resources of one server that one owner may listen to.
const MOST_URIS: usize = 1000;
/// Before a server that does not come up, or ends its subscription, is asked again.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(300);
/// How long a server may take to agree.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whose subscriptions at whom.
type Key = (Arc<str>, Owner);

/// See the module.
pub(crate) struct Subscriptions {
    groups: Mutex<HashMap<Key, Group>>,
    pool: Arc<Pool>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Everything that one owner listens to at one server.
struct Group {
    wanted: HashMap<Arc<str>, Vec<Weak<Listener>>>,
    /// Counts the wishes.
    version: u64,
    /// The last wish that the server was asked for.
    asked: watch::Sender<u64>,
    /// What it refused, until whoever wished it has heard.
    refused: HashMap<Arc<str>, RpcError>,
    changed: Arc<Notify>,
}

impl Subscriptions {
    pub(crate) fn new(pool: Arc<Pool>, tasks: TaskTracker, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { groups: Mutex::default(), pool, tasks, stop })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, server: &Arc<str>, owner: &Owner) -> Key {
        let shared = self.pool.is_shared(server) == Some(true);
        (Arc::clone(server), if shared { Owner::Shared } else { owner.clone() })
    }

    /// A client wants to hear of a resource. Returns when the server has agreed; the error is the server's refusal.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        server: &Arc<str>,
        owner: &Owner,
        uri: &str,
        listener: &Arc<Listener>,
    ) -> Result<(), RpcError> {
        let key = self.key(server, owner);
        let uri: Arc<str> = Arc::from(uri);
        let (mut asked, version) = {
            let mut groups = self.lock();
            let mut new = false;
            let group = groups.entry(key.clone()).or_insert_with(|| {
                new = true;
                Group::new()
            });
            if group.wanted.len() >= MOST_URIS && !group.wanted.contains_key(&uri) {
                let text = format!("more than {MOST_URIS} resources of server `{server}` are subscribed to");
                return Err(RpcError::invalid_params(text));
            }
            let listeners = group.wanted.entry(Arc::clone(&uri)).or_default();
            listeners.retain(|other| {
                other.strong_count() > 0 && !std::ptr::eq(other.as_ptr(), Arc::as_ptr(listener))
            });
            listeners.push(Arc::downgrade(listener));
            group.version += 1;
            group.changed.notify_one();
            let waiting = (group.asked.subscribe(), group.version);
            drop(groups);
            if new {
                let (all, stop, key) = (Arc::clone(self), self.stop.clone(), key.clone());
                self.tasks.spawn(async move { stop.run_until_cancelled(all.keep(key)).await });
            }
            waiting
        };
        let agreed = asked.wait_for(|asked| *asked >= version);
        let in_time = tokio::time::timeout(PATIENCE, agreed).await.is_ok_and(|agreed| agreed.is_ok());
        let refused = self.lock().get_mut(&key).and_then(|group| group.refused.remove(&uri));
        match refused {
            Some(error) => Err(error),
            // A server that takes its time is asked on; what it says later is relayed all the same.
            None if in_time => Ok(()),
            None => {
                tracing::debug!(%server, "a subscription is not confirmed yet");
                Ok(())
            }
        }
    }

    /// A client does not want to hear of a resource any more.
    pub(crate) fn unsubscribe(&self, server: &Arc<str>, owner: &Owner, uri: &str, listener: &Listener) {
        if let Some(group) = self.lock().get_mut(&self.key(server, owner)) {
            if let Some(listeners) = group.wanted.get_mut(uri) {
                listeners.retain(|other| !std::ptr::eq(other.as_ptr(), listener));
            }
            group.version += 1;
            group.changed.notify_one();
        }
    }

    /// Some listeners have gone: looks whose subscriptions nobody wants any more.
    pub(crate) fn sweep(&self) {
        self.lock().values().for_each(|group| group.changed.notify_one());
    }

    /// A server says that a resource was updated.
    pub(crate) fn updated(&self, server: &Arc<str>, owner: &Owner, message: &Envelope) {
        let Some(params) = message.params() else { return };
        let Some(uri) = params.uri().and_then(|uri| params.text(uri).ok()) else { return };
        let uri: Arc<str> = Arc::from(&*uri);
        let groups = self.lock();
        let Some(group) = groups.get(&(Arc::clone(server), owner.clone())) else { return };
        // What was updated may be a part of what is subscribed to.
        for (wanted, listeners) in group.wanted.iter().filter(|(wanted, _)| uri.starts_with(&***wanted)) {
            for listener in listeners.iter().filter_map(Weak::upgrade) {
                listener.tell_updated(&uri, wanted);
            }
        }
    }

    /// What is wanted now, and up to which wish. `None`: nothing, and the group is forgotten.
    fn wanted(&self, key: &Key) -> Option<(HashSet<Arc<str>>, u64, Arc<Notify>)> {
        let mut groups = self.lock();
        let group = groups.get_mut(key)?;
        group.wanted.retain(|_, listeners| {
            listeners.retain(|listener| listener.strong_count() > 0);
            !listeners.is_empty()
        });
        if group.wanted.is_empty() {
            groups.remove(key);
            return None;
        }
        Some((group.wanted.keys().cloned().collect(), group.version, Arc::clone(&group.changed)))
    }

    /// Notes up to which wish the server was asked, and what it refused.
    fn settle(&self, key: &Key, version: u64, refused: HashMap<Arc<str>, RpcError>) {
        if let Some(group) = self.lock().get_mut(key) {
            for (uri, error) in refused {
                group.wanted.remove(&uri);
                group.refused.insert(uri, error);
            }
            group.asked.send_replace(version);
        }
    }

    /// Makes one server agree to what is wanted, for as long as anything is.
    async fn keep(self: Arc<Self>, key: Key) {
        let mut pause = PAUSE;
        let mut have: Option<Have> = None;
        let mut stood = false;
        loop {
            let Some((wanted, version, changed)) = self.wanted(&key) else {
                if let Some(have) = have {
                    have.end().await;
                }
                return;
            };
            if have.as_ref().is_none_or(|have| !have.client.is_alive()) {
                have = match self.pool.acquire(&key.0, &key.1, None).await {
                    Ok(client) => Some(Have::of(client)),
                    Err(error) if stood => {
                        // It was there once, so what is wanted stays wanted.
                        tracing::debug!(server = %key.0, %error, "subscriptions are not renewed yet");
                        self.settle(&key, version, HashMap::new());
                        wait(pause, &changed).await;
                        pause = (pause * 2).min(PAUSE_MOST);
                        continue;
                    }
                    Err(error) => {
                        let text = format!("can't subscribe at server `{}`: {error}", key.0);
                        let error = RpcError::new(START_FAILED, text);
                        let refused = wanted.into_iter().map(|uri| (uri, error.clone()));
                        self.settle(&key, version, refused.collect());
                        continue;
                    }
                };
            }
            let Some(having) = have.as_mut() else { continue };
            stood = true;
            let refused = having.agree(&wanted).await;
            self.settle(&key, version, refused);
            tokio::select! {
                () = changed.notified() => {}
                renewed = having.end_of_server(&self, &key) => if renewed {
                    // It stands, but what it had agreed to is lost with its session: all of that at once again.
                    having.uris.clear();
                } else {
                    // It has died, or does not want to be listened to: again after a while, unless somebody wishes something new.
                    have = None;
                    wait(pause, &changed).await;
                    pause = (pause * 2).min(PAUSE_MOST);
                }
            }
        }
    }
}

impl Group {
    fn new() -> Self {
        Self {
            wanted: HashMap::new(),
            version: 0,
            asked: watch::Sender::new(0),
            refused: HashMap::new(),
            changed: Arc::default(),
        }
    }
}

/// What one instance of a server has agreed to.
struct Have {
    client: Arc<Client>,
    uris: HashSet<Arc<str>>,
    /// The stream of a modern server.
    listening: Option<InFlight>,
    /// Tells when the server has lost its session, and what it agreed to with that.
    renewals: Renewals,
    /// Keeps a legacy server from being idle.
    _in_use: host_pool::InUse,
}

impl Have {
    fn of(client: Arc<Client>) -> Self {
        let (in_use, renewals) = (client.in_use(), client.renewals());
        Self { client, uris: HashSet::new(), listening: None, renewals, _in_use: in_use }
    }

    /// Asks for what is missing and ends what is not wanted. Returns what was refused.
    async fn agree(&mut self, wanted: &HashSet<Arc<str>>) -> HashMap<Arc<str>, RpcError> {
        if *wanted == self.uris {
            return HashMap::new();
        }
        if self.client.era().is_modern() { self.listen(wanted).await } else { self.subscribe(wanted).await }
    }

    async fn subscribe(&mut self, wanted: &HashSet<Arc<str>>) -> HashMap<Arc<str>, RpcError> {
        let mut refused = HashMap::new();
        for uri in wanted.difference(&self.uris.clone()) {
            match ask(&self.client, method::RESOURCES_SUBSCRIBE, uri).await {
                Ok(()) => {
                    self.uris.insert(Arc::clone(uri));
                }
                Err(error) => {
                    refused.insert(Arc::clone(uri), error);
                }
            }
        }
        for uri in self.uris.clone().difference(wanted) {
            if let Err(error) = ask(&self.client, method::RESOURCES_UNSUBSCRIBE, uri).await {
                tracing::debug!(server = %self.client.server(), error = %error.text, "can't unsubscribe");
            }
            self.uris.remove(uri);
        }
        refused
    }

    /// A new stream for all that is wanted; the old one goes when the new one stands, so that nothing is missed in between.
    async fn listen(&mut self, wanted: &HashSet<Arc<str>>) -> HashMap<Arc<str>, RpcError> {
        let mut filter = BytesMut::from(&b"{\"notifications\":{\"resourceSubscriptions\":["[..]);
        for (at, uri) in wanted.iter().enumerate() {
            if at > 0 {
                filter.put_u8(b',');
            }
            write_string(&mut filter, uri);
        }
        filter.put_slice(b"]}}");
        let all_refused = |wanted: &HashSet<Arc<str>>, error: RpcError| {
            wanted.iter().map(|uri| (Arc::clone(uri), error.clone())).collect()
        };
        let failed = |text: String| RpcError::new(START_FAILED, text);
        let Ok(params) = Params::scan(filter.freeze()) else { return HashMap::new() };
        let mut listening =
            match self.client.request(Outgoing::new(method::SUBSCRIPTIONS_LISTEN).params(&params)) {
                Ok(listening) => listening,
                Err(error) => return all_refused(wanted, failed(error.to_string())),
            };
        match tokio::time::timeout(PATIENCE, listening.next()).await {
            Ok(Ok(Incoming::Notification(_))) => {
                self.listening = Some(listening);
                self.uris.clone_from(wanted);
                HashMap::new()
            }
            Ok(Ok(Incoming::Response(answer))) => {
                let body = ErrorBody::scan(&answer.error().unwrap_or_default());
                let text = crate::error::shown(&body.message);
                all_refused(
                    wanted,
                    RpcError::new(body.code, format!("server `{}`: {text}", self.client.server())),
                )
            }
            Ok(Ok(_)) | Err(_) => {
                all_refused(wanted, failed("the server does not confirm subscriptions".to_owned()))
            }
            Ok(Err(error)) => all_refused(wanted, failed(error.to_string())),
        }
    }

    /// Returns when the server has ended, or its stream has; true if it is only its session that is another one. Meanwhile relays what comes on
    /// the stream.
    async fn end_of_server(&mut self, all: &Subscriptions, key: &Key) -> bool {
        loop {
            match &mut self.listening {
                None => {
                    return tokio::select! {
                        () = self.client.ended() => false,
                        () = self.renewals.next() => true,
                    };
                }
                Some(listening) => match listening.next().await {
                    Ok(Incoming::Notification(message)) => {
                        if message.method() == Some(method::RESOURCE_UPDATED) {
                            all.updated(&key.0, &key.1, &message);
                        }
                    }
                    Ok(Incoming::Progress(_) | Incoming::Request(_)) => {}
                    Ok(Incoming::Response(_)) | Err(_) => return false,
                },
            }
        }
    }

    /// Ends everything.
    async fn end(mut self) {
        self.listening = None;
        if !self.client.era().is_modern() && self.client.is_alive() {
            let _ = self.subscribe(&HashSet::new()).await;
        }
    }
}

/// Waits, but not when somebody wishes something new.
async fn wait(pause: Duration, changed: &Notify) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = changed.notified() => {}
    }
}

/// Asks a legacy server for one of the two.
async fn ask(client: &Client, method: &'static str, uri: &str) -> Result<(), RpcError> {
    let mut raw = BytesMut::from(&b"{\"uri\":"[..]);
    write_string(&mut raw, uri);
    raw.put_u8(b'}');
    let failed = |text: String| RpcError::new(START_FAILED, format!("server `{}`: {text}", client.server()));
    let params = Params::scan(raw.freeze()).map_err(|error| failed(error.to_string()))?;
    let mut call = client
        .request_in_turn(Outgoing::new(method).params(&params).timeout(PATIENCE))
        .await
        .map_err(|error| failed(error.to_string()))?;
    let answer = call.response().await.map_err(|error| failed(error.to_string()))?;
    match answer.error() {
        None => Ok(()),
        Some(error) => {
            let body = ErrorBody::scan(&error);
            let error = RpcError::new(body.code, crate::error::shown(&body.message));
            Err(RpcError { data: body.data, ..error })
        }
    }
}

/// Parameters that name one resource.
pub(crate) fn about(uri: &str, first: &[u8]) -> Bytes {
    let mut out = BytesMut::from(&b"{"[..]);
    out.put_slice(first);
    out.put_slice(b"\"uri\":");
    write_string(&mut out, uri);
    out.put_u8(b'}');
    out.freeze()
}
