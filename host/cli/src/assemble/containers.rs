//! What the command line says about all containers, as in Docker's gateway: limits for those that name none, and whether they are let out.

use crate::args::{Memory, SourceArgs};
use host_provisioner::{Egress, Lifetime, ServerSpec, Workload};

/// See the module. Says nothing about servers that are no containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Containers {
    /// Thousandths of a processor.
    cpu_millis: Option<u32>,
    memory: Option<(u32, String)>,
    block_network: bool,
    per_call: bool,
}

impl Containers {
    /// The flags, with the defaults of the original (`docker-mcp-gateway.md` 4.1): one processor, `2Gb`.
    pub(crate) fn of(args: &SourceArgs) -> Self {
        let usual = || Memory { bytes: 2 << 30, written: "2Gb".to_owned() };
        let memory = args.memory.clone().unwrap_or_else(usual);
        Self {
            cpu_millis: u32::try_from(args.cpus.unwrap_or(1))
                .ok()
                .filter(|n| *n > 0)
                .map(|n| n.saturating_mul(1000)),
            memory: (memory.bytes > 0)
                .then(|| (u32::try_from(memory.bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX), memory.written)),
            block_network: args.block_network,
            per_call: args.container_per_call,
        }
    }

    /// The server with what its entry does not say. `kept`: it says that it lives as long as the session.
    pub(crate) fn completed(&self, mut spec: ServerSpec, kept: bool) -> ServerSpec {
        if !matches!(spec.workload, Workload::Image { .. } | Workload::Tools { .. }) {
            return spec;
        }
        if self.per_call && !kept && matches!(spec.workload, Workload::Image { .. }) {
            spec.lifetime = Lifetime::Call;
        }
        spec.limits.cpu_millis = spec.limits.cpu_millis.or(self.cpu_millis);
        if let (None, Some((mib, written))) = (spec.limits.memory_mib, &self.memory) {
            (spec.limits.memory_mib, spec.limits.memory_written) = (Some(*mib), written.clone());
        }
        spec.egress = match (std::mem::take(&mut spec.egress), self.block_network) {
            (Egress::Hosts(hosts), true) => Egress::Hosts(hosts),
            // In the original, who names nothing is let out everywhere in spite of the flag; that is a mistake there.
            (Egress::Unrestricted, true) => Egress::None,
            (Egress::None, _) => Egress::None,
            (Egress::Hosts(_) | Egress::Unrestricted, false) => Egress::Unrestricted,
        };
        spec
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> ServerSpec {
        let workload =
            Workload::Image { reference: "acme/notes".to_owned(), digest: None, arguments: Vec::new() };
        ServerSpec::new("notes", workload)
    }

    fn completed(args: &SourceArgs, spec: ServerSpec) -> ServerSpec {
        Containers::of(args).completed(spec, false)
    }

    #[test]
    fn a_container_without_limits_gets_those_of_the_flags() {
        let limits = |args: &SourceArgs, spec| {
            let limits = completed(args, spec).limits;
            (limits.cpu_millis, limits.memory_mib)
        };
        let mut args = SourceArgs::default();
        assert_eq!(limits(&args, image()), (Some(1000), Some(2048)));
        let mut own = image();
        (own.limits.cpu_millis, own.limits.memory_mib) = (Some(500), Some(64));
        assert_eq!(limits(&args, own), (Some(500), Some(64)));
        let memory = |bytes, written: &str| Some(Memory { bytes, written: written.to_owned() });
        (args.cpus, args.memory) = (Some(0), memory(0, ""));
        assert_eq!(limits(&args, image()), (None, None));
        (args.cpus, args.memory) = (Some(-1), memory(512 << 20, "0.5g"));
        assert_eq!(limits(&args, image()), (None, Some(512)));
        assert_eq!(completed(&args, image()).limits.memory_written, "0.5g");
        let component =
            ServerSpec::new("c", Workload::Bundled { name: "time".to_owned(), arguments: Vec::new() });
        assert_eq!(limits(&args, component), (None, None));
    }

    #[test]
    fn a_container_per_call_is_for_those_that_do_not_say_otherwise() {
        let lifetime = |container_per_call, kept| {
            let args = SourceArgs { container_per_call, ..SourceArgs::default() };
            Containers::of(&args).completed(image(), kept).lifetime
        };
        assert_eq!(
            [lifetime(false, false), lifetime(false, true), lifetime(true, true)],
            [Lifetime::Session; 3]
        );
        assert_eq!(lifetime(true, false), Lifetime::Call);
    }

    #[test]
    fn the_network_is_blocked_only_on_request() {
        let egress = |block_network, egress| {
            let args = SourceArgs { block_network, ..SourceArgs::default() };
            completed(&args, ServerSpec { egress, ..image() }).egress
        };
        let hosts = || Egress::Hosts(vec!["api.example:443".to_owned()]);
        assert_eq!(egress(false, hosts()), Egress::Unrestricted);
        assert_eq!(egress(true, hosts()), hosts());
        assert_eq!(egress(true, Egress::Unrestricted), Egress::None);
        assert_eq!(egress(false, Egress::None), Egress::None);
    }
}
