//! Inspect against inspect: the container that the printed `docker run` line makes (by Docker's command line, here and nowhere else) and the
//! one that the gateway makes are the same to the engine, but for what is listed in [`IGNORED`].

use super::World;
use super::command::{docker, output};
use super::events::none_with;
use gateway_tests::harness::{Scene, eventually};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::process::Child;

/// What differs from one container to the next, or must differ, with the reason.
const IGNORED: &[(&str, &str)] = &[
    ("/Id", "each container has its own"),
    ("/Name", "the gateway names its containers; the line leaves it to the engine"),
    ("/Created", "time"),
    ("/State/StartedAt", "time"),
    ("/State/Pid", "chosen by the system"),
    ("/ResolvConfPath", "holds the id"),
    ("/HostnamePath", "holds the id"),
    ("/HostsPath", "holds the id"),
    ("/LogPath", "holds the id"),
    ("/Config/Hostname", "is the beginning of the id"),
    ("/GraphDriver/Data", "layers of this one container"),
    ("/HostConfig/ConsoleSize", "the size of the terminal of whoever runs the command line"),
    ("/NetworkSettings/SandboxID", "chosen by the engine"),
    ("/NetworkSettings/SandboxKey", "chosen by the engine"),
    ("/NetworkSettings/EndpointID", "chosen by the engine"),
    ("/NetworkSettings/IPAddress", "chosen by the engine"),
    ("/NetworkSettings/MacAddress", "chosen by the engine"),
];
/// The same inside each network.
const IGNORED_IN_NETWORK: &[(&str, &str)] = &[
    ("EndpointID", "chosen by the engine"),
    ("IPAddress", "chosen by the engine"),
    ("MacAddress", "chosen by the engine"),
    ("DNSNames", "hold name and id"),
    ("Aliases", "hold the id"),
];

/// One entry of the catalogue, and what the words of its line stand for.
struct Case {
    /// What it is about; part of the server's name.
    about: &'static str,
    /// The entry. `{name}` is the server's name.
    entry: &'static str,
    /// Variables as the command line's own environment must have them.
    environment: &'static [(&'static str, &'static str)],
}

const fn case(about: &'static str, entry: &'static str) -> Case {
    Case { about, entry, environment: &[] }
}

