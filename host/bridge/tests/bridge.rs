//! The bridge as it is run: real ports, real programs, real signals. The programs are a shell's.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests, also in what they share")]

use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

/// Long enough for any of this on a busy machine. Nothing waits for it unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bridge {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    /// Where it listens, as it says.
    address: String,
}

impl Bridge {
    /// Starts a bridge on a free port with these options, in front of a shell script.
    async fn start(options: &[&str], script: &str) -> Self {
        let words = [&["--listen", "127.0.0.1:0"], options, &["sh", "-c", script]].concat();
        Self::with(&words).await
    }

    async fn with(words: &[&str]) -> Self {
        Self::with_variable(words, None).await
    }

    /// The same with a variable `IT_TOKEN`.
    async fn with_variable(words: &[&str], token: Option<&str>) -> Self {
        let mut command = command(words);
        if let Some(token) = token {
            command.env("IT_TOKEN", token);
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut bridge = Self { child, lines, address: String::new() };
        bridge.address = bridge.line("listening on ").await;
        bridge
    }

    /// What follows in the first line that begins so.
    async fn line(&mut self, beginning: &str) -> String {
        let find = async {
            loop {
                let line =
                    self.lines.next_line().await.unwrap().unwrap_or_else(|| panic!("no `{beginning}`"));
                if let Some(rest) =
                    line.strip_prefix("gateway-bridge: ").and_then(|line| line.strip_prefix(beginning))
                {
                    return rest.to_owned();
                }
            }
        };
        timeout(PATIENCE, find).await.unwrap()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for the bridge's end; its exit code.
    async fn ended(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code()
    }
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway-bridge"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

/// Waits until no process with that word in its command line is left.
async fn gone(word: &str) {
    let search = async {
        loop {
            let found = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    line.contains(word) && !line.contains("gateway-bridge")
                })
            });
            if !found {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, search).await.unwrap();
}

/// A word that no other test's processes have.
fn mark(what: &str) -> String {
    format!("bridge-mark-{}-{what}", std::process::id())
}

#[tokio::test]
async fn each_connection_is_a_run_of_its_own() {
    let bridge = Bridge::start(&[], "read x; echo \"$x $$\"; exec cat").await;
    let mut answers = Vec::new();
    for n in 0..3 {
        let mut stream = bridge.connect().await;
        stream.write_all(format!("hello{n}\nmore\n").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let text = rest(&mut stream).await;
        let (first, more) = text.split_once('\n').unwrap();
        let (hello, pid) = first.split_once(' ').unwrap();
        assert_eq!((hello, more), (format!("hello{n}").as_str(), "more\n"));
        answers.push(pid.to_owned());
    }
    answers.dedup();
    assert_eq!(answers.len(), 3);
}

#[tokio::test]
async fn a_probe_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("started");
    let bridge = Bridge::start(&[], &format!("echo x >> '{}'; exec cat", file.display())).await;
    for _ in 0..20 {
        drop(bridge.connect().await);
    }
    // What came after the probes has been served, so the probes have been, too.
    let mut stream = bridge.connect().await;
    stream.write_all(b"a\n").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "a\n");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x\n");
}

#[tokio::test]
async fn the_connection_closes_when_the_program_dies() {
    let mut bridge = Bridge::start(&[], "read x; echo bye; exit 3").await;
    let mut stream = bridge.connect().await;
    stream.write_all(b"go\n").await.unwrap();
    assert_eq!(rest(&mut stream).await, "bye\n");
    assert_eq!(bridge.line("[1] ").await, "the program has ended: exit status: 3");
}

#[tokio::test]
async fn a_grandchild_that_holds_the_output_does_not_hold_the_connection() {
    let word = mark("grandchild");
    let script = format!("read x; sh -c 'while :; do sleep 1; done; : {word}' & echo bye; exit 0");
    let bridge = Bridge::start(&[], &script).await;
    let mut stream = bridge.connect().await;
    stream.write_all(b"go\n").await.unwrap();
    assert_eq!(rest(&mut stream).await, "bye\n");
    gone(&word).await;
}

#[tokio::test]
async fn a_program_that_ignores_everything_goes_with_its_connection() {
    let word = mark("stubborn");
    let script = format!("trap '' TERM HUP; echo up; while :; do sleep 1; done; : {word}");
    let bridge = Bridge::start(&["--grace", "100ms"], &script).await;
    let mut stream = bridge.connect().await;
    stream.write_all(b"x").await.unwrap();
    let mut first = [0; 3];
    timeout(PATIENCE, stream.read_exact(&mut first)).await.unwrap().unwrap();
    drop(stream);
    gone(&word).await;
}

#[tokio::test]
async fn standard_error_is_told_with_its_connection() {
    let mut bridge = Bridge::start(&["--stderr", "prefix"], "read x; echo one >&2; echo two >&2").await;
    for n in 1..=2 {
        let mut stream = bridge.connect().await;
        stream.write_all(b"go\n").await.unwrap();
        rest(&mut stream).await;
        assert_eq!(bridge.line(&format!("[{n}] ")).await, "one");
        assert_eq!(bridge.line(&format!("[{n}] ")).await, "two");
    }
}

