//! Whose an object is: by its labels, which the host sets and a plugin cannot. And what was heard of containers that this run started.

use super::output::Tail;
use super::{CONTAINER, Docker, NETWORK};
use crate::ledger::{Liveness, Record};
use crate::sanitize::line;
use crate::v0_1::context::{self, Who};
use crate::v0_1::types::{Failure, FailureCategory, Label};
use host_provisioner::{ObjectRef, Phase};
use host_workload_docker as engine;
use host_workload_docker::{End, Watched};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// The label that every object of any gateway has.
const GATEWAY: &str = "gateway-id";
/// See `context::labels`.
const SESSION: &str = "gateway-session";
/// See `context::labels`.
const PLUGIN: &str = "gateway-plugin";
/// See `context::labels`.
const REQUEST: &str = "gateway-request";
/// See `context::labels`.
const SERVER: &str = "gateway-server";

/// What was noted of a container before it was created.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) plugin: String,
    pub(super) server: String,
    /// It carries secrets, so nothing of it is shown.
    pub(super) closed: bool,
    pub(super) labels: Vec<(String, String)>,
}

struct Known {
    begun: Begun,
    watched: Watched,
    /// What it wrote last, where nobody is attached.
    tail: Tail,
    /// Cancelled before it is taken down on purpose.
    expected: CancellationToken,
}

/// What is known of a container at the end of a call that failed.
pub(super) struct Last {
    /// How it ended, if it has.
    pub(super) end: Option<End>,
    /// It carries secrets.
    pub(super) closed: bool,
    pub(super) tail: Tail,
}

/// Containers that this run has started, until they are removed or their lease ends.
#[derive(Default)]
pub(crate) struct Containers(Mutex<BTreeMap<String, Known>>);

/// A container that the engine does not have any more.
pub(super) struct Ended {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) labels: Vec<(String, String)>,
    pub(super) end: End,
}

impl Containers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one; what is given back is cancelled before it is taken down on purpose.
    pub(super) fn add(&self, id: &str, begun: Begun, watched: Watched, tail: Tail) -> CancellationToken {
        let expected = CancellationToken::new();
        let known = Known { begun, watched, tail, expected: expected.clone() };
        self.lock().insert(id.to_owned(), known);
        expected
    }

    /// It is about to be taken down on purpose.
    pub(super) fn expect_end(&self, container: &str) {
        let known = self.lock();
        let found = known.iter().find(|(id, known)| *id == container || known.begun.name == container);
        if let Some((_, known)) = found {
            known.expected.cancel();
        }
    }

    /// Ids of all containers of one request.
    pub(super) fn of_request(&self, request: &str) -> Vec<String> {
        let request = context::label_value(request);
        let made_by = |known: &Known| known.begun.labels.iter().any(|(k, v)| k == REQUEST && *v == request);
        self.lock().iter().filter(|(_, known)| made_by(known)).map(|(id, _)| id.clone()).collect()
    }

    /// What is known of one of a plugin's, to whose streams nobody else is attached.
    pub(super) fn last(&self, container: &str, plugin: &str) -> Option<Last> {
        let known = self.lock();
        let (_, known) =
            known.iter().find(|(id, known)| *id == container || known.begun.name == container)?;
        (known.begun.plugin == plugin).then(|| Last {
            end: known.watched.end(),
            closed: known.begun.closed,
            tail: known.tail.clone(),
        })
    }

    /// Whether nothing of it may be shown. Of what another run has started nobody knows what it carries.
    pub(super) fn is_closed(&self, container: &str) -> bool {
        let known = self.lock();
        known
            .iter()
            .find(|(id, known)| *id == container || known.begun.name == container)
            .is_none_or(|(_, known)| known.begun.closed)
    }

    pub(super) fn remove(&self, container: &str) {
        self.lock().retain(|id, known| id != container && known.begun.name != container);
    }

    fn ended(&self, container: &str, plugin: &str, server: Option<&str>) -> Option<Ended> {
        let known = self.lock();
        let (id, known) =
            known.iter().find(|(id, known)| *id == container || known.begun.name == container)?;
        let begun = &known.begun;
        if begun.plugin != plugin || server.is_some_and(|server| server != begun.server) {
            return None;
        }
        Some(Ended {
            id: id.clone(),
            name: begun.name.clone(),
            image: begun.image.clone(),
            labels: begun.labels.clone(),
            // Gone without a word: the engine was restarted, for example.
            end: known.watched.end().unwrap_or(End { exit_code: None, out_of_memory: false }),
        })
    }

    /// How one that is listened to fares, for `wait`.
    pub(super) fn watched(&self, container: &str) -> Option<Watched> {
        let known = self.lock();
        let found = known.iter().find(|(id, known)| *id == container || known.begun.name == container);
        found.map(|(_, known)| known.watched.clone())
    }
}

/// Filters for objects of any gateway that have these labels too.
pub(super) fn filters(labels: &[Label]) -> Vec<String> {
    let given = labels.iter().map(|label| format!("{}={}", label.key, label.value));
    std::iter::once(GATEWAY.to_owned()).chain(given).collect()
}

