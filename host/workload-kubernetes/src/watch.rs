//! One watch per kind and namespace, shared by all who wait: waiting for fifty pods costs the API server as much as waiting for one.

use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind};
use crate::kind::Kind;
use crate::name::query;
use futures_util::StreamExt;
use http::Request;
use kube::core::WatchEvent;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How long a watch goes on that nobody looks at.
const LINGER: Duration = Duration::from_secs(20);
/// After how long the API server ends a stream by itself; it is begun anew.
const STREAM_SECONDS: u32 = 290;

/// The watches of a cluster.
#[derive(Default)]
pub(crate) struct Watches(Mutex<BTreeMap<(String, String, String), Arc<Store>>>);

/// What a watch knows.
struct Store {
    objects: Mutex<BTreeMap<String, Value>>,
    /// Why nothing is known, where that will not change by itself.
    error: Mutex<Option<Error>>,
    /// Counts changes; 0 until the first listing has come.
    changes: watch::Sender<u64>,
}

/// A look at all objects of a kind in a namespace that fit a selector.
#[derive(Clone)]
pub struct Watched {
    store: Arc<Store>,
    changes: watch::Receiver<u64>,
}

impl Watched {
    /// The object of that name as last seen.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<Value> {
        lock(&self.store.objects).get(name).cloned()
    }

    /// All objects that fit.
    #[must_use]
    pub fn objects(&self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        lock(&self.store.objects).values().filter(|object| fits(object)).cloned().collect()
    }

    /// Waits for the next change, or until the first listing has come.
    pub async fn changed(&mut self) {
        // The sender lives in the store, which is held here.
        let _ = self.changes.changed().await;
    }

    /// Whether the objects have been listed. Before that, none is known to be missing.
    ///
    /// # Errors
    /// They cannot be watched: a right is missing, or the kind is.
    pub fn is_known(&self) -> Result<bool, Error> {
        match lock(&self.store.error).clone() {
            Some(error) => Err(error),
            None => Ok(*self.changes.borrow() > 0),
        }
    }
}

impl Cluster {
    /// Looks at all objects of a kind in a namespace that fit a label selector. The first who looks starts the watch.
    #[must_use]
    pub fn watch(self: &Arc<Self>, kind: &Kind, namespace: &str, selector: &str) -> Watched {
        let key = (kind.written(), namespace.to_owned(), selector.to_owned());
        let mut watches = lock(&self.watches.0);
        let store = match watches.get(&key) {
            Some(store) if lock(&store.error).is_none() => Arc::clone(store),
            _ => {
                let store = Arc::new(Store {
                    objects: Mutex::default(),
                    error: Mutex::default(),
                    changes: watch::Sender::new(0),
                });
                watches.insert(key.clone(), Arc::clone(&store));
                let follow = Follow {
                    cluster: Arc::downgrade(self),
                    kind: kind.clone(),
                    key,
                    store: Arc::clone(&store),
                };
                tokio::spawn(follow.run());
                store
            }
        };
        let mut changes = store.changes.subscribe();
        changes.mark_unchanged();
        Watched { changes, store }
    }
}

/// The task behind a watch.
struct Follow {
    cluster: Weak<Cluster>,
    kind: Kind,
    key: (String, String, String),
    store: Arc<Store>,
}

impl Follow {
    async fn run(self) {
        let unused = async {
            loop {
                self.store.changes.closed().await;
                tokio::time::sleep(LINGER).await;
                // Under the lock nobody can begin to look.
                let Some(cluster) = self.cluster.upgrade() else { return };
                let mut watches = lock(&cluster.watches.0);
                if self.store.changes.is_closed() {
                    if watches.get(&self.key).is_some_and(|known| Arc::ptr_eq(known, &self.store)) {
                        watches.remove(&self.key);
                    }
                    return;
                }
            }
        };
        tokio::select! {
            () = unused => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&self) {
        let mut wait = Duration::from_millis(100);
        loop {
            let Some(cluster) = self.cluster.upgrade() else { return };
            match self.list(&cluster).await {
                Ok(version) => {
                    wait = Duration::from_millis(100);
                    self.stream(&cluster, version).await;
                }
                Err(error) if error.kind == ErrorKind::Unreachable => {
                    tracing::debug!(error = error.text, "a watch goes on later");
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
                Err(error) => {
                    *lock(&self.store.error) = Some(error);
                    self.changed();
                    return;
                }
            }
            drop(cluster);
            tokio::time::sleep(wait).await;
        }
    }

    fn changed(&self) {
        self.store.changes.send_modify(|count| *count += 1);
    }

    async fn list(&self, cluster: &Arc<Cluster>) -> Result<String, Error> {
        let (_, namespace, selector) = &self.key;
        let path = format!("{}?labelSelector={}", self.kind.path(namespace)?, query(selector));
        let what = format!("list {}", self.kind.plural);
        let mut found =
            cluster.request(&what, &self.kind.right("list", namespace), "GET", &path, None).await?;
        let version = found.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
        let version = version.to_owned();
        let items = match found.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let named = items.into_iter().filter_map(|mut item| {
            // Inside a list they have neither.
            let map = item.as_object_mut()?;
            map.insert("apiVersion".to_owned(), Value::from(self.kind.api_version.as_str()));
            map.insert("kind".to_owned(), Value::from(self.kind.kind.as_str()));
            Some((name(&item)?, item))
        });
        *lock(&self.store.objects) = named.collect();
        self.changed();
        Ok(version)
    }

    /// Follows until the stream ends, for whatever reason; then it is listed anew, which also finds what was missed.
    async fn stream(&self, cluster: &Arc<Cluster>, version: String) {
        let (_, namespace, selector) = &self.key;
        let Ok(path) = self.kind.path(namespace) else { return };
        let path = format!(
            "{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds={STREAM_SECONDS}&labelSelector={}&resourceVersion={}",
            query(selector),
            query(&version)
        );
        let Ok(request) = Request::get(path).body(Vec::new()) else { return };
        let Ok(client) = cluster.client().await else { return };
        let events = match client.request_events::<Value>(request).await {
            Ok(events) => events,
            Err(error) => {
                let error = cluster.failed("watch", &self.kind.right("watch", namespace), &error);
                if error.kind == ErrorKind::Denied {
                    *lock(&self.store.error) = Some(error);
                    self.changed();
                }
                return;
            }
        };
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    if let Some(name) = name(&object) {
                        lock(&self.store.objects).insert(name, object);
                        self.changed();
                    }
                }
                Ok(WatchEvent::Deleted(object)) => {
                    if let Some(name) = name(&object) {
                        lock(&self.store.objects).remove(&name);
                        self.changed();
                    }
                }
                Ok(WatchEvent::Bookmark(_)) => {}
                Ok(WatchEvent::Error(_)) | Err(_) => return,
            }
        }
    }
}

fn name(object: &Value) -> Option<String> {
    object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