#[tokio::test]
async fn without_the_token_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let (file, token) = (folder.path().join("started"), folder.path().join("token"));
    std::fs::write(&token, "acme-token\n").unwrap();
    let script = format!("echo x >> '{}'; exec cat", file.display());
    let mut bridge = Bridge::start(&["--token-file", token.to_str().unwrap()], &script).await;
    for wrong in ["{\"jsonrpc\":\"2.0\"}\n", "acme-toke\n", "acme-token-\n"] {
        let mut stream = bridge.connect().await;
        stream.write_all(wrong.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, "");
        let line = bridge.line("[").await;
        assert!(line.ends_with("] closed: it did not begin with the token"), "{line}");
    }
    assert!(!file.exists());
    let mut stream = bridge.connect().await;
    for part in ["acme-", "token\n", "{}\n"] {
        stream.write_all(part.as_bytes()).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "{}\n");
}

#[tokio::test]
async fn a_token_in_a_variable_is_not_the_programs() {
    let words =
        ["--listen", "127.0.0.1:0", "--token-variable", "IT_TOKEN", "--", "sh", "-c", "env; exec cat"];
    let mut bridge = Bridge::with_variable(&words, Some("acme-token")).await;
    let mut stream = bridge.connect().await;
    stream.write_all(b"acme-token-\n").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    let line = bridge.line("[").await;
    assert!(line.ends_with("] closed: it did not begin with the token"), "{line}");
    let mut stream = bridge.connect().await;
    stream.write_all(b"acme-token\n{}\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let said = rest(&mut stream).await;
    assert!(said.ends_with("{}\n") && said.contains("PATH="), "{said}");
    assert!(!said.contains("IT_TOKEN") && !said.contains("acme-token"), "{said}");
    // Without it nothing listens.
    for (value, why) in [(None, "it is not set"), (Some(" "), "it is empty")] {
        let mut child = command(&words);
        if let Some(value) = value {
            child.env("IT_TOKEN", value);
        }
        let ended = timeout(PATIENCE, child.output()).await.unwrap().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(said, format!("gateway-bridge: read the token in the variable `IT_TOKEN`: {why}\n"));
    }
}

#[tokio::test]
async fn a_program_too_many_is_not_started() {
    let mut bridge = Bridge::start(&["--max-sessions", "1"], "exec cat").await;
    let mut one = bridge.connect().await;
    one.write_all(b"a").await.unwrap();
    one.read_exact(&mut [0]).await.unwrap();
    let mut two = bridge.connect().await;
    two.write_all(b"a").await.unwrap();
    assert_eq!(rest(&mut two).await, "");
    assert_eq!(bridge.line("[2] ").await, "closed: 1 programs run already");
}

#[tokio::test]
async fn silence_ends_a_connection_where_it_should() {
    let mut bridge =
        Bridge::start(&["--first-byte-timeout", "50ms", "--idle-timeout", "200ms"], "exec cat").await;
    assert_eq!(rest(&mut bridge.connect().await).await, "");
    let mut stream = bridge.connect().await;
    stream.write_all(b"a").await.unwrap();
    assert_eq!(rest(&mut stream).await, "a");
    assert_eq!(bridge.line("[2] ").await, "closed: nothing was sent for a long time");
}

#[tokio::test]
async fn the_health_port_starts_nothing_and_says_when_it_ends() {
    let words = ["--health", "127.0.0.1:0", "--drain", "50s"];
    let mut bridge = Bridge::start(&words, "exec cat").await;
    let health = bridge.line("health on ").await;
    let ask = async |request: &str| {
        let mut stream = TcpStream::connect(&health).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    };
    let answer = ask("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("{\"status\":\"ok\",\"sessions\":0}\n"), "{answer}");
    assert!(ask("POST / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
    let mut stream = bridge.connect().await;
    stream.write_all(b"a").await.unwrap();
    stream.read_exact(&mut [0]).await.unwrap();
    assert!(ask("GET / HTTP/1.1\r\n\r\n").await.ends_with("{\"status\":\"ok\",\"sessions\":1}\n"));
    bridge.signal(rustix::process::Signal::TERM);
    let draining = async { while !ask("GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 503 ") {} };
    timeout(PATIENCE, draining).await.unwrap();
    // The call in flight is finished.
    stream.write_all(b"b").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "b");
    assert_eq!(bridge.ended().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_cuts_short() {
    let word = mark("cut");
    let script = format!("trap '' TERM; echo up; while :; do sleep 1; done; : {word}");
    let mut bridge = Bridge::start(&["--drain", "1h", "--grace", "50ms"], &script).await;
    let mut stream = bridge.connect().await;
    stream.write_all(b"a").await.unwrap();
    stream.read_exact(&mut [0; 3]).await.unwrap();
    bridge.signal(rustix::process::Signal::TERM);
    // Once it drains it accepts nothing more; until then a signal would count as the first.
    let draining = async { while TcpStream::connect(&bridge.address).await.is_ok() {} };
    timeout(PATIENCE, draining).await.unwrap();
    bridge.signal(rustix::process::Signal::INT);
    assert_eq!(bridge.ended().await, Some(0));
    gone(&word).await;
}

#[tokio::test]
async fn a_unix_socket_works_and_an_abandoned_one_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    let words = ["--listen", path.to_str().unwrap(), "cat"];
    for _ in 0..2 {
        let mut bridge = Bridge::with(&words).await;
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(rest(&mut stream).await, "hello");
        let second = command(&words).output().await.unwrap();
        let text = format!("gateway-bridge: listen on {}: another program listens there\n", path.display());
        assert_eq!((second.status.code(), String::from_utf8(second.stderr).unwrap()), (Some(1), text));
        // Killed, it leaves its socket behind.
        bridge.child.kill().await.unwrap();
        assert!(path.exists());
    }
}

#[tokio::test]
async fn it_copies_itself_for_images_without_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("tools/bridge");
    let status = command(&["--install", target.to_str().unwrap()]).status().await.unwrap();
    assert_eq!(status.code(), Some(0));
    let version = Command::new(&target).arg("--version").output().await.unwrap();
    assert!(String::from_utf8(version.stdout).unwrap().starts_with("gateway-bridge "));
    let bad = command(&["--install", "/proc/no/such"]).output().await.unwrap();
    assert_eq!(bad.status.code(), Some(1));
}

#[tokio::test]
async fn mistakes_of_usage_say_what_is_missing() {
    let none = command(&[]).output().await.unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8(none.stderr).unwrap().contains("<PROGRAM>..."));
    let mut bridge = Bridge::with(&["--listen", "127.0.0.1:0", "/not/there"]).await;
    let mut stream = bridge.connect().await;
    stream.write_all(b"a").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(bridge.line("[1] ").await, "start `/not/there`: No such file or directory (os error 2)");
}

/// The frames of `--attached`, put together: both streams, and how it ended.
fn told(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>, Option<i32>, String) {
    let (mut out, mut err, mut code, mut failed) = (Vec::new(), Vec::new(), None, String::new());
    while let [kind, a, b, c, d, rest @ ..] = bytes {
        let (piece, after) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        match kind {
            0 => assert!(piece.is_empty()),
            1 => out.extend_from_slice(piece),
            2 => err.extend_from_slice(piece),
            3 => code = Some(i32::from_be_bytes(piece.try_into().unwrap())),
            _ => failed = String::from_utf8(piece.to_vec()).unwrap(),
        }
        bytes = after;
    }
    (out, err, code, failed)
}

async fn attached(words: &[&str], input: &[u8]) -> (Vec<u8>, Vec<u8>, Option<i32>, String) {
    let mut command = command(&[&["--attached", "--"], words].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(b"??").await.unwrap();
    // Nothing runs before it is asked for, and it answers each time.
    let mut hello = [1; 10];
    timeout(PATIENCE, stdout.read_exact(&mut hello)).await.unwrap().unwrap();
    assert_eq!(hello, [0; 10]);
    stdin.write_all(b"!").await.unwrap();
    stdin.write_all(&u32::try_from(input.len()).unwrap().to_be_bytes()).await.unwrap();
    stdin.write_all(input).await.unwrap();
    let mut bytes = Vec::new();
    timeout(PATIENCE, stdout.read_to_end(&mut bytes)).await.unwrap().unwrap();
    told(&bytes)
}

#[tokio::test]
async fn an_attached_run_tells_its_streams_and_its_end_apart() {
    let script = "printf 'a\\000b'; printf why >&2; read x; echo $x; exit 3";
    let (out, err, code, _) = attached(&["sh", "-c", script], b"in\n").await;
    assert_eq!((out.as_slice(), err.as_slice(), code), (b"a\0bin\n".as_slice(), b"why".as_slice(), Some(3)));
    let (out, _, code, _) = attached(&["sh", "-c", "cat; kill -9 $$"], b"").await;
    assert_eq!((out.as_slice(), code), (b"".as_slice(), Some(137)));
    let (_, _, code, failed) = attached(&["/not/there"], b"").await;
    assert_eq!(code, None);
    assert!(failed.starts_with("/not/there: No such file"), "{failed}");
    let (out, _, code, _) = attached(&["head", "-c", "5000000", "/dev/zero"], b"").await;
    assert_eq!((out.len(), code), (5_000_000, Some(0)));
    // What it leaves behind holds nothing up.
    let (out, _, code, _) = attached(&["sh", "-c", "sleep 30 & echo out"], b"").await;
    assert_eq!((out.as_slice(), code), (b"out\n".as_slice(), Some(0)));
}

#[tokio::test]
async fn an_attached_run_ends_when_nobody_is_attached_any_more() {
    let mark = mark("alone");
    let mut command = command(&["--attached", "--", "sh", "-c", &format!("sleep 600; : {mark}")]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"!\0\0\0\0").await.unwrap();
    drop(stdin);
    timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    gone(&mark).await;
}
