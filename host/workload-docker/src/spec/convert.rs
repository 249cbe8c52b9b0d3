//! From a specification to what the engine is asked. The same request that `docker run -i --rm` sends for the same words, so that the two
//! containers cannot be told apart.

use super::{ContainerSpec, MountSource, MountSpec, PublishSpec, options};
use crate::error::Error;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Mount, MountTmpfsOptions,
    MountType, NetworkingConfig, PortBinding, PortMap, RestartPolicy, RestartPolicyNameEnum,
};
use std::collections::HashMap;

/// Names for which the engine has a meaning of its own.
const NO_NETWORK: &str = "none";

/// What stands after `-v`, what only `--mount` can say, and the places of volumes without a name.
type Mounts = (Vec<String>, Vec<Mount>, Vec<String>);

impl ContainerSpec {
    /// The networks to be joined: the one it starts in, and those that are joined before it starts.
    pub(crate) fn networks_in_order(&self) -> (&str, &[String]) {
        match self.networks.split_first() {
            _ if self.no_network => (NO_NETWORK, &self.networks),
            Some((first, rest)) => (first, rest),
            None => ("default", &[]),
        }
    }

    /// How this container stands in one of its networks.
    pub(crate) fn place_in_network(&self) -> EndpointSettings {
        EndpointSettings {
            aliases: (!self.network_aliases.is_empty()).then(|| self.network_aliases.clone()),
            links: (!self.links.is_empty()).then(|| self.links.clone()),
            ..EndpointSettings::default()
        }
    }

    /// What the engine is asked.
    pub(crate) fn body(&self) -> Result<ContainerCreateBody, Error> {
        self.check()?;
        let (network, _) = self.networks_in_order();
        let (binds, mounts, volumes) = self.mounts()?;
        let (exposed_ports, port_bindings) = ports(&self.publish);
        let mut host = HostConfig {
            binds: (!binds.is_empty()).then_some(binds),
            mounts: (!mounts.is_empty()).then_some(mounts),
            log_config: Some(HostConfigLogConfig { typ: Some(String::new()), config: Some(HashMap::new()) }),
            network_mode: Some(network.to_owned()),
            port_bindings: Some(port_bindings),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: Some(0),
            }),
            auto_remove: Some(true),
            cap_add: capabilities(&self.capabilities_add),
            cap_drop: capabilities(&self.capabilities_drop),
            dns: Some(self.dns.clone()),
            dns_options: Some(Vec::new()),
            dns_search: Some(Vec::new()),
            extra_hosts: list(&self.extra_hosts),
            links: list(&self.links),
            privileged: Some(self.privileged),
            readonly_rootfs: Some(self.read_only_root),
            security_opt: self.no_new_privileges.then(|| vec!["no-new-privileges".to_owned()]),
            tmpfs: (!self.tmpfs.is_empty()).then(|| self.tmpfs.iter().map(|path| tmpfs(path)).collect()),
            memory: Some(signed(self.memory.unwrap_or(0))),
            nano_cpus: Some(i64::from(self.cpu_millis.unwrap_or(0)) * 1_000_000),
            pids_limit: Some(i64::from(self.processes.unwrap_or(0))),
            oom_kill_disable: Some(false),
            init: self.init.then_some(true),
            devices: Some(Vec::new()),
            blkio_weight_device: Some(Vec::new()),
            storage_opt: self.disk.map(|disk| HashMap::from([("size".to_owned(), disk.to_string())])),
            ..HostConfig::default()
        };
        let mut body = ContainerCreateBody {
            user: Some(self.user.clone().unwrap_or_default()),
            attach_stdin: Some(self.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            exposed_ports: list(&exposed_ports),
            tty: Some(false),
            open_stdin: Some(self.stdin),
            stdin_once: Some(self.stdin),
            env: Some(self.environment()),
            cmd: list(&self.arguments),
            image: Some(self.image.clone()),
            volumes: list(&volumes),
            working_dir: self.working_directory.clone(),
            entrypoint: self.entrypoint.clone(),
            labels: Some(self.labels.iter().cloned().collect()),
            stop_signal: self.stop_signal.clone(),
            ..ContainerCreateBody::default()
        };
        for (name, value) in &self.options {
            options::apply(name, value, &mut body, &mut host)?;
        }
        if !self.networks.is_empty() && !self.no_network {
            let place = HashMap::from([(network.to_owned(), self.place_in_network())]);
            body.networking_config = Some(NetworkingConfig { endpoints_config: Some(place) });
        }
        body.host_config = Some(host);
        Ok(body)
    }

    /// What the engine would take for something else, or refuse with a sentence that holds a value.
    fn check(&self) -> Result<(), Error> {
        crate::name::checked("container", &self.name)?;
        for (name, value) in &self.environment {
            if name.is_empty() || name.contains(['=', '\0']) {
                let shown = name.replace('\0', "\\0");
                return Err(Error::specification(format!("`{shown}` is no name of an environment variable")));
            }
            if value.expose().contains('\0') {
                return Err(Error::specification(format!("variable `{name}` has a zero byte in its value")));
            }
        }
        if let Some(zero) =
            self.arguments.iter().chain(self.entrypoint.iter().flatten()).find(|w| w.contains('\0'))
        {
            let shown = zero.replace('\0', "\\0");
            return Err(Error::specification(format!("argument `{shown}` has a zero byte")));
        }
        for name in &self.networks {
            crate::name::checked("network", name)?;
        }
        if self.read_only_root && !self.files.is_empty() {
            return Err(Error::specification("place files in a container whose root cannot be written")
                .with_hint("mount a folder that holds them, or allow the root to be written"));
        }
        Ok(())
    }

    /// `NAME=value`, each name once: where it occurs twice the last value counts, at the place of the first.
    fn environment(&self) -> Vec<String> {
        let mut order: Vec<&str> = Vec::new();
        let mut values: HashMap<&str, &str> = HashMap::new();
        for (name, value) in &self.environment {
            if values.insert(name, value.expose()).is_none() {
                order.push(name);
            }
        }
        order.iter().map(|name| format!("{name}={}", values.get(name).unwrap_or(&""))).collect()
    }

    /// `-v` as far as its syntax can say it, `--mount` for the rest.
    fn mounts(&self) -> Result<Mounts, Error> {
        let (mut binds, mut mounts, mut volumes) = (Vec::new(), Vec::new(), Vec::new());
        for mount in &self.mounts {
            if !mount.target.starts_with('/') {
                return Err(Error::specification(format!(
                    "mount at `{}`: the path is not absolute",
                    mount.target
                )));
            }
            match &mount.source {
                MountSource::Memory(size) => mounts.push(memory(mount, *size)?),
                MountSource::Anonymous if mount.options.is_empty() && !mount.read_only => {
                    volumes.push(mount.target.clone());
                }
                MountSource::Anonymous => {
                    return Err(Error::specification(format!(
                        "mount at `{}`: a volume without a name has no options",
                        mount.target
                    )));
                }
                MountSource::Volume(name) => {
                    crate::name::checked("volume", name)?;
                    binds.push(bind(name, mount)?);
                }
                MountSource::Folder(path) => {
                    let Some(path) = path.to_str().filter(|_| path.is_absolute()) else {
                        return Err(Error::specification(format!(
                            "mount `{}`: the path is not absolute, or no text",
                            path.display()
                        )));
                    };
                    if path.contains(':') {
                        mounts.push(folder(path, mount)?);
                    } else {
                        binds.push(bind(path, mount)?);
                    }
                }
            }
        }
        Ok((binds, mounts, volumes))
    }
}

