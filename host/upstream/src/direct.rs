//! The provisioner's trait for what needs little of it: opening a way, closing it again, saying how it fares.

use crate::command::{Command, CommandConfig};
use crate::listening::Listening;
use crate::remote::{Remote, RemoteConfig};
use async_trait::async_trait;
use host_provisioner::{
    Blueprint, Call, Class, Connection, Description, Document, Failure, FieldReport, Health, Honoured, Lease,
    ManagedObject, ObjectRef, Phase, Provisioned, Provisioner, Reconnected, ReleaseReason, ServerSpec, State,
    Status, SweepReport, Unenforced, Workload, WorkloadKind,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A way to a server, open.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    /// What is needed to close it.
    pub(crate) number: u64,
    pub(crate) objects: Vec<ObjectRef>,
}

/// One of the ways.
pub(crate) enum Way {
    Command(Command),
    Remote(Remote),
    Listening(Listening),
}

/// A provisioner that is no plugin.
pub struct Direct {
    way: Way,
    session: String,
    description: Arc<Description>,
    leases: AtomicU64,
}

impl Direct {
    /// Runs commands of this machine ([`Workload::Command`]).
    #[must_use]
    pub fn commands(config: CommandConfig, session: &str) -> Arc<Self> {
        Self::new(Way::Command(Command::new(config)), session, "command", "runs commands of this machine")
    }

    /// Reaches servers that run elsewhere ([`Workload::Remote`]).
    #[must_use]
    pub fn remote(config: RemoteConfig, session: &str) -> Arc<Self> {
        Self::new(Way::Remote(Remote::new(config)), session, "remote", "reaches servers over HTTP")
    }

    /// Reaches servers that are up already ([`Workload::Listening`]).
    #[must_use]
    pub fn listening(session: &str) -> Arc<Self> {
        Self::new(Way::Listening(Listening), session, "static", "reaches servers that are up already")
    }

    fn new(way: Way, session: &str, name: &str, summary: &str) -> Arc<Self> {
        let description = Arc::new(Description {
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digest: String::new(),
            summary: summary.to_owned(),
            runs: vec![WorkloadKind::Other],
            settings_schema: "{}".to_owned(),
            server_settings_schema: "{}".to_owned(),
            reads_state: Vec::new(),
            abilities: Vec::new(),
        });
        Arc::new(Self { way, session: session.to_owned(), description, leases: AtomicU64::new(0) })
    }

    /// How the fields of a server come out.
    fn fields(&self, phase: Phase, server: &ServerSpec) -> Result<Vec<FieldReport>, Failure> {
        let fields = match &self.way {
            Way::Command(_) => Command::fields(server),
            Way::Remote(_) | Way::Listening(_) => elsewhere(server),
        };
        let not_enforced = fields.iter().find(|field| field.honoured == Honoured::NotEnforced);
        match not_enforced {
            Some(field) if server.unenforced == Unenforced::Refuse => {
                let text = format!("`{}` cannot be honoured: {}", field.field, field.note);
                let hint = "take it out, or say `onUnenforced: report` to run the server without it";
                Err(Failure::new(phase, Class::Config, text).with_hint(hint))
            }
            _ => Ok(fields),
        }
    }

    fn document(&self, server: &ServerSpec) -> Result<Document, Failure> {
        let (title, text) = match (&self.way, &server.workload) {
            (Way::Command(command), Workload::Command { .. }) => ("command", command.plan(server)),
            (Way::Remote(_), Workload::Remote { url, headers, .. }) => {
                ("endpoint", Remote::plan(url, headers))
            }
            (Way::Listening(_), Workload::Listening { address }) => {
                ("endpoint", format!("connects to {address}\n"))
            }
            _ => return Err(self.misplaced(Phase::Plan, server)),
        };
        Ok(Document { title: title.to_owned(), media_type: "text/plain".to_owned(), text })
    }

    fn misplaced(&self, phase: Phase, server: &ServerSpec) -> Failure {
        let text = format!("server `{}` is nothing that `{}` can bring up", server.name, self.name());
        Failure::new(phase, Class::Config, text)
    }

    fn number(&self, lease: &Lease) -> Option<u64> {
        let data = &lease.state.as_ref()?.data;
        std::str::from_utf8(data).ok()?.parse().ok()
    }
}

