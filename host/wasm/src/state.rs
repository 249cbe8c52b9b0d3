//! What belongs to one call: the data of its store, dropped with it.

use crate::error::{Broken, Cut};
use crate::faults::Fault;
use crate::host::PluginHost;
use crate::ledger::{Allowance, Record};
use crate::limits::{Held, Limits, Met, WASI_HANDLES};
use crate::output::Tail;
use crate::plugin::Identity;
use crate::server::ServerScope;
use crate::v0_1::connection::Held as Connection;
use crate::v0_1::docker::Told;
use crate::v0_1::http::Instead;
use crate::v0_1::kubernetes::Tunnels;
use crate::v0_1::types::{Failure, FailureCategory};
use host_outbound::Scrubber;
use host_provisioner::{Blot, Blotter, Call, Description, Phase, ServerSpec};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// On whose behalf a call acts, and what its host functions may do.
#[derive(Clone)]
pub(crate) struct Scope {
    /// The gateway.
    pub(crate) host: Arc<PluginHost>,
    /// The plugin.
    pub(crate) plugin: Arc<Identity>,
    /// Which export runs.
    pub(crate) phase: Phase,
    /// Deadline, cancellation and progress.
    pub(crate) call: Call,
    /// The server of the call.
    pub(crate) server: Option<Arc<ServerScope>>,
    /// Where the call notes what it makes. Absent where nothing may be made or removed by name.
    pub(crate) record: Option<Arc<Record>>,
    /// The servers that `prepare` was given.
    pub(crate) prepared: Option<Arc<[Arc<ServerSpec>]>>,
    /// What the plugin that runs says about itself; absent while it says it.
    pub(crate) description: Option<Arc<Description>>,
    /// What `kubernetes` has opened in this call.
    pub(crate) tunnels: Arc<Tunnels>,
    /// What `docker` has told the plugin in this call.
    pub(crate) told: Arc<Told>,
    /// What `http` has put into requests of this call.
    pub(crate) put: Arc<Mutex<Scrubber>>,
}

impl Scope {
    /// Whether host functions may create in this call (`wit/v0.1/lifecycle.wit`, "What may be done when").
    pub(crate) fn may_create(&self) -> bool {
        matches!(self.phase, Phase::Prepare | Phase::Provision | Phase::Reconnect | Phase::Run)
    }

    /// Whether the plugin reads state of that version, and so may write it.
    pub(crate) fn reads(&self, version: u32) -> bool {
        self.description.as_ref().is_some_and(|description| description.reads_state.contains(&version))
    }

    /// SHA-256 of the plugin's bytes that run, in hexadecimal; absent while they describe themselves, when nothing can be made.
    pub(crate) fn plugin_digest(&self) -> Option<&str> {
        self.description.as_ref().map(|description| description.digest.as_str())
    }

    /// Whether this is `prepare` and was given that server.
    pub(crate) fn prepares(&self, server: &str) -> bool {
        self.prepared.as_ref().is_some_and(|ids| ids.iter().any(|spec| spec.id.as_str() == server))
    }

    /// Takes the secrets of the call's server out of what it printed.
    pub(crate) fn blotter(&self) -> Blotter {
        let Some(server) = &self.server else { return Blotter::default() };
        Blotter::new(Arc::clone(&self.host.config.resolver) as Arc<dyn Blot>, server.spec.id.as_str())
    }

    /// Whether host functions may change or remove.
    pub(crate) fn may_remove(&self) -> bool {
        self.may_create() || matches!(self.phase, Phase::Release | Phase::Sweep | Phase::Shutdown)
    }
}

