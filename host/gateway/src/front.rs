//! The front as a whole: what all transports share.

use crate::announce::Announcer;
use crate::call::Held;
use crate::config::FrontConfig;
use crate::directory::Directory;
use crate::hello;
use crate::session::{Session, Sessions};
use crate::subscriptions::Subscriptions;
use crate::unasked;
use bytes::Bytes;
use host_pool::{Owner, Pool};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The MCP server that clients see.
pub struct Front {
    config: Arc<FrontConfig>,
    pool: Arc<Pool>,
    announcer: Arc<Announcer>,
    directory: Arc<Directory>,
    sessions: Arc<Sessions>,
    subscriptions: Arc<Subscriptions>,
    held: Arc<Held>,
    server_info: Bytes,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Front {
    /// Builds the front of a pool and starts listing its servers, all at once, in tasks of its own. Must be called within a runtime.
    #[must_use]
    pub fn new(pool: Arc<Pool>, config: FrontConfig) -> Arc<Self> {
        let config = Arc::new(config);
        let announcer = Arc::new(Announcer::default());
        let sessions = Arc::new(Sessions::new(config.session_cap));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let front = Arc::new(Self {
            directory: Directory::new(Arc::clone(&config), Arc::clone(&announcer), Arc::clone(&sessions)),
            announcer,
            sessions,
            server_info: hello::server_info(&config),
            subscriptions: Subscriptions::new(Arc::clone(&pool), tasks.clone(), stop.clone()),
            held: Held::new(),
            tasks,
            stop,
            pool,
            config,
        });
        let unasked = unasked::read(
            Arc::clone(&front.pool),
            Arc::clone(&front.sessions),
            Arc::clone(&front.subscriptions),
            front.tasks.clone(),
        );
        let stopped = front.stop.clone();
        front.tasks.spawn(async move { stopped.run_until_cancelled(unasked).await });
        front.directory.start(&front.pool, &front.tasks, &front.stop);
        front.reload((*front.config).clone());
        front.tasks.spawn(expire(Arc::downgrade(&front), front.stop.clone(), front.config.session_idle));
        front
    }

    /// Takes over the servers that the pool has now, to be called after [`Pool::replace_servers`], and of the settings those that say
    /// what is shown: order, names, prefixes and filter. The others stay as they were at the start.
    pub fn reload(&self, config: FrontConfig) {
        let mut servers: Vec<Arc<str>> = self.pool.statuses().into_iter().map(|status| status.name).collect();
        let place = |server: &Arc<str>| {
            let listed = config.order.iter().position(|name| **name == **server);
            listed.unwrap_or(usize::MAX)
        };
        servers.sort_by(|one, other| place(one).cmp(&place(other)).then_with(|| one.cmp(other)));
        self.directory.follow(config, &servers, &self.pool, &self.tasks, &self.stop);
    }

    /// Whether every server has been listed or has failed once, or has had its time. What `/health` tells.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.directory.is_ready()
    }

    /// Waits until [`Front::is_ready`].
    pub async fn ready(&self) {
        self.directory.wait().await;
    }

    /// How many legacy sessions are open over HTTP.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Ends the sessions, the event streams and the tasks of the front, in this order, after the transports have returned. Requests
    /// that still run without their client are given `within`. The pool is its owner's to shut down, afterwards.
    pub async fn shutdown(&self, within: Duration) {
        self.announcer.close_all();
        for session in self.sessions.drain() {
            session.close_streams();
            session.calls.cancel_all();
        }
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
            tracing::warn!("{} tasks of the front did not end in time", self.tasks.len());
        }
        if let Some(inspector) = &self.config.checks.inspector {
            inspector.flush();
        }
    }

    /// A session has begun: starts its servers, where that is wanted.
    pub(crate) fn begin_session(&self, session: &Session) {
        if !self.config.prestart || session.owner == Owner::Shared {
            return;
        }
        for status in self.pool.statuses() {
            let (pool, owner) = (Arc::clone(&self.pool), session.owner.clone());
            self.tasks.spawn(async move {
                if let Err(error) = pool.acquire(&status.name, &owner, None).await {
                    tracing::debug!(server = %status.name, %error, "a server was not started ahead of its first call");
                }
            });
        }
    }

    pub(crate) fn config(&self) -> &Arc<FrontConfig> {
        &self.config
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(crate) fn announcer(&self) -> &Announcer {
        &self.announcer
    }

    pub(crate) fn session_table(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn subscriptions(&self) -> &Arc<Subscriptions> {
        &self.subscriptions
    }

    pub(crate) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    pub(crate) fn server_info(&self) -> &[u8] {
        &self.server_info
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// The result of `server/discover`.
    pub(crate) fn discovered(&self) -> Bytes {
        hello::discovered(&self.server_info, self.directory.view().instructions.as_deref())
    }

    /// The result of `initialize`.
    pub(crate) fn initialized(&self, revision: host_message::Revision) -> Bytes {
        hello::initialized(revision, &self.server_info, self.directory.view().instructions.as_deref())
    }

    /// Ends a session that is no longer in the table: its streams, its requests, its servers.
    pub(crate) fn end_session(&self, session: &Session) {
        session.close_streams();
        session.calls.cancel_all();
        if let Owner::Session(id) = &session.owner {
            self.pool.end_session(id);
        }
        self.subscriptions.sweep();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Ends sessions that nobody uses any more. Looks often enough that none lives much longer than it may.
async fn expire(front: std::sync::Weak<Front>, stop: CancellationToken, idle: Duration) {
    let every = (idle / 8).clamp(Duration::from_millis(10), Duration::from_secs(60));
    while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        let Some(front) = front.upgrade() else { return };
        for session in front.sessions.expire(idle) {
            tracing::debug!("a session was idle for too long and has ended");
            front.end_session(&session);
        }
        front.sessions.each(|session| session.replays.sweep());
    }
}