/// Reads what it is told and says nothing, so that the container stays as long as somebody holds its input.
const USUAL: [&str; 2] = ["image: mcp/busybox:1", "command: [sh, -c, 'exec cat > /dev/null']"];

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("plain", ""),
    case("words", "command: [sh, -c, 'exec cat >&2', '--root', '', 'x y', '{\"k\":1}', '{{name.who}}', '{{name.list}}', '{{name.empty}}']"),
    Case { about: "variables", entry: "env: [{name: A, value: a}, {name: B, value: '${A}-$NONE'}, {name: J, value: '{\"x\": 1}'}, {name: E, value: ''}]",
        environment: &[("A", "a"), ("B", "a-"), ("J", "{\"x\": 1}")] },
    Case { about: "templates", entry: "env: [{name: W, value: '{{name.who}}'}, {name: L, value: '{{name.list}}'}, {name: N, value: '{{name.none|or:7}}'}]",
        environment: &[("W", "me"), ("L", "[a b]"), ("N", "7")] },
    Case { about: "secret", entry: "secrets: [{name: inspect.token, env: TOKEN}]\nenv: [{name: H, value: 'Bearer $TOKEN'}]",
        environment: &[("TOKEN", "s3cret"), ("H", "Bearer s3cret")] },
    Case { about: "repeated", entry: "secrets: [{name: inspect.token, env: A}]\nenv: [{name: A, value: third}, {name: R, value: '$A'}]",
        environment: &[("A", "third"), ("R", "s3cret")] },
    Case { about: "path", entry: "env: [{name: PATH, value: /custom}, {name: HOME, value: /h}]\ncommand: [/bin/sh, -c, 'exec /bin/cat > /dev/null']",
        environment: &[("PATH", "/custom"), ("HOME", "/h")] },
    case("volume", "volumes: ['inspect-cache:/cache']"),
    case("volume-rw", "volumes: ['inspect-cache:/cache:rw', 'inspect-cache:/read:ro']"),
    case("anonymous", "volumes: [/anon, /anon/deeper]"),
    case("folder", "volumes: ['/tmp/inspect-a:/host']"),
    case("folder-ro", "volumes: ['/tmp/inspect-a:/host:ro', '/tmp/inspect-a:/more:ro']"),
    case("folder-template", "volumes: ['{{name.folders|volume|into}}', '{{name.none|mount_as:/none}}', '{{name.folder|mount_as:/m:ro}}']"),
    case("options", "volumes: ['inspect-cache:/a:nocopy', '/tmp/inspect-a:/b:ro,z']"),
    case("user", "user: '1001:2002'"),
    case("user-name", "user: nobody"),
    case("user-template", "user: '{{name.uid}}'"),
    case("no-network", "disableNetwork: true"),
    case("extra-hosts", "extraHosts: ['db.example:10.1.2.3', 'host.docker.internal:host-gateway', '']"),
    case("extra-hosts-6", "extraHosts: ['six.example:fd00::1']"),
    case("allow-hosts", "allowHosts: ['api.example:443', 'db.example:5432/tcp']"),
    case("long-lived", "longLived: true"),
    case("described", "title: T\ndescription: D\nicon: 'https://a.example/i.png'\nmetadata: {category: c, tags: [x]}\ntools: [{name: t}]\nprefix: p\nconfig: [{name: c, type: object}]"),
    case("null-image", "image: mcp/null:1\ncommand: []"),
    case("time-image", "image: mcp/time:1\ncommand: ['--local-timezone', 'Europe/Berlin']"),
    case("git-image", "image: mcp/git:1\ncommand: []\nvolumes: ['/tmp/inspect-a:/repos:ro']"),
    case("filesystem-image", "image: mcp/filesystem:1\ncommand: ['/data']"),
    case("everything-image", "image: mcp/everything:1\ncommand: []"),
    Case { about: "all", entry: "secrets: [{name: inspect.token, env: K}]\nenv: [{name: U, value: '{{name.who}}'}, {name: H, value: 'Bearer $K'}]\n\
        command: [sh, -c, 'exec cat > /dev/null', '{{name.list|into}}']\nvolumes: ['inspect-cache:/cache', '{{name.folders|volume|into}}']\nuser: '1000:1000'\n\
        extraHosts: ['host.docker.internal:host-gateway']\nlongLived: true\nallowHosts: ['a:1']",
        environment: &[("K", "s3cret"), ("U", "me"), ("H", "Bearer s3cret")] },
];

impl Case {
    /// The entry, with what stands in it before what each of them has.
    fn yaml(&self, name: &str, world: &World) -> String {
        // Folders and volumes are this test's own: another one beside it removes its own ones at its end.
        let own =
            self.entry.replace("inspect-", &format!("{}-", world.name)).replace("name.", &format!("{name}."));
        let has = |key: &str| own.lines().any(|line| line.starts_with(key));
        let usual = USUAL.iter().filter(|line| !has(line.split_once(' ').map_or(line, |(key, _)| key)));
        let lines = usual.copied().chain(own.lines()).map(|line| format!("    {line}\n"));
        format!("  {name}:\n{}", lines.collect::<String>())
    }
}

/// The line by which the gateway says what it runs, for each server.
async fn lines(scene: &Scene, flags: &[&str]) -> Vec<(String, Vec<String>)> {
    let plan = scene.run(["run", "--dry-run", "--json"].iter().chain(flags)).await.expect_code(0).json();
    let line = |server: &Value| {
        let text = server["documents"][0]["text"].as_str().unwrap_or_else(|| panic!("{server:#}"));
        (server["name"].as_str().unwrap().to_owned(), serde_json::from_str(text).unwrap())
    };
    plan["servers"].as_array().unwrap().iter().map(line).collect()
}

