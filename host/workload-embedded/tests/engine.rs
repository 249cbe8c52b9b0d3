//! The engine with real guests: what works, what is refused, how things end, and that nothing is left.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests, also in what they share")]

use bytes::Bytes;
use host_workload_embedded::{
    ComponentSource, EmbeddedEngine, EngineConfig, Error, ErrorKind, FileSpec, Info, LoadedComponent,
    MountSpec, StartSpec, Started, Status,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use zeroize::Zeroizing;

/// Long enough for any of this on a busy machine. Nothing waits for it unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    engine: Arc<EmbeddedEngine>,
    misbehave: Arc<LoadedComponent>,
    cache: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let config = EngineConfig {
            cache_dir: Some(cache.path().join("cache")),
            files_dir: Some(cache.path().join("files")),
            max_workloads: 8,
        };
        let engine = EmbeddedEngine::new(config).unwrap();
        let misbehave = engine.load(ComponentSource::File(test_artifacts::guest("misbehave"))).await.unwrap();
        Self { engine, misbehave, cache }
    }

    fn spec(&self, id: &str, arguments: &[&str]) -> StartSpec {
        let mut spec = StartSpec::new(id, Arc::clone(&self.misbehave));
        spec.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        spec
    }

    async fn start(&self, id: &str, arguments: &[&str]) -> Started {
        self.engine.start(self.spec(id, arguments)).await.unwrap()
    }

    /// Runs to the end and returns what was printed, without the last line's end, and how it ended.
    async fn run(&self, spec: StartSpec) -> (String, Info) {
        let output = self.engine.run(spec, Bytes::new(), 1 << 20, PATIENCE).await.unwrap();
        assert!(!output.timed_out, "did not end");
        (String::from_utf8(output.stdout.bytes).unwrap().trim_end().to_owned(), output.info)
    }

    async fn refused(&self, spec: StartSpec) -> Error {
        match self.engine.start(spec).await {
            Ok(_) => panic!("was started"),
            Err(error) => error,
        }
    }
}

/// Reads to the end, which is also the end of the workload.
async fn drain(mut from: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, from.read_to_end(&mut bytes)).await.unwrap().unwrap();
    bytes
}

fn ended(text: &str) -> Info {
    Info { status: Status::Ended, exit_code: None, out_of_memory: false, text: text.to_owned() }
}

fn exited(code: i32) -> Info {
    Info {
        status: Status::Ended,
        exit_code: Some(code),
        out_of_memory: false,
        text: format!("ended by itself with exit code {code}"),
    }
}

#[tokio::test]
async fn a_server_answers_line_by_line() {
    let bench = Bench::new().await;
    let echo = bench.engine.load(ComponentSource::File(test_artifacts::guest("echo-server"))).await.unwrap();
    assert_eq!(echo.name(), "echo-server");
    let mut started = bench.engine.start(StartSpec::new("a", echo)).await.unwrap();
    let mut lines = BufReader::new(started.stdout).lines();
    let cases = [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"null-backend","version":"1"}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"echo","arguments":{"message":"a \"b\" {"}}}"#,
            r#"{"jsonrpc":"2.0","id":"x","result":{"content":[{"type":"text","text":"Echo: a \"b\" {"}]}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
            r#"{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"Echo: "}],"resultType":"complete"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"server/discover","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":3,"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete","ttlMs":60000,"cacheScope":"public"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":4,"method":"no/such"}"#,
            r#"{"jsonrpc":"2.0","id":4,"error":{"code":-32601,"message":"Method not found"}}"#,
        ),
    ];
    for (request, answer) in cases {
        // A notification and rubbish before each are not answered.
        let text =
            format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}}\nrubbish\n{request}\n");
        started.stdin.write_all(text.as_bytes()).await.unwrap();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), answer);
    }
    drop(started.stdin);
    assert_eq!(lines.next_line().await.unwrap(), None);
    assert_eq!(bench.engine.info("a"), exited(0));
    assert_eq!(bench.engine.workloads(), Vec::<String>::new());
}

