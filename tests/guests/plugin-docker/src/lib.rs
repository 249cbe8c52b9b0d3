//! A plugin that asks a container engine, on request, for what it must not have. The request is the name of the server; words after the first
//! are its arguments. What the host answers to questions becomes the text of a failure.

#[path = "../../toolless.rs"]
mod toolless;

wit_bindgen::generate!({
    path: "../../../wit/v0.1",
    world: "docker-plugin",
    generate_all,
});

use exports::gateway::provisioner::provisioner::{Description, Guest, Prepared, Provisioned, Reconnected};
use gateway::provisioner::docker::{self, Condition, ContainerSpec, ImageRequest, NetworkSpec};
use gateway::provisioner::types::*;
use toolless::{failure, unsupported};

struct Plugin;

export!(Plugin);

/// What the host said, as a failure's text.
fn says<T>(text: String) -> Result<T, Failure> {
    Err(failure(FailureCategory::Other, text))
}

fn name(context: &Context, server: &Server) -> String {
    format!("mcp-{}-{}", server.id, context.request)
}

/// The server's own container, honestly.
fn own(context: &Context, server: &Server) -> ContainerSpec {
    let Workload::Image(image) = &server.workload else { panic!("no image") };
    let word = |value: &Value| match value.as_slice() {
        [Part::Text(text)] => text.clone(),
        _ => String::new(),
    };
    ContainerSpec {
        name: name(context, server),
        image: image.reference.clone(),
        arguments: image.arguments.iter().map(word).collect(),
        entrypoint: None,
        working_directory: None,
        environment: server.environment.clone(),
        files: server.files.clone(),
        mounts: server.mounts.clone(),
        networks: Vec::new(),
        no_network: true,
        network_aliases: Vec::new(),
        links: Vec::new(),
        dns: Vec::new(),
        extra_hosts: server.network.extra_hosts.clone(),
        user: server.user.clone(),
        limits: server.limits.clone(),
        init: true,
        no_new_privileges: true,
        privileged: false,
        capabilities_add: Vec::new(),
        capabilities_drop: Vec::new(),
        read_only_root: false,
        tmpfs: Vec::new(),
        publish: Vec::new(),
        stop_signal: None,
        labels: Vec::new(),
        options: Vec::new(),
    }
}

fn started(spec: &ContainerSpec) -> Result<Provisioned, Failure> {
    let started = docker::start_attached(spec)?;
    Ok(Provisioned {
        connection: Some(started.connection),
        state: Some(State { version: 1, data: started.container.into_bytes() }),
        fields: Vec::new(),
        objects: Vec::new(),
        extras: Vec::new(),
    })
}