/// What the engine says about the one running container that has this filter and, or not, a label of ours.
async fn inspected(name: &str, ours: bool) -> Value {
    eventually(&format!("a container of {name} (ours: {ours})"), async || {
        let filter = format!("label=docker-mcp-name={name}");
        let ids = output(docker().args(["ps", "-q", "--no-trunc", "--filter", &filter])).await?;
        for id in ids.split_whitespace() {
            // One that has ended meanwhile is none.
            let Ok(text) = output(docker().args(["inspect", id])).await else { continue };
            let mut found: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            let found = found[0].take();
            let labelled = found["Config"]["Labels"]["gateway-id"].is_string();
            if labelled == ours && found["State"]["Running"] == true {
                return Ok(found);
            }
        }
        Err(format!("there are {ids:?}"))
    })
    .await
}

/// The line as a person would run it, with the variables that it names; its input is held open.
fn run_by_hand(line: &[String], case: &Case) -> Child {
    let mut command = docker();
    command.args(&line[1..]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // A variable `PATH` of the server's must not hide Docker's command line from this test: it is found already.
    command.envs(case.environment.iter().copied()).spawn().unwrap()
}

/// Without what may differ.
fn compared(mut found: Value) -> Value {
    for (pointer, _) in IGNORED {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        if let Some(parent) = found.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.remove(key);
        }
    }
    if let Some(networks) = found.pointer_mut("/NetworkSettings/Networks").and_then(Value::as_object_mut) {
        for network in networks.values_mut().filter_map(Value::as_object_mut) {
            network.retain(|key, _| !IGNORED_IN_NETWORK.iter().any(|(ignored, _)| key == ignored));
        }
    }
    // Ours beside those of the line: whose it is.
    if let Some(labels) = found.pointer_mut("/Config/Labels").and_then(Value::as_object_mut) {
        labels.retain(|key, _| !key.starts_with("gateway-"));
    }
    // Of these the order says nothing: each names its variable, or its place in the container, which is there once.
    for pointer in ["/Config/Env", "/HostConfig/Binds"] {
        if let Some(list) = found.pointer_mut(pointer).and_then(Value::as_array_mut) {
            list.sort_by_key(ToString::to_string);
        }
    }
    // Volumes without a name are called by the engine, and lie where it keeps them; their order is its own too.
    if let Some(mounts) = found.pointer_mut("/Mounts").and_then(Value::as_array_mut) {
        for mount in mounts.iter_mut() {
            let anonymous = mount["Name"].as_str().is_some_and(|name| name.len() == 64);
            if anonymous {
                (mount["Name"], mount["Source"]) = (json!("anonymous"), json!("anonymous"));
            }
        }
        mounts.sort_by_key(|mount| mount["Destination"].to_string());
    }
    found
}

/// Where two values differ.
fn differences(path: &str, left: &Value, right: &Value, into: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                differences(&format!("{path}/{key}"), a, b, into);
            }
        }
        (a, b) if a == b => {}
        // The engine shows a list that was not sent as nothing, and one that was sent empty as empty; both mean that there is none.
        (Value::Null, Value::Array(none)) | (Value::Array(none), Value::Null) if none.is_empty() => {}
        (a, b) => into.push(format!("{path}: ours {a}, by hand {b}")),
    }
}

