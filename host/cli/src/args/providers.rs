//! Flags that say where secrets and settings of servers in a cluster come from, as in the documents of Docker's gateway (`provisioning.md` 3.2, 3.12).

use clap::{Args, ValueEnum};

/// Who has the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProviderArg {
    /// The gateway, from its own files and `--secrets`
    #[value(alias = "docker")]
    DockerEngine,
    /// The cluster, in a Secret or ConfigMap that is there
    #[value(alias = "k8s", alias = "kubernetes-cluster")]
    Cluster,
}

impl ProviderArg {
    /// As the plugin's settings have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::DockerEngine => "docker-engine",
            Self::Cluster => "cluster",
        }
    }
}

/// Where values of servers in a cluster come from.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct ProviderArgs {
    /// Who has the secrets of servers in a cluster (default: docker-engine)
    #[arg(
        long,
        value_enum,
        visible_alias = "secret-provider",
        value_name = "WHO",
        help_heading = "Provisioners"
    )]
    pub cluster_secret_provider: Option<ProviderArg>,

    /// Who has the values for templates of servers in a cluster (default: docker-engine)
    #[arg(
        long,
        value_enum,
        visible_alias = "config-provider",
        value_name = "WHO",
        help_heading = "Provisioners"
    )]
    pub cluster_config_provider: Option<ProviderArg>,

    /// The Secret with the servers' secrets (default: mcp-gateway-secrets; one of this session's own where the gateway has them)
    #[arg(long, visible_alias = "secret-name", value_name = "NAME", help_heading = "Provisioners")]
    pub cluster_secret_name: Option<String>,

    /// The ConfigMap with values for templates (default: mcp-gateway-config)
    #[arg(long, visible_alias = "config-name", value_name = "NAME", help_heading = "Provisioners")]
    pub cluster_config_name: Option<String>,
}

impl ProviderArgs {
    /// Whether a flag says that a cluster has anything.
    pub(crate) fn ask_a_cluster(&self) -> bool {
        [self.cluster_secret_provider, self.cluster_config_provider].contains(&Some(ProviderArg::Cluster))
    }
}
