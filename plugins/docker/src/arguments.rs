//! The `docker run` line of a server, word for word as Docker's MCP Gateway has it (`provisioning.md` 2.1): the same words in the same
//! order for the same entry, so that somebody who switches can compare.
//!
//! What the original cannot say (an entry point, ports, further limits) stands behind what it says and before the image. Values of
//! variables never stand in the line: `-e NAME` takes them from the environment of whoever tries it.

use crate::http;
use crate::plan::{self, Around};
use gateway_plugin::connection::HttpProtocol;
use gateway_plugin::docker::EgressProxy;
use gateway_plugin::types::{Access, Egress, Limits, Mount, MountSource, Port, Protocol};
use gateway_plugin::{Result, Server};

/// The words, the program's name first.
///
/// # Errors
/// As [`plan::plan`], for the image and its arguments.
pub fn arguments(server: &Server, around: &Around<'_>) -> Result<Vec<String>> {
    let image = plan::image(server)?;
    let mut words = Words::default();
    let http = http::speaks(&server.transport)?.map(|speaks| speaks.protocol);
    words.word("docker");
    // `provisioning.md` 2.4: pasted, the line must reach the engine that the gateway uses.
    if let Some(context) = around.context {
        words.pair("--context", context);
    }
    words.base(&server.name, &server.limits, around.privileged, http);
    network(server, around, &mut words);
    for variable in &server.environment {
        words.pair("-e", &variable.name);
    }
    for mount in &server.mounts {
        volume(mount, &mut words);
    }
    if let Some(user) = &server.user {
        words.pair("-u", user);
    }
    for host in plan::extra_hosts(server, around.proxy) {
        words.pair("--add-host", &host);
    }
    if let Some(processes) = server.limits.processes {
        words.pair("--pids-limit", &processes.to_string());
    }
    if let Some(disk) = &server.limits.disk {
        words.pair("--storage-opt", &format!("size={}", disk.written));
    }
    if let Some(folder) = &image.working_directory {
        words.pair("-w", folder);
    }
    // The command line takes one word; the others become the first arguments.
    let mut entrypoint = image.entrypoint.iter().flatten();
    if let Some(program) = entrypoint.next() {
        words.pair("--entrypoint", program);
    }
    // `provisioning.md` 7, 3.2-2: immediately before the image.
    if plan::publishes(server, around) {
        for port in http::published(server) {
            words.pair("-p", &publish(&port));
        }
    }
    words.word(&plan::reference(image));
    words.0.extend(entrypoint.cloned());
    words.0.extend(plan::words(image)?);
    Ok(words.0)
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn word(&mut self, word: &str) {
        self.0.push(word.to_owned());
    }

    fn pair(&mut self, flag: &str, value: &str) {
        self.0.extend([flag.to_owned(), value.to_owned()]);
    }

    /// Rows 1 to 6: the same for servers and tools.
    fn base(&mut self, name: &str, limits: &Limits, privileged: bool, http: Option<HttpProtocol>) {
        for word in ["run", "--rm", "-i", "--init", "--security-opt", "no-new-privileges"] {
            // Who speaks HTTP has no standard input.
            if word != "-i" || http.is_none() {
                self.word(word);
            }
        }
        if let Some(millis) = limits.cpu_millis.filter(|millis| *millis > 0) {
            self.pair("--cpus", &cpus(millis));
        }
        if let Some(memory) = &limits.memory {
            self.pair("--memory", &memory.written);
        }
        self.pair("--pull", "never");
        if privileged {
            self.word("--privileged");
        }
        self.pair("-l", "docker-mcp=true");
        self.pair("-l", "docker-mcp-tool-type=mcp");
        self.pair("-l", &format!("docker-mcp-name={name}"));
        self.pair("-l", &format!("docker-mcp-transport={}", plan::transport(http)));
    }
}

/// `1000` → `1`, `500` → `0.5`.
fn cpus(millis: u32) -> String {
    match millis % 1000 {
        0 => (millis / 1000).to_string(),
        part => format!("{}.{part:03}", millis / 1000).trim_end_matches('0').to_owned(),
    }
}

/// Rows 7 to 11.
fn network(server: &Server, around: &Around<'_>, words: &mut Words) {
    match around.proxy {
        // The original also joins `none`, which engines refuse, or the gateway's own networks, which is a way around the proxy.
        Some(EgressProxy { networks, links, environment, dns, .. }) => {
            for network in networks {
                words.pair("--network", network);
            }
            for link in links {
                words.pair("--link", link);
            }
            for (name, value) in environment {
                words.pair("-e", &format!("{name}={value}"));
            }
            for address in dns {
                words.pair("--dns", address);
            }
        }
        None if server.network.detached || matches!(server.network.egress, Egress::None) => {
            words.pair("--network", "none");
        }
        None => {
            for network in plan::usual_networks(server, around.engine) {
                words.pair("--network", &network);
            }
        }
    }
}

/// Row 14: as it was written; a mount that arrives as read-only says so.
fn volume(mount: &Mount, words: &mut Words) {
    let written = match (&mount.source, mount.written.as_str()) {
        (MountSource::Empty(Some(mib)), _) => {
            let read_only = if mount.access == Access::ReadOnly { ",readonly" } else { "" };
            let memory = format!("type=tmpfs,destination={},tmpfs-size={mib}m{read_only}", mount.target);
            return words.pair("--mount", &memory);
        }
        // A volume of its own has no other name than its place.
        (MountSource::Empty(None), _) => return words.pair("-v", &mount.target),
        (_, "") => format!("{}:{}", mount.label, mount.target),
        (_, written) => written.to_owned(),
    };
    words.pair("-v", &if mount.access == Access::ReadOnly { read_only(&written) } else { written });
}

fn read_only(written: &str) -> String {
    let says = |mode: &str, word: &[&str]| mode.split(',').any(|part| word.contains(&part));
    match written.rsplit_once(':') {
        Some((_, mode)) if says(mode, &["ro", "readonly"]) => written.to_owned(),
        // A third part that is no path is the mode.
        Some((rest, mode)) if rest.contains(':') && !mode.starts_with('/') => {
            let kept = mode.split(',').filter(|part| *part != "rw");
            let mode: Vec<&str> = std::iter::once("ro").chain(kept).collect();
            format!("{rest}:{}", mode.join(","))
        }
        _ => format!("{written}:ro"),
    }
}

/// Published on loopback only.
fn publish(port: &Port) -> String {
    let outside = port.host_port.map(|port| port.to_string()).unwrap_or_default();
    let protocol = if matches!(port.protocol, Protocol::Udp) { "udp" } else { "tcp" };
    format!("127.0.0.1:{outside}:{}/{protocol}", port.container_port)
}

#[cfg(test)]
mod tests;
