//! A plugin that can be called, as the pool knows it: the trait's methods, each a call in a fresh instance of whatever is loaded now.

mod calls;
mod halted;
mod tools;

use crate::engine::{CALLS_OF_ONE, CLEANUP_OF_ONE};
use crate::error::{LoadError, LoadErrorKind};
use crate::grants::Grants;
use crate::host::{PluginHost, PluginSpec};
use crate::ledger::{Begin, Record, Subject};
use crate::limits::Limits;
use crate::load::{self, Loaded};
use crate::run::{self, Done, Lane};
use crate::server::ServerScope;
use crate::state::Scope;
use crate::swap::Swap;
use crate::v0_1::context::{self, Who};
use crate::v0_1::exports::Export;
use crate::v0_1::types;
use arc_swap::{ArcSwap, ArcSwapOption};
use halted::Halted;
use host_provisioner::{Call, Class, Failure, Phase, ReleaseReason, RequestId, ServerSpec, State};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What does not change when the file is replaced.
pub(crate) struct Identity {
    /// The operator's name.
    pub(crate) name: String,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    /// A JSON object.
    pub(crate) settings: String,
}

/// See the module. Made by [`PluginHost::load`].
pub struct Plugin {
    this: Weak<Plugin>,
    host: Arc<PluginHost>,
    identity: Arc<Identity>,
    pub(crate) current: ArcSwap<Loaded>,
    pub(crate) swap: Swap,
    /// Calls of this plugin that run, but for clean-up.
    work: Semaphore,
    /// Clean-up of this plugin that runs.
    pub(crate) clean_up: Semaphore,
    /// What `prepare` returned last.
    shared: ArcSwapOption<State>,
    /// Where `prepare` notes what it makes; one lease for the whole run.
    shared_record: Arc<Record>,
    /// Servers that `prepare` refused, by id.
    refused: Mutex<HashMap<String, Failure>>,
    /// Entries of the servers that run, by lease, for `reconnect`.
    running: Mutex<HashMap<String, Arc<ServerSpec>>>,
    /// Attempts that may be resumed.
    halted: Halted,
}

impl Plugin {
    pub(crate) async fn load(host: &Arc<PluginHost>, spec: PluginSpec) -> Result<Arc<Self>, LoadError> {
        if !load::is_name(&spec.name) {
            let name = crate::sanitize::line(&spec.name, 60);
            let text = "cannot have that name: it is not up to 40 lower-case letters, digits and `-`, starting with a letter";
            return Err(LoadError::new(&name, LoadErrorKind::Settings, text));
        }
        let settings = match &spec.settings {
            serde_json::Value::Null => "{}".to_owned(),
            object @ serde_json::Value::Object(_) => object.to_string(),
            _ => {
                let text =
                    format!("does not take its settings: `plugins.{}.settings` must be a map", spec.name);
                return Err(LoadError::new(&spec.name, LoadErrorKind::Settings, text));
            }
        };
        let concurrency = spec.limits.concurrency;
        if concurrency > CALLS_OF_ONE {
            let text = format!(
                "cannot have {concurrency} calls run at once: the places of all plugins are shared, and one may have {CALLS_OF_ONE}"
            );
            return Err(LoadError::new(&spec.name, LoadErrorKind::Settings, text)
                .with_hint(format!("lower `plugins.{}.limits.concurrency`", spec.name)));
        }
        let identity =
            Arc::new(Identity { name: spec.name, grants: spec.grants, limits: spec.limits, settings });
        let loaded = load::load(host, &identity, &spec.source).await?;
        let number = host.next_number();
        let shared_record = host.ledger.begin(Begin {
            lease: format!("{}-{number}", host.config.session.as_str()),
            number,
            subject: Subject::Shared,
            plugin: identity.name.clone(),
            version: loaded.description.version.clone(),
            digest: loaded.description.digest.clone(),
            server_id: String::new(),
            server_name: String::new(),
            session: host.config.session.as_str().to_owned(),
            request: String::new(),
        });
        let work = Semaphore::new(identity.limits.concurrency.max(1) as usize);
        Ok(Arc::new_cyclic(|this| Self {
            this: this.clone(),
            host: Arc::clone(host),
            identity,
            current: ArcSwap::from_pointee(loaded),
            swap: Swap::new(spec.source),
            work,
            clean_up: Semaphore::new(CLEANUP_OF_ONE),
            shared: ArcSwapOption::empty(),
            shared_record,
            refused: Mutex::default(),
            running: Mutex::default(),
            halted: Halted::default(),
        }))
    }

    pub(crate) fn host(&self) -> &Arc<PluginHost> {
        &self.host
    }

    pub(crate) fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    pub(crate) fn shared_record(&self) -> Arc<Record> {
        Arc::clone(&self.shared_record)
    }

    fn name(&self) -> &str {
        &self.identity.name
    }

    fn who(&self) -> Who<'_> {
        let config = &self.host.config;
        Who { gateway: config.gateway.as_str(), session: config.session.as_str(), plugin: self.name() }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<ServerSpec>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failure>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a call may do. Without server and record until they are given.
    fn scope(&self, phase: Phase, call: &Call) -> Scope {
        Scope {
            host: Arc::clone(&self.host),
            plugin: Arc::clone(&self.identity),
            phase,
            call: call.clone(),
            server: None,
            record: None,
            prepared: None,
            description: None,
            tunnels: Arc::default(),
            put: Arc::default(),
            told: Arc::default(),
        }
    }