/// What is asked of a server that runs elsewhere is asked of somebody who cannot be told.
fn elsewhere(server: &ServerSpec) -> Vec<FieldReport> {
    let note = "the server is not started here";
    asked(server).into_iter().map(|field| report(field, Honoured::NotEnforced, note)).collect()
}

/// Fields of a server that ask for something beyond being run, as its file calls them.
pub(crate) fn asked(server: &ServerSpec) -> Vec<&'static str> {
    let asked = [
        (!server.mounts.is_empty(), "folders"),
        (!server.files.is_empty(), "files"),
        (server.egress == host_provisioner::Egress::None, "disableNetwork"),
        (matches!(server.egress, host_provisioner::Egress::Hosts(_)), "allowHosts"),
        (!server.extra_hosts.is_empty(), "extraHosts"),
        (server.limits.memory_mib.is_some(), "memory"),
        (server.limits.cpu_millis.is_some(), "cpus"),
        (server.user.is_some(), "user"),
    ];
    asked.into_iter().filter(|(asked, _)| *asked).map(|(_, field)| field).collect()
}

pub(crate) fn report(field: &str, honoured: Honoured, note: &str) -> FieldReport {
    FieldReport { field: field.to_owned(), honoured, note: note.to_owned() }
}

#[async_trait]
impl Provisioner for Direct {
    fn name(&self) -> &str {
        &self.description.name
    }

    fn description(&self) -> Arc<Description> {
        Arc::clone(&self.description)
    }

    async fn prepare(&self, _: &Call, _: &[Arc<ServerSpec>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn validate(&self, _: &Call, server: &ServerSpec) -> Result<Vec<FieldReport>, Failure> {
        let fields = self.fields(Phase::Validate, server)?;
        match &self.way {
            Way::Command(command) => command.validate(server)?,
            Way::Remote(remote) => remote.validate(server)?,
            Way::Listening(_) => {}
        }
        Ok(fields)
    }

    async fn plan(&self, call: &Call, server: &ServerSpec) -> Result<Blueprint, Failure> {
        let fields = self.validate(call, server).await?;
        Ok(Blueprint { documents: vec![self.document(server)?], fields, ..Blueprint::default() })
    }

    async fn provision(&self, call: &Call, server: &Arc<ServerSpec>) -> Result<Provisioned, Failure> {
        let fields = self.fields(Phase::Provision, server)?;
        let opened = match (&self.way, &server.workload) {
            (Way::Command(command), Workload::Command { .. }) => command.open(server)?,
            (Way::Remote(remote), Workload::Remote { .. }) => remote.open(server)?,
            (Way::Listening(listening), Workload::Listening { address }) => listening.open(address).await?,
            _ => return Err(self.misplaced(Phase::Provision, server)),
        };
        let lease = self.leases.fetch_add(1, Ordering::Relaxed);
        Ok(Provisioned {
            connection: opened.connection,
            lease: Lease {
                id: format!("{}-{}-{lease}", self.name(), self.session),
                server_id: server.id.clone(),
                server_name: server.name.clone(),
                session: self.session.clone(),
                request: call.request.as_str().to_owned(),
                state: Some(State { version: 1, data: opened.number.to_string().into_bytes() }),
                objects: opened.objects.clone(),
                plugin: self.name().to_owned(),
                plugin_version: self.description.version.clone(),
                plugin_digest: String::new(),
            },
            fields,
            objects: opened.objects,
        })
    }

    async fn probe(&self, _: &Call, lease: &Lease) -> Result<Health, Failure> {
        match (&self.way, self.number(lease)) {
            (Way::Command(command), Some(number)) => Ok(command.health(number).await),
            _ => Ok(Health { status: Status::Unknown, text: String::new(), exit_code: None }),
        }
    }

    async fn reconnect(&self, _: &Call, _: &Lease) -> Result<Option<Reconnected>, Failure> {
        Ok(None)
    }

    async fn release(&self, _: &Call, lease: &Lease, _: ReleaseReason) -> Result<(), Failure> {
        match (&self.way, self.number(lease)) {
            (Way::Command(command), Some(number)) => command.close(number).await,
            _ => Ok(()),
        }
    }

    async fn enumerate(&self, _: &Call) -> Result<Vec<ManagedObject>, Failure> {
        Ok(Vec::new())
    }

    async fn sweep(&self, _: &Call) -> Result<SweepReport, Failure> {
        Ok(SweepReport::default())
    }

    async fn shutdown(&self, _: &Call) -> Result<(), Failure> {
        Ok(())
    }
}
