//! Keeping and finding secrets: `gateway secret`, credential helpers of Docker's, Docker's secrets engine. The helper of these tests is a script that
//! speaks the helpers' protocol, the engine a socket that speaks the engine's.

#![expect(clippy::indexing_slicing, reason = "what is not as the story says ends the test there")]

use crate::program::{scene, tools_scene};
use gateway_tests::harness::{Finished, Scene, patiently};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

const SECRET: &str = "hunter2-planted-by-a-test";

/// What `docker-credential-test` is: a folder of files beside it, and a list of how it was called.
const HELPER: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/called"
input=$(cat)
file() { printf '%s' "$1" | tr '/' '_'; }
case "$1" in
store)
  url=$(printf '%s' "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/')
  printf '%s' "$input" > "$here/kept-$(file "$url")" ;;
get)
  if [ -f "$here/locked" ]; then echo 'the keychain is locked'; exit 1; fi
  cat "$here/kept-$(file "$input")" 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
erase) rm -f "$here/kept-$(file "$input")" ;;
esac
"#;

/// A scene with the helper in PATH.
fn with_helper(scene: Scene) -> Scene {
    let helper = scene.file("bin/docker-credential-test", HELPER);
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", scene.work().join("bin").display());
    scene.with_variable("PATH", &path)
}

/// Runs the program with this on standard input.
async fn given(scene: &Scene, arguments: &[&str], input: &str) -> Finished {
    let mut command = scene.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = patiently("the program to end", child.wait_with_output()).await.unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        places: scene.places(),
    }
}

async fn server_sees(scene: &Scene) -> String {
    let done = scene.run(["tools", "call", "environment"]).await.expect_code(0);
    done.stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("TOKEN=").map(str::to_owned))
        .unwrap_or_default()
}

const ENTRY: &str = ", secrets: [{name: acme.token, env: TOKEN}]";

/// Settings of the server that shows its environment, with secrets from this place.
fn settings(scene: &Scene, place: &str) {
    scene.settings(&format!("secrets: ['{place}']\nservers:\n  tools: {{component: ./tools.wasm{ENTRY}}}\n"));
}

#[tokio::test]
async fn a_secret_is_kept_found_used_and_removed_in_every_place() {
    let scene = with_helper(tools_scene(ENTRY));
    std::fs::create_dir(scene.work().join("mounted")).unwrap();
    for place in ["docker-credential:test", "folder:mounted", ".env"] {
        settings(&scene, place);
        let value = format!("{SECRET} of {place}");
        let kept =
            given(&scene, &["secret", "set", "acme.token"], &format!("{value}\n")).await.expect_code(0);
        assert!(!kept.seen().contains(SECRET), "{}", kept.seen());
        let listed = scene.run(["secret", "list", "--json"]).await.expect_code(0);
        assert!(!listed.seen().contains(SECRET), "{}", listed.seen());
        assert!(listed.json()["secrets"][0]["foundIn"].is_string(), "{place}: {}", listed.stdout);
        assert_eq!(server_sees(&scene).await, value);
        let removed = scene.run(["secret", "rm", "acme.token", "--json"]).await.expect_code(0).json();
        assert_eq!(
            (&removed["removed"], &removed["missing"]),
            (&json!(["acme.token"]), &json!([])),
            "{place}"
        );
        let again = scene.run(["secret", "rm", "acme.token"]).await.expect_code(1);
        assert!(again.stderr.contains("`acme.token` is not in "), "{}", again.stderr);
        let listed = scene.run(["secret", "list", "--json"]).await.expect_code(0).json();
        assert!(listed["secrets"][0]["missing"].as_str().unwrap().contains("was not found in"), "{listed}");
    }
    // How the helper was called: one word, never a value.
    let called = std::fs::read_to_string(scene.work().join("bin/called")).unwrap();
    assert!(called.lines().all(|line| ["get", "store", "erase"].contains(&line)), "{called}");
}

