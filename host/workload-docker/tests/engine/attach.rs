//! Standard streams of containers that run.

use crate::bench::{PATIENCE, with_engine};
use host_workload_docker::{End, ErrorKind, SecretText};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

#[test]
fn a_server_answers_line_by_line_and_ends_with_its_input() {
    with_engine(|bench| async move {
        let mut attached = bench.engine.start_attached(&bench.spec("cat", &["cat"])).await.unwrap();
        let mut lines = BufReader::new(attached.stdout).lines();
        for n in 0..200 {
            attached.stdin.write_all(format!("line {n}\n").as_bytes()).await.unwrap();
            assert_eq!(
                timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap(),
                format!("line {n}")
            );
        }
        attached.stdin.shutdown().await.unwrap();
        assert_eq!(timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap(), None);
        let end = timeout(PATIENCE, attached.watched.ended()).await.unwrap();
        assert_eq!(end, End { exit_code: Some(0), out_of_memory: false });
        bench.gone(&bench.name("cat")).await;
    });
}

#[test]
fn a_megabyte_goes_through_in_one_piece() {
    with_engine(|bench| async move {
        let attached = bench.engine.start_attached(&bench.spec("cat", &["cat"])).await.unwrap();
        let (mut stdin, mut stdout) = (attached.stdin, attached.stdout);
        let sent: Vec<u8> = (0..1_000_003_u32).map(|n| (n % 251) as u8).collect();
        let copy = sent.clone();
        let write = tokio::spawn(async move {
            stdin.write_all(&copy).await.unwrap();
            stdin.shutdown().await.unwrap();
        });
        let mut back = Vec::new();
        timeout(PATIENCE, stdout.read_to_end(&mut back)).await.unwrap().unwrap();
        assert!(back == sent, "{} of {} bytes", back.len(), sent.len());
        write.await.unwrap();
        bench.gone(&bench.name("cat")).await;
    });
}

#[test]
fn standard_output_and_standard_error_are_apart() {
    with_engine(|bench| async move {
        let spec = bench.shell("apart", "echo out; echo err >&2; echo more; exit 3");
        let mut attached = bench.engine.start_attached(&spec).await.unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        timeout(PATIENCE, attached.stdout.read_to_string(&mut out)).await.unwrap().unwrap();
        timeout(PATIENCE, attached.stderr.read_to_string(&mut err)).await.unwrap().unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("out\nmore\n", "err\n"));
        assert_eq!(timeout(PATIENCE, attached.watched.ended()).await.unwrap().exit_code, Some(3));
        bench.gone(&spec.name).await;
    });
}

#[test]
fn a_container_that_is_killed_ends_its_streams_and_says_so() {
    with_engine(|bench| async move {
        let mut attached = bench.engine.start_attached(&bench.spec("cat", &["cat"])).await.unwrap();
        assert_eq!(attached.watched.end(), None);
        bench.engine.stop(&attached.container, Duration::ZERO).await.unwrap();
        let mut rest = Vec::new();
        timeout(PATIENCE, attached.stdout.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert_eq!(timeout(PATIENCE, attached.watched.ended()).await.unwrap().exit_code, Some(137));
        bench.gone(&bench.name("cat")).await;
    });
}

#[test]
fn a_broken_attachment_can_be_had_again() {
    with_engine(|bench| async move {
        // Standard input is closed for good when whoever is attached closes it, so the second only listens.
        let spec = bench.shell("again", "while :; do echo tick; read -t 1 x || :; done");
        let first = bench.engine.start_attached(&spec).await.unwrap();
        let second = bench.engine.attach(&first.container).await.unwrap();
        let mut lines = BufReader::new(second.stdout).lines();
        assert_eq!(timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap(), "tick");
        bench.engine.remove(&first.container).await.unwrap();
        while timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().is_some() {}
        let error = bench.engine.attach(&first.container).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::NotFound);
    });
}

#[test]
fn a_flood_on_standard_error_does_not_hold_up_the_answer() {
    with_engine(|bench| async move {
        let spec = bench.shell("flood", "head -c 3000000 /dev/zero >&2; echo answer");
        let mut attached = bench.engine.start_attached(&spec).await.unwrap();
        let mut out = String::new();
        timeout(PATIENCE, attached.stdout.read_to_string(&mut out)).await.unwrap().unwrap();
        assert_eq!(out, "answer\n");
        let mut err = Vec::new();
        timeout(PATIENCE, attached.stderr.read_to_end(&mut err)).await.unwrap().unwrap();
        assert_eq!(err.len(), 64 << 10);
        bench.gone(&spec.name).await;
    });
}

#[test]
fn a_secret_is_in_the_container_and_in_no_error() {
    with_engine(|bench| async move {
        let mut spec = bench.shell("secret", "echo $TOKEN");
        spec.environment = vec![("TOKEN".to_owned(), SecretText::new("hunter2-and-more"))];
        let output = bench.engine.run(&spec, None, 100, PATIENCE).await.unwrap();
        assert_eq!(output.stdout.bytes, b"hunter2-and-more\n");
        // The engine repeats the word that it cannot use.
        spec.user = Some("hunter2-and-more".to_owned());
        let error = bench.engine.run(&spec, None, 100, PATIENCE).await.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    });
}
