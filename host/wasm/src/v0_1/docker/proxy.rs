//! Egress proxies: the only way out of the network of one server (`wit/v0.1/docker.wit`, `start-egress-proxy`). The program is ours
//! (`host/egress`), its image is made in memory and loaded into the engine. What is let through is decided in `plan`.
//!
//! *Invariant:* network and proxies are in the ledger before they are made, like everything else of the lease.
//!
//! *Invariant:* a proxy whose standard input has ended ends. So one whose gateway was killed is gone, and its server reaches nothing.

mod guard;
mod plan;

use super::own::Begun;
use super::{Answer, CONTAINER, Docker, engine};
use crate::ledger::Record;
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::bounds::Bounded;
use crate::v0_1::imported::docker::{EgressProxy, NetworkSpec, ProxySpec};
use crate::v0_1::types::{Egress, Failure, FailureCategory, Label};
use host_workload_docker::{Attached, ErrorKind, ProgramImage, PublishSpec};
use plan::{Instance, Plan};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// Where the image of the proxy is on an engine.
const REPOSITORY: &str = "gateway-egress";
/// The image's label, by which it can be found and removed by hand.
const IMAGE: (&str, &str) = ("gateway-image", "egress");
/// Time for a proxy to say that it listens.
const BEGINS: Duration = Duration::from_secs(20);
/// Memory and threads of a proxy.
const MEMORY: u64 = 64 << 20;
const THREADS: u32 = 1024;
/// Networks from which the world is reached, the first that there is: Docker's, Podman's.
const OUTSIDE: [&str; 2] = ["bridge", "podman"];

/// The program of the egress proxy.
#[derive(Debug, Clone)]
pub struct EgressProgram {
    /// A static executable for Linux.
    pub bytes: bytes::Bytes,
    /// What it was built for: `x86_64`, `aarch64`.
    pub architecture: String,
}

