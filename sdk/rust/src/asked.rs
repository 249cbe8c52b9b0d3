//! What a server's entry asks for beyond its workload, so that a plugin which honours only some of it need not list the rest.

use crate::Fields;
use crate::types::{Egress, Server, Transport};

impl Fields {
    /// For a plugin that honours exactly these fields of an entry, by their paths in the contract (`environment`, `limits.memory`): every
    /// other one that this entry uses is reported as not enforced. Fields whose absence means the same as what the entry says are not
    /// asked for: standard streams, or a network as the platform has it.
    #[must_use]
    pub fn honouring(server: &Server, honoured: &[&str]) -> Self {
        let (network, limits) = (&server.network, &server.limits);
        let mut fields = Self::new();
        for (field, asked) in [
            ("transport", server.transport != Transport::Stdio),
            ("environment", !server.environment.is_empty()),
            ("files", !server.files.is_empty()),
            ("mounts", !server.mounts.is_empty()),
            ("network.egress", network.egress != Egress::Unrestricted),
            ("network.detached", network.detached),
            ("network.names", !network.names.is_empty()),
            ("network.extra-hosts", !network.extra_hosts.is_empty()),
            ("network.ports", !network.ports.is_empty()),
            ("limits.memory", limits.memory.is_some()),
            ("limits.cpu-millis", limits.cpu_millis.is_some()),
            ("limits.processes", limits.processes.is_some()),
            ("limits.disk", limits.disk.is_some()),
            ("user", server.user.is_some()),
            ("pins", !server.pins.is_empty()),
        ] {
            if asked && !honoured.contains(&field) {
                fields.not_enforced(field, "this plugin does not do it");
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::component_server;
    use crate::types::{Amount, Network};
    use crate::value::variable;

    #[test]
    fn what_is_asked_for_and_not_honoured_is_named() {
        let mut server = component_server("notes");
        assert_eq!(Fields::honouring(&server, &[]), Fields::new(), "a plain server asks for nothing");
        server.environment = vec![variable("LANG", "en")];
        server.limits.memory = Some(Amount { mib: 64, written: "64m".to_owned() });
        server.limits.cpu_millis = Some(500);
        server.user = Some("1000".to_owned());
        server.network = Network { egress: Egress::None, ..Network::default() };
        let fields = Fields::honouring(&server, &["environment", "limits.memory"]);
        let named: Vec<_> = fields.reports().iter().map(|report| report.field.as_str()).collect();
        assert_eq!(named, ["network.egress", "limits.cpu-millis", "user"]);
        let error = fields.enforce(&crate::fake::context()).expect_err("the default is to refuse");
        assert!(
            error.to_string().starts_with("honour `network.egress`: this plugin does not do it; "),
            "{error}"
        );
    }
}
