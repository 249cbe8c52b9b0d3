//! Inspect against inspect: the container that `docker run` makes and ours, for the same words. The program `docker` is needed by this test
//! only.

use crate::bench::{BUSYBOX, Bench, folder, with_engine};
use host_workload_docker::{ContainerSpec, MountSource, MountSpec, NetworkSpec, PublishSpec, SecretText};
use serde_json::Value;
use std::process::Command;

/// What differs between any two containers, or says who made them.
const IGNORED: [(&str, &str); 14] = [
    ("Id", "given by the engine"),
    ("Created", "the moment"),
    ("State", "the moment"),
    ("Name", "chosen by us, because it is how a container is found again"),
    ("ResolvConfPath", "holds the id"),
    ("HostnamePath", "holds the id"),
    ("HostsPath", "holds the id"),
    ("LogPath", "holds the id"),
    ("Config.Hostname", "the beginning of the id"),
    ("GraphDriver", "holds an id of the layer"),
    ("HostConfig.ConsoleSize", "the size of the terminal that `docker run` was started in"),
    ("HostConfig.ContainerIDFile", "the file in which `docker run` was asked to leave the id"),
    ("NetworkSettings", "addresses; the names of the networks are compared apart"),
    ("Mounts", "volumes without a name have a random one; their places are compared apart"),
];

struct Case {
    what: &'static str,
    /// After `docker run --rm -i`.
    flags: Vec<String>,
    spec: ContainerSpec,
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn inspect(name: &str) -> Value {
    let output = Command::new("docker").args(["inspect", name]).output().unwrap();
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    all.into_iter().next().unwrap()
}

/// Everything that is compared, as `path: value`, with what means "nothing" in all its forms left out.
fn rows(value: &Value, path: &str, rows: &mut Vec<String>) {
    if IGNORED.iter().any(|(ignored, _)| *ignored == path) {
        return;
    }
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                self::rows(value, &path, rows);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        other => rows.push(format!("{path}: {other}")),
    }
}

fn seen(name: &str) -> Vec<String> {
    let all = inspect(name);
    let mut seen = Vec::new();
    rows(&all, "", &mut seen);
    // Docker's own command line keeps these in maps, so their order says nothing.
    seen.retain(|row| !row.starts_with("HostConfig.Binds: ") && !row.starts_with("Config.Env: "));
    for list in ["/HostConfig/Binds", "/Config/Env"] {
        let items = all.pointer(list).and_then(Value::as_array).cloned().unwrap_or_default();
        seen.extend(items.iter().map(|item| format!("{list}: {item}")));
    }
    let networks = all.pointer("/NetworkSettings/Networks").and_then(Value::as_object).unwrap();
    seen.extend(networks.keys().map(|network| format!("network: {network}")));
    let mut mounts: Vec<String> = Vec::new();
    for mount in all.get("Mounts").and_then(Value::as_array).unwrap() {
        let field = |name: &str| mount.get(name).cloned().unwrap_or_default();
        let (kind, target, mode, writable) =
            (field("Type"), field("Destination"), field("Mode"), field("RW"));
        mounts.push(format!("mount: {kind} {target} {mode} {writable}"));
    }
    mounts.sort();
    seen.extend(mounts);
    seen
}

