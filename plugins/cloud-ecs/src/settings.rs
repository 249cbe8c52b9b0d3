//! What the operator can say about tasks.

use gateway_plugin::schemars::JsonSchema;
use gateway_plugin::serde::Deserialize;
use gateway_plugin::{Error, Result};
use std::collections::BTreeMap;

gateway_plugin::settings! {
    /// Settings of the plugin `cloud-ecs`.
    pub struct EcsSettings {
        /// Region of everything, for example `eu-central-1`. Required.
        pub region: Option<String>,
        /// Account that the credentials must belong to; without it any.
        pub account: Option<String>,
        /// Name of the cluster; without it `default`.
        pub cluster: Option<String>,
        /// Subnets of the tasks, at most 16. Required.
        pub subnets: Vec<String>,
        /// Security groups of the tasks, at most 5. They must let the gateway in. Required.
        pub security_groups: Vec<String>,
        /// Whether tasks get a public address. A subnet without NAT needs one even to pull an image.
        pub assign_public_ip: bool,
        /// By which address the gateway reaches a task; without it the private one.
        pub reach: Reach,
        /// ARN of the role that pulls images, writes logs and reads secrets. Required where there are secrets, logs or images in ECR.
        pub execution_role: Option<String>,
        /// ARN of the role that servers themselves have; none without it.
        pub task_role: Option<String>,
        /// Where tasks run; without it plain Fargate.
        pub capacity: Capacity,
        /// Processor of the tasks, where the server's entry names no platform; without it x86-64.
        pub architecture: Architecture,
        /// Log group that is there already. Without it each run of the gateway makes one, and removes it at its end.
        pub log_group: Option<String>,
        /// Image with `gateway-bridge`, for servers over standard streams. Pinned to a digest for servers that carry secrets.
        pub bridge_image: Option<String>,
        /// Secrets that are in Secrets Manager already: the secret's name here, and its ARN there.
        pub secrets: BTreeMap<String, String>,
        /// Elastic file systems for folders and volumes: what the entry writes before the colon, and where it is.
        pub volumes: BTreeMap<String, FileSystem>,
        /// Further tags of everything that is made, for example `cost-center`.
        pub tags: BTreeMap<String, String>,
        /// What things cost; without it nothing is estimated.
        pub prices: Option<Prices>,
        /// A server that costs more in an hour is refused.
        pub max_cost_per_hour: Option<f64>,
        /// Base of every service's URL instead of AWS' own, for doubles and for proxies.
        pub endpoint: Option<String>,
        /// The same for single services, for example `ecs: https://vpce-1.ecs.eu-central-1.vpce.amazonaws.com`.
        pub endpoints: BTreeMap<String, String>,
    }

    /// Settings of one server for the plugin `cloud-ecs`.
    pub struct ServerSettings {
        /// What the image runs, for servers over standard streams, where its registry shall not be asked: the bridge must start it.
        pub entrypoint: Vec<String>,
        /// Instead of the plugin's.
        pub task_role: Option<String>,
    }

    /// An elastic file system.
    #[derive(PartialEq)]
    pub struct FileSystem {
        /// Its id, `fs-…`. Required.
        pub file_system: String,
        /// An access point of it.
        pub access_point: Option<String>,
        /// A folder in it; without it, its root.
        pub folder: Option<String>,
    }

    /// What things cost, as the operator's price list has it.
    pub struct Prices {
        /// `USD` without it.
        pub currency: Option<String>,
        /// Where the prices are from, and of when. Shown with every estimate. Required.
        pub source: String,
        /// One virtual processor for an hour.
        pub cpu_hour: f64,
        /// One GiB of memory for an hour.
        pub gib_hour: f64,
        /// One GiB of disk beyond the first 20 for an hour.
        pub disk_gib_hour: f64,
        /// One public address for an hour.
        pub public_ip_hour: f64,
        /// One secret for a month.
        pub secret_month: f64,
    }
}

/// By which address the gateway reaches a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "gateway_plugin::serde", rename_all = "camelCase")]
#[schemars(crate = "gateway_plugin::schemars")]
pub enum Reach {
    /// The private one: the gateway is in the network, or has a way into it.
    #[default]
    Private,
    /// The public one.
    Public,
}

/// Where tasks run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "gateway_plugin::serde", rename_all = "camelCase")]
#[schemars(crate = "gateway_plugin::schemars")]
pub enum Capacity {
    /// Fargate.
    #[default]
    Fargate,
    /// Fargate Spot: cheaper, and taken away at two minutes' notice.
    FargateSpot,
}

/// Processor of the tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "gateway_plugin::serde", rename_all = "camelCase")]
#[schemars(crate = "gateway_plugin::schemars")]
pub enum Architecture {
    /// x86-64.
    #[default]
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

/// Where everything is, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The region.
    pub region: String,
    /// Name of the cluster.
    pub cluster: String,
}