    fn context(&self, call: &Call, request: &str, server: Option<&ServerSpec>) -> types::Context {
        let shared = self.shared.load_full().map(|state| State::clone(&state));
        let shared = context::read(shared, &self.current.load().description.reads_state);
        let mut context = context::context(self.who(), call, request, server, shared);
        let most = u32::try_from(self.identity.limits.call.as_millis()).unwrap_or(u32::MAX);
        context.deadline_ms = context.deadline_ms.min(most);
        context
    }

    /// Runs an export of whatever is loaded now.
    async fn run<E: Export>(&self, scope: Scope, export: E) -> Result<Done<E::Answer>, Failure> {
        self.run_of(&self.current.load_full(), scope, export).await
    }

    async fn run_of<E: Export>(
        &self,
        loaded: &Arc<Loaded>,
        mut scope: Scope,
        export: E,
    ) -> Result<Done<E::Answer>, Failure> {
        scope.description = Some(Arc::clone(&loaded.description));
        let phase = scope.phase;
        let engines = self.host.engines().await.map_err(|text| Failure::new(phase, Class::Other, text))?;
        let cleans_up = matches!(phase, Phase::Release | Phase::Shutdown | Phase::Sweep);
        let lane = if cleans_up { Lane::CleanUp(&self.clean_up) } else { Lane::Work(&self.work) };
        run::run(&engines, loaded, &self.identity.limits, lane, scope, export).await
    }

    /// Calls `release` for a lease of the ledger. Does not close it.
    pub(crate) async fn release_record(
        &self,
        record: &Arc<Record>,
        reason: ReleaseReason,
        within: Duration,
    ) -> Result<(), Failure> {
        let call = Call::new(RequestId::from_bits(0), within);
        let mut scope = self.scope(Phase::Release, &call);
        scope.record = Some(Arc::clone(record));
        let context = self.context(&call, &record.begin.request, None);
        let loaded = self.current.load_full();
        let reads = &loaded.description.reads_state;
        let lease = context::lease(&record.lease(), record.begin.subject, reads);
        let reason = context::reason(reason);
        let (context, lease, reason) = (&context, &lease, &reason);
        let answer = if record.begin.subject == Subject::Tool {
            let stop = crate::v0_1::exports::Stop { context, lease, reason };
            self.run_of(&loaded, scope, stop).await?.answer
        } else {
            let release = crate::v0_1::exports::Release { context, lease, reason };
            self.run_of(&loaded, scope, release).await?.answer
        };
        self.answer(Phase::Release, answer)?;
        self.running().remove(&record.begin.lease);
        Ok(())
    }

    /// Calls `shutdown` for what `prepare` made in one session, and closes its lease.
    pub(crate) async fn end(&self, record: &Arc<Record>, within: Duration) -> Result<(), Failure> {
        if record.is_released() {
            return Ok(());
        }
        let call = Call::new(RequestId::from_bits(0), within);
        let mut scope = self.scope(Phase::Shutdown, &call);
        scope.record = Some(Arc::clone(record));
        let request = context::short_id(&format!("{:016x}", record.begin.number));
        let context = self.context(&call, &request, None);
        let loaded = self.current.load_full();
        let shared = context::read(record.last_state(), &loaded.description.reads_state);
        let leftovers = context::leftovers(&record.begin, shared, &record.objects());
        let shutdown = crate::v0_1::exports::Shutdown { context: &context, leftovers: &leftovers };
        let done = self.run_of(&loaded, scope, shutdown).await?;
        self.answer(Phase::Shutdown, done.answer)?;
        self.host.ledger.released(record);
        Ok(())
    }

    /// A lease for one attempt to bring a server up, or to run a tool.
    fn begin(&self, loaded: &Loaded, subject: Subject, server: &ServerSpec, request: &str) -> Arc<Record> {
        let number = self.host.next_number();
        let session = self.host.config.session.as_str();
        self.host.ledger.begin(Begin {
            lease: format!("{session}-{number}"),
            number,
            subject,
            plugin: self.name().to_owned(),
            version: loaded.description.version.clone(),
            digest: loaded.description.digest.clone(),
            server_id: server.id.as_str().to_owned(),
            server_name: server.name.clone(),
            session: session.to_owned(),
            request: request.to_owned(),
        })
    }

    async fn server(&self, phase: Phase, spec: Arc<ServerSpec>) -> Result<Arc<ServerScope>, Failure> {
        self.settings_fit(phase, &spec)?;
        self.host.scope_of(phase, spec).await.map_err(|failure| crate::error::named(failure, self.name()))
    }

    /// Checks the settings in a server's entry against the schema of whatever is loaded now.
    fn settings_fit(&self, phase: Phase, spec: &ServerSpec) -> Result<(), Failure> {
        let name = self.name();
        let value = serde_json::from_str(&spec.settings).map_err(|error| error.to_string());
        let schema = &self.current.load().server_settings;
        value.and_then(|value| schema.check("settings", &value)).map_err(|text| {
            let text = format!("the settings of server `{}` do not fit plugin `{name}`: {text}", spec.name);
            let text = crate::sanitize::line(&text, crate::sanitize::LINE);
            crate::error::named(Failure::new(phase, Class::Config, text), name)
        })
    }
}

/// A call that nobody else's cancellation reaches, with what is left of the caller's time.
fn detached(call: &Call) -> Call {
    let mut own = call.clone();
    own.cancelled = tokio_util::sync::CancellationToken::new();
    own.deadline = own.deadline.max(Instant::now() + Duration::from_secs(1));
    own
}