fn cases(bench: &Bench, host: &std::path::Path, network: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |what: &'static str, flags: String, change: &dyn Fn(&mut ContainerSpec)| {
        let mut spec = ContainerSpec::new(bench.name("ours"), BUSYBOX);
        spec.arguments = words("sh -c cat");
        spec.stdin = true;
        spec.labels = vec![("gateway-test".to_owned(), bench.mark.clone())];
        change(&mut spec);
        cases.push(Case { what, flags: words(&flags), spec });
    };
    let path = host.display();
    case("plain", String::new(), &|_| {});
    case(
        "the list that every server gets",
        "--init --security-opt no-new-privileges --cpus 1 --memory 2Gb -l docker-mcp=true -l docker-mcp-name=acme".to_owned(),
        &|spec| {
            (spec.init, spec.no_new_privileges) = (true, true);
            (spec.cpu_millis, spec.memory) = (Some(1000), Some(2 << 30));
            for (key, value) in [("docker-mcp", "true"), ("docker-mcp-name", "acme")] {
                spec.labels.push((key.to_owned(), value.to_owned()));
            }
        },
    );
    case("variables", "-e A=1 -e B=".to_owned(), &|spec| {
        spec.environment = [("A", "1"), ("B", "")].map(|(k, v)| (k.to_owned(), SecretText::new(v))).into();
    });
    case("folders", format!("-v {path}:/a -v {path}:/b:ro"), &|spec| {
        spec.mounts = vec![folder(host, "/a", false), folder(host, "/b", true)];
    });
    case("a volume of its own", "-v /anon".to_owned(), &|spec| {
        spec.mounts = vec![MountSpec {
            source: MountSource::Anonymous,
            target: "/anon".to_owned(),
            read_only: false,
            options: Vec::new(),
        }];
    });
    case("user and place", "-u 1000:1000 -w /tmp".to_owned(), &|spec| {
        (spec.user, spec.working_directory) = (Some("1000:1000".to_owned()), Some("/tmp".to_owned()));
    });
    case("hosts and servers of names", "--add-host db:10.1.2.3 --dns 10.0.0.9".to_owned(), &|spec| {
        (spec.extra_hosts, spec.dns) = (words("db:10.1.2.3"), words("10.0.0.9"));
    });
    case("no network", "--network none".to_owned(), &|spec| spec.no_network = true);
    case("a network", format!("--network {network} --network-alias notes"), &|spec| {
        (spec.networks, spec.network_aliases) = (vec![network.to_owned()], words("notes"));
    });
    case("entry point", "--entrypoint /bin/busybox".to_owned(), &|spec| {
        spec.entrypoint = Some(words("/bin/busybox"));
    });
    case("rights", "--privileged".to_owned(), &|spec| spec.privileged = true);
    case("capabilities", "--cap-add NET_ADMIN --cap-drop MKNOD".to_owned(), &|spec| {
        (spec.capabilities_add, spec.capabilities_drop) = (words("NET_ADMIN"), words("MKNOD"));
    });
    case("root that cannot be written", "--read-only --tmpfs /tmp:size=1m".to_owned(), &|spec| {
        (spec.read_only_root, spec.tmpfs) = (true, words("/tmp:size=1m"));
    });
    case("limits", "--pids-limit 50 --cpus 0.5 --memory 64m --memory-swap 64m".to_owned(), &|spec| {
        (spec.processes, spec.cpu_millis, spec.memory) = (Some(50), Some(500), Some(64 << 20));
        spec.options = vec![("memory-swap".to_owned(), "64m".to_owned())];
    });
    case("ports", "-p 127.0.0.1::8000".to_owned(), &|spec| {
        spec.publish = vec![PublishSpec { container_port: 8000, udp: false, host_port: None }];
    });
    case(
        "the rest",
        "--stop-signal SIGINT --shm-size 32m --hostname h --ulimit nofile=100:200".to_owned(),
        &|spec| {
            spec.stop_signal = Some("SIGINT".to_owned());
            spec.options = [("shm-size", "32m"), ("hostname", "h"), ("ulimit", "nofile=100:200")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        },
    );
    cases
}

#[test]
fn ours_cannot_be_told_from_docker_runs() {
    if Command::new("docker").arg("--version").output().is_err() {
        eprintln!("skipped: no program `docker` to compare with");
        return;
    }
    with_engine(|bench| async move {
        let host = tempfile::tempdir().unwrap();
        let network = bench.name("net");
        let spec = NetworkSpec {
            name: network.clone(),
            internal: true,
            labels: vec![("gateway-test".to_owned(), bench.mark.clone())],
        };
        bench.engine.create_network(&spec).await.unwrap();
        let mut different = Vec::new();
        for case in cases(&bench, host.path(), &network) {
            let theirs = bench.name("theirs");
            // `docker run` is `docker create` and `docker start`; what it asks for is complete after the first.
            let made = Command::new("docker")
                .args(["create", "--rm", "-i", "--name", &theirs, "-l", &bench.label()])
                .args(&case.flags)
                .arg(BUSYBOX)
                .args(&case.spec.arguments)
                .output()
                .unwrap();
            assert!(made.status.success(), "{}: {}", case.what, String::from_utf8_lossy(&made.stderr));
            let ours = bench.engine.create(&case.spec).await.unwrap();
            let (theirs_seen, ours_seen) = (seen(&theirs), seen(&case.spec.name));
            different.extend(
                theirs_seen
                    .iter()
                    .filter(|row| !ours_seen.contains(row))
                    .map(|row| format!("{}: - {row}", case.what)),
            );
            different.extend(
                ours_seen
                    .iter()
                    .filter(|row| !theirs_seen.contains(row))
                    .map(|row| format!("{}: + {row}", case.what)),
            );
            bench.engine.remove(&ours).await.unwrap();
            bench.engine.remove(&theirs).await.unwrap();
        }
        bench.engine.remove_network(&network).await.unwrap();
        assert!(different.is_empty(), "{}", different.join("\n"));
    });
}
