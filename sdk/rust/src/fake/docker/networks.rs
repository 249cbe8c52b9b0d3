//! Networks of the fake engine, and the egress proxies on them.

use super::{Container, container_object};
use crate::docker::{ContainerSpec, EgressProxy, NetworkInfo, NetworkPage, NetworkSpec, ProxySpec};
use crate::fake::FakeHost;
use crate::fake::samples::paged;
use crate::fake::world::World;
use crate::types::{Egress, Label, ObjectRef, Page, Port, Protocol};
use crate::{Error, Result};

pub(super) fn network_object(name: &str) -> ObjectRef {
    ObjectRef::new("network", "", name)
}

impl World {
    fn proxy(spec: &ProxySpec) -> Result<EgressProxy> {
        let name = &spec.name;
        let (inside, outside) = (format!("{name}-inside"), format!("{name}-outside"));
        let hosts: Vec<_> = match &spec.egress {
            Egress::Only(destinations) => destinations.iter().map(|d| d.host.as_str()).collect(),
            Egress::Public => vec!["*"],
            Egress::None => Vec::new(),
            Egress::Unrestricted | Egress::Other(_) => {
                return Err(Error::unsupported(format!(
                    "start egress proxy `{name}`: it would limit nothing"
                )));
            }
        };
        Ok(EgressProxy {
            container: name.clone(),
            objects: vec![network_object(&inside), network_object(&outside), container_object(name)],
            networks: vec![inside],
            links: vec![name.clone()],
            dns: Vec::new(),
            extra_hosts: Vec::new(),
            environment: vec![("https_proxy".to_owned(), format!("http://{name}:8080?{}", hosts.join(",")))],
        })
    }
}

impl FakeHost {
    pub(crate) fn docker_networks(&self, labels: &[Label], page: &Page) -> Result<NetworkPage> {
        self.call("docker.networks".to_owned(), |world| {
            let chosen = world.docker.networks.values();
            let chosen = chosen.filter(|spec| labels.iter().all(|label| spec.labels.contains(label)));
            let all = chosen.map(|spec| NetworkInfo {
                id: spec.name.clone(),
                name: spec.name.clone(),
                labels: spec.labels.clone(),
                containers: 0,
                age_seconds: 0,
            });
            let (networks, cursor) = paged(all.collect(), page)?;
            Ok(NetworkPage { networks, cursor })
        })
    }

    pub(crate) fn docker_create_network(&self, spec: &NetworkSpec) -> Result<String> {
        self.call(format!("docker.create-network {}", spec.name), |world| {
            world.record(network_object(&spec.name));
            let mut made = spec.clone();
            made.labels.extend(world.context.labels.iter().cloned());
            world.docker.networks.insert(spec.name.clone(), made);
            Ok(spec.name.clone())
        })
    }

    pub(crate) fn docker_connect_network(
        &self,
        network: &str,
        container: &str,
        _aliases: &[String],
    ) -> Result<()> {
        self.call(format!("docker.connect-network {network} {container}"), |world| {
            if !world.docker.networks.contains_key(network) || world.docker.find(container).is_none() {
                return Err(Error::not_found(format!(
                    "connect container `{container}` with network `{network}`"
                )));
            }
            Ok(())
        })
    }

    pub(crate) fn docker_remove_network(&self, network: &str) -> Result<()> {
        self.call(format!("docker.remove-network {network}"), |world| {
            world.docker.networks.remove(network);
            world.forget(&network_object(network));
            Ok(())
        })
    }

    pub(crate) fn docker_plan_egress_proxy(&self, spec: &ProxySpec) -> Result<EgressProxy> {
        self.call(format!("docker.plan-egress-proxy {}", spec.name), |_| World::proxy(spec))
    }

    pub(crate) fn docker_start_egress_proxy(&self, asked: &ProxySpec) -> Result<EgressProxy> {
        let name = asked.name.as_str();
        self.call(format!("docker.start-egress-proxy {name}"), |world| {
            let proxy = World::proxy(asked)?;
            for object in &proxy.objects {
                world.record(object.clone());
            }
            for (network, internal) in [(format!("{name}-inside"), true), (format!("{name}-outside"), false)]
            {
                let labels = world.context.labels.clone();
                let spec = NetworkSpec { name: network.clone(), internal, labels };
                world.docker.networks.insert(network, spec);
            }
            let id = format!("c{}", world.fresh());
            let port = |&container_port| Port { container_port, protocol: Protocol::Tcp, host_port: None };
            let spec = ContainerSpec {
                publish: asked.ingress.iter().map(port).collect(),
                labels: world.context.labels.clone(),
                ..ContainerSpec::new(name, "egress-proxy")
            };
            let asked = spec.clone();
            world.docker.containers.insert(id, Container { asked, spec, exit_code: None, secret: false });
            Ok(proxy)
        })
    }
}
