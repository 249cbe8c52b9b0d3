//! What a plugin may start: the component of this call's server, with its environment, folders and destinations, inside the grant.

use crate::grants::{EmbeddedGrant, FolderGrant};
use crate::ledger::Record;
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::state::{CallState, Scope};
use crate::v0_1::embedded::own;
use crate::v0_1::imported::embedded::Spec;
use crate::v0_1::server::folder;
use crate::v0_1::types::{self, Failure, FailureCategory};
use crate::v0_1::values::FileValue;
use host_provisioner as provisioner;
use host_provisioner::{Egress, MountSource};
use host_workload_embedded::{DEFAULT_MEMORY_MIB, FileSpec, MountSpec, StartSpec};
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of a name in a refusal.
const SHOWN: usize = 200;

/// Workloads of one lease at once. A server is one; what comes with it are helpers.
const WORKLOADS: usize = 8;

/// What was checked and noted: what to start, where it is noted, and its id.
type Begun = (StartSpec, Arc<Record>, String);

impl CallState {
    /// Checks a specification, fills in the secrets, and notes the workload in the ledger.
    pub(super) async fn begin(&mut self, spec: Spec) -> wasmtime::Result<Result<Begun, Failure>> {
        let (server, record) = match (&self.scope.server, &self.scope.record) {
            (Some(server), Some(record)) if self.scope.starts() => (Arc::clone(server), Arc::clone(record)),
            _ => {
                let text = format!("nothing is started in `{}`", self.scope.phase.as_str());
                return Ok(Err(self.scope.refuse(FailureCategory::Permission, text)));
            }
        };
        Ok(self.scope.checked(spec, &server, record).await)
    }
}

impl Scope {
    async fn checked(
        &self,
        spec: Spec,
        server: &Arc<ServerScope>,
        record: Arc<Record>,
    ) -> Result<Begun, Failure> {
        let permission = FailureCategory::Permission;
        // Without the grant the interface is not linked; this is for the reader.
        let Some(grant) = self.plugin.grants.embedded.clone() else {
            return Err(self.refuse(permission, "`embedded` is not granted"));
        };
        let component = match &server.component {
            Some(component) if component.reference == spec.component => component.clone(),
            _ => return Err(self.refuse(permission, "the component is not that of this call's server")),
        };
        let arguments = self.arguments(&spec.arguments)?;
        let generated = self.environment_fits(&spec.environment, &arguments, server)?;
        self.files_fit(&spec.files, server)?;
        let hosts = self.hosts(self.destinations(&spec.egress)?, server, &grant)?;
        let (memory_mib, cpu_millis) = self.ceilings(&spec.limits, &grant)?;
        let mounts = self.mounts(&spec.mounts, server, &grant).await?;
        let environment = self.environment(spec.environment, server).await?;
        let files = self.files(spec.files, server).await?;
        let files = files
            .into_iter()
            .map(|FileValue { path, content, mode }| FileSpec { guest: path, content, mode })
            .collect();

        if record.own(super::KIND).len() >= WORKLOADS {
            let text = format!("a server may be made of {WORKLOADS} components, and this one has so many");
            return Err(self.refuse(permission, text));
        }
        let Some(id) = new_id() else {
            return Err(self.refuse(FailureCategory::Retryable, "the system gives no random numbers"));
        };
        // *Invariant:* noted before it is created. It dies with this process, so it need not reach the disk.
        let object = own::object(&id);
        self.host.ledger.object(&record, object, false).map_err(|error| self.unwritten(&error))?;
        let closed = generated || server.has_secrets();
        self.host.workloads.add(&id, &self.plugin.name, server.spec.id.as_str(), closed);
        let engine = Arc::clone(&self.host.config.embedded);
        let loaded = match engine.load(component.source).await {
            Ok(loaded) => loaded,
            Err(error) => {
                self.unbegin(&record, &id);
                return Err(self.translated(&error));
            }
        };
        if loaded.digest().trim_start_matches("sha256:") != component.digest {
            self.unbegin(&record, &id);
            let text = "the component was changed while the server was being started";
            return Err(self.refuse(FailureCategory::Retryable, text));
        }
        let mut start = StartSpec::new(id.clone(), loaded);
        start.arguments = arguments;
        start.environment = environment;
        start.mounts = mounts;
        start.files = files;
        start.hosts = hosts;
        start.memory_mib = Some(memory_mib);
        start.cpu_millis = cpu_millis;
        Ok((start, record, id))
    }