#[tokio::test]
async fn values_come_from_standard_input_and_from_nowhere_else() {
    let scene = scene();
    let refused = given(&scene, &["secret", "set", &format!("acme.token={SECRET}")], "").await.expect_code(2);
    assert!(refused.stderr.contains("does not belong on the command line"), "{}", refused.stderr);
    assert!(!refused.seen().contains(SECRET), "{}", refused.seen());
    let empty = given(&scene, &["secret", "set", "acme.token", "--place", ".env"], "\n").await.expect_code(2);
    assert!(empty.stderr.contains("no value for `acme.token`"), "{}", empty.stderr);
    let kept = given(&scene, &["secret", "set", "acme.token", "--place", ".env", "--json"], SECRET).await;
    let kept = kept.expect_code(0);
    assert_eq!(kept.json()["name"], "acme.token");
    // Nothing looks there yet, and what to write is said.
    assert!(kept.stderr.contains("`secrets: ['.env']`"), "{}", kept.stderr);
    let file = scene.work().join(".env");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("acme.token={SECRET}\n"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let odd = given(&scene, &["secret", "set", "a", "--place", ".env"], "two\nlines").await.expect_code(1);
    assert!(odd.stderr.contains("a value with line ends"), "{}", odd.stderr);
    for place in ["env:ACME_", "docker-desktop"] {
        let refused = given(&scene, &["secret", "set", "a", "--place", place], SECRET).await.expect_code(1);
        assert!(refused.stderr.contains("it is only read"), "{place}: {}", refused.stderr);
        assert!(!refused.seen().contains(SECRET), "{place}");
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_named_with_the_reason() {
    let scene = with_helper(tools_scene(ENTRY));
    let missing = |scene: Scene, place: &'static str| async move {
        settings(&scene, place);
        let listed = scene.run(["secret", "list", "--json"]).await.expect_code(0).json();
        (listed["secrets"][0]["missing"].as_str().unwrap().to_owned(), scene)
    };
    let (text, scene) = missing(scene, "docker-credential:none").await;
    let why = "`docker-credential-none` (there is no program `docker-credential-none` in PATH; install it, or name another place)";
    assert!(text.contains(why), "{text}");
    std::fs::write(scene.work().join("bin/locked"), "").unwrap();
    let (text, scene) = missing(scene, "docker-credential:test").await;
    assert!(text.contains("`docker-credential-test` (the keychain is locked)"), "{text}");
    // No keychain answers where there is no desktop.
    let (text, scene) = missing(scene, "keychain").await;
    assert!(text.contains("keychain, service `gateway` (no keychain answers on this machine: "), "{text}");
    let (text, _) = missing(scene, "docker-desktop:none.sock").await;
    assert!(text.contains("Docker's secrets engine at ") && text.contains("none.sock ("), "{text}");
}

/// Answers every question of the secrets engine's protocol in the same way.
fn engine(socket: &Path, status: &'static str, body: String) -> tokio::task::JoinHandle<()> {
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut text, mut piece) = (String::new(), [0; 4096]);
            while !text.ends_with('}') {
                match stream.read(&mut piece).await {
                    Ok(n) if n > 0 => text.push_str(std::str::from_utf8(&piece[..n]).unwrap()),
                    // Somebody only looked whether there is one.
                    _ => break,
                }
            }
            assert!(text.is_empty() || text.contains("{\"pattern\":\"docker/mcp/acme.token\"}"), "{text}");
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dockers_secrets_engine_gives_its_secrets_to_the_servers_that_declare_them() {
    // Base64 of `hunter2-planted-by-a-test`.
    let body = "{\"envelopes\":[{\"id\":\"docker/mcp/acme.token\",\"value\":\"aHVudGVyMi1wbGFudGVkLWJ5LWEtdGVzdA==\",\"provider\":\"docker-pass\"}]}";
    let scene = tools_scene(ENTRY);
    let socket = scene.work().join("engine.sock");
    let answering = engine(&socket, "200 OK", body.to_owned());
    settings(&scene, "docker-desktop:engine.sock");
    assert_eq!(server_sees(&scene).await, SECRET);
    answering.abort();
    // Where its own clients find it, and by the original's word.
    let scene = tools_scene(ENTRY);
    let usual = scene.work().join("../home/.cache/docker-secrets-engine/engine.sock");
    let answering = engine(&usual, "200 OK", body.to_owned());
    let done = scene.run(["tools", "call", "environment", "--secrets", "docker-desktop:nothing.env"]).await;
    assert!(done.expect_code(0).stdout.contains(&format!("TOKEN={SECRET}")));
    // Without a word about secrets too.
    assert_eq!(server_sees(&scene).await, SECRET);
    answering.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_refuses_is_named_and_one_that_is_not_there_is_passed_over() {
    let scene = tools_scene(ENTRY);
    let refusal = "{\"code\":\"permission_denied\",\"message\":\"the user said no\"}".to_owned();
    let answering = engine(&scene.work().join("engine.sock"), "403 Forbidden", refusal);
    settings(&scene, "docker-desktop:engine.sock");
    let failed = scene.run(["tools", "call", "environment"]).await.expect_code(1);
    let why = "secret `acme.token` was not found in Docker's secrets engine at ";
    assert!(failed.stderr.contains(why), "{}", failed.stderr);
    assert!(failed.stderr.contains("it refused (permission_denied: the user said no)"), "{}", failed.stderr);
    answering.abort();
    let scene = tools_scene(ENTRY);
    scene.file("own.env", format!("acme.token={SECRET}\n"));
    let done = scene.run(["tools", "call", "environment", "--secrets", "docker-desktop:own.env"]).await;
    let done = done.expect_code(0);
    assert!(done.stdout.contains(&format!("TOKEN={SECRET}")), "{}", done.seen());
    assert!(done.stderr.contains("no secrets engine of Docker at "), "{}", done.stderr);
}
