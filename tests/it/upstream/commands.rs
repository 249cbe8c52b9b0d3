//! Commands of editors' files: what they get, how they fail, how they end.

use super::{SERVER, editor_scene, entry, lives};
use gateway_tests::harness::{ERAS, Era, Signal, eventually};
use serde_json::json;

const LEGACY: Era = Era::Legacy("2025-11-25");
const FILE: [&str; 2] = ["--mcp-servers", "mcp.json"];

#[tokio::test]
async fn a_command_of_an_editors_file_serves_clients_of_every_era() {
    for server in [entry(&[]), entry(&["--modern"])] {
        let scene = editor_scene(&json!({"a": server}));
        let gateway = scene.serve(FILE).await;
        for era in ERAS {
            let mut client = gateway.client(era).await;
            client.await_tools(&["echo"]).await;
            assert_eq!(client.text("echo", json!({"text": "hello"})).await, "hello", "{era:?}");
            client.leave().await;
        }
        gateway.end().await;
    }
}

#[tokio::test]
async fn a_command_gets_what_its_entry_says_and_little_else() {
    let mut server = entry(&[]);
    server["env"] = json!({"OWN": "${SECRET_OF_GATEWAY:-none} x", "FROM": "entry"});
    server["envFile"] = json!("more.env");
    server["cwd"] = json!("sub");
    let scene = editor_scene(&json!({"a": server}));
    scene.file("more.env", "# more\nMORE='1 2'\nFROM=file\n");
    scene.file("sub/here", "");
    let scene = scene
        .with_variable("SECRET_OF_GATEWAY", "s")
        .with_variable("UNRELATED", "u")
        .with_variable("PATH", "/usr/bin:/bin")
        .with_variable("LANG", "C");
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["environment"]).await;
    let environment = client.text("environment", json!({})).await;
    let names: Vec<_> = environment.lines().filter(|line| !line.starts_with("GATEWAY_PROCESS=")).collect();
    let home = names[1].to_owned();
    assert!(home.starts_with("HOME="), "{names:?}");
    assert_eq!(names, ["FROM=entry", &home, "LANG=C", "MORE=1 2", "OWN=s x", "PATH=/usr/bin:/bin"]);
    let folder = std::fs::canonicalize(scene.work().join("sub")).unwrap();
    assert_eq!(client.text("folder", json!({})).await, folder.display().to_string());
    gateway.end().await;
}

#[tokio::test]
async fn each_session_has_a_process_of_its_own_that_ends_with_it() {
    let scene = editor_scene(&json!({"a": entry(&[])}));
    let gateway = scene.serve(FILE).await;
    let (mut one, mut two) = (gateway.client(LEGACY).await, gateway.client(LEGACY).await);
    one.await_tools(&["pid"]).await;
    let (first, second) = (one.text("pid", json!({})).await, two.text("pid", json!({})).await);
    assert_ne!(first, second);
    assert_eq!(one.text("pid", json!({})).await, first);
    one.leave().await;
    eventually("the end of a process", async || if lives(&first) { Err(first.clone()) } else { Ok(()) })
        .await;
    assert!(lives(&second));
    gateway.end().await;
    assert!(!lives(&second));
}

/// The processes that a process has started itself.
fn started_by(parent: u32) -> usize {
    let stat = |entry: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()
    };
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(stat);
    let is_child = |stat: &String| {
        let mut words = stat.rsplit_once(") ").unwrap().1.split(' ');
        words.next() != Some("Z") && words.next() == Some(&*parent.to_string())
    };
    processes.filter(is_child).count()
}