impl Docker<'_> {
    /// The plugin's labels with the call's own, which win.
    pub(super) fn labelled(&self, record: &Record, wanted: Vec<Label>) -> Vec<(String, String)> {
        let config = &self.host.config;
        let who = Who {
            gateway: config.gateway.as_str(),
            session: config.session.as_str(),
            plugin: &self.plugin.name,
        };
        let server = Some(record.begin.server_id.as_str()).filter(|id| !id.is_empty());
        let own = context::labels(who, &record.begin.request, server);
        // Nobody else's labels of that kind either: they would be believed.
        let others = wanted.into_iter().filter(|label| !label.key.starts_with("gateway-"));
        let digest = self.plugin_digest().map(context::made_by);
        others.chain(own).chain(digest).map(|label| (label.key, label.value)).collect()
    }

    /// Id of the server that this call acts for.
    fn acts_for(&self) -> Option<&str> {
        match (&self.server, &self.record) {
            (Some(server), _) => Some(server.spec.id.as_str()),
            (None, Some(record)) if !record.begin.server_id.is_empty() => Some(&record.begin.server_id),
            _ => None,
        }
    }

    /// Whether this call may act on what has these labels (`wit/v0.1/docker.wit`, `wit/v0.1/lifecycle.wit` "What may be done when").
    fn may_act(&self, labels: &[(String, String)]) -> bool {
        let label = |key: &str| labels.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
        let config = &self.host.config;
        let of_plugin = label(GATEWAY) == Some(config.gateway.as_str())
            && label(PLUGIN) == Some(context::label_value(&self.plugin.name).as_str());
        let Some(session) = label(SESSION).filter(|_| of_plugin) else { return false };
        if self.phase == Phase::Sweep {
            return self.host.ledger.liveness(session) == Liveness::Dead;
        }
        // A lease that was taken over from a dead run keeps that run's name.
        let of_session = match &self.record {
            Some(record) => record.begin.session == session,
            None => session == config.session.as_str(),
        };
        let of_server = match self.acts_for() {
            Some(id) => label(SERVER) == Some(context::label_value(id).as_str()),
            None => label(SERVER).is_none() || !self.may_remove(),
        };
        of_session && of_server
    }

    fn not_yours(&self, kind: &str, name: &str) -> Failure {
        let text = format!("{kind} `{}` is not one of this call", line(name, 200));
        self.refuse(FailureCategory::Permission, text)
    }

    pub(super) fn not_there(&self, container: &str) -> Failure {
        let text = format!("there is no container `{}`", line(container, 200));
        self.refuse(FailureCategory::NotFound, text)
    }

    /// A container of this call; `None` if it is not there, a refusal if it is somebody else's.
    pub(super) async fn own(&self, container: &str) -> Result<Option<engine::ContainerInfo>, Failure> {
        let found = self.docker()?.inspect(container).await.map_err(|error| self.of_engine(&error))?;
        match found {
            Some(info) if !self.may_act(&info.labels) => Err(self.not_yours(CONTAINER, container)),
            found => Ok(found),
        }
    }

    /// The same, if something of it may be shown.
    pub(super) async fn open(&self, container: &str, what: &str) -> Result<engine::ContainerInfo, Failure> {
        let info = self.own(container).await?.ok_or_else(|| self.not_there(container))?;
        if self.host.containers.is_closed(&info.id) {
            let text = format!("{what} container `{}`: it carries secrets", line(&info.name, 200));
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        Ok(info)
    }

    /// What is known of a container that the engine does not have any more.
    pub(super) fn ended(&self, container: &str) -> Option<Ended> {
        self.host.containers.ended(container, &self.plugin.name, self.acts_for())
    }

    /// The container of that name, if this very request made it.
    pub(super) async fn same_request(&self, name: &str) -> Option<String> {
        let info = self.own(name).await.ok().flatten()?;
        let request = &self.record.as_ref()?.begin.request;
        let made_by = info.labels.iter().find(|(key, _)| key == REQUEST).map(|(_, value)| value);
        (made_by == Some(&context::label_value(request)) && info.is_running()).then_some(info.id)
    }

    /// A network of this call; `None` if it is not there, a refusal if it is somebody else's.
    pub(super) async fn own_network(&self, network: &str) -> Result<Option<engine::NetworkInfo>, Failure> {
        let found = self.docker()?.network(network).await.map_err(|error| self.of_engine(&error))?;
        match found {
            Some(info) if !self.may_act(&info.labels) => Err(self.not_yours(NETWORK, network)),
            found => Ok(found),
        }
    }

    /// Whether a network belongs to the lease of this call.
    pub(super) async fn is_of_lease(&self, network: &str) -> Result<bool, Failure> {
        let found = self.docker()?.network(network).await.map_err(|error| self.of_engine(&error))?;
        Ok(found.is_some_and(|info| self.may_act(&info.labels)))
    }

    /// Notes that an object is about to be created, on disk: the engine keeps it when this process ends.
    pub(super) async fn note(
        &self,
        record: &Arc<Record>,
        kind: &str,
        name: &str,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let object = ObjectRef { kind: kind.to_owned(), scope: String::new(), name: name.to_owned() };
        let noted = self.host.ledger.object(record, object, false);
        self.durable(noted).await
    }

    /// Takes an object out of the ledger that is not there (any more). At worst it is removed once more.
    pub(super) fn forget_noted(&self, kind: &str, name: &str) {
        let Some(record) = &self.record else { return };
        let object = ObjectRef { kind: kind.to_owned(), scope: String::new(), name: name.to_owned() };
        if let Err(error) = self.host.ledger.forget(record, &object, false) {
            tracing::warn!(%error, "the ledger could not be brought up to date");
        }
    }
}
