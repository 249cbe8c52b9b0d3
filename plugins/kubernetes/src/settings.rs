//! What the operator can say about pods.

use gateway_plugin::schemars::JsonSchema;
use gateway_plugin::serde::Deserialize;
use std::collections::BTreeMap;

gateway_plugin::settings! {
    /// Settings of the plugin `kubernetes`.
    pub struct ClusterSettings {
        /// Namespace of what is made; without it, that of the context.
        pub namespace: Option<String>,
        /// Who has the servers' secrets: the gateway, which makes a Secret of its session, or the cluster, where one is.
        pub secret_provider: Provider,
        /// Name of the Secret that holds the servers' secrets; without it, one of this session's own, or `mcp-gateway-secrets` of the cluster.
        pub secret_name: Option<String>,
        /// Who has the values of templates: the gateway, from its files, or the cluster, in a ConfigMap that is there.
        pub config_provider: Provider,
        /// Name of that ConfigMap; without it `mcp-gateway-config`.
        pub config_name: Option<String>,
        /// Secrets of the namespace by which images are pulled. The grant must name them too.
        pub image_pull_secrets: Vec<String>,
        /// Logins of registries; of each, a Secret of this session is made by which images are pulled.
        pub registry_logins: Vec<RegistryLogin>,
        /// When images are pulled; without it, if the node does not have them.
        pub image_pull_policy: Option<PullPolicy>,
        /// Service account of the pods; none without it. The grant must name it too.
        pub service_account: Option<String>,
        /// What the scheduler sets aside for a pod.
        pub requests: Requests,
        /// Which Pod Security level the pods keep to.
        pub security: Security,
        /// Claims for folders and volumes: what the entry writes before the colon, and the claim's name. The grant must name the claims too.
        pub volumes: BTreeMap<String, String>,
        /// Whether the cluster enforces network policies; without it nobody knows, and plans say so.
        pub enforces_network_policy: Option<bool>,
        /// Labels for the choice of nodes.
        pub node_selector: BTreeMap<String, String>,
    }

    /// Settings of one server for the plugin `kubernetes`.
    pub struct ServerSettings {
        /// Instead of the plugin's.
        pub security: Option<Security>,
        /// How standard streams are reached; without it by attaching, and of servers that all clients share by the bridge.
        pub stdio: Option<Stdio>,
    }

    /// A login of a registry.
    pub struct RegistryLogin {
        /// `registry.example:5000`.
        pub registry: String,
        /// The user.
        pub username: String,
        /// Name of the secret that is the password. The grant of the plugin must name it under `secrets`.
        pub password_secret: String,
    }

    /// What the scheduler sets aside; a pod may use more, up to its limits.
    pub struct Requests {
        /// Thousandths of a processor; without it 10.
        pub cpu_millis: Option<u32>,
        /// Memory in MiB; without it 32.
        pub memory_mib: Option<u32>,
    }
}

/// Who has values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "gateway_plugin::serde", rename_all = "kebab-case")]
#[schemars(crate = "gateway_plugin::schemars")]
pub enum Provider {
    /// The gateway.
    #[default]
    DockerEngine,
    /// The cluster.
    Cluster,
}

/// Which Pod Security level pods keep to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "gateway_plugin::serde", rename_all = "camelCase")]
#[schemars(crate = "gateway_plugin::schemars")]
pub enum Security {
    /// No root, no rights, nothing to gain: the level `restricted`. Images that run as root do not start.
    #[default]
    Restricted,
    /// The same, but the image's own user, root too: the level `baseline`.
    Baseline,
}

/// How the standard streams of a server are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "gateway_plugin::serde", rename_all = "camelCase")]
#[schemars(crate = "gateway_plugin::schemars")]
pub enum Stdio {
    /// By attaching to its container: the server ends when that does.
    Attach,
    /// By the gateway's bridge, which is put in front of it, and a tunnel: without the right to attach.
    Bridge,
}

/// When images are pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "gateway_plugin::serde", rename_all = "camelCase")]
#[schemars(crate = "gateway_plugin::schemars")]
pub enum PullPolicy {
    /// Asked for each time.
    Always,
    /// If the node does not have it.
    Missing,
    /// The node must have it.
    Never,
}
