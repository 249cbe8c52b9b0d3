//! The printed `docker run` line from the catalogue on: the vectors of `provisioning.md` 2.9 and `docker-mcp-gateway.md` 11.5 with templates, secrets
//! and flags. What stands in no catalogue (proxies, the gateway's own networks, odd names) is tried in `plugins/docker/src/arguments/tests.rs`.
//!
//! Images, folders and names are others than there: an image must exist, a folder must be one that catalogues may mount, and each row is a
//! server of its own.

use super::command::{docker, output};
use super::{World, variable};
use serde_json::{Value, json};

/// What `I` stands for.
const IMAGE: &str = "mcp/busybox:1";

struct Row {
    about: &'static str,
    /// `NAME` is the server's name.
    entry: &'static str,
    config: &'static str,
    /// After `B`; `I` is the image.
    expected: &'static str,
}

const fn row(about: &'static str, entry: &'static str, config: &'static str, expected: &'static str) -> Row {
    Row { about, entry, config, expected }
}

/// Properties without which an entry can do, so that a template of theirs may have no value.
const OPTIONAL: &str = "config: [{name: NAME, type: object, properties: {missing: {type: string}, url: {type: string}, gid: {type: string}}}]";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("nothing", "", "{}", "I"),
    row("secret-env-command", "secrets: [{name: lines.key, env: ACME_KEY}]\nenv: [{name: ACME_URL, value: '{{NAME.url}}'}]\ncommand: [--stdio, '--as={{NAME.who}}']",
        "{url: u, who: me}", "-e ACME_KEY -e ACME_URL I --stdio --as=me"),
    row("no-url", "secrets: [{name: lines.key, env: ACME_KEY}]\nenv: [{name: ACME_URL, value: '{{NAME.url}}'}]\ncommand: [--stdio, '--as={{NAME.who}}']\nOPTIONAL",
        "{who: me}", "-e ACME_KEY I --stdio --as=me"),
    row("secret-in-text", "secrets: [{name: lines.key, env: ACME_KEY}]\nenv: [{name: HDR, value: '{\"a\":\"Bearer $ACME_KEY\"}'}]", "{}", "-e ACME_KEY -e HDR I"),
    // The original mounts for writing unless the call only reads; later versions, and this one, for reading.
    row("volumes", "volumes: ['{{NAME.dirs|volume|into}}', '/tmp/x:/y:ro']", "{dirs: [/tmp/a, /tmp/b]}", "-v /tmp/a:/tmp/a:ro -v /tmp/b:/tmp/b:ro -v /tmp/x:/y:ro I"),
    row("mount-as-nothing", "volumes: ['{{NAME.log|mount_as:/logs:ro}}']", "{}", "I"),
    row("mount-as", "volumes: ['{{NAME.tp|volume}}', '{{NAME.tp|mount_as:/m}}', '{{NAME.tl|volume|into}}']", "{tp: /tmp/p, tl: [/tmp/q, '', /tmp/r]}",
        "-v /tmp/p:/tmp/p:ro -v /tmp/p:/m:ro -v /tmp/q:/tmp/q:ro -v /tmp/r:/tmp/r:ro I"),
    row("named-volumes", "volumes: ['lines-cache:/cache', 'lines-cache:/c:rw', /anon, '/tmp/a:/a', '/tmp/a:/b:ro']", "{}",
        "-v lines-cache:/cache -v lines-cache:/c:rw -v /anon -v /tmp/a:/a:ro -v /tmp/a:/b:ro I"),
    row("or-list", "volumes: ['{{NAME.p|or:[]|volume|into}}']", "{}", "I"),
    row("or-empty-list", "volumes: ['{{NAME.p|or:[]|volume|into}}']", "{p: []}", "I"),
    row("user", "user: '{{NAME.uid}}'", "{uid: '1001:2002'}", "-u 1001:2002 I"),
    row("user-plain", "user: '1000'", "{}", "-u 1000 I"),
    row("user-default", "user: '{{NAME.uid|or:65534}}'", "{}", "-u 65534 I"),
    row("user-of-a-list", "user: '{{NAME.uid}}'", "{uid: [1, 2]}", "-u \"[1 2]\" I"),
    row("half-a-user", "user: '{{NAME.uid}}:{{NAME.gid}}'\nOPTIONAL", "{uid: 1}", "-u 1: I"),
    row("no-network", "disableNetwork: true", "{}", "--network none I"),
    row("allow-hosts-alone", "allowHosts: ['h:443']", "{}", "I"),
    row("dollars", "env: [{name: A, value: $B}, {name: B, value: b}, {name: C, value: '${B}-$A-$C'}]", "{}", "-e B -e C I"),
    row("names-that-repeat", "secrets: [{name: lines.key, env: A}, {name: lines.other, env: A}]\nenv: [{name: A, value: third}, {name: R, value: $A}]", "{}", "-e A -e A -e A -e R I"),
    row("template-or-dollar", "secrets: [{name: lines.key, env: K}]\nenv: [{name: E, value: '{{NAME.v}} $K'}]", "{v: 'x$K'}", "-e K -e E I"),
    row("half-templates", "env: [{name: A, value: '{{NAME.v'}, {name: B, value: 'NAME.v}}'}, {name: D, value: '{{NAME.v}} {x}'}]", "{v: V}", "-e A -e B -e D I"),
    row("odd-values", "env: [{name: N, value: '{{NAME.n}}'}, {name: B, value: '{{NAME.b}}'}, {name: L, value: '{{NAME.l}}'}, {name: M, value: '{{NAME.m}}'}, {name: Z, value: '{{NAME.z}}'}, {name: EL, value: '{{NAME.el}}'}]",
        "{n: 5, b: false, l: [a, b], m: {k: v}, z: 0, el: []}", "-e N -e B -e L -e M -e Z -e EL I"),
    row("no-configuration", "env: [{name: W, value: '{{NAME}}'}]", "", "-e W I"),
    row("path", "env: [{name: PATH, value: /custom}, {name: HOME, value: /h}]", "{}", "-e PATH -e HOME I"),
    // A number and a flag stand as they are, and braces stay (`provisioning.md` 1.7); the original prints the names of their types.
    row("words", "command: ['', '{{NAME.missing}}', '{{NAME.l}}', '{{NAME.el}}', '{{NAME.n}}', '{{NAME.b}}', '{{NAME.n|or:1}}', '{{NAME.l|first}}', 'a{{NAME.l}}', '{\"k\":1}', $X, x y]\nOPTIONAL",
        "{l: [a, '', b], el: [], n: 3, b: true}", "I \"\" \"\" a \"\" b 3 true 3 a \"a[a  b]\" \"{\\\"k\\\":1}\" \"\" \"x y\""),
    row("dollars-in-words", "env: [{name: E, value: e}]\ncommand: [$E, $NOPE, '{{NAME.d}}', a$, $$]", "{d: $E}", "-e E I e \"\" e a$ \"\""),
    row("extra-hosts", "extraHosts: ['host.docker.internal:host-gateway', '', 'a:1.2.3.4']", "{}", "--add-host host.docker.internal:host-gateway --add-host a:1.2.3.4 I"),
    row("all", "secrets: [{name: lines.key, env: K}]\nenv: [{name: U, value: '{{NAME.url}}'}, {name: H, value: 'Bearer $K'}]\ncommand: [serve, --root, '{{NAME.root}}', '{{NAME.extra|into}}']\nvolumes: ['lines-cache:/cache', '{{NAME.dirs|volume|into}}']\nuser: '1000:1000'\nextraHosts: ['host.docker.internal:host-gateway']\nlongLived: true",
        "{url: 'http://u', root: /data, extra: [-v, -q], dirs: [/tmp/d1]}",
        "-e K -e U -e H -v lines-cache:/cache -v /tmp/d1:/tmp/d1:ro -u 1000:1000 --add-host host.docker.internal:host-gateway I serve --root /data -v -q"),
];