#[tokio::test]
async fn one_client_has_one_process_of_each_server() {
    let scene = editor_scene(&json!({"a": entry(&[]), "b": entry(&["--modern"]), "c": entry(&[])}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    let tools = ["a__pid", "b__pid", "c__pid"];
    client.await_tools(&tools).await;
    for tool in tools {
        client.text(tool, json!({})).await;
    }
    assert_eq!(started_by(gateway.pid()), 3);
    // Another one has its own.
    let mut other = gateway.client(LEGACY).await;
    for tool in tools {
        assert_ne!(client.text(tool, json!({})).await, other.text(tool, json!({})).await);
    }
    assert_eq!(started_by(gateway.pid()), 6);
    client.leave().await;
    eventually("the end of a session's processes", async || match started_by(gateway.pid()) {
        3 => Ok(()),
        more => Err(more.to_string()),
    })
    .await;
    gateway.end().await;
}

#[tokio::test]
async fn servers_are_up_before_the_first_call_if_that_is_wanted() {
    let scene = editor_scene(&json!({"a": entry(&[]), "b": entry(&["--modern"])}));
    let gateway = scene.serve([&FILE[..], &["--prestart"]].concat()).await;
    let clients = [gateway.client(LEGACY).await, gateway.client(LEGACY).await];
    eventually("two processes for each session", async || match started_by(gateway.pid()) {
        4 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    drop(clients);
    gateway.end().await;
}

#[tokio::test]
async fn a_command_that_ignores_its_end_is_killed_with_what_it_started() {
    let scene = editor_scene(&json!({"a": entry(&["--deaf"])}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["pid"]).await;
    let (own, child) = (client.text("pid", json!({})).await, client.text("child", json!({})).await);
    assert!(lives(&own) && lives(&child));
    gateway.end().await;
    assert!(!lives(&own) && !lives(&child), "{own} {child}");
}

#[tokio::test]
async fn the_next_start_ends_what_a_killed_gateway_has_left() {
    let scene = editor_scene(&json!({"a": entry(&["--deaf"])}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["pid"]).await;
    let own = client.text("pid", json!({})).await;
    gateway.kill().await;
    assert!(lives(&own), "nothing is shown by this test");
    let gateway = scene.serve(FILE).await;
    gateway.says("that session").await;
    assert!(!lives(&own));
    gateway.end().await;
}

/// Without waiting for another start: whoever lives looks again and again.
#[tokio::test]
async fn a_gateway_that_lives_ends_what_a_killed_one_has_left() {
    let scene = editor_scene(&json!({"a": entry(&["--deaf"])}));
    scene.settings("pool: {sweep: 200ms}\n");
    let lives_on = scene.serve([""; 0]).await;
    let killed = scene.serve(FILE).await;
    let mut client = killed.client(LEGACY).await;
    client.await_tools(&["pid"]).await;
    let (left, own) = (client.text("pid", json!({})).await, lives_on.pid().to_string());
    killed.kill().await;
    let line = lives_on.says("that session").await;
    assert!(line.starts_with("ended "), "{line}");
    assert!(!lives(&left) && lives(&own));
    // The socket of the killed one goes with a start.
    lives_on.signal(Signal::TERM);
    assert_eq!(lives_on.ended().await.finished.code, Some(0));
}

#[tokio::test]
async fn a_command_that_is_not_there_fails_alone_and_says_why() {
    let missing = json!({"command": "no-such-program"});
    let scene =
        editor_scene(&json!({"bad": missing, "ends": entry(&["--die-at-start"]), "good": entry(&[])}));
    let scene = scene.with_variable("PATH", "/usr/bin:/bin");
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    assert_eq!(client.text("echo", json!({"text": "x"})).await, "x");
    let row = |servers: &serde_json::Value, name: &str| {
        let rows = servers["servers"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap().clone()
    };
    eventually("both failures", async || {
        let servers = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        let (bad, ends) = (row(&servers, "bad"), row(&servers, "ends"));
        if bad["state"] != "failed" || ends["state"] != "failed" {
            return Err(servers.to_string());
        }
        assert_eq!(bad["provisioner"], "command");
        assert_eq!(bad["failure"]["text"], "`no-such-program` is in no folder of PATH (/usr/bin:/bin)");
        let text = ends["failure"]["text"].as_str().unwrap();
        assert!(text.contains("its last words: no database at db.example"), "{text}");
        assert!(text.ends_with("it ended with exit code 3"), "{text}");
        Ok(())
    })
    .await;
    gateway.end().await;
}

#[tokio::test]
async fn a_plan_shows_the_command_and_no_value_of_a_variable() {
    let mut server = entry(&["two words"]);
    server["env"] = json!({"TOKEN": "hunter2"});
    let scene = editor_scene(&json!({"a": server}));
    let done = scene.run(["run", "--dry-run", "--mcp-servers", "mcp.json"]).await.expect_code(0);
    assert!(done.stdout.contains(&format!("{SERVER} 'two words'")), "{}", done.seen());
    assert!(done.stdout.contains("TOKEN: set in its entry"), "{}", done.seen());
    assert!(!done.stdout.contains("hunter2") && !done.stderr.contains("hunter2"), "{}", done.seen());
}

#[tokio::test]
async fn gateway_yaml_names_commands_too_and_a_catalogue_never_does() {
    let scene = editor_scene(&json!({}));
    scene.settings(&format!("mcpServers:\n  a: {{command: '{SERVER}'}}\n"));
    let done = scene.run(["tools", "call", "echo", "text=hi"]).await.expect_code(0);
    assert_eq!(done.stdout.trim(), "hi", "{}", done.seen());
    scene.settings("");
    scene.file("catalog.yaml", format!("registry:\n  b: {{command: ['{SERVER}']}}\n"));
    let done = scene.run(["tools", "list", "--catalog", "catalog.yaml", "--servers", "b"]).await;
    assert!(!done.stdout.contains("echo"), "{}", done.seen());
}
