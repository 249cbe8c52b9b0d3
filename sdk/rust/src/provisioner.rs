//! The one trait that a plugin implements, and what it says about itself.

use crate::answer::{Provisioned, Reconnected};
use crate::call::Call;
use crate::settings::Settings;
use crate::types::{
    Blueprint, FailureCategory, Finding, Health, Lease, Leftovers, ManagedPage, Page, Prepared,
    ReleaseReason, Server, Severity, Status, SweepPage, ToolEntry, Validation, WorkloadKind,
};
use crate::{Error, Result};

/// What a plugin says about itself, apart from what its types say.
///
/// ```
/// # use gateway_plugin::{Info, WorkloadKind};
/// const INFO: Info = Info::new("tenant", "1.0.0", "component servers with the tenant's own limits")
///     .runs(&[WorkloadKind::Component])
///     .reads_state(&[1]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Info {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) runs: &'static [WorkloadKind],
    pub(crate) reads_state: &'static [u32],
    pub(crate) understands: &'static [&'static str],
}

impl Info {
    /// A plugin of this name (`[a-z][a-z0-9-]*`, at most 40 characters), semantic version and one line for a list, that runs container
    /// images. `env!("CARGO_PKG_VERSION")` is a good version.
    #[must_use]
    pub const fn new(name: &'static str, version: &'static str, summary: &'static str) -> Self {
        Self { name, version, summary, runs: &[WorkloadKind::Image], reads_state: &[], understands: &[] }
    }

    /// The same for these kinds of servers. Others never reach the plugin.
    #[must_use]
    pub const fn runs(mut self, kinds: &'static [WorkloadKind]) -> Self {
        self.runs = kinds;
        self
    }

    /// The same with the versions of [`State`](crate::State) that `release`, `probe` and `reconnect` understand.
    #[must_use]
    pub const fn reads_state(mut self, versions: &'static [u32]) -> Self {
        self.reads_state = versions;
        self
    }

    /// The same with the names of extras that it knows. Required ones that it does not know are refused before the plugin is asked.
    #[must_use]
    pub const fn understands(mut self, names: &'static [&'static str]) -> Self {
        self.understands = names;
        self
    }
}

/// Brings servers up and takes them down. Each call is a fresh instance: what must be remembered is returned as state.
///
/// Only [`provision`](Self::provision) and [`release`](Self::release) have no default. A call can end at any host call, without notice.
/// The host then repeats it with `call.context.resume`, or calls `release` with the last state it knows, so error paths need no clean-up of
/// their own.
pub trait Provisioner: Sized + 'static {
    /// Settings of the plugin from the operator's file; [`NoSettings`](crate::NoSettings) if it has none.
    type Settings: Settings;
    /// Settings of one server for this plugin.
    type ServerSettings: Settings;
    /// What the plugin says about itself.
    const INFO: Info;

    /// Brings the server up and returns a connection to it. Readiness of the workload is the plugin's to wait for, the MCP handshake
    /// is the host's.
    ///
    /// # Errors
    ///
    /// Whatever stands in the way, by its category.
    fn provision(call: &Call<Self>, server: &Server) -> Result<Provisioned>;

    /// Takes down what the lease names, in the reverse order of creation. Succeeds when it is already gone. Must work from any
    /// checkpoint, from none (then from `lease.objects`), and from a state of an older version.
    ///
    /// # Errors
    ///
    /// What still stands in the way. The host repeats the release until it succeeds or the operator gives up.
    fn release(call: &Call<Self>, lease: &Lease, reason: ReleaseReason) -> Result<()>;

    /// What `provision` would create, as documents. Creates nothing.
    ///
    /// # Errors
    ///
    /// As `provision` would, as far as that can be known; `unsupported` by default.
    fn plan(call: &Call<Self>, server: &Server) -> Result<Blueprint> {
        let _ = (call, server);
        Err(Error::unsupported(format!("plan: plugin `{}` prints no plans", Self::INFO.name)))
    }

    /// All findings about a server at once, without creating anything. By default what [`plan`](Self::plan) says.
    ///
    /// # Errors
    ///
    /// If it could not be checked.
    fn validate(call: &Call<Self>, server: &Server) -> Result<Validation> {
        Ok(match Self::plan(call, server) {
            Ok(plan) => Validation { fields: plan.fields, costs: plan.costs, ..Validation::default() },
            Err(error) if error.category() == FailureCategory::Unsupported => Validation::default(),
            Err(error) => Validation {
                findings: vec![Finding { severity: Severity::Problem, failure: error.into() }],
                ..Validation::default()
            },
        })
    }

    /// Called at start and at every reload with everything placed on this plugin, before any `provision`: the chance to create once
    /// what many share. Idempotent.
    ///
    /// # Errors
    ///
    /// Everything placed on the plugin fails with it until the next reload.
    fn prepare(call: &Call<Self>, servers: &[Server], tools: &[ToolEntry]) -> Result<Prepared> {
        let _ = (call, servers, tools);
        Ok(Prepared::default())
    }

    /// How the workload fares. Cheap; called when a stream has ended and for status pages. `unknown` by default.
    ///
    /// # Errors
    ///
    /// If it could not be asked.
    fn probe(call: &Call<Self>, lease: &Lease) -> Result<Health> {
        let _ = (call, lease);
        Ok(Health::new(Status::Unknown, ""))
    }

    /// A new connection to a workload that still lives. Absent, the default: there is no way back.
    ///
    /// # Errors
    ///
    /// If it could not be tried.
    fn reconnect(call: &Call<Self>, server: &Server, lease: &Lease) -> Result<Option<Reconnected>> {
        let _ = (call, server, lease);
        Ok(None)
    }

    /// What exists on the platform that carries labels of any gateway, page by page. Nothing by default.
    ///
    /// # Errors
    ///
    /// If the platform could not be asked.
    fn enumerate(call: &Call<Self>, page: &Page) -> Result<ManagedPage> {
        let _ = (call, page);
        Ok(ManagedPage::default())
    }

    /// Removes what belongs to dead sessions and is older than so many seconds, page by page, and nothing else. Nothing by default.
    ///
    /// # Errors
    ///
    /// If the platform could not be asked; what could not be removed is in the page.
    fn sweep(call: &Call<Self>, older_than_seconds: u32, page: &Page) -> Result<SweepPage> {
        let _ = (call, older_than_seconds, page);
        Ok(SweepPage::default())
    }

    /// A session ends, or is found dead: remove what [`prepare`](Self::prepare) made in it. Nothing by default.
    ///
    /// # Errors
    ///
    /// What could not be removed.
    fn shutdown(call: &Call<Self>, leftovers: &Leftovers) -> Result<()> {
        let _ = (call, leftovers);
        Ok(())
    }
}