#[tokio::test]
async fn a_large_message_comes_back_whole() {
    let bench = Bench::new().await;
    let mut started = bench.start("a", &["echo"]).await;
    let mut message = "0123456789".repeat(300_000);
    message.push('\n');
    let sent = message.clone();
    let writer = tokio::spawn(async move {
        started.stdin.write_all(sent.as_bytes()).await.unwrap();
        started.stdin.shutdown().await.unwrap();
    });
    let got = drain(started.stdout).await;
    assert!(got == message.as_bytes(), "{} bytes came back of {}", got.len(), message.len());
    writer.await.unwrap();
}

#[tokio::test]
async fn nothing_is_inherited_and_everything_named_is_there() {
    let bench = Bench::new().await;
    assert_eq!(bench.run(bench.spec("a", &["environment"])).await.0, r#"["misbehave", "environment"]"#);
    let mut spec = bench.spec("b", &["environment"]);
    spec.environment = vec![("TOKEN".to_owned(), Zeroizing::new("s3cret=1".to_owned()))];
    let (text, info) = bench.run(spec).await;
    assert_eq!(text, "[\"misbehave\", \"environment\"]\nTOKEN=s3cret=1");
    assert_eq!(info, exited(0));
}

#[tokio::test]
async fn ends_are_told_in_words() {
    let bench = Bench::new().await;
    let case = async |arguments: &[&str]| bench.run(bench.spec("case", arguments)).await.1;
    assert_eq!(case(&["exit", "0"]).await, exited(0));
    let failed = case(&["exit", "3"]).await;
    // The standard library of Rust only has success and failure to tell.
    assert_eq!(failed, exited(1));
    let trap = case(&["trap"]).await;
    assert_eq!(trap.exit_code, None);
    assert!(
        trap.text.starts_with("gave up (panic or abort; standard error has its last words); in "),
        "{}",
        trap.text
    );
    let deep = case(&["recurse"]).await;
    assert!(deep.text.starts_with("ran out of stack: it calls itself too deeply; in "), "{}", deep.text);
    let mut spec = bench.spec("memory", &["memory"]);
    spec.memory_mib = Some(16);
    let memory = bench.run(spec).await.1;
    assert!(memory.text.starts_with("memory limit of 16 MiB (`memory`) reached; in "), "{}", memory.text);
    assert!(memory.out_of_memory && !trap.out_of_memory && !deep.out_of_memory);
    assert_eq!(bench.engine.info("never").status, Status::Unknown);
}

#[tokio::test]
async fn memory_that_cannot_hold_the_program_is_an_error_of_the_start() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("a", &["echo"]);
    spec.memory_mib = Some(1);
    let error = bench.refused(spec).await;
    assert_eq!(error.kind, ErrorKind::Start);
    assert_eq!(error.text, "`misbehave` did not come up: memory limit of 1 MiB (`memory`) reached");
    assert_eq!(bench.engine.workloads(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_waits_ends_when_its_input_does() {
    let bench = Bench::new().await;
    let started = bench.start("a", &["silent"]).await;
    assert_eq!(bench.engine.info("a").status, Status::Running);
    assert_eq!(bench.engine.stop("a", PATIENCE).await, exited(0));
    assert_eq!(bench.engine.stop("a", PATIENCE).await, exited(0), "a second time");
    assert_eq!(drain(started.stdout).await, b"");
}

#[tokio::test]
async fn what_does_not_end_is_ended() {
    let bench = Bench::new().await;
    for mode in ["spin", "sleep", "flood-stdout", "flood-stderr"] {
        let started = bench.start(mode, &[mode]).await;
        assert_eq!(bench.engine.stop(mode, Duration::ZERO).await, ended("stopped"), "{mode}");
        assert_eq!(bench.engine.workloads(), Vec::<String>::new(), "{mode}");
        drop(started);
    }
}

#[tokio::test]
async fn a_flood_does_not_grow_the_host() {
    let bench = Bench::new().await;
    let started = bench.start("a", &["flood-stdout"]).await;
    // Long before the second of these is read, the first would have been gone if it were not kept for its reader.
    let mut lines = BufReader::new(started.stdout).lines();
    for _ in 0..1000 {
        assert_eq!(lines.next_line().await.unwrap().unwrap().len(), 1023);
    }
    bench.engine.stop("a", Duration::ZERO).await;
    let mut rest = 0;
    while let Some(line) = lines.next_line().await.unwrap() {
        rest += line.len() + 1;
    }
    assert!(rest <= 128 * 1024 + 8 * 1024, "{rest} bytes were waiting");
}

#[tokio::test]
async fn complaints_that_nobody_reads_are_dropped_oldest_first() {
    let bench = Bench::new().await;
    let started = bench.start("a", &["stderr-lines", "30000"]).await;
    let mut lines = BufReader::new(started.stdout).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "done");
    assert!(started.stderr.dropped() > 0);
    drop(started.stdin);
    let kept = drain(started.stderr).await;
    assert!(kept.ends_with(b"line 29999\n"));
    assert!(kept.len() <= 128 * 1024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_compute_do_not_stop_their_neighbours() {
    let bench = Bench::new().await;
    let spinning: Vec<_> = ["s1", "s2", "s3", "s4"].into_iter().collect();
    for id in &spinning {
        drop(bench.start(id, &["spin"]).await);
    }
    let mut started = bench.start("a", &["echo"]).await;
    let mut lines = BufReader::new(started.stdout).lines();
    for n in 0..50 {
        started.stdin.write_all(format!("{n}\n").as_bytes()).await.unwrap();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap();
        assert_eq!(line.unwrap().unwrap(), n.to_string());
    }
    assert_eq!(bench.engine.shutdown(Duration::ZERO).await, ["a", "s1", "s2", "s3", "s4"]);
    assert_eq!(
        bench.refused(bench.spec("b", &["echo"])).await.text,
        "the embedded engine is being shut down"
    );
}

#[tokio::test]
async fn an_answer_is_delivered_before_the_server_goes_on_computing() {
    let bench = Bench::new().await;
    let mut started = bench.start("a", &["spin-after-line"]).await;
    started.stdin.write_all(b"hello\n").await.unwrap();
    let mut lines = BufReader::new(started.stdout).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "hello");
    bench.engine.stop("a", Duration::ZERO).await;
}

#[tokio::test]
async fn a_share_of_the_processor_slows_but_does_not_end() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("a", &["work", "5"]);
    spec.cpu_millis = Some(100);
    let mut started = bench.engine.start(spec).await.unwrap();
    let mut lines = BufReader::new(started.stdout).lines();
    for _ in 0..10 {
        started.stdin.write_all(b"x\n").await.unwrap();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "x");
    }
    assert_eq!(bench.engine.info("a").status, Status::Running);
}

#[tokio::test]
async fn folders_are_as_they_are_granted() {
    let bench = Bench::new().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.txt"), "text").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("out.txt")).unwrap();
    let with = |read_only, arguments: &[&str]| {
        let mut spec = bench.spec("a", arguments);
        spec.mounts =
            vec![MountSpec { host: folder.path().to_owned(), guest: "/data".to_owned(), read_only }];
        spec
    };
    assert_eq!(bench.run(with(true, &["read-file", "/data/in.txt"])).await.0, "ok text");
    let refused = bench.run(with(true, &["write-file", "/data/new.txt"])).await.0;
    assert!(refused.starts_with("error ") && !folder.path().join("new.txt").exists(), "{refused}");
    assert_eq!(bench.run(with(false, &["write-file", "/data/new.txt"])).await.0, "ok");
    assert_eq!(std::fs::read_to_string(folder.path().join("new.txt")).unwrap(), "written by a guest");
    for path in ["/data/../in.txt", "/etc/hostname", "/data/out.txt"] {
        let refused = bench.run(with(false, &["read-file", path])).await.0;
        assert!(refused.starts_with("error "), "{path}: {refused}");
    }
    let without = bench.run(bench.spec("b", &["read-file", "/data/in.txt"])).await.0;
    assert!(without.starts_with("error "), "{without}");
    let mut spec = with(true, &["open-files", "/data/in.txt"]);
    spec.max_files = Some(10);
    let text = bench.run(spec).await.1.text;
    assert!(text.starts_with("limit of 10 open files reached; a server cannot have more; in "), "{text}");
    let mut spec = with(true, &["echo"]);
    spec.mounts[0].host = Path::new("/no/such/folder").to_owned();
    let error = bench.refused(spec).await;
    assert_eq!(error.kind, ErrorKind::Specification);
    assert!(error.text.starts_with("the folder `/no/such/folder` cannot be opened: "), "{error}");
}

#[tokio::test]
async fn only_granted_hosts_are_reached() {
    let bench = Bench::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let greeter = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"welcome").await;
        }
    });
    let to = |host: &str, hosts: &[String]| {
        let mut spec = bench.spec("a", &["connect", host, &port.to_string()]);
        spec.hosts = hosts.to_vec();
        spec
    };
    assert_eq!(bench.run(to("127.0.0.1", &[format!("127.0.0.1:{port}")])).await.0, "ok\nwelcome");
    assert_eq!(bench.run(to("localhost", &[format!("localhost:{port}/tcp")])).await.0, "ok\nwelcome");
    let closed = [
        ("127.0.0.1", vec![]),
        ("localhost", vec![]),
        ("127.0.0.1", vec!["127.0.0.1:1".to_owned()]),
        ("127.0.0.1", vec![format!("127.0.0.2:{port}")]),
        ("127.0.0.1", vec![format!("*.localhost:{port}")]),
        ("localhost", vec![format!("127.0.0.1:{port}")]),
    ];
    for (host, hosts) in closed {
        let text = bench.run(to(host, &hosts)).await.0;
        assert!(text.starts_with("error "), "{host} with {hosts:?}: {text}");
    }
    for mode in ["listen", "udp"] {
        let mut spec = bench.spec("a", &[mode]);
        spec.hosts = vec![format!("127.0.0.1:{port}")];
        let text = bench.run(spec).await.0;
        assert!(text.starts_with("error "), "{mode}: {text}");
    }
    greeter.abort();
}