/// Starts the servers, runs their lines by hand, and compares what the engine says.
async fn compare(world: &World, cases: &[Case], settings: &str, flags: &[&str], variables: &[(&str, &str)]) {
    let name = |case: &Case| format!("{}-{}", world.name, case.about);
    let scene = match variables {
        [] => world.scene("image: none"),
        [(name, value), ..] => world.scene("image: none").with_variable(name, value),
    };
    let folders = ["a", "b"].map(|folder| format!("/tmp/{}-{folder}", world.name));
    let catalog: String = cases.iter().map(|case| case.yaml(&name(case), world)).collect();
    scene.file("catalog.yaml", format!("registry:\n{catalog}"));
    let config: String = cases
        .iter()
        .map(|case| {
            let [a, b] = &folders;
            let values =
                format!("who: me, list: [a, b], empty: [], folders: [{a}, {b}], folder: {b}, uid: 1000");
            format!("{}: {{{values}}}\n", name(case))
        })
        .collect();
    scene.file("config.yaml", config);
    scene.file(".env", "inspect.token=s3cret\n");
    scene.settings(&format!("secrets: [./.env]\n{settings}"));
    let names: Vec<String> = cases.iter().map(name).collect();
    let servers = names.join(",");
    let mut all = vec!["--catalog", "catalog.yaml", "--config", "config.yaml", "--servers", &servers];
    all.extend(flags);
    let lines = lines(&scene, &all).await;
    let gateway = scene.serve(&all).await;
    let mut wrong = Vec::new();
    for (case, (server, line)) in cases.iter().zip(&lines) {
        assert_eq!(*server, name(case));
        let ours = inspected(server, true).await;
        let mut by_hand = run_by_hand(line, case);
        let theirs = inspected(server, false).await;
        drop(by_hand.stdin.take());
        let mut found = Vec::new();
        differences("", &compared(ours), &compared(theirs), &mut found);
        wrong.extend(found.into_iter().map(|what| format!("{}: {what}", case.about)));
        // What does not care for the end of its input is not waited for.
        let _ = output(docker().args(["rm", "-f", "-v"]).args(by_hand_ids(server).await)).await;
        let _ = by_hand.wait().await;
    }
    let ended = gateway.end().await;
    assert!(wrong.is_empty(), "{}\n--- the gateway said\n{}", wrong.join("\n"), ended.finished.stderr);
    for server in &names {
        none_with(&format!("docker-mcp-name={server}")).await;
    }
    let _ = output(docker().args(["volume", "rm", "-f", &format!("{}-cache", world.name)])).await;
    for folder in folders {
        let _ = std::fs::remove_dir(folder);
    }
}

/// Containers of this name that are not the gateway's.
async fn by_hand_ids(server: &str) -> Vec<String> {
    let filter = format!("label=docker-mcp-name={server}");
    let format = "{{.ID}} {{.Label \"gateway-id\"}}";
    let all = output(docker().args(["ps", "-a", "--filter", &filter, "--format", format]))
        .await
        .unwrap_or_default();
    all.lines()
        .filter_map(|line| {
            line.strip_suffix(' ').or((!line.contains(' ')).then_some(line)).map(str::to_owned)
        })
        .collect()
}

#[tokio::test]
async fn every_field_makes_the_container_of_its_line() {
    let Some(world) = World::new().await else { return };
    assert!(CASES.len() >= 25, "{}", CASES.len());
    compare(&world, CASES, "pool: {startTimeout: 5m}\n", &[], &[]).await;
}

#[tokio::test]
async fn every_flag_makes_the_container_of_its_line() {
    let Some(world) = World::new().await else { return };
    let plain = &CASES[..1];
    compare(&world, plain, "", &["--cpus", "0", "--memory", "512m"], &[]).await;
    compare(&world, plain, "", &["--cpus", "2", "--memory", "1Gb"], &[]).await;
    // An engine that is itself confined gives nobody all capabilities; the printed lines are compared everywhere (`lines.rs`).
    let run = ["run", "--rm", "--privileged", super::BUSYBOX, "true"];
    if let Err(refusal) = output(docker().args(run)).await {
        eprintln!("skipped: privileged containers: {}", refusal.trim());
        return;
    }
    let privileged = "plugins: {docker: {bundled: docker, settings: {privileged: true}, grants: {docker: {images: [\"*\"], privileged: true}}}}\n";
    compare(&world, plain, privileged, &[], &[]).await;
    // As in the original inside Docker-in-Docker.
    compare(&world, plain, "", &[], &[("DOCKER_MCP_IN_DIND", "1")]).await;
}