fn provision(context: &Context, server: &Server) -> Result<Provisioned, Failure> {
    let words: Vec<&str> = server.name.split(' ').collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default().to_owned();
    let mut spec = own(context, server);
    match word(0).as_str() {
        "privileged" => spec.privileged = true,
        "capability" => spec.capabilities_add = vec!["SYS_ADMIN".to_owned()],
        "option" => spec.options = vec![(word(1), word(2))],
        "network" => (spec.networks, spec.no_network) = (vec![word(1)], false),
        "port" => {
            spec.publish = vec![Port { container_port: 80, protocol: Protocol::Tcp, host_port: Some(8080) }];
        }
        "mount" => {
            spec.mounts = vec![Mount {
                source: MountSource::Folder(word(1)),
                label: word(1),
                target: "/host".to_owned(),
                access: Access::ReadWrite,
                options: Vec::new(),
                written: String::new(),
            }];
        }
        "write" => spec.mounts.iter_mut().for_each(|mount| mount.access = Access::ReadWrite),
        "image" => spec.image = word(1),
        "entrypoint" => spec.entrypoint = Some(vec!["/bin/busybox".to_owned(), "env".to_owned()]),
        "arguments" => spec.arguments = vec!["env".to_owned()],
        "elsewhere" => spec.environment.iter_mut().for_each(|variable| variable.name = "OTHER".to_owned()),
        "dns" => spec.dns = vec!["10.0.0.9".to_owned()],
        "egress" => {
            let destination =
                Destination { host: word(1), port: Some(443), protocol: Protocol::Http, written: word(1) };
            let wanted = docker::ProxySpec {
                name: format!("mcp-egress-{}", context.request),
                egress: match words.get(1) {
                    Some(&"public") => Egress::Public,
                    Some(&"everything") => Egress::Unrestricted,
                    _ => Egress::Only(vec![destination]),
                },
                ingress: Vec::new(),
                server_alias: String::new(),
            };
            return says(format!("{:?}", docker::start_egress_proxy(&wanted)?.links));
        }
        "link" => spec.links = vec![format!("{}:victim", word(1))],
        "forge" => {
            let label = |key: &str, value: &str| Label { key: key.to_owned(), value: value.to_owned() };
            spec.labels =
                vec![label("gateway-session", "forged"), label("gateway-x", "y"), label("mine", "yes")];
        }
        "as" => spec.name = word(1),
        "twice" => {
            let first = docker::start_attached(&spec)?;
            let second = docker::start_attached(&spec)?;
            if first.container != second.container {
                return says("two containers".to_owned());
            }
            spec.arguments.push("other".to_owned());
        }
        "inspect" => return says(format!("{:?}", docker::inspect(&word(1))?)),
        "remove" => return says(format!("{:?}", docker::remove(&word(1))?)),
        "stop" => return says(format!("{:?}", docker::stop(&word(1), 0)?)),
        "attach" => return says(docker::attach(&word(1))?.label()),
        "remove-network" => return says(format!("{:?}", docker::remove_network(&word(1))?)),
        "look" => {
            let container = docker::start(&spec)?;
            let log = docker::log_tail(&container, 10);
            let exec = docker::exec(&container, &["/bin/busybox".to_owned(), "env".to_owned()], 1000);
            return says(format!("{} / {}", outcome(log), outcome(exec.map(|ran| ran.exit_code))));
        }
        "end" => {
            let container = docker::start(&spec)?;
            docker::wait(&[Condition::Exited(container.clone())], 60_000)?;
            let info = docker::inspect(&container)?;
            return says(format!("{:?}", info.map(|info| (info.state, info.exit_code))));
        }
        "pull" => {
            let request = ImageRequest {
                reference: word(1),
                digest: None,
                platform: None,
                pull: PullPolicy::Never,
                login: None,
            };
            return says(docker::ensure_image(&request).map(|image| image.id)?);
        }
        "join" => {
            let network =
                NetworkSpec { name: format!("{}-net", spec.name), internal: true, labels: Vec::new() };
            docker::create_network(&network)?;
            docker::create_network(&network)?;
            (spec.networks, spec.no_network) = (vec![network.name], false);
        }
        "check" => {
            spec.privileged = true;
            spec.image = "evil/image".to_owned();
            spec.networks = vec!["host".to_owned()];
            let found = docker::check(&spec)?;
            return says(
                found.into_iter().map(|finding| finding.failure.text).collect::<Vec<_>>().join("; "),
            );
        }
        _ => {}
    }
    started(&spec)
}

fn outcome<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(failure) => failure.text,
    }
}

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            name: "docker".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "asks for what it must not have".to_owned(),
            runs: vec![WorkloadKind::Image],
            runs_tools: Vec::new(),
            settings_schema: "{}".to_owned(),
            server_settings_schema: "{}".to_owned(),
            reads_state: vec![1],
            understands: Vec::new(),
            extras: Vec::new(),
        }
    }

    fn prepare(_: Context, _: Vec<Server>, _: Vec<ToolEntry>) -> Result<Prepared, Failure> {
        Ok(Prepared { shared: None, refused: Vec::new(), objects: Vec::new(), extras: Vec::new() })
    }

    /// Tries to create in a call that only reads.
    fn validate(context: Context, server: Server) -> Result<Validation, Failure> {
        let text = match docker::start(&own(&context, &server)) {
            Ok(container) => container,
            Err(failure) => failure.text,
        };
        let text = format!("{text} / {}", outcome(docker::remove("anything")));
        Err(failure(FailureCategory::Other, text))
    }

    fn plan(_: Context, _: Server) -> Result<Blueprint, Failure> {
        unsupported()
    }

    fn provision(context: Context, server: Server) -> Result<Provisioned, Failure> {
        provision(&context, &server)
    }

    fn probe(_: Context, _: Lease) -> Result<Health, Failure> {
        unsupported()
    }

    fn reconnect(_: Context, _: Server, _: Lease) -> Result<Option<Reconnected>, Failure> {
        Ok(None)
    }

    fn release(_: Context, lease: Lease, _: ReleaseReason) -> Result<(), Failure> {
        for object in lease.objects.iter().rev() {
            match object.kind.as_str() {
                "container" => docker::remove(&object.name)?,
                "network" => docker::remove_network(&object.name)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn enumerate(_: Context, _: Page) -> Result<ManagedPage, Failure> {
        Ok(ManagedPage { objects: Vec::new(), cursor: None })
    }

    fn sweep(_: Context, _: u32, _: Page) -> Result<SweepPage, Failure> {
        Ok(SweepPage { removed: Vec::new(), failed: Vec::new(), cursor: None })
    }

    fn shutdown(_: Context, _: Leftovers) -> Result<(), Failure> {
        Ok(())
    }
}
