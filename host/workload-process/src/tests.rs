//! Commands that behave, and commands that do not.

use crate::{EngineConfig, ErrorKind, ProcessEngine, StartSpec, Started, Status, work_off};
use rustix::process::{Pid, test_kill_process_group};
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

struct Stage {
    state: TempDir,
    engine: Arc<ProcessEngine>,
}

fn stage() -> Stage {
    stage_with(Duration::from_secs(30))
}

/// With this patience for a process that ignores what it is asked.
fn stage_with(patience: Duration) -> Stage {
    let state = tempfile::tempdir().unwrap();
    let mut config = EngineConfig::new("s1", state.path());
    (config.after_close, config.after_term) = (patience, patience);
    Stage { state, engine: ProcessEngine::new(config) }
}

fn shell(script: &str) -> StartSpec {
    StartSpec {
        name: "a".to_owned(),
        program: "sh".to_owned(),
        arguments: vec!["-c".to_owned(), script.to_owned(), "sh".to_owned(), "two words".to_owned()],
        environment: vec![
            ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
            ("OWN".into(), "x=1".into()),
        ],
        directory: None,
        memory: None,
    }
}

async fn all(started: &mut Started) -> String {
    let mut text = String::new();
    started.stdout.read_to_string(&mut text).await.unwrap();
    text
}

fn gone(started: &Started) -> bool {
    let pid = Pid::from_raw(i32::try_from(started.pid).unwrap()).unwrap();
    test_kill_process_group(pid).is_err()
}

/// Waits until the command has said that it is ready.
async fn ready(started: &mut Started) {
    let mut line = [0; 6];
    started.stdout.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"ready\n");
}

#[tokio::test]
async fn a_command_gets_what_it_was_given_and_nothing_else() {
    let stage = stage();
    let folder = tempfile::tempdir().unwrap();
    let script = "pwd -P; echo \"$1\"; env | grep -v '^PWD=\\|^SHLVL=\\|^_=\\|^OLDPWD=' | sort; ulimit -c";
    let mut spec = shell(script);
    spec.directory = Some(folder.path().to_owned());
    let mut started = stage.engine.start(&spec).unwrap();
    let folder = std::fs::canonicalize(folder.path()).unwrap();
    let expected = format!(
        "{}\ntwo words\nGATEWAY_PROCESS=s1.1\nOWN=x=1\nPATH=/usr/local/bin:/usr/bin:/bin\n0\n",
        folder.display()
    );
    assert_eq!(all(&mut started).await, expected);
    stage.engine.stop(started.id).await.unwrap();
}

#[tokio::test]
async fn streams_are_its_own_and_the_end_has_a_reason() {
    let stage = stage();
    let mut started =
        stage.engine.start(&shell("read line; echo \"got $line\"; echo why >&2; exit 3")).unwrap();
    assert_eq!(stage.engine.status(started.id), Some(Status::Running));
    started.stdin.write_all(b"hello\n").await.unwrap();
    assert_eq!(all(&mut started).await, "got hello\n");
    let mut words = String::new();
    started.stderr.read_to_string(&mut words).await.unwrap();
    assert_eq!(words, "why\n");
    // The output may end a moment before the process does.
    let status = loop {
        match stage.engine.status(started.id).unwrap() {
            Status::Running => tokio::task::yield_now().await,
            ended => break ended,
        }
    };
    assert_eq!(status, Status::Ended { text: "it ended with exit code 3".to_owned(), code: Some(3) });
    stage.engine.stop(started.id).await.unwrap();
    assert_eq!(stage.engine.status(started.id), None);
    stage.engine.stop(started.id).await.unwrap();
}

#[tokio::test]
async fn a_command_whose_input_closes_has_time_to_end() {
    let stage = stage();
    let mut started = stage.engine.start(&shell("echo ready; cat >/dev/null; echo bye")).unwrap();
    ready(&mut started).await;
    let Started { id, stdin, mut stdout, .. } = started;
    drop(stdin);
    stage.engine.stop(id).await.unwrap();
    let mut text = String::new();
    stdout.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "bye\n");
}

#[tokio::test]
async fn a_command_that_ignores_everything_is_killed_with_all_it_started() {
    let stage = stage_with(Duration::from_millis(50));
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo ready; while :; do sleep 1; done";
    let mut started = stage.engine.start(&shell(script)).unwrap();
    ready(&mut started).await;
    stage.engine.stop(started.id).await.unwrap();
    assert!(gone(&started));
}

