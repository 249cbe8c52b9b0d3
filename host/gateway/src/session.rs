//! One client's conversation with the gateway, and the table of those that came over HTTP in the legacy era.
//!
//! A session that only exists is a few hundred bytes and no server: the first request that needs a server starts it.

use crate::announce::{Announcer, Kinds, Listener};
use crate::asks::Asks;
use crate::calls::Calls;
use crate::directory::Own;
use crate::replay::Replays;
use crate::unasked::level_of;
use host_message::{Envelope, Level, Revision};
use host_pool::{Declared, Owner};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// One conversation.
#[derive(Debug)]
pub(crate) struct Session {
    /// The value of `Mcp-Session-Id`; for a client on standard streams a name that it never sees.
    pub(crate) id: Arc<str>,
    /// Whose servers it uses.
    pub(crate) owner: Owner,
    /// What was agreed in `initialize`.
    pub(crate) revision: Revision,
    /// What it was not told about yet.
    pub(crate) listener: Arc<Listener>,
    /// Its requests in flight.
    pub(crate) calls: Calls,
    /// What its own servers list.
    pub(crate) own: Own,
    /// What it can be asked for.
    pub(crate) declared: Declared,
    /// What it is asked and has not answered.
    pub(crate) asks: Asks,
    /// Streams that it may come back to.
    pub(crate) replays: Replays,
    /// Whether it has asked for a list.
    listed: AtomicBool,
    /// The level of log messages that it wants; zero if it did not say.
    level: AtomicU8,
    /// Subscriptions of a modern client on standard streams.
    subscriptions: Mutex<Vec<Weak<Listener>>>,
    /// Number of its newest event stream; older ones end.
    stream: AtomicU64,
    /// Requests and streams that are open now.
    open: AtomicU32,
    /// When the last of them ended, in milliseconds since `born`.
    used: AtomicU64,
    born: Instant,
}

impl Session {
    fn new(
        id: Arc<str>,
        owner: Owner,
        revision: Revision,
        declared: Declared,
        announcer: &Announcer,
        born: Instant,
    ) -> Self {
        Self {
            id,
            owner,
            revision,
            listener: announcer.listen(Kinds::ALL),
            calls: Calls::default(),
            own: Own::default(),
            declared,
            asks: Asks::default(),
            replays: Replays::default(),
            listed: AtomicBool::new(false),
            level: AtomicU8::new(0),
            subscriptions: Mutex::default(),
            stream: AtomicU64::new(0),
            open: AtomicU32::new(0),
            used: AtomicU64::new(millis(born.elapsed())),
            born,
        }
    }

    /// True once, for a session whose own servers may list more than everybody's: it can be asked for something.
    pub(crate) fn begins_to_list(&self) -> bool {
        !self.declared.is_none() && self.owner != Owner::Shared && !self.listed.swap(true, Ordering::AcqRel)
    }

    /// The level of log messages that it wants, if it said.
    pub(crate) fn level(&self) -> Option<Level> {
        Level::from_number(self.level.load(Ordering::Acquire))
    }

