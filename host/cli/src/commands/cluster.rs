//! `gateway cluster …`: what gateways left in a cluster, and the ConfigMaps and Secrets that servers refer to. Values never appear in what is printed.

mod data;
mod sweep;

use crate::args::{ClusterArgs, ClusterCommand};
use crate::environment::Environment;
use crate::output::Usage;
use anyhow::{Result, anyhow};
use host_workload_kubernetes::{Cluster, Surroundings};
use std::sync::Arc;

pub(super) async fn run(command: ClusterCommand, environment: &Environment) -> Result<u8> {
    match command {
        ClusterCommand::List { cluster } => {
            sweep::list(&Place::of(&cluster, environment).await?, cluster.json).await
        }
        ClusterCommand::Session { session, cluster } => {
            sweep::session(&session, &Place::of(&cluster, environment).await?, &cluster).await
        }
        ClusterCommand::Stale { age, include_live, cluster } => {
            sweep::stale(&age, include_live, &Place::of(&cluster, environment).await?, &cluster).await
        }
        ClusterCommand::PopulateConfigmap { file, name, cluster } => {
            let values = data::of_file(&file)?;
            data::write("ConfigMap", &name, values, &Place::of(&cluster, environment).await?, &cluster).await
        }
        ClusterCommand::PopulateSecret { file, name, cluster } => {
            let values = data::without_placeholders(data::of_file(&file)?);
            data::write("Secret", &name, values, &Place::of(&cluster, environment).await?, &cluster).await
        }
        ClusterCommand::CreateConfigmap { name, data: json, cluster } => {
            let values = data::of_json(&json)?;
            data::write("ConfigMap", &name, values, &Place::of(&cluster, environment).await?, &cluster).await
        }
        ClusterCommand::CreateSecret { name, data: json, cluster } => {
            let values = data::of_json(&json)?;
            data::write("Secret", &name, values, &Place::of(&cluster, environment).await?, &cluster).await
        }
    }
}

/// A namespace of a cluster.
struct Place {
    cluster: Arc<Cluster>,
    namespace: String,
}

impl Place {
    async fn of(args: &ClusterArgs, environment: &Environment) -> Result<Self> {
        let namespace = match (&args.position, &args.kubernetes.namespace) {
            (Some(a), Some(b)) if a != b => {
                let text = format!("the namespace is given twice: `{a}` and `--namespace {b}`");
                return Err(Usage(text).into());
            }
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        let cluster = Cluster::new(Surroundings {
            kubeconfig_flag: args.kubernetes.kubeconfig.clone(),
            context: args.kubernetes.kube_context.clone(),
            namespace,
            ..environment.kubernetes()
        });
        let namespace = cluster.config().await.map_err(|error| anyhow!(error))?.namespace.clone();
        Ok(Self { cluster, namespace })
    }
}
