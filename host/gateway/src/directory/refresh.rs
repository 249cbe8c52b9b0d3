//! Keeps the directory true: one task per server lists it, one reads what the pool tells, one merges.

use super::view::{Item, Listing, Part};
use super::{COALESCE, COALESCE_MOST, Directory, Found, NOISY, Run};
use crate::announce::{Kinds, Listener, News};
use crate::config::FrontConfig;
use host_message::{Era, code};
use host_pool::{AcquireError, Changed, Client, Event, ListError, ListKind, Owner, Pool};
use host_provisioner::Class;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A server whose lists stay quiet for this long is asked quickly again.
const QUIET: Duration = Duration::from_secs(2);
/// When a server that did not come up is tried again.
const RETRY: Duration = Duration::from_secs(5);
const RETRY_MOST: Duration = Duration::from_secs(300);
/// How often a server is asked again for a list that it refused.
pub(super) const MOST_REFUSALS: u32 = 6;
/// A server that takes longer for its lists has none.
const LIST_LIMIT: Duration = Duration::from_secs(60);

impl Directory {
    /// Starts the tasks that hold for all servers.
    pub(crate) fn start(self: &Arc<Self>, pool: &Arc<Pool>, tasks: &TaskTracker, stop: &CancellationToken) {
        let _ = self.run.set(Run { pool: Arc::clone(pool), tasks: tasks.clone(), stop: stop.clone() });
        let (directory, stopped) = (Arc::clone(self), stop.clone());
        tasks.spawn(async move { stopped.run_until_cancelled(directory.merge()).await });
        *self.events.lock().unwrap_or_else(PoisonError::into_inner) = Some(pool.events());
        let (directory, stopped, mut signal) = (Arc::clone(self), stop.clone(), pool.events());
        tasks.spawn(async move {
            let read = async {
                // What it says does not matter here, only that there is something.
                while !matches!(signal.recv().await, Err(RecvError::Closed)) {
                    directory.note_events();
                }
            };
            stopped.run_until_cancelled(read).await
        });
    }

