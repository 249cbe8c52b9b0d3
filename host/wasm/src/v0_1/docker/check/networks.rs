//! Which networks a container may join, and whose way out is limited.

use super::{Checked, SHOWN};
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::docker::Docker;
use crate::v0_1::imported::docker::ContainerSpec;
use crate::v0_1::types::FailureCategory;
use host_provisioner::{Egress, Unenforced};

impl Docker<'_> {
    /// A network of this lease, one that is granted, or one of the gateway's own container if that is granted.
    pub(in crate::v0_1::docker) async fn network_fits(&self, network: &str) -> Checked {
        let Some(grant) = &self.plugin.grants.docker else {
            return Err(self.refuse(FailureCategory::Permission, "`docker` is not granted"));
        };
        if !self.starts()
            && self.told.proxies(false).iter().any(|proxy| proxy.networks.iter().any(|own| own == network))
        {
            return Ok(());
        }
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
    pub(super) async fn link_fits(&self, link: &str) -> Checked {
        // One that leads to an egress proxy of this call, which carries none.
        if self.told.proxies(self.starts()).iter().any(|proxy| proxy.links.iter().any(|own| own == link)) {
            return Ok(());
        }
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
    pub(super) async fn way_out_fits(&self, spec: &ContainerSpec, server: &ServerScope) -> Checked {
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
        let planned = if self.starts() { Vec::new() } else { self.told.proxies(false) };
        for network in &spec.networks {
            if planned.iter().any(|proxy| proxy.networks.contains(network)) {
                continue;
            }
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
}