#[tokio::test]
async fn a_run_is_cut_at_its_limits() {
    let bench = Bench::new().await;
    let output =
        bench.engine.run(bench.spec("a", &["echo"]), Bytes::from("12345\n678\n"), 7, PATIENCE).await.unwrap();
    assert_eq!((output.stdout.bytes.as_slice(), output.stdout.truncated), (b"12345\n6".as_slice(), 3));
    assert_eq!((output.info, output.timed_out), (exited(0), false));
    let output = bench
        .engine
        .run(bench.spec("a", &["flood-stderr"]), Bytes::new(), 100, Duration::from_millis(50))
        .await
        .unwrap();
    assert_eq!(output.stderr.bytes.len(), 100);
    assert_eq!((output.info, output.timed_out), (ended("stopped"), true));
    assert_eq!(bench.engine.workloads(), Vec::<String>::new());
}

#[tokio::test]
async fn ids_and_places_are_counted() {
    let bench = Bench::new().await;
    let mut kept = vec![bench.start("w0", &["silent"]).await];
    assert_eq!(bench.refused(bench.spec("w0", &["silent"])).await.text, "a workload `w0` runs already");
    for n in 1..8 {
        kept.push(bench.start(&format!("w{n}"), &["silent"]).await);
    }
    let full = bench.refused(bench.spec("w8", &["silent"])).await;
    assert_eq!(full.kind, ErrorKind::Busy);
    assert_eq!(full.text, "8 workloads run in the embedded engine already, which is its limit");
    bench.engine.stop("w0", PATIENCE).await;
    kept.push(bench.start("w8", &["silent"]).await);
    assert_eq!(bench.engine.workloads().len(), 8);
}