    /// The engine lets nobody out to what was not named.
    fn destinations<'a>(&self, egress: &'a types::Egress) -> Result<&'a [types::Destination], Failure> {
        match egress {
            types::Egress::None => Ok(&[]),
            types::Egress::Only(destinations) => Ok(destinations),
            types::Egress::Unrestricted | types::Egress::Public | types::Egress::Other(_) => {
                let text = "the embedded engine lets a server out only to what is named";
                Err(self.refuse(FailureCategory::Unsupported, text))
            }
        }
    }

    fn hosts(
        &self,
        wanted: &[types::Destination],
        server: &ServerScope,
        grant: &EmbeddedGrant,
    ) -> Result<Vec<String>, Failure> {
        let mut hosts = Vec::with_capacity(wanted.len());
        for to in wanted {
            let shown = line(&to.host, SHOWN);
            let Some(port) = to.port else {
                let text = format!("destination `{shown}` needs a port in the embedded engine");
                return Err(self.refuse(FailureCategory::Unsupported, text));
            };
            if to.protocol == types::Protocol::Udp {
                let text = format!("destination `{shown}:{port}`: the embedded engine has no UDP");
                return Err(self.refuse(FailureCategory::Unsupported, text));
            }
            let own = match &server.spec.egress {
                // Nothing was named: only a grant of the operator's, looked at below, can say where.
                Egress::Unrestricted => grant.hosts.is_some(),
                Egress::None => false,
                Egress::Hosts(allowed) => allowed.iter().any(|written| {
                    let own = crate::v0_1::server::destination(written);
                    own.port == Some(port) && own.host.eq_ignore_ascii_case(&to.host)
                }),
            };
            if !own {
                let text = format!(
                    "destination `{shown}:{port}` is not one of server `{}`",
                    line(&server.spec.name, SHOWN)
                );
                let hint = "the entry's `allowHosts` says where a server may connect to";
                return Err(self.refuse_with(FailureCategory::Permission, text, hint));
            }
            if grant
                .hosts
                .as_ref()
                .is_some_and(|granted| !granted.iter().any(|g| g.covers(&to.host, Some(port))))
            {
                let plugin = &self.plugin.name;
                let text = format!("plugin `{plugin}` may not let servers out to `{shown}:{port}`");
                let hint = format!("if that is right, add it to `plugins.{plugin}.grants.embedded.hosts`");
                return Err(self.refuse_with(FailureCategory::Permission, text, hint));
            }
            let host = if to.host.contains(':') { format!("[{}]", to.host) } else { to.host.clone() };
            hosts.push(format!("{host}:{port}"));
        }
        Ok(hosts)
    }

    /// Memory and share of a processor. What was asked for is given or refused, never cut in silence.
    fn ceilings(&self, limits: &types::Limits, grant: &EmbeddedGrant) -> Result<(u32, Option<u32>), Failure> {
        let plugin = &self.plugin.name;
        for (asked, what) in [(limits.processes.is_some(), "processes"), (limits.disk.is_some(), "disk")] {
            if asked {
                let text = format!("the embedded engine has no limit of {what}");
                return Err(self.refuse(FailureCategory::Unsupported, text));
            }
        }
        let most = u32::try_from(grant.memory >> 20).unwrap_or(u32::MAX);
        let memory = match &limits.memory {
            None => DEFAULT_MEMORY_MIB.min(most),
            Some(amount) if amount.mib <= most => amount.mib,
            Some(amount) => {
                let text = format!(
                    "{} MiB of memory are more than the {most} MiB that plugin `{plugin}` may give",
                    amount.mib
                );
                let hint =
                    format!("raise `plugins.{plugin}.grants.embedded.memory`, or lower the server's limit");
                return Err(self.refuse_with(FailureCategory::Permission, text, hint));
            }
        };
        let cpu = match (limits.cpu_millis, grant.cpu_millis) {
            (Some(asked), Some(most)) if asked > most => {
                let text = format!(
                    "{asked} thousandths of a processor are more than the {most} that plugin `{plugin}` may give"
                );
                let hint =
                    format!("raise `plugins.{plugin}.grants.embedded.cpu`, or lower the server's limit");
                return Err(self.refuse_with(FailureCategory::Permission, text, hint));
            }
            (asked, most) => asked.or(most),
        };
        Ok((memory, cpu))
    }

    async fn mounts(
        &self,
        wanted: &[types::Mount],
        server: &ServerScope,
        grant: &EmbeddedGrant,
    ) -> Result<Vec<MountSpec>, Failure> {
        let mut mounts = Vec::with_capacity(wanted.len());
        for mount in wanted {
            let target = line(&mount.target, SHOWN);
            if let Some(option) = mount.options.first() {
                let text =
                    format!("the embedded engine does not know the mount option `{}`", line(option, SHOWN));
                return Err(self.refuse(FailureCategory::Unsupported, text));
            }
            let own = server.spec.mounts.iter().enumerate().find(|(at, own)| {
                matches!(&mount.source, types::MountSource::Folder(reference) if *reference == folder(*at))
                    && own.target == mount.target
            });
            let (path, own) = match own {
                Some((_, own)) => match &own.source {
                    MountSource::Folder(path) => (path.clone(), own),
                    MountSource::Volume(_) | MountSource::Empty => {
                        let text = format!("the mount at `{target}` is no folder");
                        return Err(self.refuse(FailureCategory::Unsupported, text));
                    }
                },
                None if !matches!(mount.source, types::MountSource::Folder(_)) => {
                    let text = format!("the embedded engine mounts folders only, and `{target}` is none");
                    return Err(self.refuse(FailureCategory::Unsupported, text));
                }
                None => {
                    let text = format!("the mount at `{target}` is not one of this call's server");
                    return Err(self.refuse(FailureCategory::Permission, text));
                }
            };
            let access = match mount.access {
                types::Access::ReadOnly => provisioner::Access::ReadOnly,
                types::Access::ReadWrite => provisioner::Access::ReadWrite,
            };
            if access > own.access {
                let text = format!("the server's entry allows only reading at `{target}`");
                return Err(self.refuse(FailureCategory::Permission, text));
            }
            let host = self.folder(path, access, own.by_operator, server, grant).await?;
            mounts.push(MountSpec {
                host,
                guest: mount.target.clone(),
                read_only: access == provisioner::Access::ReadOnly,
            });
        }
        Ok(mounts)
    }

    /// The folder without symbolic links, if it may be mounted: the operator's own file named it, or a grant covers it. The engine opens it
    /// without following any, so what was looked at here is what it opens.
    async fn folder(
        &self,
        path: PathBuf,
        access: provisioner::Access,
        by_operator: bool,
        server: &ServerScope,
        grant: &EmbeddedGrant,
    ) -> Result<PathBuf, Failure> {
        if by_operator {
            // It was put into its real form when the program was put together. A link that has come into it since is refused when the
            // folder is opened.
            return Ok(path);
        }
        let granted = grant.folders.clone();
        let asked = path.clone();
        let found = tokio::task::spawn_blocking(move || {
            let real = std::fs::canonicalize(&asked)?;
            let covers = |grant: &FolderGrant| real.starts_with(&grant.path) && access <= grant.access;
            let covered = granted.iter().any(covers);
            std::io::Result::Ok((real, covered))
        })
        .await;
        let shown = line(&path.display().to_string(), SHOWN);
        match found {
            Ok(Ok((real, true))) => Ok(real),
            Ok(Ok((real, false))) => {
                let real = line(&real.display().to_string(), SHOWN);
                let leads = if real == shown { String::new() } else { format!(" (which is `{real}`)") };
                let name = line(&server.spec.name, SHOWN);
                let kind = if access == provisioner::Access::ReadWrite { " for writing" } else { "" };
                let text = format!(
                    "server `{name}` asks for the folder `{shown}`{leads}{kind}, which no grant covers"
                );
                let plugin = &self.plugin.name;
                let hint = format!(
                    "if it may have it, add the folder to `plugins.{plugin}.grants.embedded.folders`"
                );
                Err(self.refuse_with(FailureCategory::Permission, text, hint))
            }
            Ok(Err(error)) => {
                let text = format!("the folder `{shown}` cannot be mounted: {error}");
                Err(self.refuse(FailureCategory::Config, text))
            }
            Err(_) => Err(self.refuse(FailureCategory::Retryable, "the gateway is ending")),
        }
    }
}

/// 128 random bits, so that nobody can name a workload who was not told.
fn new_id() -> Option<String> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).ok()?;
    Some(bits.iter().fold("w".to_owned(), |mut id, byte| {
        use std::fmt::Write as _;
        let _ = write!(id, "{byte:02x}");
        id
    }))
}
