//! Calls of a plugin, the way the host makes them: through the adapter, each a fresh instance, any of them cut where the test says.

use super::FakeHost;
use super::world::{Cut, Subject};
use crate::adapter::{self, NoTools, Tools, WithTools};
use crate::host::Host;
use crate::types::{
    Blueprint, Context, Description, Health, Lease, Leftovers, ManagedPage, Page, Prepared, ReleaseReason,
    Resume, Server, State, SweepPage, ToolContainer, ToolEntry, Validation,
};
use crate::{ContainerRuntime, Error, FailureCategory, Provisioned, Provisioner, Ran, Reconnected, Result};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

impl FakeHost {
    fn run<T>(&self, subject: Option<Subject>, call: impl FnOnce(Host, Context) -> Result<T>) -> Result<T> {
        let context = {
            let mut world = self.world.borrow_mut();
            world.subject = subject;
            world.context.clone()
        };
        // The plugin is given a host of its own and nothing of it is looked at after it was cut.
        match catch_unwind(AssertUnwindSafe(|| call(Host { fake: self.clone() }, context))) {
            Ok(answer) => answer,
            Err(payload) => match payload.downcast::<Cut>() {
                Ok(cut) => {
                    self.world.borrow_mut().cut = None;
                    Err(Error::cancelled(format!("end the call: cut at host call {}", cut.at)))
                }
                Err(payload) => resume_unwind(payload),
            },
        }
    }

    /// What the plugin says about itself, with the schemas of its settings.
    #[must_use]
    pub fn describe<P: Provisioner>(&self) -> Description {
        adapter::describe::<P, NoTools>()
    }

    /// The same for a plugin that runs tools.
    #[must_use]
    pub fn describe_with_tools<P: ContainerRuntime>(&self) -> Description {
        adapter::describe::<P, WithTools>()
    }

    /// Prepares, and keeps what is shared for the calls that follow.
    ///
    /// # Errors
    ///
    /// The plugin's, as of all the calls below.
    pub fn prepare<P: Provisioner>(&self, servers: &[Server], tools: &[ToolEntry]) -> Result<Prepared> {
        let secrets = servers.iter().flat_map(|server| server.secrets.iter().cloned()).collect();
        self.world.borrow_mut().prepared_secrets = secrets;
        let prepared = self.run(None, |host, context| {
            adapter::prepare::<P>(host, context, servers.to_vec(), tools.to_vec())
        });
        self.world.borrow_mut().prepared_secrets.clear();
        let prepared = prepared?;
        self.world.borrow_mut().context.shared.clone_from(&prepared.shared);
        Ok(prepared)
    }

    /// Validates a server.
    pub fn validate<P: Provisioner>(&self, server: &Server) -> Result<Validation> {
        self.run(Some(server.into()), |host, context| adapter::validate::<P>(host, context, server))
    }

    /// Plans a server.
    pub fn plan<P: Provisioner>(&self, server: &Server) -> Result<Blueprint> {
        self.run(Some(server.into()), |host, context| adapter::plan::<P>(host, context, server))
    }

    /// Provisions a server, and keeps its state for [`FakeHost::lease`].
    pub fn provision<P: Provisioner>(&self, server: &Server) -> Result<Provisioned> {
        let provisioned =
            self.run(Some(server.into()), |host, context| adapter::provision::<P>(host, context, server))?;
        self.keep::<P>(provisioned.state.as_ref())?;
        Ok(provisioned)
    }

    /// Keeps a returned state. One of a version that the plugin does not say it reads breaks the contract.
    fn keep<P: Provisioner>(&self, returned: Option<&State>) -> Result<()> {
        let Some(state) = returned else { return Ok(()) };
        if !P::INFO.reads_state.contains(&state.version) {
            return Err(Error::permanent(format!(
                "keep a state of version {}, which `Info::reads_state` does not name",
                state.version
            )));
        }
        self.world.borrow_mut().state = Some(state.clone());
        Ok(())
    }

    /// Repeats a provision that failed or was cut, as the host does: the same request, with what is known of the attempts before.
    pub fn resume<P: Provisioner>(&self, server: &Server) -> Result<Provisioned> {
        {
            let mut world = self.world.borrow_mut();
            let resume = Resume { state: world.state.clone(), objects: world.ledger.clone() };
            world.context.resume = Some(resume);
            world.context.attempt += 1;
        }
        self.provision::<P>(server)
    }

    /// Asks how the workload of [`FakeHost::lease`] fares.
    pub fn probe<P: Provisioner>(&self) -> Result<Health> {
        let lease = read::<P>(&self.lease());
        self.run(None, |host, context| adapter::probe::<P>(host, context, &lease))
    }

    /// Asks for a new connection to the workload of [`FakeHost::lease`].
    pub fn reconnect<P: Provisioner>(&self, server: &Server) -> Result<Option<Reconnected>> {
        let lease = read::<P>(&self.lease());
        self.run(Some(server.into()), |host, context| adapter::reconnect::<P>(host, context, server, &lease))
    }

