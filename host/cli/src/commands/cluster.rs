//! `gateway cluster …`: what gateways left in a cluster, and the ConfigMaps and Secrets that servers refer to. Values never appear in what is printed.

mod data;
mod needs;
mod offline;
mod sweep;

pub(crate) use sweep::sweep_at_start;

use crate::args::{ClusterArgs, ClusterCommand, EverywhereArgs, KubernetesArgs, WriteArgs};
use crate::environment::Environment;
use crate::output::{Usage, say};
use anyhow::{Result, anyhow};
use data::Values;
use host_workload_kubernetes::{Cluster, ErrorKind, Kind, Surroundings};
use std::sync::Arc;

/// Names under which the original's tools were called, and may still be.
const OLD_NAMES: [&str; 2] = ["cluster-tools", "mcp-tool"];

/// Whether the program was called as one of the original's tools.
pub(crate) fn is_called(program: &std::ffi::OsStr) -> bool {
    let name = std::path::Path::new(program).file_name().and_then(std::ffi::OsStr::to_str);
    name.is_some_and(|name| OLD_NAMES.contains(&name))
}

pub(super) async fn run(command: ClusterCommand, environment: &Environment) -> Result<u8> {
    match command {
        ClusterCommand::List { place } => {
            sweep::list(&Place::everywhere(&place, environment).await?, place.cluster.json).await
        }
        ClusterCommand::Sessions { place } => {
            sweep::sessions(&Place::everywhere(&place, environment).await?, place.cluster.json).await
        }
        ClusterCommand::Session { session, place } => {
            let there = Place::everywhere(&place, environment).await?;
            sweep::session(&session, &there, &place.cluster).await
        }
        ClusterCommand::Stale { age, include_live, place } => {
            let age = sweep::age(&age)?;
            let there = Place::everywhere(&place, environment).await?;
            sweep::stale(age, include_live, &there, &place.cluster).await
        }
        ClusterCommand::GenerateEnv { servers, base, force, catalog } => {
            offline::generate_env(&servers, &base, force, &catalog, environment)
        }
        ClusterCommand::ExtractData { server, json, catalog } => {
            offline::extract_data(&server, json, &catalog, environment)
        }
        ClusterCommand::ShowExample { server, catalog } => {
            offline::show_example(&server, &catalog, environment)
        }
        ClusterCommand::PopulateConfigmap { file, name, write } => {
            write_to("ConfigMap", &name, data::of_file(&file)?, &write, environment).await
        }
        ClusterCommand::PopulateSecret { file, name, write } => {
            write_to("Secret", &name, data::of_file(&file)?, &write, environment).await
        }
        ClusterCommand::CreateConfigmap { name, data: json, write } => {
            write_to("ConfigMap", &name, data::of_json(&json)?, &write, environment).await
        }
        ClusterCommand::CreateSecret { name, data: json, write } => {
            write_to("Secret", &name, data::of_json(&json)?, &write, environment).await
        }
    }
}

async fn write_to(
    what: &str,
    name: &str,
    values: Values,
    args: &WriteArgs,
    environment: &Environment,
) -> Result<u8> {
    // What is wrong with the data is said before anybody is asked.
    let values = data::keyed(values)?;
    data::write(what, name, values, &Place::of(&args.cluster, environment).await?, args).await
}

/// A namespace of a cluster, or all of them.
pub(crate) struct Place {
    cluster: Arc<Cluster>,
    /// Empty for all.
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
        Self::there(&KubernetesArgs { namespace, ..args.kubernetes.clone() }, environment).await
    }

    /// The namespace that the flags or the context name.
    pub(crate) async fn there(args: &KubernetesArgs, environment: &Environment) -> Result<Self> {
        let cluster = Cluster::new(Surroundings {
            kubeconfig_flag: args.kubeconfig.clone(),
            context: args.kube_context.clone(),
            namespace: args.namespace.clone(),
            ..environment.kubernetes()
        });
        let namespace = cluster.config().await.map_err(|error| anyhow!(error))?.namespace.clone();
        Ok(Self { cluster, namespace })
    }

    /// All namespaces, where that was asked for and may be.
    async fn everywhere(args: &EverywhereArgs, environment: &Environment) -> Result<Self> {
        let place = Self::of(&args.cluster, environment).await?;
        if !args.all_namespaces {
            return Ok(place);
        }
        let Some(pods) = Kind::known("v1/Pod") else { return Ok(place) };
        match place.cluster.list(&pods, "", sweep::MANAGED, "", 1, None).await {
            Ok(_) => Ok(Self { namespace: String::new(), ..place }),
            Err(error) if error.kind == ErrorKind::Denied => {
                say(&format!(
                    "warning: these credentials may not look into all namespaces, so only `{}` is looked at: {error}",
                    place.namespace
                ));
                Ok(place)
            }
            Err(error) => Err(anyhow!(error)),
        }
    }

    /// For a sentence.
    fn words(&self) -> String {
        if self.namespace.is_empty() {
            "all namespaces".to_owned()
        } else {
            format!("namespace `{}`", self.namespace)
        }
    }
}