/// The words with a space between them; an empty word is `""`, one with spaces or quotation marks stands in quotation marks.
fn line(words: &[String]) -> String {
    let quoted = words.iter().map(|word| match word.is_empty() || word.contains([' ', '"']) {
        true => format!("{word:?}"),
        false => word.clone(),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn printed(server: &Value) -> String {
    let text = server["documents"][0]["text"].as_str().unwrap_or_else(|| panic!("{server:#}"));
    line(&serde_json::from_str::<Vec<String>>(text).unwrap())
}

#[tokio::test]
async fn the_line_from_the_catalogue_on_is_the_references() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene("image: none");
    let name = |row: &Row| format!("{}-{}", world.name, row.about);
    let (mut catalog, mut config) = ("registry:\n".to_owned(), String::new());
    for row in ROWS {
        let entry = row.entry.replace("OPTIONAL", OPTIONAL).replace("NAME", &name(row));
        catalog.push_str(&format!("  {}:\n    image: {IMAGE}\n", name(row)));
        entry.lines().for_each(|line| catalog.push_str(&format!("    {line}\n")));
        if !row.config.is_empty() {
            config.push_str(&format!("{}: {}\n", name(row), row.config));
        }
    }
    scene.file("catalog.yaml", catalog);
    scene.file("config.yaml", config);
    scene.file(".env", "lines.key=k\nlines.other=o\n");
    scene.settings("secrets: [./.env]\n");
    let servers: Vec<String> = ROWS.iter().map(name).collect();
    let servers = servers.join(",");
    let plan = [
        "run",
        "--dry-run",
        "--json",
        "--catalog",
        "catalog.yaml",
        "--config",
        "config.yaml",
        "--servers",
        &servers,
    ];
    let plan = scene.run(plan).await.expect_code(0).json();
    let mut wrong = Vec::new();
    for (row, server) in ROWS.iter().zip(plan["servers"].as_array().unwrap()) {
        let base = format!(
            "docker run --rm -i --init --security-opt no-new-privileges --cpus 1 --memory 2Gb --pull never -l docker-mcp=true \
             -l docker-mcp-tool-type=mcp -l docker-mcp-name={} -l docker-mcp-transport=stdio",
            name(row)
        );
        let expected: Vec<_> =
            row.expected.split(' ').map(|word| if word == "I" { IMAGE } else { word }).collect();
        let (expected, found) = (format!("{base} {}", expected.join(" ")), printed(server));
        if expected != found {
            wrong.push(format!("{}:\n  expected {expected}\n  found    {found}", row.about));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn flags_stand_where_the_original_has_them() {
    let Some(world) = World::new().await else { return };
    let labels = format!(
        "-l docker-mcp=true -l docker-mcp-tool-type=mcp -l docker-mcp-name={} -l docker-mcp-transport=stdio {IMAGE}",
        world.name
    );
    let head = "docker run --rm -i --init --security-opt no-new-privileges";
    let cases: [(&[&str], &str, &str); 5] = [
        (&["--cpus", "0", "--memory", ""], "", "--pull never"),
        (&["--cpus", "-1", "--memory", "512m"], "", "--memory 512m --pull never"),
        (&["--cpus", "2"], "", "--cpus 2 --memory 2Gb --pull never"),
        (&[], "1", "--cpus 1 --memory 2Gb --pull never --privileged"),
        (&["--block-network"], "", "--cpus 1 --memory 2Gb --pull never"),
    ];
    for (flags, dind, middle) in cases {
        let scene = world.scene(&format!("image: {IMAGE}")).with_variable("DOCKER_MCP_IN_DIND", dind);
        let arguments = ["run", "--dry-run", "--json", "--catalog", "catalog.yaml", "--servers", &world.name];
        let plan = scene.run(arguments.iter().chain(flags)).await.expect_code(0).json();
        let none = if flags.contains(&"--block-network") {
            labels.replace(IMAGE, &format!("--network none {IMAGE}"))
        } else {
            labels.clone()
        };
        assert_eq!(printed(&plan["servers"][0]), format!("{head} {middle} {none}"), "{flags:?}");
    }
}

#[tokio::test]
async fn a_secret_that_is_missing_stands_in_the_line_all_the_same() {
    let Some(world) = World::new().await else { return };
    let entry = format!(
        "image: {IMAGE}\nsecrets: [{{name: lines.none, env: ACME_KEY}}]\nenv: [{{name: ACME_URL, value: '{{{{{0}.url}}}}'}}]\n\
         command: [--stdio, --as=me]\n{OPTIONAL}",
        world.name
    );
    let scene = world.scene(&entry.replace("NAME", &world.name));
    let arguments = ["run", "--dry-run", "--json", "--catalog", "catalog.yaml", "--servers", &world.name];
    let plan = scene.run(arguments).await.expect_code(3).json();
    let line = printed(&plan["servers"][0]);
    assert!(line.ends_with(&format!("transport=stdio -e ACME_KEY {IMAGE} --stdio --as=me")), "{line}");
    let problem = plan["servers"][0]["problems"][0]["text"].as_str().unwrap();
    assert!(problem.contains("lines.none"), "{problem}");
}

/// `provisioning.md` 2.2: a tool's line, in which each argument of the call stands for itself.
#[tokio::test]
async fn the_line_of_a_tool_has_the_tools_name() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&format!(
        "tools:\n  - name: t\n    parameters: {{type: object, properties: {{a: {{type: string}}, l: {{type: array}}}}}}\n    \
         container: {{image: '{IMAGE}', command: [c, '{{{{a}}}}', '', '{{{{l}}}}', $HOME], volumes: ['{{{{p|volume}}}}'], user: '1000'}}"
    ));
    let arguments = ["run", "--dry-run", "--json", "--catalog", "catalog.yaml", "--servers", &world.name];
    let plan = scene.run(arguments).await.expect_code(0).json();
    let documents = &plan["servers"][0]["documents"];
    assert_eq!(documents[0]["title"], "tool `t`: docker run arguments");
    assert_eq!(
        printed(&plan["servers"][0]),
        format!(
            "docker run --rm -i --init --security-opt no-new-privileges --cpus 1 --memory 2Gb --pull never -l docker-mcp=true \
             -l docker-mcp-tool-type=mcp -l docker-mcp-name=t -l docker-mcp-transport=stdio -u 1000 {IMAGE} c {{{{a}}}} \"\" {{{{l}}}} $HOME"
        )
    );
    // What is mounted depends on the call.
    assert_eq!(documents[1]["text"], "{{p|volume}}");
}

/// SHA-256 of `c`, by which Docker's command line names the folder of the context `c`.
const CONTEXT_C: &str = "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6";

#[tokio::test]
async fn a_line_of_another_context_reaches_the_same_engine() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&format!("image: {IMAGE}\ncommand: [echo, reached]"));
    let engine = variable("DOCKER_HOST").unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let meta = json!({"Name": "c", "Metadata": {}, "Endpoints": {"docker": {"Host": engine, "SkipTLSVerify": false}}});
    scene.file(&format!("docker/contexts/meta/{CONTEXT_C}/meta.json"), meta.to_string());
    let config = scene.work().join("docker").display().to_string();
    // Where the engine is not, so that only the context leads to it.
    let scene =
        scene.with_variable("DOCKER_CONFIG", &config).with_variable("DOCKER_HOST", "unix:///nowhere.sock");
    let arguments = ["run", "--dry-run", "--json", "--catalog", "catalog.yaml", "--servers", &world.name];
    for settings in ["{}", "plugins: {docker: {bundled: docker}}"] {
        scene.settings(settings);
        let plan = scene.run(arguments.iter().chain(&["--docker-context", "c"])).await.expect_code(0).json();
        let line = printed(&plan["servers"][0]);
        let base = format!(
            "docker --context c run --rm -i --init --security-opt no-new-privileges --cpus 1 --memory 2Gb --pull never -l docker-mcp=true \
             -l docker-mcp-tool-type=mcp -l docker-mcp-name={} -l docker-mcp-transport=stdio {IMAGE} echo reached",
            world.name
        );
        assert_eq!(line, base, "{settings}");
        let mut pasted = docker();
        pasted.args(line.split(' ').skip(1)).env("DOCKER_CONFIG", &config);
        pasted.env("DOCKER_HOST", "unix:///nowhere.sock");
        assert_eq!(output(&mut pasted).await.unwrap(), "reached\n");
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name_before_anything_runs() {
    let Some(world) = World::new().await else { return };
    for (entry, why) in [
        ("secrets: [{name: no.such, env: K}]", "no.such"),
        ("user: -x", "`user` has `-x`, which looks like a flag"),
        ("volumes: ['--privileged']", "`volumes` has `--privileged`, which looks like a flag"),
        ("extraHosts: [-x]", "`extraHosts` has `-x`, which looks like a flag"),
        ("volumes: [':/data']", "source and target are required"),
        ("volumes: ['/tmp/a:/a:rw']", "for writing, which no grant covers"),
        ("volumes: ['/etc:/x']", "a folder of the system"),
        ("volumes: ['/tmp/a/.ssh:/x']", "where credentials are kept"),
        ("volumes: ['/home/u:/b']", "which no grant covers"),
    ] {
        let scene = world.scene(&format!("image: {IMAGE}\n{entry}"));
        let arguments = ["run", "--dry-run", "--catalog", "catalog.yaml", "--servers", &world.name];
        let said = scene.run(arguments).await.expect_code(3).seen();
        assert!(said.contains(why), "{entry}: {said}");
    }
}
