//! What a plugin may start: the image of this call's server, with its environment, folders and networks, inside the grant.

mod folders;

use super::own::Begun;
use super::{CONTAINER, Docker, engine};
use crate::grants::DockerGrant;
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::bounds::{self, Bounded};
use crate::v0_1::imported::docker::{ContainerSpec, ImageRequest};
use crate::v0_1::server::folder;
use crate::v0_1::types::{self, Failure, FailureCategory, MountSource, Protocol, PullPolicy};
use crate::v0_1::values::FileValue;
use host_provisioner as provisioner;
use host_provisioner::{Egress, Unenforced, Workload};
use host_workload_docker::{MountSpec, PublishSpec, Reference, SecretBytes, SecretText};
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
            self.ports_fit(spec),
        ];
        for (at, mount) in spec.mounts.iter().enumerate() {
            found.push(self.mount_fits(at, mount, server, &grant).await.map(drop));
        }
        for network in &spec.networks {
            found.push(self.network_fits(network, Some(server)).await);
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

    /// The image is granted; one that gets secrets is the server's own, at the approved digest.
    async fn image_fits(
        &self,
        spec: &ContainerSpec,
        server: &ServerScope,
        grant: &DockerGrant,
        secrets: bool,
    ) -> Checked {
        let own = match &server.spec.workload {
            Workload::Image { reference, digest, .. } => Some((reference, digest)),
            Workload::Component { .. } | Workload::Bundled { .. } => None,
        };
        let is_own = match own {
            None => false,
            Some((reference, digest)) if spec.image.starts_with("sha256:") => {
                let request = engine::ImageRequest {
                    digest: digest.clone(),
                    pull: engine::PullPolicy::Never,
                    ..engine::ImageRequest::new(reference)
                };
                let found = self.docker()?.ensure_image(&request, |_| {}).await;
                found.is_ok_and(|image| image.id == spec.image || image.digest.as_ref() == Some(&spec.image))
            }
            Some((reference, digest)) => same_image(&spec.image, reference, digest.as_deref()),
        };
        if secrets && !is_own {
            let text = format!(
                "image `{}` may not get secrets of server `{}`: it is not the server's own",
                line(&spec.image, SHOWN),
                line(&server.spec.name, SHOWN)
            );
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        let written = own.filter(|_| is_own).map_or(spec.image.as_str(), |(reference, _)| reference.as_str());
        self.image_granted(written, grant)
    }

    fn image_granted(&self, image: &str, grant: &DockerGrant) -> Checked {
        if grant.images.iter().any(|pattern| pattern.matches(image)) {
            return Ok(());
        }
        let plugin = &self.plugin.name;
        let image = line(image, SHOWN);
        let text = format!("plugin `{plugin}` may not use image `{image}`");
        let hint =
            format!("if you trust it with that, add `{image}` to `plugins.{plugin}.grants.docker.images`");
        Err(self.refuse_with(FailureCategory::Permission, text, hint))
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

    /// Ports are chosen by the engine: a plugin could otherwise stand in another program's place.
    fn ports_fit(&self, spec: &ContainerSpec) -> Checked {
        for port in &spec.publish {
            if let Some(host_port) = port.host_port {
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

    /// A network of this lease, one that is granted, or one of the gateway's own container if that is granted.
    pub(super) async fn network_fits(&self, network: &str, _server: Option<&ServerScope>) -> Checked {
        let Some(grant) = &self.plugin.grants.docker else {
            return Err(self.refuse(FailureCategory::Permission, "`docker` is not granted"));
        };
        let reserved = matches!(network, "host" | "none" | "default") || network.contains(':');
        if !reserved {
            if self.is_of_lease(network).await?
                || grant.networks.iter().any(|pattern| pattern.matches(network))
            {
                return Ok(());
            }
            if grant.own_networks && self.engine_info().await?.own_networks.iter().any(|own| own == network) {
                return Ok(());
            }
        }
        let plugin = &self.plugin.name;
        let shown = line(network, SHOWN);
        let text = format!("plugin `{plugin}` may not let a container join network `{shown}`");
        if reserved {
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        let hint = format!("if that is right, add `{shown}` to `plugins.{plugin}.grants.docker.networks`");
        Err(self.refuse_with(FailureCategory::Permission, text, hint))
    }

    /// A container of this lease that carries no secrets: by a link, one container sees the variables of the other.
    async fn link_fits(&self, link: &str) -> Checked {
        let name = link.split(':').next().unwrap_or(link);
        let info = self.own(name).await?.ok_or_else(|| self.not_there(name))?;
        if self.host.containers.is_closed(&info.id) {
            let text =
                format!("container `{}` carries secrets, and a link would show them", line(name, SHOWN));
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        Ok(())
    }

    /// A server whose way out is limited has none but internal networks of its own lease, unless the operator accepts that it is not limited.
    async fn way_out_fits(&self, spec: &ContainerSpec, server: &ServerScope) -> Checked {
        let limited = match &server.spec.egress {
            Egress::Unrestricted => return Ok(()),
            Egress::None => "nothing",
            Egress::Hosts(_) => "what its entry names",
        };
        if spec.no_network && spec.networks.is_empty() {
            return Ok(());
        }
        if server.spec.unenforced == Unenforced::Report && matches!(server.spec.egress, Egress::Hosts(_)) {
            return Ok(());
        }
        let mut internal = !spec.networks.is_empty();
        for network in &spec.networks {
            let own = self.own_network(network).await.ok().flatten();
            internal &= own.is_some_and(|network| network.internal);
        }
        if internal {
            return Ok(());
        }
        let text = format!(
            "server `{}` may reach {limited}, and this container could reach more",
            line(&server.spec.name, SHOWN)
        );
        Err(self.refuse(FailureCategory::Permission, text))
    }

    /// A container that carries secrets is the entry's own, unchanged: a stranger's word in it could send them elsewhere.
    fn closed_fits(&self, spec: &ContainerSpec, server: &ServerScope) -> Checked {
        let own = &server.spec;
        let foreign = |list: &[String], known: &[String]| list.iter().any(|item| !known.contains(item));
        let what = if spec.entrypoint.is_some() {
            "another entry point"
        } else if spec.working_directory.is_some() {
            "another working directory"
        } else if spec.user != own.user {
            "another user than its entry's"
        } else if !spec.dns.is_empty() {
            "DNS servers of a plugin's choice"
        } else if !spec.links.is_empty() {
            "links of a plugin's choice"
        } else if foreign(&spec.extra_hosts, &own.extra_hosts) {
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
        _at: usize,
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
            provisioner::MountSource::Volume(name) => engine::MountSource::Volume(name.clone()),
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
        for (at, mount) in spec.mounts.iter().enumerate() {
            wanted.mounts.push(self.mount_fits(at, mount, server, &grant).await?);
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
                host_port: None,
            })
            .collect();
        wanted.stop_signal = spec.stop_signal;
        wanted.labels = labels;
        wanted.options = spec.options;
        wanted.stdin = stdin;
        Ok(wanted)
    }

    /// A request for an image that is granted, with credentials that the host fills in.
    pub(super) fn image_request(&self, image: ImageRequest) -> Result<engine::ImageRequest, Failure> {
        let Some(grant) = &self.plugin.grants.docker else {
            return Err(self.refuse(FailureCategory::Permission, "`docker` is not granted"));
        };
        self.image_granted(&image.reference, grant)?;
        if image.login.is_some() {
            let text = "this gateway logs in to registries with the machine's own credentials only";
            let hint = "log in with `docker login`";
            return Err(self.refuse_with(FailureCategory::Unsupported, text, hint));
        }
        Ok(engine::ImageRequest {
            reference: image.reference,
            digest: image.digest,
            platform: image.platform,
            pull: match image.pull {
                PullPolicy::Never => engine::PullPolicy::Never,
                PullPolicy::Missing => engine::PullPolicy::Missing,
                PullPolicy::Always => engine::PullPolicy::Always,
            },
            login: None,
        })
    }
}

/// Whether anything in it is secret.
fn carries(spec: &ContainerSpec) -> bool {
    let values = spec.environment.iter().map(|variable| &variable.value);
    let mut values = values.chain(spec.files.iter().map(|file| &file.content));
    values.any(|value| value.iter().any(|part| matches!(part, types::Part::Secret(_))))
}

/// Whether `asked` is the server's image: the same name, and the approved digest if there is one, else the same tag or digest.
fn same_image(asked: &str, own: &str, digest: Option<&str>) -> bool {
    // `name:tag@digest` is how a tag and its approved digest are written together.
    let (Ok(asked), Ok(own)) = (asked.parse::<Reference>(), own.parse::<Reference>()) else { return false };
    let approved = digest.or(own.digest());
    asked.name() == own.name()
        && match approved {
            Some(digest) => asked.digest() == Some(digest),
            None => asked.digest().is_none() && asked.tag() == own.tag(),
        }
}

impl Bounded for ImageRequest {
    fn bounded(&self) -> Result<(), crate::limits::Met> {
        self.reference.bounded()?;
        self.digest.bounded()?;
        self.platform.bounded()
    }
}

impl Bounded for ContainerSpec {
    fn bounded(&self) -> Result<(), crate::limits::Met> {
        for text in [&self.name, &self.image] {
            text.bounded()?;
        }
        for texts in [
            &self.arguments,
            &self.networks,
            &self.network_aliases,
            &self.links,
            &self.dns,
            &self.extra_hosts,
            &self.capabilities_add,
            &self.capabilities_drop,
            &self.tmpfs,
        ] {
            texts.bounded()?;
        }
        self.entrypoint.bounded()?;
        for text in [&self.working_directory, &self.user, &self.stop_signal] {
            text.bounded()?;
        }
        self.labels.bounded()?;
        self.options.bounded()?;
        bounds::list(&self.publish)?;
        bounds::list(&self.environment)?;
        for variable in &self.environment {
            variable.name.bounded()?;
            variable.value.bounded()?;
        }
        bounds::list(&self.files)?;
        for file in &self.files {
            file.path.bounded()?;
            file.content.bounded()?;
        }
        bounds::list(&self.mounts)?;
        for mount in &self.mounts {
            mount.target.bounded()?;
            mount.options.bounded()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::same_image;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn another_tag_or_digest_is_another_image() {
        let pinned = |image: &str| format!("{image}@{A}");
        for (asked, own, digest, same) in [
            ("acme/notes:2", "acme/notes:2", None, true),
            ("docker.io/acme/notes:2", "acme/notes:2", None, true),
            ("acme/notes", "acme/notes:latest", None, true),
            ("acme/notes:3", "acme/notes:2", None, false),
            ("evil/notes:2", "acme/notes:2", None, false),
            (&pinned("acme/notes:2"), "acme/notes:2", Some(A), true),
            (&pinned("acme/notes"), "acme/notes:2", Some(A), true),
            (&pinned("acme/notes"), "acme/notes:2", Some(B), false),
            ("acme/notes:2", "acme/notes:2", Some(A), false),
            (&pinned("acme/notes"), "acme/notes:2", None, false),
            (&pinned("acme/notes"), &pinned("acme/notes:2"), None, true),
            ("a b", "a b", None, false),
        ] {
            assert_eq!(same_image(asked, own, digest), same, "{asked} {own} {digest:?}");
        }
    }
}