impl Place {
    /// Scope of what belongs to the cluster.
    #[must_use]
    pub fn cluster_scope(&self) -> String {
        format!("{}/{}", self.region, self.cluster)
    }
}

impl EcsSettings {
    /// Region and cluster.
    ///
    /// # Errors
    /// `config` without a region.
    pub fn place(&self) -> Result<Place> {
        let region = self.region.clone().ok_or_else(|| missing("region", "region: eu-central-1"))?;
        Ok(Place { region, cluster: self.cluster.clone().unwrap_or_else(|| "default".to_owned()) })
    }

    /// Everything that a task cannot do without, and what does not fit together.
    ///
    /// # Errors
    /// `config`, naming the key.
    pub fn check(&self) -> Result<()> {
        self.place()?;
        if self.subnets.is_empty() {
            return Err(missing("subnets", "subnets: [subnet-0123]"));
        }
        if self.security_groups.is_empty() {
            return Err(missing("securityGroups", "securityGroups: [sg-0123]"));
        }
        for (key, count, most) in
            [("subnets", self.subnets.len(), 16), ("securityGroups", self.security_groups.len(), 5)]
        {
            if count > most {
                return Err(Error::config(format!(
                    "use {count} `{key}` of the settings: ECS takes {most} at most"
                )));
            }
        }
        if self.reach == Reach::Public && !self.assign_public_ip {
            return Err(Error::config("reach tasks by public addresses that they do not get")
                .hint("set `assignPublicIp: true`, or leave `reach` away"));
        }
        for (key, role) in [("executionRole", &self.execution_role), ("taskRole", &self.task_role)] {
            if role.as_ref().is_some_and(|role| role_name(role).is_none()) {
                return Err(Error::config(format!("use `{key}` of the settings: it is no ARN of a role"))
                    .hint("write it like `arn:aws:iam::123456789012:role/NAME`"));
            }
        }
        if let Some(prices) = &self.prices
            && prices.source.is_empty()
        {
            return Err(missing("prices.source", "source: \"price list of eu-central-1, November 2026\""));
        }
        if self.max_cost_per_hour.is_some() && self.prices.is_none() {
            return Err(missing("prices", "prices: {source: …, cpuHour: 0.04656, gibHour: 0.00511}")
                .detail("`maxCostPerHour` cannot be kept without prices"));
        }
        Ok(())
    }
}

/// Name of the role that an ARN names, without its path.
#[must_use]
pub fn role_name(arn: &str) -> Option<&str> {
    let (before, path) = arn.split_once(":role/")?;
    let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
    before.starts_with("arn:").then_some(name)
}

fn missing(key: &str, example: &str) -> Error {
    Error::config(format!("find `{key}` in the settings of the plugin"))
        .hint(format!("write it under `plugins.NAME.settings`, for example `{example}`"))
}

#[cfg(test)]
mod tests {
    use super::{EcsSettings, role_name};

    fn settings(json: &str) -> EcsSettings {
        serde_json::from_str(json).expect("settings")
    }

    #[test]
    fn what_is_missing_is_named_with_an_example() {
        for (json, text) in [
            ("{}", "find `region` in the settings of the plugin"),
            (r#"{"region": "r"}"#, "find `subnets` in the settings of the plugin"),
            (r#"{"region": "r", "subnets": ["s"]}"#, "find `securityGroups` in the settings of the plugin"),
            (
                r#"{"region": "r", "subnets": ["s"], "securityGroups": ["g"], "executionRole": "me"}"#,
                "use `executionRole` of the settings: it is no ARN of a role",
            ),
            (
                r#"{"region": "r", "subnets": ["s"], "securityGroups": ["g"], "reach": "public"}"#,
                "reach tasks by public addresses that they do not get",
            ),
            (
                r#"{"region": "r", "subnets": ["s"], "securityGroups": ["g"], "maxCostPerHour": 1}"#,
                "find `prices` in the settings of the plugin",
            ),
        ] {
            let error = settings(json).check().expect_err("it is missing");
            assert_eq!(error.to_string(), text);
            assert!(error.failure().hint.is_some(), "{text}");
        }
        let whole = r#"{"region": "r", "subnets": ["s"], "securityGroups": ["g"]}"#;
        settings(whole).check().expect("complete");
        assert_eq!(settings(whole).place().expect("complete").cluster_scope(), "r/default");
    }

    #[test]
    fn roles_are_named_by_the_end_of_their_arn() {
        assert_eq!(role_name("arn:aws:iam::123456789012:role/tasks"), Some("tasks"));
        assert_eq!(role_name("arn:aws-cn:iam::1:role/team/a/tasks"), Some("tasks"));
        assert_eq!(role_name("tasks"), None);
        assert_eq!(role_name("arn:aws:iam::1:role/"), None);
    }
}
