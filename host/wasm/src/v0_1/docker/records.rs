//! From the engine's words to the contract's.

use super::own::Ended;
use crate::sanitize::line;
use crate::v0_1::imported::docker::{ContainerInfo, EngineInfo, ImageInfo, NetworkInfo};
use crate::v0_1::types::Label;
use host_workload_docker as engine;
use host_workload_docker::Health;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn engine(info: engine::EngineInfo) -> EngineInfo {
    EngineInfo {
        version: info.version,
        os: info.os,
        architecture: info.architecture,
        rootless: info.rootless,
        local: info.local,
        limits: info.limits.into_iter().map(str::to_owned).collect(),
        own_networks: info.own_networks,
    }
}

pub(super) fn image(info: engine::ImageInfo) -> ImageInfo {
    ImageInfo {
        digest: info.digest,
        id: info.id,
        entrypoint: info.entrypoint,
        arguments: info.arguments,
        user: info.user,
        working_directory: info.working_directory,
        labels: labels(info.labels),
        environment_names: info.environment_names,
        exposed_ports: info.exposed_ports,
        health_check: info.health_check,
    }
}

/// `closed`: it carries secrets, and could tell them by its exit code, bit by bit.
pub(super) fn container(info: engine::ContainerInfo, closed: bool) -> ContainerInfo {
    ContainerInfo {
        id: info.id,
        name: info.name,
        image: info.image,
        state: info.state,
        error: line(&info.error, 1000),
        health: match info.health {
            Health::None => None,
            Health::Starting => Some("starting".to_owned()),
            Health::Healthy => Some("healthy".to_owned()),
            Health::Unhealthy => Some("unhealthy".to_owned()),
        },
        exit_code: info.exit_code.filter(|_| !closed),
        out_of_memory: info.out_of_memory,
        networks: info.networks.into_iter().map(|(name, _)| name).collect(),
        labels: labels(info.labels),
        age_seconds: age(info.created),
    }
}

/// One that the engine has removed.
pub(super) fn ended(ended: Ended, closed: bool) -> ContainerInfo {
    ContainerInfo {
        id: ended.id,
        name: ended.name,
        image: ended.image,
        state: "exited".to_owned(),
        error: String::new(),
        health: None,
        exit_code: ended.end.exit_code.filter(|_| !closed),
        out_of_memory: ended.end.out_of_memory,
        networks: Vec::new(),
        labels: labels(ended.labels),
        age_seconds: 0,
    }
}

pub(super) fn network(info: engine::NetworkInfo) -> NetworkInfo {
    NetworkInfo {
        id: info.id,
        name: info.name,
        labels: labels(info.labels),
        containers: info.containers.unwrap_or(0),
        age_seconds: age(info.created),
    }
}

fn labels(labels: Vec<(String, String)>) -> Vec<Label> {
    labels.into_iter().map(|(key, value)| Label { key, value }).collect()
}

/// By two clocks, the engine's and ours; one that is behind makes things younger, never older than they are on it.
fn age(created: u64) -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    u32::try_from(now.saturating_sub(created)).unwrap_or(u32::MAX)
}
