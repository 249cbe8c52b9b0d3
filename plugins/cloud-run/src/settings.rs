//! What the operator can say about services.

use gateway_plugin::schemars::JsonSchema;
use gateway_plugin::serde::Deserialize;
use gateway_plugin::{Error, Result};
use std::collections::BTreeMap;

gateway_plugin::settings! {
    /// Settings of the plugin `cloud-run`.
    pub struct RunSettings {
        /// Project of everything. Required.
        pub project: Option<String>,
        /// Location of the services, for example `europe-west3`. Required.
        pub location: Option<String>,
        /// Service account that servers run as. Required for servers with secrets; without it, that of the project.
        pub service_account: Option<String>,
        /// Service account that the gateway speaks to servers as. It is let in at each service; without it, it must be let in at the project.
        pub invoker: Option<String>,
        /// Where requests may come from.
        pub ingress: Ingress,
        /// Instances of a server that are kept while nobody calls; without it 1, because an instance that goes takes its sessions with it.
        pub min_instances: Option<u32>,
        /// Secrets that are in Secret Manager already: the secret's name here, and `projects/PROJECT/secrets/NAME` there.
        pub secrets: BTreeMap<String, String>,
        /// Buckets for folders and volumes: what the entry writes before the colon, and the bucket's name.
        pub volumes: BTreeMap<String, String>,
        /// Further labels of everything that is made, for example `cost-center`.
        pub labels: BTreeMap<String, String>,
        /// Bases of the interfaces instead of Google's own, by `run`, `secretmanager` and `cloudresourcemanager`.
        pub endpoints: BTreeMap<String, String>,
    }

    /// Settings of one server for the plugin `cloud-run`.
    pub struct ServerSettings {
        /// Instead of the plugin's.
        pub min_instances: Option<u32>,
    }
}

/// Where requests may come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "gateway_plugin::serde", rename_all = "camelCase")]
#[schemars(crate = "gateway_plugin::schemars")]
pub enum Ingress {
    /// From everywhere; whoever has no identity that is let in is refused.
    #[default]
    All,
    /// From the project's own networks.
    Internal,
}

impl RunSettings {
    /// Parent of every service: `projects/P/locations/L`.
    ///
    /// # Errors
    /// `config`, naming what is missing.
    pub fn parent(&self) -> Result<String> {
        let location =
            self.location.as_deref().ok_or_else(|| missing("location", "location: europe-west3"))?;
        Ok(format!("{}/locations/{location}", self.project()?))
    }

    /// Parent of every secret: `projects/P`.
    ///
    /// # Errors
    /// `config`, naming what is missing.
    pub fn project(&self) -> Result<String> {
        let project = self.project.as_deref().ok_or_else(|| missing("project", "project: acme-mcp"))?;
        Ok(format!("projects/{project}"))
    }
}

fn missing(key: &str, example: &str) -> Error {
    Error::config(format!("find `{key}` in the settings of the plugin"))
        .hint(format!("write it under `plugins.NAME.settings`, for example `{example}`"))
}