#[tokio::test]
async fn what_a_workload_held_is_freed() {
    let bench = Bench::new().await;
    let before = Arc::strong_count(&bench.misbehave);
    for n in 0..4 {
        drop(bench.start(&format!("a{n}"), &["spin"]).await);
        drop(bench.start(&format!("b{n}"), &["silent"]).await);
    }
    for id in bench.engine.workloads() {
        bench.engine.stop(&id, Duration::ZERO).await;
    }
    assert_eq!(Arc::strong_count(&bench.misbehave), before);
    let started = bench.start("last", &["spin"]).await;
    drop(bench.engine);
    // An engine that is dropped takes its workloads with it.
    assert_eq!(drain(started.stdout).await, b"");
}

#[tokio::test]
async fn components_are_known_by_content() {
    let bench = Bench::new().await;
    let file = test_artifacts::guest("misbehave");
    let again = bench.engine.load(ComponentSource::File(file.clone())).await.unwrap();
    assert!(Arc::ptr_eq(&again, &bench.misbehave));
    let bytes = Bytes::from(std::fs::read(&file).unwrap());
    let from_memory = ComponentSource::Bytes { name: "misbehave".to_owned(), bytes: bytes.clone() };
    assert!(Arc::ptr_eq(&bench.engine.load(from_memory).await.unwrap(), &bench.misbehave));
    let other = ComponentSource::Bytes { name: "other".to_owned(), bytes };
    let other = bench.engine.load(other).await.unwrap();
    assert_eq!((other.name(), other.digest()), ("other", bench.misbehave.digest()));
    let folder = tempfile::tempdir().unwrap();
    let changing = folder.path().join("misbehave.wasm");
    std::fs::copy(&file, &changing).unwrap();
    let first = bench.engine.load(ComponentSource::File(changing.clone())).await.unwrap();
    std::fs::copy(test_artifacts::guest("echo-server"), &changing).unwrap();
    let second = bench.engine.load(ComponentSource::File(changing)).await.unwrap();
    assert_ne!(first.digest(), second.digest());
}

