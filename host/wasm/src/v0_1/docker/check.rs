//! What a plugin may start: the image of this call's server, with its environment, folders and networks, inside the grant.

mod folders;
mod images;
mod lengths;
mod networks;
mod sockets;

use super::own::Begun;
use super::{CONTAINER, Docker, engine};
use crate::grants::DockerGrant;
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::imported::docker::{ContainerSpec, EgressProxy};
use crate::v0_1::server::folder;
use crate::v0_1::types::{self, Failure, FailureCategory, MountSource, Protocol};
use crate::v0_1::values::FileValue;
use host_provisioner as provisioner;
use host_workload_docker::{MountSpec, PublishSpec, SecretBytes, SecretText};
use std::sync::Arc;

/// Bytes of a name in a refusal.
const SHOWN: usize = 200;

/// Options of `docker run` that change nothing outside the container. The others need the right to run privileged.
const HARMLESS: [&str; 8] = [
    "cpu-shares",
    "cpuset-cpus",
    "domainname",
    "hostname",
    "memory-reservation",
    "memory-swap",
    "shm-size",
    "stop-timeout",
];

type Checked = Result<(), Failure>;

impl Docker<'_> {
    /// Checks a specification, notes the container in the ledger, and fills in the secrets.
    pub(super) async fn begin_container(
        &self,
        spec: ContainerSpec,
        stdin: bool,
    ) -> wasmtime::Result<Result<(engine::ContainerSpec, Begun), Failure>> {
        let (server, record) = match (&self.server, &self.record) {
            (Some(server), Some(record)) if self.starts() => (Arc::clone(server), Arc::clone(record)),
            _ => return Ok(Err(self.not_in_this_phase("started"))),
        };
        match self.problems(&spec, &server).await {
            Err(failure) => return Ok(Err(failure)),
            Ok(problems) => {
                if let Some(first) = problems.into_iter().next() {
                    return Ok(Err(first));
                }
            }
        }
        // *Invariant:* noted before it is created.
        if let Err(failure) = self.note(&record, CONTAINER, &spec.name).await? {
            return Ok(Err(failure));
        }
        let labels = self.labelled(&record, spec.labels.clone());
        let begun = Begun {
            name: spec.name.clone(),
            image: spec.image.clone(),
            plugin: self.plugin.name.clone(),
            server: server.spec.id.as_str().to_owned(),
            closed: carries(&spec) || server.has_secrets(),
            labels: labels.clone(),
        };
        Ok(self.filled_in(spec, &server, labels, stdin).await.map(|wanted| (wanted, begun)))
    }

    /// Everything that speaks against a specification. Creates nothing.
    pub(super) async fn problems(
        &self,
        spec: &ContainerSpec,
        server: &ServerScope,
    ) -> Result<Vec<Failure>, Failure> {
        // Without the grant the interface is not linked; this is for the reader.
        let Some(grant) = self.plugin.grants.docker.clone() else {
            return Err(self.refuse(FailureCategory::Permission, "`docker` is not granted"));
        };
        let secrets = carries(spec);
        let mut found: Vec<Checked> = vec![
            self.image_fits(spec, server, &grant, secrets).await,
            self.environment_fits(&spec.environment, &spec.arguments, server).map(drop),
            self.files_fit(&spec.files, server),
            self.rights_fit(spec, &grant),
            self.options_fit(spec, &grant),
            self.ports_fit(spec, server),
        ];
        for mount in &spec.mounts {
            found.push(self.mount_fits(mount, server, &grant).await.map(drop));
        }
        for network in &spec.networks {
            found.push(self.network_fits(network).await);
        }
        for link in &spec.links {
            found.push(self.link_fits(link).await);
        }
        found.push(self.way_out_fits(spec, server).await);
        if secrets {
            found.push(self.closed_fits(spec, server));
        }
        Ok(found.into_iter().filter_map(Result::err).collect())
    }

    /// Nothing that reaches beyond the container.
    fn rights_fit(&self, spec: &ContainerSpec, grant: &DockerGrant) -> Checked {
        if grant.privileged {
            return Ok(());
        }
        let what = if spec.privileged {
            "run a container privileged".to_owned()
        } else if let Some(capability) = spec.capabilities_add.first() {
            format!("give a container the capability `{}`", line(capability, SHOWN))
        } else {
            return Ok(());
        };
        let plugin = &self.plugin.name;
        let text = format!("plugin `{plugin}` may not {what}");
        let hint =
            format!("if you trust it with that, set `plugins.{plugin}.grants.docker.privileged: true`");
        Err(self.refuse_with(FailureCategory::Permission, text, hint))
    }

    fn options_fit(&self, spec: &ContainerSpec, grant: &DockerGrant) -> Checked {
        for (name, _) in &spec.options {
            if !engine::ContainerSpec::OPTIONS.contains(&name.as_str()) {
                let text = format!("this gateway does not know the option `{}`", line(name, SHOWN));
                return Err(self.refuse(FailureCategory::Unsupported, text));
            }
            if !HARMLESS.contains(&name.as_str()) && !grant.privileged {
                let plugin = &self.plugin.name;
                let text = format!("plugin `{plugin}` may not use the option `{name}`");
                let hint = format!(
                    "if you trust it with that, set `plugins.{plugin}.grants.docker.privileged: true`"
                );
                return Err(self.refuse_with(FailureCategory::Permission, text, hint));
            }
        }
        Ok(())
    }

    /// Ports are chosen by the engine, or by the operator: a plugin could otherwise stand in another program's place.
    fn ports_fit(&self, spec: &ContainerSpec, server: &ServerScope) -> Checked {
        for port in &spec.publish {
            let own = |own: &provisioner::Port| {
                (own.container_port, own.host_port) == (port.container_port, port.host_port)
            };
            if let Some(host_port) = port.host_port.filter(|_| !server.spec.ports.iter().any(own)) {
                let text = format!("port {host_port} of this machine is not one of the server's entry");
                return Err(self.refuse(FailureCategory::Permission, text));
            }
            if !matches!(
                port.protocol,
                Protocol::Any | Protocol::Tcp | Protocol::Udp | Protocol::Http | Protocol::Https
            ) {
                let text = format!("port {}: its protocol is not known here", port.container_port);
                return Err(self.refuse(FailureCategory::Unsupported, text));
            }
        }
        Ok(())
    }

    /// A container that carries secrets is the entry's own, unchanged: a stranger's word in it could send them elsewhere.
    fn closed_fits(&self, spec: &ContainerSpec, server: &ServerScope) -> Checked {
        let own = &server.spec;
        let proxies = self.told.proxies(self.starts());
        let foreign = |list: &[String], known: &[String], of_proxy: fn(&EgressProxy) -> &Vec<String>| {
            let known =
                |item| known.contains(item) || proxies.iter().any(|proxy| of_proxy(proxy).contains(item));
            list.iter().any(|item| !known(item))
        };
        let what = if spec.entrypoint.is_some() {
            "another entry point"
        } else if spec.working_directory.is_some() {
            "another working directory"
        } else if spec.user != own.user {
            "another user than its entry's"
        } else if foreign(&spec.dns, &[], |proxy| &proxy.dns) {
            "DNS servers of a plugin's choice"
        } else if foreign(&spec.links, &[], |proxy| &proxy.links) {
            "links of a plugin's choice"
        } else if foreign(&spec.extra_hosts, &own.extra_hosts, |proxy| &proxy.extra_hosts) {
            "extra hosts that are not its entry's"
        } else {
            return Ok(());
        };
        let text = format!("a container that carries secrets cannot have {what}");
        Err(self.refuse(FailureCategory::Permission, text))
    }

    /// The mount, if it is one of the server's with the same or less access, and its folder is granted.
    async fn mount_fits(
        &self,
        mount: &types::Mount,
        server: &ServerScope,
        grant: &DockerGrant,
    ) -> Result<MountSpec, Failure> {
        let target = line(&mount.target, SHOWN);
        let own = server.spec.mounts.iter().enumerate().find(|(at, own)| {
            let source = match (&mount.source, &own.source) {
                (MountSource::Folder(reference), provisioner::MountSource::Folder(_)) => {
                    *reference == folder(*at)
                }
                (MountSource::Volume(name), provisioner::MountSource::Volume(own)) => name == own,
                (MountSource::Empty(_), provisioner::MountSource::Empty) => true,
                _ => false,
            };
            source && own.target == mount.target
        });
        let Some((_, own)) = own else {
            let text = format!("the mount at `{target}` is not one of this call's server");
            return Err(self.refuse(FailureCategory::Permission, text));
        };
        let access = match mount.access {
            types::Access::ReadOnly => provisioner::Access::ReadOnly,
            types::Access::ReadWrite => provisioner::Access::ReadWrite,
        };
        if access > own.access {
            let text = format!("the server's entry allows only reading at `{target}`");
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        let source = match &own.source {
            provisioner::MountSource::Folder(path) => {
                let path = self.bind(path.clone(), access, own.by_operator, server, grant).await?;
                engine::MountSource::Folder(path)
            }
            provisioner::MountSource::Volume(name) => {
                engine::MountSource::Volume(self.volume(name, own.by_operator, server).await?)
            }
            provisioner::MountSource::Empty => match &mount.source {
                MountSource::Empty(Some(mib)) => engine::MountSource::Memory(Some(u64::from(*mib) << 20)),
                _ => engine::MountSource::Anonymous,
            },
        };
        // Propagation would carry what is mounted inside out of the container.
        let known = ["z", "Z", "nocopy", "ro", "rw"];
        if let Some(option) = mount.options.iter().find(|option| !known.contains(&option.as_str())) {
            let text = format!("this gateway does not know the mount option `{}`", line(option, SHOWN));
            return Err(self.refuse(FailureCategory::Unsupported, text));
        }
        Ok(MountSpec {
            source,
            target: mount.target.clone(),
            read_only: access == provisioner::Access::ReadOnly,
            options: mount.options.clone(),
        })
    }

    /// What the engine is asked, with the secrets in it. Nothing of it goes back to the plugin.
    async fn filled_in(
        &self,
        spec: ContainerSpec,
        server: &Arc<ServerScope>,
        labels: Vec<(String, String)>,
        stdin: bool,
    ) -> Result<engine::ContainerSpec, Failure> {
        let grant = self.plugin.grants.docker.clone().unwrap_or_default();
        let mut wanted = engine::ContainerSpec::new(spec.name, spec.image);
        for mount in &spec.mounts {
            wanted.mounts.push(self.mount_fits(mount, server, &grant).await?);
        }
        let values = self.environment(spec.environment, server).await?;
        wanted.environment =
            values.into_iter().map(|(name, value)| (name, SecretText::new(value.as_str()))).collect();
        let files = self.files(spec.files, server).await?;
        wanted.files = files
            .into_iter()
            .map(|FileValue { path, content, mode }| engine::FileSpec {
                path,
                content: SecretBytes::new(content.as_slice()),
                mode,
            })
            .collect();
        wanted.arguments = spec.arguments;
        wanted.entrypoint = spec.entrypoint;
        wanted.working_directory = spec.working_directory;
        wanted.networks = spec.networks;
        wanted.no_network = spec.no_network;
        wanted.network_aliases = spec.network_aliases;
        wanted.links = spec.links;
        wanted.dns = spec.dns;
        wanted.extra_hosts = spec.extra_hosts;
        wanted.user = spec.user;
        wanted.memory = spec.limits.memory.map(|amount| u64::from(amount.mib) << 20);
        wanted.cpu_millis = spec.limits.cpu_millis;
        wanted.processes = spec.limits.processes;
        wanted.disk = spec.limits.disk.map(|amount| u64::from(amount.mib) << 20);
        wanted.init = spec.init;
        wanted.no_new_privileges = spec.no_new_privileges;
        wanted.privileged = spec.privileged;
        wanted.capabilities_add = spec.capabilities_add;
        wanted.capabilities_drop = spec.capabilities_drop;
        wanted.read_only_root = spec.read_only_root;
        wanted.tmpfs = spec.tmpfs;
        wanted.publish = spec
            .publish
            .iter()
            .map(|port| PublishSpec {
                container_port: port.container_port,
                udp: port.protocol == Protocol::Udp,
                host_port: port.host_port,
            })
            .collect();
        wanted.stop_signal = spec.stop_signal;
        wanted.labels = labels;
        wanted.options = spec.options;
        wanted.stdin = stdin;
        Ok(wanted)
    }
}

/// Whether anything in it is secret.
fn carries(spec: &ContainerSpec) -> bool {
    let values = spec.environment.iter().map(|variable| &variable.value);
    let mut values = values.chain(spec.files.iter().map(|file| &file.content));
    values.any(|value| value.iter().any(|part| matches!(part, types::Part::Secret(_))))
}