    /// Takes over the level that it wants from now on.
    pub(crate) fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Release);
    }

    /// Whether it wants this log message. Who did not say a level leaves that to the servers.
    pub(crate) fn wants_log(&self, message: &Envelope) -> bool {
        let wanted = self.level();
        let level = message.params().as_ref().and_then(level_of);
        wanted.zip(level).is_none_or(|(wanted, level)| level >= wanted)
    }

    /// Notes that a request or stream is open until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Visit {
        self.open.fetch_add(1, Ordering::AcqRel);
        Visit(Arc::clone(self))
    }

    /// Notes a subscription, to be ended with the session.
    pub(crate) fn subscribed(&self, listener: &Arc<Listener>) {
        let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        subscriptions.retain(|listener| listener.strong_count() > 0);
        subscriptions.push(Arc::downgrade(listener));
    }

    /// Ends everything that would go on for as long as the client is there.
    pub(crate) fn close_streams(&self) {
        self.listener.close();
        let subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        subscriptions.iter().filter_map(Weak::upgrade).for_each(|listener| listener.close());
        drop(subscriptions);
        // Nobody is left who could answer.
        self.asks.clear();
    }

    /// Number of a new event stream. It replaces the one before: a client whose connection broke without our noticing would
    /// otherwise be refused until we do.
    pub(crate) fn new_stream(&self) -> u64 {
        let number = self.stream.fetch_add(1, Ordering::AcqRel) + 1;
        // Whoever waits on the old stream looks up, sees its number gone by, and ends.
        self.listener.wake();
        number
    }

    /// Whether a stream is still the newest.
    pub(crate) fn is_current(&self, stream: u64) -> bool {
        self.stream.load(Ordering::Acquire) == stream
    }

    fn idle_since(&self) -> Option<u64> {
        (self.open.load(Ordering::Acquire) == 0).then(|| self.used.load(Ordering::Acquire))
    }
}

/// An open request or stream of a session.
#[derive(Debug)]
pub(crate) struct Visit(Arc<Session>);