impl Docker<'_> {
    /// What `start-egress-proxy` would create.
    pub(super) fn plan_proxy(&self, spec: &ProxySpec) -> Result<EgressProxy, Failure> {
        let server = self.server.as_deref().ok_or_else(|| self.not_in_this_phase("planned"))?;
        self.program()?;
        let plan = self.proxy_planned(spec, server)?;
        self.told.planned(&plan.proxy);
        Ok(plan.proxy)
    }

    fn program(&self) -> Result<&EgressProgram, Failure> {
        self.host.egress.get().ok_or_else(|| {
            let text = "this gateway was built without its egress proxy";
            let hint = "build it where the compiler has the target `x86_64-unknown-linux-musl`, or accept it with `onUnenforced: report`";
            self.refuse_with(FailureCategory::Unsupported, text, hint)
        })
    }

    pub(super) async fn start_proxy(&self, spec: ProxySpec) -> Answer<EgressProxy> {
        let (server, record) = match (&self.server, &self.record) {
            (Some(server), Some(record)) if self.starts() => (Arc::clone(server), Arc::clone(record)),
            _ => return Ok(Err(self.not_in_this_phase("started"))),
        };
        let mut plan = match self.proxy_planned(&spec, &server) {
            Ok(plan) => plan,
            Err(failure) => return Ok(Err(failure)),
        };
        let (image, outside) = match self.surroundings().await {
            Ok(found) => found,
            Err(failure) => return Ok(Err(failure)),
        };
        let network = NetworkSpec { name: plan.network.clone(), internal: true, labels: Vec::new() };
        if let Err(failure) = self.create_network(network).await? {
            return Ok(Err(failure));
        }
        for instance in std::mem::take(&mut plan.instances) {
            // *Invariant:* noted before it is created.
            if let Err(failure) = self.note(&record, CONTAINER, &instance.name).await? {
                return Ok(Err(failure));
            }
            let started = self.instance(&plan, &instance, &image, &outside, &record, &server).await;
            match started {
                Ok(inside) if instance.main => plan.proxy.dns = vec![inside.to_string()],
                Ok(_) => {}
                Err(failure) => return Ok(Err(failure)),
            }
        }
        self.told.started(&plan.proxy);
        Ok(Ok(plan.proxy))
    }

    /// The image, and the networks from which the world is reached.
    async fn surroundings(&self) -> Result<(String, Vec<String>), Failure> {
        let (engine, program) = (self.docker()?, self.program()?);
        let image = ProgramImage {
            repository: REPOSITORY.to_owned(),
            program: program.bytes.clone(),
            architecture: program.architecture.clone(),
            labels: vec![(IMAGE.0.to_owned(), IMAGE.1.to_owned())],
        };
        let failed = |error| self.of_engine(&error);
        let image = engine.ensure_program(&image).await.map_err(failed)?;
        let mut outside = Vec::new();
        for name in OUTSIDE {
            if outside.is_empty() && engine.network(name).await.map_err(failed)?.is_some() {
                outside.push(name.to_owned());
            }
        }
        // Neighbours of the gateway's own container are reached as the gateway reaches them, where the operator allows servers to.
        if self.plugin.grants.docker.as_ref().is_some_and(|grant| grant.own_networks) {
            let own = engine.own_networks().await.map_err(failed)?;
            let own = own.into_iter().filter(|name| !matches!(name.as_str(), "host" | "none"));
            outside.extend(own.filter(|name| !OUTSIDE.contains(&name.as_str())));
        }
        if outside.is_empty() {
            let text = format!("the engine has no network `{}`", OUTSIDE.join("` or `"));
            return Err(self.refuse(FailureCategory::Unsupported, text));
        }
        Ok((image, outside))
    }

    /// Starts one proxy, tells it what to do, and waits until it listens. Its address in the server's network.
    async fn instance(
        &self,
        plan: &Plan,
        instance: &Instance,
        image: &str,
        outside: &[String],
        record: &Arc<Record>,
        server: &ServerScope,
    ) -> Result<IpAddr, Failure> {
        let engine = Arc::clone(self.docker()?);
        let mut wanted = self.wanted(plan, instance, image, outside, record);
        // It looks names up for the server, so it knows what the entry says of them.
        wanted.extra_hosts.clone_from(&server.spec.extra_hosts);
        let begun = Begun {
            name: wanted.name.clone(),
            image: wanted.image.clone(),
            plugin: self.plugin.name.clone(),
            server: server.spec.id.as_str().to_owned(),
            closed: false,
            labels: wanted.labels.clone(),
        };
        let mut attached = engine.start_attached(&wanted).await;
        let taken = attached.as_ref().is_err_and(|error| error.kind == ErrorKind::Conflict);
        // Of the same request: its streams are lost, and with them its settings.
        if taken && self.is_own(&wanted.name).await {
            engine.remove(&wanted.name).await.map_err(|error| self.of_engine(&error))?;
            attached = engine.start_attached(&wanted).await;
        }
        let attached = attached.map_err(|error| self.of_engine(&error))?;
        let found = engine.inspect(&attached.container).await.map_err(|error| self.of_engine(&error))?;
        let addresses: Vec<(String, IpAddr)> = found
            .iter()
            .flat_map(|info| &info.networks)
            .filter_map(|(name, address)| Some((name.clone(), address.parse().ok()?)))
            .collect();
        let Some((_, inside)) = addresses.iter().find(|(name, _)| *name == plan.network) else {
            let text = format!("start egress proxy `{}`: it has no address in its network", instance.name);
            return Err(self.refuse(FailureCategory::Permanent, text));
        };
        let beyond = addresses.iter().filter(|(name, _)| *name != plan.network).map(|(_, address)| address);
        let settings = instance.settings(*inside, beyond);
        let id = attached.container.clone();
        let watched = attached.watched.clone();
        let begins = tokio::time::timeout(BEGINS, begin(attached, &settings)).await;
        let (attached, said) = match begins {
            Ok(Ok(begun)) => begun,
            Ok(Err(error)) => return Err(self.no_start(&instance.name, &error.to_string())),
            Err(_) => return Err(self.no_start(&instance.name, "it does not say that it listens")),
        };
        if said != "listening" {
            return Err(self.no_start(&instance.name, &said));
        }
        let tail = guard::follow(&server.spec.name, attached);
        let expected = self.host.containers.add(&id, begun, watched.clone(), tail);
        guard::watch(self, server, &instance.name, &record.begin.request, watched, expected);
        Ok(*inside)
    }

    fn no_start(&self, name: &str, why: &str) -> Failure {
        let text = format!("start egress proxy `{}`: {}", line(name, 100), line(why, 300));
        self.refuse(FailureCategory::Permanent, text)
    }

    /// It reads nothing, writes nothing, and may do nothing but open ports and connections.
    fn wanted(
        &self,
        plan: &Plan,
        instance: &Instance,
        image: &str,
        outside: &[String],
        record: &Record,
    ) -> engine::ContainerSpec {
        let mut wanted = engine::ContainerSpec::new(&instance.name, image);
        wanted.networks = std::iter::once(&plan.network).chain(outside).cloned().collect();
        wanted.capabilities_drop = vec!["ALL".to_owned()];
        // Ports below 1024 are those of names and of most rules.
        wanted.capabilities_add = vec!["NET_BIND_SERVICE".to_owned()];
        wanted.read_only_root = true;
        wanted.no_new_privileges = true;
        wanted.memory = Some(MEMORY);
        wanted.processes = Some(THREADS);
        wanted.stdin = true;
        let ingress = plan.ingress.iter().filter(|_| instance.main);
        wanted.publish =
            ingress.map(|port| PublishSpec { container_port: *port, udp: false, host_port: None }).collect();
        // Those of the original (`docker-mcp-gateway.md` 13.3), so that its tools find them.
        let label = |key: &str, value: &str| Label { key: key.to_owned(), value: value.to_owned() };
        let kind = if instance.main { "l7" } else { "l4" };
        let own = vec![
            label("docker-mcp", "true"),
            label("docker-mcp-proxy", "true"),
            label("docker-mcp-proxy-type", kind),
        ];
        wanted.labels = self.labelled(record, own);
        wanted
    }

    async fn is_own(&self, container: &str) -> bool {
        matches!(self.own(container).await, Ok(Some(_)))
    }
}