#[tokio::test]
async fn what_is_no_server_is_refused_in_words() {
    let bench = Bench::new().await;
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(test_artifacts::guest("misbehave")).unwrap();
    let refusal = async |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = bench.engine.load(ComponentSource::File(path)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Component, "{error}");
        error.text
    };
    assert_eq!(refusal("text.wasm", b"hello").await, "`text` is not a WebAssembly file");
    let cut = refusal("cut.wasm", &whole[..whole.len() / 2]).await;
    assert!(cut.starts_with("`cut` is damaged or truncated: "), "{cut}");
    // The interface's name stands where it is imported; changing it makes an import that nobody offers.
    let renamed = |from: &[u8], to: &[u8]| {
        let mut bytes = whole.clone();
        for at in 0..bytes.len() - from.len() {
            if &bytes[at..at + from.len()] == from {
                bytes[at..at + to.len()].copy_from_slice(to);
            }
        }
        bytes
    };
    let text = refusal("needs.wasm", &renamed(b"wasi:sockets/", b"wasi:sOckets/")).await;
    assert!(text.starts_with("`needs` ") && (text.contains("sOckets") || text.contains("damaged")), "{text}");
    let large = folder.path().join("large.wasm");
    std::fs::File::create(&large).unwrap().set_len(65 << 20).unwrap();
    let error = bench.engine.load(ComponentSource::File(large)).await.unwrap_err();
    assert!(error.text.ends_with("has 65 MiB, more than the 64 MiB that are read"), "{error}");
    let missing = folder.path().join("missing.wasm");
    let error = bench.engine.load(ComponentSource::File(missing.clone())).await.unwrap_err();
    assert_eq!(error.text, format!("there is no file `{}`", missing.display()));
}