    /// Takes over what the pool has told by now. A list request does this itself: what a server said before it answered a call must count
    /// for the list that the client asks for next, and the task that waits for events may not have run yet.
    pub(super) fn note_events(self: &Arc<Self>) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(events) = events.as_mut() else { return };
        loop {
            match events.try_recv() {
                Ok(event) => self.note(&event),
                // Whatever was missed, after this it is known again.
                Err(TryRecvError::Lagged(_)) => self.mark_stale(None, Kinds::ALL),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Takes over the pool's servers: starts listing the new ones, lists the others again, forgets those that are gone.
    pub(crate) fn follow(
        self: &Arc<Self>,
        config: FrontConfig,
        servers: &[Arc<str>],
        pool: &Arc<Pool>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        self.config.store(Arc::new(config));
        for (server, stale, own_stop) in self.replace(servers) {
            let (directory, pool, stop) = (Arc::clone(self), Arc::clone(pool), stop.clone());
            tasks.spawn(async move {
                let keep = keep(&directory, &pool, &server, &stale);
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = own_stop.cancelled() => {}
                    () = keep => {}
                }
            });
        }
    }

    fn note(self: &Arc<Self>, event: &Event) {
        match event {
            Event::ListChanged { server, what, owner } => {
                let kinds = match what {
                    Changed::Tools => Kinds::TOOLS,
                    Changed::Prompts => Kinds::PROMPTS,
                    Changed::Resources => Kinds::RESOURCES,
                };
                match owner {
                    Owner::Shared => self.mark_stale(Some(server), kinds),
                    Owner::Session(session) => {
                        self.mark_own(session, server, kinds);
                        // Without a copy that belongs to nobody, nobody else tells what everybody is shown.
                        let alone =
                            self.run.get().is_some_and(|run| run.pool.peek(server, &Owner::Shared).is_none());
                        if alone {
                            self.mark_stale(Some(server), kinds);
                        }
                    }
                }
            }
            Event::Ready { server, owner } => {
                // Somebody's call has brought it up after all.
                if self.has_failed(server) {
                    self.mark_stale(Some(server), Kinds::ALL);
                }
                if let Owner::Session(session) = owner {
                    self.mark_own(session, server, Kinds::ALL);
                }
            }
            _ => {}
        }
    }
}

/// Lists one server whenever that is called for.
async fn keep(directory: &Directory, pool: &Arc<Pool>, server: &Arc<str>, stale: &Listener) {
    let mut known = Arc::new(Listing::default());
    let (mut was_listed, mut refusals) = (false, 0);
    let (mut retry, mut pause) = (RETRY, Duration::ZERO);
    let (mut retry_at, mut last) = (None, None::<Instant>);
    loop {
        let again = async {
            match retry_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let mut kinds = tokio::select! {
            news = stale.news() => match news {
                News::Changed(kinds) => kinds,
                _ => return,
            },
            () = again => Kinds::ALL,
        };
        retry_at = None;
        if let Some(last) = last {
            // The first change after a while is fetched at once, because whoever made it may ask for the list right now.
            let quiet = last.elapsed() > QUIET;
            pause = if quiet { Duration::ZERO } else { (pause * 2).clamp(COALESCE, COALESCE_MOST) };
            if !pause.is_zero() {
                directory.begin(server, pause >= NOISY);
                tokio::time::sleep(pause).await;
            }
        }
        let mark = directory.begin(server, pause >= NOISY);
        // After the mark was taken, so that it never promises what was not asked for.
        kinds = kinds.with(stale.take());
        match list(pool, server, kinds, &known).await {
            Ok(listing) => {
                known = Arc::new(listing);
                was_listed = true;
                // A list that was refused may only have been asked for too early; a server that goes on refusing is left alone.
                if known.refused && refusals < MOST_REFUSALS {
                    refusals += 1;
                    retry_at = Some(Instant::now() + retry);
                    retry = (retry * 2).min(RETRY_MOST);
                } else {
                    (retry, refusals) = (RETRY, 0);
                }
                directory.publish(server, mark, Found::Listing(Arc::clone(&known)));
            }
            Err(problem) => {
                // A start that failed was told by the pool, and once is enough.
                if problem.told {
                    tracing::debug!(server = &**server, "{}", problem.text);
                } else {
                    tracing::warn!(server = &**server, "{}", problem.text);
                }
                // A server that is away for a moment keeps what it has listed: the next call brings it back, and needs the name for that.
                let found = if problem.passing && was_listed {
                    Found::Listing(Arc::clone(&known))
                } else {
                    Found::Nothing
                };
                directory.publish(server, mark, found);
                if problem.passing {
                    retry_at = Some(Instant::now() + retry);
                    retry = (retry * 2).min(RETRY_MOST);
                }
            }
        }
        last = Some(Instant::now());
    }
}

/// Why a server has no lists.
pub(super) struct Problem {
    pub(super) text: String,
    /// Whether it may work later.
    passing: bool,
    /// Whether the log has it already.
    told: bool,
}

async fn list(pool: &Arc<Pool>, server: &str, kinds: Kinds, known: &Listing) -> Result<Listing, Problem> {
    let client = pool.acquire_to_list(server).await.map_err(|error| Problem {
        told: matches!(error, AcquireError::Failed { .. }),
        text: match &error {
            AcquireError::Failed { failure, .. } => format!("can't start `{server}`: {}", failure.one_line()),
            other => format!("can't start `{server}`: {other}"),
        },
        passing: match &error {
            AcquireError::Failed { failure, .. } => !matches!(
                failure.class,
                Class::Permanent
                    | Class::Permission
                    | Class::Image
                    | Class::Config
                    | Class::NotFound
                    | Class::Conflict
                    | Class::Unsupported
            ),
            AcquireError::Busy { .. } | AcquireError::Retired => true,
            _ => false,
        },
    })?;
    let listing = fetch(&client, kinds, known).await;
    pool.listed(server);
    listing
}

/// Asks a server for its lists of these kinds; the others are taken from what is known.
pub(super) async fn fetch(client: &Client, kinds: Kinds, known: &Listing) -> Result<Listing, Problem> {
    let server = client.server();
    let mut listing = known.clone();
    let refused = AtomicBool::new(false);
    let fetch = async {
        let (tools, prompts, resources, templates) = tokio::join!(
            part(client, ListKind::Tools, kinds, Kinds::TOOLS, &refused),
            part(client, ListKind::Prompts, kinds, Kinds::PROMPTS, &refused),
            part(client, ListKind::Resources, kinds, Kinds::RESOURCES, &refused),
            part(client, ListKind::Templates, kinds, Kinds::RESOURCES, &refused),
        );
        for (found, place) in [
            (tools, &mut listing.tools),
            (prompts, &mut listing.prompts),
            (resources, &mut listing.resources),
            (templates, &mut listing.templates),
        ] {
            if let Some(found) = found? {
                *place = found;
            }
        }
        Ok(())
    };
    let late = || Problem {
        text: format!("can't list `{server}`: no answer within {} s", LIST_LIMIT.as_secs()),
        passing: true,
        told: false,
    };
    tokio::time::timeout(LIST_LIMIT, fetch).await.map_err(|_| late())??;
    listing.refused = refused.into_inner();
    listing.instructions = client.instructions().map(Arc::from);
    listing.has_resources = client.capabilities().resources;
    Ok(listing)
}

/// One list of a server; `None` where it is not asked for, or the server refuses to give it, which is its right.
async fn part(
    client: &Client,
    kind: ListKind,
    asked: Kinds,
    of: Kinds,
    refused: &AtomicBool,
) -> Result<Option<Part>, Problem> {
    let offers = client.capabilities();
    let (offered, key) = match kind {
        ListKind::Tools => (offers.tools, "name"),
        ListKind::Prompts => (offers.prompts, "name"),
        ListKind::Resources => (offers.resources, "uri"),
        ListKind::Templates => (offers.resources, "uriTemplate"),
    };
    if !asked.has(of) {
        return Ok(None);
    }
    if !offered {
        return Ok(Some(Part::default()));
    }
    match client.list(kind).await {
        Ok(found) => {
            let mut problems = Vec::new();
            let mut nameless = 0;
            let take = |raw| {
                let item =
                    if kind == ListKind::Tools { Item::tool(raw) } else { Item::new(raw, key).map(Ok) };
                match item {
                    Some(Ok(item)) => return Some(item),
                    Some(Err(problem)) => problems.push(problem),
                    None => nameless += 1,
                }
                None
            };
            let items: Vec<_> = found.items.into_iter().filter_map(take).collect();
            if nameless > 0 {
                problems.push(format!("{nameless} items without a `{key}` are left out"));
            }
            // A legacy server says nothing about keeping its lists: then nobody may (`mcp-ecosystem.md` 2, lists).
            let modern = matches!(client.era(), Era::Modern);
            let public = modern && found.private == Some(false);
            Ok(Some(Part { items, ttl_ms: found.ttl_ms.unwrap_or(0), public, problems }))
        }
        // Many servers offer resources and know no templates.
        Err(ListError::Refused { body, .. }) if body.code == code::METHOD_NOT_FOUND => {
            Ok(Some(Part::default()))
        }
        Err(error @ (ListError::Refused { .. } | ListError::Unusable { .. })) => {
            tracing::warn!(server = &**client.server(), "can't list: {error}");
            refused.store(true, Ordering::Relaxed);
            Ok(None)
        }
        Err(error) => {
            let text = format!("can't list `{}`: {error}", client.server());
            Err(Problem { text, passing: true, told: false })
        }
    }
}