/// Hands the settings over; what the program answers, and its streams for as long as it shall run.
async fn begin(attached: Attached, settings: &str) -> std::io::Result<(Attached, String)> {
    let Attached { container, mut stdin, stdout, stderr, watched } = attached;
    stdin.write_all(settings.as_bytes()).await?;
    stdin.flush().await?;
    let mut lines = BufReader::new(stdout);
    let mut said = String::new();
    (&mut lines).take(1000).read_line(&mut said).await?;
    if said.is_empty() {
        return Err(std::io::Error::other("it has ended"));
    }
    // It says nothing else on this stream.
    let stdout = lines.into_inner();
    Ok((Attached { container, stdin, stdout, stderr, watched }, said.trim_end().to_owned()))
}

impl Bounded for ProxySpec {
    fn bounded(&self) -> Result<(), crate::limits::Met> {
        self.name.bounded()?;
        self.server_alias.bounded()?;
        crate::v0_1::bounds::list(&self.ingress)?;
        match &self.egress {
            Egress::Only(destinations) => {
                crate::v0_1::bounds::list(destinations)?;
                destinations.iter().try_for_each(|destination| {
                    destination.host.bounded()?;
                    destination.written.bounded()
                })
            }
            Egress::Other(json) => json.bounded(),
            Egress::Unrestricted | Egress::Public | Egress::None => Ok(()),
        }
    }
}