/// `source:target[:options]`, as after `-v`.
fn bind(source: &str, mount: &MountSpec) -> Result<String, Error> {
    if mount.target.contains(':') {
        return Err(Error::specification(format!("mount at `{}`: the path has a colon", mount.target)));
    }
    let mut options: Vec<&str> = Vec::new();
    if mount.read_only {
        options.push("ro");
    }
    for option in &mount.options {
        match option.as_str() {
            "ro" | "readonly" if mount.read_only => {}
            // What is read-only is not made writable by a further word.
            "rw" | "ro" | "readonly" if mount.read_only || option != "rw" => {
                return Err(Error::specification(format!(
                    "mount at `{}`: option `{option}` contradicts its access",
                    mount.target
                )));
            }
            option if option.is_empty() || option.contains([',', ':']) => {
                return Err(Error::specification(format!(
                    "mount at `{}`: `{option}` is no option",
                    mount.target
                )));
            }
            option => options.push(option),
        }
    }
    let options = if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
    Ok(format!("{source}:{}{options}", mount.target))
}

/// A folder whose path has a colon.
fn folder(path: &str, mount: &MountSpec) -> Result<Mount, Error> {
    no_options(mount)?;
    Ok(Mount {
        typ: Some(MountType::BIND),
        source: Some(path.to_owned()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    })
}

fn memory(mount: &MountSpec, size: Option<u64>) -> Result<Mount, Error> {
    no_options(mount)?;
    Ok(Mount {
        typ: Some(MountType::TMPFS),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        tmpfs_options: Some(MountTmpfsOptions {
            size_bytes: size.map(signed),
            ..MountTmpfsOptions::default()
        }),
        ..Mount::default()
    })
}

fn no_options(mount: &MountSpec) -> Result<(), Error> {
    match mount.options.first() {
        None => Ok(()),
        Some(option) => Err(Error::specification(format!(
            "mount at `{}`: option `{option}` cannot be kept",
            mount.target
        ))),
    }
}

/// Published on loopback only: nothing of a workload is reached from another machine.
fn ports(publish: &[PublishSpec]) -> (Vec<String>, PortMap) {
    let mut bindings = PortMap::new();
    let mut exposed = Vec::new();
    for port in publish {
        let key = format!("{}/{}", port.container_port, if port.udp { "udp" } else { "tcp" });
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(port.host_port.map(|port| port.to_string()).unwrap_or_default()),
        };
        bindings.entry(key.clone()).or_default().get_or_insert_default().push(binding);
        if !exposed.contains(&key) {
            exposed.push(key);
        }
    }
    (exposed, bindings)
}

/// `/tmp:size=64m` → path and options.
fn tmpfs(text: &str) -> (String, String) {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    (path.to_owned(), options.to_owned())
}

/// By their full names, as `docker run` sends them: `NET_ADMIN` is `CAP_NET_ADMIN`, and `ALL` is itself.
fn capabilities(names: &[String]) -> Option<Vec<String>> {
    let full = |name: &String| {
        let name = name.to_ascii_uppercase();
        if name == "ALL" || name.starts_with("CAP_") { name } else { format!("CAP_{name}") }
    };
    (!names.is_empty()).then(|| names.iter().map(full).collect())
}

fn list(items: &[String]) -> Option<Vec<String>> {
    (!items.is_empty()).then(|| items.to_vec())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