impl Visit {
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.0
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.used.store(millis(self.0.born.elapsed()), Ordering::Release);
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Why there is no new session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSession {
    /// All that may exist are in use.
    #[error("too many sessions are in use")]
    Full,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// The sessions that exist.
#[derive(Debug)]
pub(crate) struct Sessions {
    table: RwLock<HashMap<Arc<str>, Arc<Session>>>,
    /// Those of clients on streams, who have no id to show: they end with their connection.
    streams: RwLock<HashMap<Arc<str>, Weak<Session>>>,
    cap: usize,
    /// All sessions count their time from here, so that their times can be compared.
    born: Instant,
}

impl Sessions {
    pub(crate) fn new(cap: usize) -> Self {
        Self { table: RwLock::default(), streams: RwLock::default(), cap: cap.max(1), born: Instant::now() }
    }

    /// Opens a session. The second one, if any, had to make room and must be ended.
    pub(crate) fn create(
        &self,
        revision: Revision,
        declared: Declared,
        announcer: &Announcer,
    ) -> Result<(Visit, Option<Arc<Session>>), NoSession> {
        let id: Arc<str> = random_id()?.into();
        let owner = Owner::Session(Arc::clone(&id));
        let session =
            Arc::new(Session::new(Arc::clone(&id), owner, revision, declared, announcer, self.born));
        let visit = session.enter();
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut evicted = None;
        if table.len() >= self.cap {
            let idle = table.values().filter_map(|session| Some((session.idle_since()?, session)));
            let oldest = idle.min_by_key(|(since, _)| *since).map(|(_, session)| Arc::clone(&session.id));
            evicted = table.remove(&oldest.ok_or(NoSession::Full)?);
        }
        table.insert(id, session);
        Ok((visit, evicted))
    }

    /// A session outside of the table, for a client on streams. It uses the servers that everybody uses, unless servers may ask it
    /// something: then it has its own, or nobody could tell whom a request is meant for.
    pub(crate) fn on_streams(
        &self,
        revision: Revision,
        declared: Declared,
        announcer: &Announcer,
    ) -> Result<Arc<Session>, NoSession> {
        let id: Arc<str> = random_id()?.into();
        let own = !declared.is_none() && !revision.era().is_modern();
        let owner = if own { Owner::Session(Arc::clone(&id)) } else { Owner::Shared };
        let session = Session::new(Arc::clone(&id), owner, revision, declared, announcer, self.born);
        let session = Arc::new(session);
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|_, session| session.strong_count() > 0);
        streams.insert(id, Arc::downgrade(&session));
        Ok(session)
    }

    /// The session with this id, noted as in use.
    pub(crate) fn enter(&self, id: &str) -> Option<Visit> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).get(id).map(Session::enter)
    }

    /// The session with this id, on streams or not, without a note of its use.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        let found = self.table.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        found.or_else(|| {
            self.streams.read().unwrap_or_else(PoisonError::into_inner).get(id).and_then(Weak::upgrade)
        })
    }

    /// Does something for each session that has an id.
    pub(crate) fn each(&self, act: impl Fn(&Session)) {
        self.table.read().unwrap_or_else(PoisonError::into_inner).values().for_each(|session| act(session));
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.values().filter_map(Weak::upgrade).for_each(|session| act(&session));
    }

    /// Takes a session out of the table.
    pub(crate) fn remove(&self, id: &str) -> Option<Arc<Session>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// Takes out all that were idle for this long.
    pub(crate) fn expire(&self, idle: Duration) -> Vec<Arc<Session>> {
        let Some(before) = millis(self.born.elapsed()).checked_sub(millis(idle)) else { return Vec::new() };
        let old = |session: &Arc<Session>| session.idle_since().is_some_and(|since| since <= before);
        // Looked at under the shared lock first: nearly always nothing is old, and calls go on meanwhile.
        if !self.table.read().unwrap_or_else(PoisonError::into_inner).values().any(old) {
            return Vec::new();
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.extract_if(|_, session| old(session)).map(|(_, session)| session).collect()
    }

    /// Takes out all.
    pub(crate) fn drain(&self) -> Vec<Arc<Session>> {
        self.table
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .drain()
            .map(|(_, session)| session)
            .collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// 192 random bits as 48 hexadecimal digits.
pub(crate) fn random_id() -> Result<String, NoSession> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|_| NoSession::NoRandom)?;
    let mut id = String::with_capacity(48);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            id.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn idle_sessions_end_and_used_ones_do_not() {
        let announcer = Announcer::default();
        let sessions = Sessions::new(10);
        let (kept, _) = sessions.create(Revision::V2025_11_25, Declared::NONE, &announcer).unwrap();
        let (left, _) = sessions.create(Revision::V2025_11_25, Declared::NONE, &announcer).unwrap();
        let left = {
            let visit = left;
            Arc::clone(visit.session())
        };
        assert_ne!(kept.session().id, left.id);
        assert_eq!(left.id.len(), 48);
        tokio::time::advance(HOUR * 2).await;
        let ended = sessions.expire(HOUR);
        assert_eq!(ended.iter().map(|s| &*s.id).collect::<Vec<_>>(), [&*left.id]);
        assert!(sessions.enter(&left.id).is_none());
        let id = Arc::clone(&kept.session().id);
        drop(kept);
        tokio::time::advance(HOUR / 2).await;
        assert!(sessions.expire(HOUR).is_empty());
        drop(sessions.enter(&id).unwrap());
        tokio::time::advance(HOUR / 2).await;
        assert!(sessions.expire(HOUR).is_empty(), "it was used half an hour ago");
        tokio::time::advance(HOUR / 2).await;
        assert_eq!(sessions.expire(HOUR).len(), 1);
        assert_eq!(sessions.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_table_gives_up_its_oldest_idle_session() {
        let announcer = Announcer::default();
        let sessions = Sessions::new(2);
        let (first, none) = sessions.create(Revision::V2025_06_18, Declared::NONE, &announcer).unwrap();
        assert!(none.is_none());
        let (second, _) = sessions.create(Revision::V2025_06_18, Declared::NONE, &announcer).unwrap();
        assert_eq!(
            sessions.create(Revision::V2025_06_18, Declared::NONE, &announcer).unwrap_err(),
            NoSession::Full
        );
        drop(second);
        tokio::time::advance(Duration::from_secs(1)).await;
        let id = Arc::clone(&first.session().id);
        drop(first);
        let (_, evicted) = sessions.create(Revision::V2025_06_18, Declared::NONE, &announcer).unwrap();
        assert_ne!(evicted.unwrap().id, id, "the one that was idle longer goes");
        assert_eq!(sessions.len(), 2);
    }
}
