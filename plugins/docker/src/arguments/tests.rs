//! Goldens of the reference (`provisioning.md` 2.9 and `docker-mcp-gateway.md` 11.5), word for word. Templates and variables are evaluated
//! before a plugin is asked, so the entries here are what the evaluated ones are.

use super::{arguments, cpus, read_only};
use crate::plan::Around;
use crate::tools::as_server;
use gateway_plugin::docker::{EgressProxy, EngineInfo};
use gateway_plugin::types::{
    Access, Amount, Destination, Egress, Mount, MountSource, Part, Port, Protocol, SecretName, SecretOwner,
    Variable,
};
use gateway_plugin::{Server, ToolContainer, Workload, fake, value};

/// `B` of the reference.
const B: &str = "docker run --rm -i --init --security-opt no-new-privileges --cpus 1 --memory 2Gb --pull never \
                 -l docker-mcp=true -l docker-mcp-tool-type=mcp -l docker-mcp-name=acme -l docker-mcp-transport=stdio";

fn engine(own_networks: &[&str]) -> EngineInfo {
    EngineInfo {
        version: "28.0.0".to_owned(),
        os: "linux".to_owned(),
        architecture: "x86_64".to_owned(),
        rootless: false,
        local: true,
        limits: ["memory", "cpu", "processes", "disk"].map(str::to_owned).into(),
        own_networks: own_networks.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn acme() -> Server {
    let mut server = fake::image_server("acme", "reg/acme:1");
    server.limits.cpu_millis = Some(1000);
    server.limits.memory = Some(Amount { mib: 2048, written: "2Gb".to_owned() });
    server
}

fn secret(name: &str, key: &str) -> Variable {
    let secret = SecretName { owner: SecretOwner::Server, server_id: None, name: key.to_owned() };
    Variable { name: name.to_owned(), value: vec![Part::Secret(secret)] }
}

fn mount(written: &str, access: Access) -> Mount {
    let mut parts = written.split(':');
    let (source, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    Mount {
        source: match source.starts_with('/') {
            true => MountSource::Folder(format!("folder:{source}")),
            false => MountSource::Volume(source.to_owned()),
        },
        label: source.to_owned(),
        target: target.to_owned(),
        access,
        options: Vec::new(),
        written: written.to_owned(),
    }
}

fn command(server: &mut Server, words: &[&str]) {
    let Workload::Image(image) = &mut server.workload else { panic!("an image") };
    image.arguments = words.iter().map(|word| value::text(*word)).collect();
}

/// The line with a space between two words; an empty word is `""`, one with spaces stands in quotation marks.
fn line(words: &[String]) -> String {
    let quoted = words.iter().map(|word| match word.is_empty() || word.contains([' ', '"']) {
        true => format!("{word:?}"),
        false => word.clone(),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

struct Row {
    server: Server,
    own_networks: Vec<&'static str>,
    proxy: Option<EgressProxy>,
    privileged: bool,
    context: Option<&'static str>,
}

impl Row {
    fn new(change: impl FnOnce(&mut Server)) -> Self {
        let mut server = acme();
        change(&mut server);
        Self { server, own_networks: Vec::new(), proxy: None, privileged: false, context: None }
    }

    fn line(&self) -> String {
        let engine = engine(&self.own_networks);
        let around = Around {
            engine: &engine,
            proxy: self.proxy.as_ref(),
            no_proxy: None,
            privileged: self.privileged,
            context: self.context,
            name: "mcp-acme",
        };
        line(&arguments(&self.server, &around).expect("it can be planned"))
    }
}

fn with_networks(networks: &[&'static str], change: impl FnOnce(&mut Server)) -> Row {
    Row { own_networks: networks.to_vec(), ..Row::new(change) }
}

/// What the host's own proxy is called is the host's to say; here it is called as the reference calls its proxies.
fn with_proxy(networks: &[&'static str], links: &[&str], http: bool, dns: &[&str]) -> Row {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let mut environment = Vec::new();
    if http {
        environment = ["http_proxy", "https_proxy"].map(|name| (name.to_owned(), "P:8080".to_owned())).into();
    }
    let proxy = EgressProxy {
        container: "P".to_owned(),
        objects: Vec::new(),
        networks: texts(&["docker-mcp-proxies-int"]),
        links: texts(links),
        dns: texts(dns),
        extra_hosts: Vec::new(),
        environment,
    };
    let limit = |server: &mut Server| {
        let destination = Destination {
            host: "h".to_owned(),
            port: Some(443),
            protocol: Protocol::Any,
            written: "h:443".to_owned(),
        };
        server.network.egress = Egress::Only(vec![destination]);
    };
    Row { proxy: Some(proxy), own_networks: networks.to_vec(), ..Row::new(limit) }
}

#[test]
fn the_line_is_the_references() {
    let read_write = Access::ReadWrite;
    let key = |server: &mut Server| server.environment.push(secret("ACME_KEY", "acme.key"));
    let rows: Vec<(&str, Row, &str)> = vec![
        ("nothing else", Row::new(|_| {}), "reg/acme:1"),
        (
            "secret, env and command",
            Row::new(|server| {
                key(server);
                server.environment.push(value::variable("ACME_URL", "u"));
                command(server, &["--stdio", "--as=me"]);
            }),
            "-e ACME_KEY -e ACME_URL reg/acme:1 --stdio --as=me",
        ),
        (
            "a secret inside a text",
            Row::new(|server| {
                key(server);
                let mut header = value::text("{\"a\":\"Bearer ");
                header.extend(secret("", "acme.key").value);
                header.push(Part::Text("\"}".to_owned()));
                server.environment.push(Variable { name: "HDR".to_owned(), value: header });
            }),
            "-e ACME_KEY -e HDR reg/acme:1",
        ),
        (
            "names that repeat",
            Row::new(|server| {
                server.environment = vec![secret("A", "acme.a"), secret("A", "acme.b")];
                server.environment.push(value::variable("A", "third"));
                server.environment.push(value::variable("R", "one"));
                command(server, &["one"]);
            }),
            "-e A -e A -e A -e R reg/acme:1 one",
        ),
        (
            "empty words stay",
            Row::new(|server| command(server, &["", "", "a", "", "b", "3", "a[a  b]", "\"k\":1"])),
            "reg/acme:1 \"\" \"\" a \"\" b 3 \"a[a  b]\" \"\\\"k\\\":1\"",
        ),
        (
            "volumes of a call that only reads",
            Row::new(|server| {
                server.mounts =
                    ["/a:/a", "/b:/b", "/x:/y:ro"].map(|text| mount(text, Access::ReadOnly)).into();
            }),
            "-v /a:/a:ro -v /b:/b:ro -v /x:/y:ro reg/acme:1",
        ),
        (
            "volumes of another call",
            Row::new(|server| {
                server.mounts = vec![mount("/a:/a", read_write), mount("/b:/b", read_write)];
                server.mounts.push(mount("/x:/y:ro", Access::ReadOnly));
            }),
            "-v /a:/a -v /b:/b -v /x:/y:ro reg/acme:1",
        ),
        (
            "named volumes",
            Row::new(|server| {
                server.mounts = vec![mount("cache:/c:rw", read_write), mount("/tmp/a:/a", Access::ReadOnly)];
            }),
            "-v cache:/c:rw -v /tmp/a:/a:ro reg/acme:1",
        ),
        ("user", Row::new(|server| server.user = Some("1001:2002".to_owned())), "-u 1001:2002 reg/acme:1"),
        ("half a user", Row::new(|server| server.user = Some("1:".to_owned())), "-u 1: reg/acme:1"),
        (
            "no network",
            with_networks(&["n2", "n1"], |server| server.network.detached = true),
            "--network none reg/acme:1",
        ),
        (
            "the gateway's networks",
            with_networks(&["n2", "n1"], |_| {}),
            "--network n1 --network n2 reg/acme:1",
        ),
        (
            "a proxy",
            with_proxy(&[], &["P:h"], true, &[]),
            "--network docker-mcp-proxies-int --link P:h -e http_proxy=P:8080 -e https_proxy=P:8080 reg/acme:1",
        ),
        (
            "a proxy for TCP",
            with_proxy(&[], &["L:h"], false, &[]),
            "--network docker-mcp-proxies-int --link L:h reg/acme:1",
        ),
        (
            "several proxies",
            with_proxy(&[], &["La:a", "Lz:z", "P:h", "P:h"], true, &[]),
            "--network docker-mcp-proxies-int --link La:a --link Lz:z --link P:h --link P:h \
             -e http_proxy=P:8080 -e https_proxy=P:8080 reg/acme:1",
        ),
        (
            "a proxy with a server of names",
            with_proxy(&[], &[], true, &["10.0.0.9"]),
            "--network docker-mcp-proxies-int -e http_proxy=P:8080 -e https_proxy=P:8080 --dns 10.0.0.9 reg/acme:1",
        ),
        (
            "extra hosts",
            Row::new(|server| {
                server.network.extra_hosts =
                    vec!["host.docker.internal:host-gateway".to_owned(), "a:1.2.3.4".to_owned()];
            }),
            "--add-host host.docker.internal:host-gateway --add-host a:1.2.3.4 reg/acme:1",
        ),
        (
            "all, later",
            with_networks(&["n1", "n2"], |server| {
                server.environment =
                    vec![secret("K", "acme.k"), value::variable("U", "u"), value::variable("H", "h")];
                server.mounts =
                    vec![mount("acme-cache:/cache", read_write), mount("/tmp/d1:/tmp/d1", Access::ReadOnly)];
                server.user = Some("1000:1000".to_owned());
                server.network.extra_hosts = vec!["host.docker.internal:host-gateway".to_owned()];
                let Workload::Image(image) = &mut server.workload else { panic!("an image") };
                image.reference = "reg/acme@sha256:00".to_owned();
                command(server, &["serve", "--root", "/data", "-v", "-q"]);
            }),
            "--network n1 --network n2 -e K -e U -e H -v acme-cache:/cache -v /tmp/d1:/tmp/d1:ro -u 1000:1000 \
             --add-host host.docker.internal:host-gateway reg/acme@sha256:00 serve --root /data -v -q",
        ),
    ];
    for (what, row, expected) in rows {
        assert_eq!(row.line(), format!("{B} {expected}"), "{what}");
    }
}

/// Differences that are meant. The original's line is in the comment; it does not start, or limits nothing.
#[test]
fn where_the_original_is_wrong_the_line_is_ours() {
    // `--network none --network docker-mcp-proxies-int …`, which engines refuse.
    let mut row = with_proxy(&[], &["P:h"], true, &[]);
    row.server.network.detached = true;
    let proxied =
        "--network docker-mcp-proxies-int --link P:h -e http_proxy=P:8080 -e https_proxy=P:8080 reg/acme:1";
    assert_eq!(row.line(), format!("{B} {proxied}"));
    // `--network n1 --network docker-mcp-proxies-int …`: `n1` leads past the proxy.
    assert_eq!(with_proxy(&["n1"], &["P:h"], true, &[]).line(), format!("{B} {proxied}"));
}

#[test]
fn limits_and_rights_have_their_places() {
    let tail = "-l docker-mcp=true -l docker-mcp-tool-type=mcp -l docker-mcp-name=acme -l docker-mcp-transport=stdio reg/acme:1";
    let head = "docker run --rm -i --init --security-opt no-new-privileges";
    let row = Row::new(|server| server.limits = gateway_plugin::types::Limits::default());
    assert_eq!(row.line(), format!("{head} --pull never {tail}"));
    let row = Row::new(|server| {
        server.limits.cpu_millis = None;
        server.limits.memory = Some(Amount { mib: 512, written: "512m".to_owned() });
    });
    assert_eq!(row.line(), format!("{head} --memory 512m --pull never {tail}"));
    let row = Row { privileged: true, ..Row::new(|_| {}) };
    assert_eq!(row.line(), format!("{head} --cpus 1 --memory 2Gb --pull never --privileged {tail}"));
    assert_eq!([1000, 500, 1250, 2000, 10].map(cpus), ["1", "0.5", "1.25", "2", "0.01"]);
}

#[test]
fn a_context_stands_before_the_subcommand() {
    let row = Row { context: Some("c"), ..Row::new(|_| {}) };
    let rest = B.strip_prefix("docker ").expect("the program comes first");
    assert_eq!(row.line(), format!("docker --context c {rest} reg/acme:1"));
}

/// List 15 of the reference.
#[test]
fn a_tool_is_a_server_by_another_name() {
    let mut server = acme();
    server.mounts = vec![mount("/tmp/p:/tmp/p", Access::ReadWrite)];
    server.user = Some("1000".to_owned());
    let Workload::Image(image) = &mut server.workload else { panic!("an image") };
    image.reference = "img".to_owned();
    command(&mut server, &["c", "A", "", "1", "2"]);
    let tool = ToolContainer {
        id: "acme-t".to_owned(),
        server_id: server.id,
        name: server.name,
        tool: "t".to_owned(),
        revision: server.revision,
        workload: server.workload,
        environment: server.environment,
        files: server.files,
        mounts: server.mounts,
        network: server.network,
        limits: server.limits,
        user: server.user,
        secrets: server.secrets,
        pins: server.pins,
        timeout_ms: 1000,
        output_limit: 1000,
        input: None,
        settings: server.settings,
        annotations: server.annotations,
        extras: server.extras,
    };
    let row = Row { server: as_server(&tool), ..with_networks(&["n1"], |_| {}) };
    let base = B.replace("docker-mcp-name=acme", "docker-mcp-name=t");
    assert_eq!(row.line(), format!("{base} --network n1 -v /tmp/p:/tmp/p -u 1000 img c A \"\" 1 2"));
}

#[test]
fn an_odd_name_stands_in_the_label_as_it_is() {
    let line = Row::new(|server| server.name = "-x y".to_owned()).line();
    assert!(line.contains("-l \"docker-mcp-name=-x y\" -l docker-mcp-transport=stdio reg/acme:1"), "{line}");
}

#[test]
fn what_the_original_cannot_say_stands_before_the_image() {
    let line = Row::new(|server| {
        let Workload::Image(image) = &mut server.workload else { panic!("an image") };
        image.entrypoint = Some(["/bin/sh", "-c"].map(str::to_owned).into());
        image.working_directory = Some("/srv".to_owned());
        image.digest = Some("sha256:ab".to_owned());
        command(server, &["serve"]);
        server.limits.processes = Some(50);
        let port = |container_port, host_port| Port { container_port, protocol: Protocol::Tcp, host_port };
        server.network.ports = vec![port(80, None), port(81, Some(8081))];
        let empty = Mount {
            source: MountSource::Empty(Some(64)),
            label: String::new(),
            target: "/tmp".to_owned(),
            access: Access::ReadWrite,
            options: Vec::new(),
            written: String::new(),
        };
        server.mounts = vec![empty];
    })
    .line();
    let expected = "--mount type=tmpfs,destination=/tmp,tmpfs-size=64m --pids-limit 50 -w /srv --entrypoint /bin/sh -p 127.0.0.1::80/tcp \
                    -p 127.0.0.1:8081:81/tcp reg/acme:1@sha256:ab -c serve";
    assert_eq!(line, format!("{B} {expected}"));
}

#[test]
fn what_is_read_only_is_written_so_once() {
    for (written, read) in [
        ("/a:/b", "/a:/b:ro"),
        ("/a:/b:ro", "/a:/b:ro"),
        ("/a:/b:ro,z", "/a:/b:ro,z"),
        ("/a:/b:readonly", "/a:/b:readonly"),
        ("/a:/b:rw", "/a:/b:ro"),
        ("/a:/b:rw,z", "/a:/b:ro,z"),
        ("/a:/b:z", "/a:/b:ro,z"),
    ] {
        assert_eq!(read_only(written), read, "{written}");
    }
}
