//! Where the cluster is, and what a plugin may do there.

use crate::assemble::Inputs;
use crate::environment::Environment;
use host_config as c;
use host_wasm as w;
use host_workload_kubernetes::Surroundings;

/// What the command line and the environment say about clusters. None is looked for yet.
pub(crate) fn surroundings(inputs: &Inputs, environment: &Environment) -> Surroundings {
    let flags = &inputs.kubernetes;
    Surroundings {
        kubeconfig_flag: flags.kubeconfig.clone(),
        context: flags.kube_context.clone(),
        namespace: flags.namespace.clone(),
        ..environment.kubernetes()
    }
}

/// A grant of the settings, as the plugin host takes it.
pub(crate) fn grant(grant: &c::KubernetesGrant) -> w::KubernetesGrant {
    let names = |patterns: &[c::Pattern]| patterns.iter().map(|p| w::NamePattern::new(p.as_str())).collect();
    w::KubernetesGrant {
        context: grant.context.clone(),
        namespaces: grant.namespaces.clone(),
        own_namespace: false,
        kinds: grant.kinds.iter().map(ToString::to_string).collect(),
        secrets: names(&grant.secrets),
        config_maps: names(&grant.config_maps),
        claims: names(&grant.claims),
        service_accounts: names(&grant.service_accounts),
        images: names(&grant.images),
        privileged: grant.privileged,
        cluster_secret: None,
        cluster_config: None,
    }
}