/// Data of a store.
pub(crate) struct CallState {
    pub(crate) scope: Scope,
    pub(crate) table: ResourceTable,
    pub(crate) held: Held,
    pub(crate) output: Tail,
    /// When the instance is stopped at the latest.
    pub(crate) ends: Instant,
    pub(crate) allowance: Allowance,
    pub(crate) lines: crate::v0_1::log::Lines,
    pub(crate) updates: crate::v0_1::progress::Updates,
    /// What `hand-over` was given last.
    pub(crate) handed_over: Option<Connection>,
    /// What `hand-over-output` was given last.
    pub(crate) handed_output: Option<crate::v0_1::connection::RunOutput>,
    wasi: WasiCtx,
    /// The host function that was entered last, other than those that answer at once.
    pub(crate) entered: Option<&'static str>,
    /// What happens to it.
    fault: Option<Fault>,
    /// Where on the tape this call is, where there is one.
    pub(crate) section: Option<usize>,
    /// The plugin hears nothing any more.
    pub(crate) lost: bool,
    host_calls: u32,
    max_host_calls: u32,
}

impl CallState {
    pub(crate) fn new(scope: Scope, limits: &Limits, ends: Instant) -> Self {
        let output = Tail::default();
        let section = scope.host.taped().and_then(|tape| tape.begin(scope.phase));
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize + WASI_HANDLES);
        let wasi = WasiCtx::builder().stdout(output.clone()).stderr(output.clone()).build();
        Self {
            scope,
            table,
            held: Held::new(limits.memory),
            output,
            ends,
            allowance: Allowance::default(),
            lines: crate::v0_1::log::Lines::default(),
            updates: crate::v0_1::progress::Updates::default(),
            handed_over: None,
            handed_output: None,
            wasi,
            entered: None,
            fault: None,
            section,
            lost: false,
            host_calls: 0,
            max_host_calls: limits.host_calls,
        }
    }

    /// Begins a host function: counts it, and refuses all but `settings` and `log` in `describe`.
    pub(crate) fn enter(&mut self, function: &'static str) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > self.max_host_calls {
            return Err(Met::HostCalls(self.max_host_calls).into());
        }
        let quiet = function.starts_with("settings.") || function.starts_with("log.");
        if self.scope.phase == Phase::Describe && !quiet {
            return Err(Broken(format!("it called `{function}` in `describe`")).into());
        }
        if !quiet {
            self.entered = Some(function);
        }
        if let Some(faults) = self.scope.host.faults() {
            if self.lost {
                return Err(Cut(function).into());
            }
            self.fault = if quiet { None } else { faults.at(self.scope.phase, function) };
            match self.fault {
                Some(Fault::Trap) => return Err(Cut(function).into()),
                Some(Fault::Lost) => self.lost = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Lets the host function that was entered suffer its fault; the failure that it answers with instead of acting.
    pub(crate) async fn disturbed(&mut self) -> Option<Failure> {
        let (category, text) = match self.fault.take()? {
            Fault::Refused => (FailureCategory::Permission, "refused by the test"),
            Fault::Conflict => (FailureCategory::Conflict, "in conflict, says the test"),
            Fault::Away => (FailureCategory::Retryable, "the platform does not answer, says the test"),
            Fault::Slow(time) => {
                tokio::time::sleep(time).await;
                return None;
            }
            Fault::Silent => std::future::pending().await,
            Fault::Lost | Fault::Trap => return None,
            // Only `http.send` has an answer of that kind to give.
            fault @ (Fault::Status(..) | Fault::Truncated) => {
                self.fault = Some(fault);
                return None;
            }
        };
        Some(self.scope.refuse(category, text))
    }

    /// What the function that was entered is to answer, where a test wants a status or a stump of an answer.
    pub(crate) fn answered(&mut self) -> Option<Instead> {
        match self.fault.take()? {
            Fault::Status(status, body) => Some(Instead::Status(status, body)),
            Fault::Truncated => Some(Instead::Truncated),
            _ => None,
        }
    }

    /// Time until the instance is stopped.
    pub(crate) fn remaining(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Puts something into the table that the plugin gets a handle of.
    pub(crate) fn push<T: Send + 'static>(&mut self, entry: T) -> wasmtime::Result<Resource<T>> {
        let handles = self.scope.plugin.limits.handles;
        self.table.push(entry).map_err(|_| Met::Handles(handles).into())
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
