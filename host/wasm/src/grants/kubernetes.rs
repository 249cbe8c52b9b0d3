//! What a plugin may do in a cluster.

use super::NamePattern;

/// To make objects in a cluster: always objects of the plugin's own, in these namespaces, of these kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesGrant {
    /// The context of the kubeconfig; `None`: the current one, or the cluster that the gateway runs in.
    pub context: Option<String>,
    /// Namespaces.
    pub namespaces: Vec<String>,
    /// Whether the namespace is granted that the context names.
    pub own_namespace: bool,
    /// Kinds: `v1/Pod`, `apps/v1/Deployment`.
    pub kinds: Vec<String>,
    /// Secrets of the granted namespaces that documents may refer to, beside those that are made here.
    pub secrets: Vec<NamePattern>,
    /// ConfigMaps, likewise.
    pub config_maps: Vec<NamePattern>,
    /// Volume claims, likewise.
    pub claims: Vec<NamePattern>,
    /// Service accounts that pods may have.
    pub service_accounts: Vec<NamePattern>,
    /// Images beside that of the server's own entry, for helpers.
    pub images: Vec<NamePattern>,
    /// Whether pods may have rights beyond themselves: host namespaces and folders, capabilities, privileged containers; and Services that lead in
    /// from outside.
    pub privileged: bool,
    /// The Secret that holds the secrets of the plugin's servers, of which nothing is known here.
    pub cluster_secret: Option<String>,
    /// The ConfigMap that holds their settings, likewise.
    pub cluster_config: Option<String>,
}

impl KubernetesGrant {
    /// What the bundled plugin was written for: the namespace of the context, and what one server needs there.
    #[must_use]
    pub fn written_for() -> Self {
        let kinds = [
            "v1/Pod",
            "v1/Service",
            "v1/Secret",
            "v1/PersistentVolumeClaim",
            "apps/v1/Deployment",
            "networking.k8s.io/v1/NetworkPolicy",
        ];
        Self { own_namespace: true, kinds: kinds.map(str::to_owned).into(), ..Self::default() }
    }
}