#[tokio::test]
async fn what_a_command_leaves_behind_ends_with_it() {
    let stage = stage();
    let mut started = stage.engine.start(&shell("sleep 1000 & echo ready")).unwrap();
    ready(&mut started).await;
    // The output is held by the one that was left, so its end means that this one is gone too.
    assert_eq!(all(&mut started).await, "");
    stage.engine.stop(started.id).await.unwrap();
    assert!(gone(&started));
}

#[tokio::test]
async fn memory_is_limited_from_the_first_moment() {
    let stage = stage();
    let mut spec = shell("ulimit -d; echo \"$1\"");
    spec.memory = Some(64 << 20);
    let mut started = stage.engine.start(&spec).unwrap();
    assert_eq!(all(&mut started).await, "65536\ntwo words\n");
    stage.engine.stop(started.id).await.unwrap();
}

#[tokio::test]
async fn a_missing_program_and_a_missing_folder_are_told_apart() {
    let stage = stage();
    let error =
        stage.engine.start(&StartSpec { program: "no-such-program".to_owned(), ..shell("") }).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Program);
    assert_eq!(
        error.to_string(),
        "`no-such-program` is in no folder of PATH (/usr/local/bin:/usr/bin:/bin) (install `no-such-program`, or write its whole path as the command)"
    );
    let error =
        stage.engine.start(&StartSpec { directory: Some("/no/folder".into()), ..shell("") }).unwrap_err();
    assert_eq!(
        (error.kind, error.text.as_str()),
        (ErrorKind::Specification, "the folder `/no/folder` is not there")
    );
    let error =
        stage.engine.start(&StartSpec { environment: vec![("A".into(), OsString::from("\0"))], ..shell("") });
    assert_eq!(error.unwrap_err().kind, ErrorKind::Program, "it has no PATH");
    assert!(stage.engine.shutdown(Duration::from_secs(3)).await.is_empty());
    assert_eq!(stage.engine.start(&shell("")).unwrap_err().text, "the gateway is shutting down");
}

#[tokio::test]
async fn a_shutdown_ends_all_at_once_and_forgets_the_run() {
    let stage = stage();
    let mut all = Vec::new();
    for _ in 0..5 {
        let mut started =
            stage.engine.start(&shell("trap '' TERM; echo ready; while :; do sleep 1; done")).unwrap();
        ready(&mut started).await;
        all.push(started);
    }
    assert!(stage.engine.shutdown(Duration::from_millis(100)).await.is_empty());
    assert!(all.iter().all(gone));
    assert_eq!(std::fs::read_dir(stage.state.path().join("processes")).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_killed_gateway_has_left_is_ended_by_the_next() {
    let state = tempfile::tempdir().unwrap();
    // A process that carries the mark of a run whose record nobody holds, in a group of its own.
    std::fs::create_dir(state.path().join("processes")).unwrap();
    std::fs::write(state.path().join("processes/s-dead"), "").unwrap();
    // `cat` is there for good once it repeats a line: while a program is being replaced by another, nobody can read its environment.
    let spawn = |mark: &str| {
        let mut command = tokio::process::Command::new("cat");
        let piped = std::process::Stdio::piped;
        command.env("GATEWAY_PROCESS", mark).process_group(0).stdin(piped()).stdout(piped());
        command.kill_on_drop(true).spawn().unwrap()
    };
    let (mut left, mut other) = (spawn("s-dead.1"), spawn("s-dead2.1"));
    let mut inputs = Vec::new();
    for child in [&mut left, &mut other] {
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"ready\n").await.unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
        inputs.push(input);
    }
    let number = left.id().unwrap();
    let (done, status) = tokio::join!(work_off(state.path()), left.wait());
    assert_eq!(
        done.iter()
            .map(|run| (run.session.as_str(), run.ended.clone(), run.left.clone()))
            .collect::<Vec<_>>(),
        [("s-dead", vec![number], vec![])]
    );
    assert_eq!(status.unwrap().code(), None);
    assert_eq!(other.try_wait().unwrap(), None, "another run's process was touched");
    assert!(work_off(state.path()).await.is_empty());
    other.kill().await.unwrap();
}
