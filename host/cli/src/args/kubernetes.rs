//! Flags that say where a cluster is, as in the documents of Docker's gateway (`provisioning.md` 3.2).

use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Which cluster, and where in it.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct KubernetesArgs {
    /// File that says where the cluster is (default: those of `KUBECONFIG`, the cluster that the gateway runs in, `~/.kube/config`)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Provisioners")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig (default: its current one)
    #[arg(long, value_name = "NAME", help_heading = "Provisioners")]
    pub kube_context: Option<String>,

    /// Namespace for what the bundled plugin makes in a cluster (default: that of the context, of the gateway's pod, `default`)
    #[arg(long, short = 'n', value_name = "NAME", help_heading = "Provisioners")]
    pub namespace: Option<String>,
}