#[tokio::test]
async fn limits_of_nothing_and_malformed_values_are_refused() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("a", &["echo"]);
    spec.memory_mib = Some(0);
    assert_eq!(bench.refused(spec).await.text, "the limit `memory` is zero");
    let mut spec = bench.spec("a", &["echo"]);
    spec.hosts = vec!["example.com".to_owned()];
    assert_eq!(bench.refused(spec).await.text, "the pattern `example.com` of `allowHosts` names no port");
    let mut spec = bench.spec("a", &["echo"]);
    spec.environment = vec![("A=B".to_owned(), Zeroizing::new("top-secret".to_owned()))];
    let text = bench.refused(spec).await.to_string();
    assert!(text.contains("`A=B`") && !text.contains("top-secret"), "{text}");
}

fn file(guest: &str, content: &str) -> FileSpec {
    FileSpec { guest: guest.to_owned(), content: Zeroizing::new(content.as_bytes().to_vec()), mode: 0o400 }
}

#[tokio::test]
async fn files_of_a_workload_are_there_beside_its_folders_and_gone_after_it() {
    let bench = Bench::new().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mounted"), "from a folder").unwrap();
    for (path, text) in
        [("/deep/er/one", "ok first"), ("/two", "ok second"), ("/data/mounted", "ok from a folder")]
    {
        let mut spec = bench.spec("files", &["read-file", path]);
        spec.files =
            vec![file("/deep/er/one", "first"), file("/two", "second"), file("/deep/three", "third")];
        let host = folder.path().to_owned();
        spec.mounts = vec![MountSpec { host, guest: "/data".to_owned(), read_only: false }];
        assert_eq!(bench.run(spec).await.0, text);
    }
    let files = bench.cache.path().join("files");
    let own =
        std::fs::read_dir(&files).unwrap().flatten().find(|entry| entry.path().is_dir()).unwrap().path();
    let patience = tokio::time::Instant::now() + PATIENCE;
    while std::fs::read_dir(&own).unwrap().count() > 0 {
        assert!(tokio::time::Instant::now() < patience, "the files are still there");
        tokio::task::yield_now().await;
    }
    // The engine's own part goes with the engine.
    let Bench { engine, misbehave, cache: _cache } = bench;
    drop((engine, misbehave));
    let patience = tokio::time::Instant::now() + PATIENCE;
    while std::fs::read_dir(&files).unwrap().count() > 0 {
        assert!(tokio::time::Instant::now() < patience, "the engine's part is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn files_that_cannot_be_placed_are_named() {
    let bench = Bench::new().await;
    let folder = tempfile::tempdir().unwrap();
    for (paths, why) in [
        (vec!["relative/x"], "the file `relative/x` cannot be placed: it is not an absolute path"),
        (vec!["/a/../b/x"], "the file `/a/../b/x` cannot be placed: its path is not in its simplest form"),
        (vec!["/a/"], "the file `/a/` cannot be placed: its path is not in its simplest form"),
        (vec!["/data/x"], "the file `/data/x` cannot be placed: its folder is a mount"),
        (vec!["/a/x", "/a/x"], "the file `/a/x` cannot be placed: it is named twice"),
    ] {
        let mut spec = bench.spec("files", &["read-file", "/a/x"]);
        spec.files = paths.into_iter().map(|path| file(path, "x")).collect();
        let host = folder.path().to_owned();
        spec.mounts = vec![MountSpec { host, guest: "/data".to_owned(), read_only: true }];
        let error = bench.refused(spec).await;
        assert_eq!((error.kind, error.text.as_str()), (ErrorKind::Specification, why));
    }
    let engine = EmbeddedEngine::new(EngineConfig::default()).unwrap();
    let misbehave = engine.load(ComponentSource::File(test_artifacts::guest("misbehave"))).await.unwrap();
    let mut spec = StartSpec::new("files", misbehave);
    spec.files = vec![file("/a/x", "x")];
    let error = engine.start(spec).await.map(|_| ()).unwrap_err();
    assert_eq!(error.text, "the file `/a/x` cannot be placed: this engine has no folder for files");
}