    /// Releases [`FakeHost::lease`].
    pub fn release<P: Provisioner>(&self, reason: ReleaseReason) -> Result<()> {
        self.release_lease::<P>(&self.lease(), reason)
    }

    /// Releases a lease of the test's own, for example of an older version or of another session.
    pub fn release_lease<P: Provisioner>(&self, lease: &Lease, reason: ReleaseReason) -> Result<()> {
        let lease = read::<P>(lease);
        self.run(None, |host, context| adapter::release::<P>(host, context, &lease, reason))
    }

    /// One page of what the plugin finds.
    pub fn enumerate<P: Provisioner>(&self, page: &Page) -> Result<ManagedPage> {
        self.run(None, |host, context| adapter::enumerate::<P>(host, context, page))
    }

    /// One page of a sweep.
    pub fn sweep<P: Provisioner>(&self, older_than_seconds: u32, page: &Page) -> Result<SweepPage> {
        self.run(None, |host, context| adapter::sweep::<P>(host, context, older_than_seconds, page))
    }

    /// The end of the session, with what the ledger still holds.
    pub fn shutdown<P: Provisioner>(&self) -> Result<()> {
        let leftovers = {
            let world = self.world.borrow();
            Leftovers {
                session: world.context.session.clone(),
                shared: world.context.shared.clone(),
                objects: world.ledger.clone(),
                plugin_version: P::INFO.version.to_owned(),
                plugin_digest: String::new(),
                extras: Vec::new(),
            }
        };
        self.run(None, |host, context| adapter::shutdown::<P>(host, context, &leftovers))
    }

    /// Runs a tool container to its end.
    pub fn run_tool<P: ContainerRuntime>(&self, tool: &ToolContainer) -> Result<Ran> {
        self.run(Some(tool.into()), |host, context| <WithTools as Tools<P>>::run(host, context, tool))
    }

    /// Starts a tool container and leaves it running.
    pub fn start_tool<P: ContainerRuntime>(&self, tool: &ToolContainer) -> Result<Provisioned> {
        let started =
            self.run(Some(tool.into()), |host, context| <WithTools as Tools<P>>::start(host, context, tool))?;
        self.keep::<P>(started.state.as_ref())?;
        Ok(started)
    }

    /// Stops what a tool container left.
    pub fn stop_tool<P: ContainerRuntime>(&self, reason: ReleaseReason) -> Result<()> {
        let lease = read::<P>(&self.lease());
        self.run(None, |host, context| <WithTools as Tools<P>>::stop(host, context, &lease, reason))
    }
}

/// The lease as the host gives it: a state of a version that the plugin does not read is withheld.
fn read<P: Provisioner>(lease: &Lease) -> Lease {
    let state = lease.state.clone().filter(|state| P::INFO.reads_state.contains(&state.version));
    Lease { state, ..lease.clone() }
}

/// Ends `provision` of this server in every way there is, releases twice each time, and looks for what is left.
///
/// The ways: a failure of each host call in turn, a cut before and after each of them, and success. `host` makes a fresh gateway for
/// each.
///
/// # Errors
///
/// A sentence that says after which ending what was left, or why `release` failed.
pub fn check_endings<P: Provisioner>(host: impl Fn() -> FakeHost, server: &Server) -> Result<(), String> {
    let undisturbed = host();
    drop(undisturbed.provision::<P>(server));
    let calls = undisturbed.calls();
    released::<P>(&undisturbed, "success")?;
    for (n, name) in (1..).zip(&calls) {
        let failing = host();
        failing.fail_at(n, Error::retryable("answer"));
        drop(failing.provision::<P>(server));
        released::<P>(&failing, &format!("a failure of host call {n}, `{name}`"))?;
        for (when, cut) in [("before", true), ("after", false)] {
            let cutting = host();
            cutting.world.borrow_mut().cut = Some(Cut { at: n, before: cut });
            match cutting.provision::<P>(server) {
                Err(error) if error.category() == FailureCategory::Cancelled => {}
                Err(error) => return Err(format!("a cut {when} host call {n}, `{name}`, ended in: {error}")),
                Ok(_) => {
                    return Err(format!(
                        "provision makes other host calls each time: `{name}` was not the {n}th"
                    ));
                }
            }
            released::<P>(&cutting, &format!("a cut {when} host call {n}, `{name}`"))?;
        }
    }
    Ok(())
}

/// The second release has nothing to do and must succeed.
fn released<P: Provisioner>(host: &FakeHost, ending: &str) -> Result<(), String> {
    let lease = host.lease();
    for _ in 0..2 {
        host.release_lease::<P>(&lease, ReleaseReason::Unfinished)
            .map_err(|error| format!("after {ending}: release failed: {error}"))?;
    }
    let left: Vec<_> =
        host.left().into_iter().map(|object| format!("{} `{}`", object.kind, object.name)).collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(format!("after {ending}: {} is left", left.join(", ")))
}
