//! Containers from their making to their end, and what is left.

use crate::bench::{ARGV, BUSYBOX, PATIENCE, folder, with_engine};
use host_workload_docker::{
    ContainerSpec, DockerEngine, Ending, Endpoint, EngineConfig, ErrorKind, FileSpec, MountSource, MountSpec,
    PageRequest, PublishSpec, SecretBytes,
};
use std::time::Duration;

#[test]
fn a_tool_gets_its_input_and_its_output_is_cut() {
    with_engine(|bench| async move {
        let spec = bench.spec("cat", &["cat"]);
        let output = bench.engine.run(&spec, Some("hello there".into()), 5, PATIENCE).await.unwrap();
        assert_eq!(output.ending, Ending::Exited(0));
        assert_eq!((output.stdout.bytes.as_slice(), output.stdout.total), (b"hello".as_slice(), 11));
        assert!(output.stdout.is_cut() && !output.stderr.is_cut());
    });
}

#[test]
fn a_tool_gives_its_real_exit_code_and_both_streams() {
    with_engine(|bench| async move {
        let mut spec = bench.spec("argv", &["--argv-exit=7", "--argv-stderr=bad", "a b", ""]);
        (spec.image, spec.entrypoint) = (ARGV.to_owned(), None);
        let output = bench.engine.run(&spec, None, 1000, PATIENCE).await.unwrap();
        assert_eq!(output.ending, Ending::Exited(7));
        assert!(String::from_utf8_lossy(&output.stdout.bytes).contains("\"a b\""));
        assert!(String::from_utf8_lossy(&output.stderr.bytes).contains("bad"));
    });
}

#[test]
fn a_tool_that_never_ends_is_killed_with_what_it_wrote() {
    with_engine(|bench| async move {
        let spec = bench.shell("slow", "echo begun; trap '' TERM; while :; do sleep 1; done");
        let output = bench.engine.run(&spec, None, 1000, Duration::from_secs(3)).await.unwrap();
        assert_eq!(output.ending, Ending::TimedOut);
        assert_eq!(output.stdout.bytes, b"begun\n");
    });
}

#[test]
fn want_of_memory_is_told_from_other_ends() {
    with_engine(|bench| async move {
        let mut spec = bench.spec("greedy", &["tail", "/dev/zero"]);
        spec.memory = Some(16 << 20);
        spec.options = vec![("memory-swap".to_owned(), "16m".to_owned())];
        let output = bench.engine.run(&spec, None, 1000, PATIENCE).await.unwrap();
        assert_eq!(output.ending, Ending::OutOfMemory(137));
    });
}

#[test]
fn whoever_lets_go_of_a_run_leaves_nothing() {
    with_engine(|bench| async move {
        let spec = bench.shell("dropped", "sleep 1000");
        let run = bench.engine.run(&spec, None, 10, PATIENCE);
        let mut run = Box::pin(run);
        // Polled until the container is there, then dropped.
        let there = async {
            while !bench.engine.inspect(&spec.name).await.unwrap().is_some_and(|info| info.is_running()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut run => panic!("it does not end"),
            () = there => {}
        }
        drop(run);
        bench.gone(&spec.name).await;
    });
}

#[test]
fn a_program_that_is_not_there_is_the_entrys_mistake_and_leaves_nothing() {
    with_engine(|bench| async move {
        let mut spec = bench.spec("wrong", &[]);
        spec.entrypoint = Some(vec!["/not/there".to_owned()]);
        let error = bench.engine.start_attached(&spec).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Specification, "{error}");
        bench.gone(&spec.name).await;
        let mut spec = bench.spec("nobody", &["true"]);
        spec.user = Some("acme-nobody".to_owned());
        let error = bench.engine.start_attached(&spec).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Specification, "{error}");
        bench.gone(&spec.name).await;
    });
}

#[test]
fn a_name_is_taken_once() {
    with_engine(|bench| async move {
        let spec = bench.shell("twice", "sleep 1000");
        let id = bench.engine.create(&spec).await.unwrap();
        let error = bench.engine.create(&spec).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
        assert_eq!(bench.engine.inspect(&spec.name).await.unwrap().unwrap().state, "created");
        bench.engine.remove(&id).await.unwrap();
        bench.engine.remove(&id).await.unwrap();
        bench.engine.remove(&spec.name).await.unwrap();
        bench.engine.stop(&id, Duration::from_secs(1)).await.unwrap();
        assert_eq!(bench.engine.inspect(&id).await.unwrap(), None);
    });
}

#[test]
fn one_that_ignores_the_signal_is_killed() {
    with_engine(|bench| async move {
        let spec = bench.shell("stubborn", "trap '' TERM; while :; do sleep 1; done");
        let attached = bench.engine.start_attached(&spec).await.unwrap();
        bench.engine.stop(&attached.container, Duration::from_millis(900)).await.unwrap();
        let mut watched = attached.watched.clone();
        assert_eq!(tokio::time::timeout(PATIENCE, watched.ended()).await.unwrap().exit_code, Some(137));
        bench.gone(&spec.name).await;
    });
}

#[test]
fn files_and_folders_are_where_they_belong() {
    with_engine(|bench| async move {
        let host = tempfile::tempdir().unwrap();
        std::fs::write(host.path().join("x"), "from outside\n").unwrap();
        let script = "cat /etc/acme/a.json; stat -c '%a %u %g' /etc/acme/a.json; cat /mnt/x; echo y > /mnt/x";
        let mut spec = bench.shell("files", script);
        spec.user = Some("1001:7".to_owned());
        spec.files = vec![FileSpec {
            path: "/etc/acme/a.json".to_owned(),
            content: SecretBytes::new("{}\n"),
            mode: 0o400,
        }];
        spec.mounts = vec![folder(host.path(), "/mnt", true)];
        // Others must be able to look into it.
        std::fs::set_permissions(host.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let output = bench.engine.run(&spec, None, 1000, PATIENCE).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout.bytes), "{}\n400 1001 7\nfrom outside\n");
        assert!(String::from_utf8_lossy(&output.stderr.bytes).contains("Read-only file system"));
    });
}

#[test]
fn a_closed_container_can_still_be_asked_about_itself() {
    with_engine(|bench| async move {
        let spec = bench.shell("ask", "echo one; echo two; echo three; sleep 1000");
        let attached = bench.engine.start_attached(&spec).await.unwrap();
        let id = attached.container.as_str();
        let words = ["sh", "-c", "echo inside; echo complaint >&2; exit 4"].map(str::to_owned);
        let ran = bench.engine.exec(id, &words, 6).await.unwrap();
        assert_eq!((ran.exit_code, ran.stdout.bytes.as_slice()), (Some(4), b"inside".as_slice()));
        assert_eq!((ran.stdout.total, ran.stderr.bytes.as_slice()), (7, b"compla".as_slice()));
        let log = async {
            loop {
                let log = bench.engine.log_tail(id, 2, 1000).await.unwrap();
                if log.contains("three") && log.contains("two") {
                    break log;
                }
            }
        };
        assert!(!tokio::time::timeout(PATIENCE, log).await.unwrap().contains("one"));
        bench.engine.remove(id).await.unwrap();
        assert_eq!(bench.engine.log_tail(id, 2, 10).await.unwrap_err().kind, ErrorKind::NotFound);
    });
}

#[test]
fn containers_are_listed_page_by_page() {
    with_engine(|bench| async move {
        for n in 0..3 {
            bench.engine.create(&bench.shell(&format!("n{n}"), "true")).await.unwrap();
        }
        let label = bench.label();
        let mut page = PageRequest { cursor: None, limit: 2 };
        let first = bench.engine.containers(&[&label], &page).await.unwrap();
        assert_eq!(first.items.len(), 2);
        page.cursor = first.cursor;
        let second = bench.engine.containers(&[&label, "gateway-test"], &page).await.unwrap();
        assert_eq!((second.items.len(), second.cursor), (1, None));
        let info = &second.items[0];
        assert_eq!((info.image.as_str(), info.state.as_str()), (BUSYBOX, "created"));
        assert_eq!(bench.engine.inspect(&info.id).await.unwrap().unwrap().created, info.created);
        for info in first.items.iter().chain(&second.items) {
            bench.engine.remove(&info.id).await.unwrap();
        }
    });
}

#[test]
fn a_port_is_published_on_loopback() {
    with_engine(|bench| async move {
        let mut spec = bench.shell("port", "sleep 1000");
        spec.no_network = false;
        spec.publish = vec![PublishSpec { container_port: 8000, udp: false, host_port: None }];
        let id = bench.engine.create(&spec).await.unwrap();
        bench.engine.start(&id).await.unwrap();
        let info = bench.engine.inspect(&id).await.unwrap().unwrap();
        assert_eq!(info.published.len(), 1, "{info:?}");
        assert_eq!((info.published[0].container_port, info.published[0].host.as_str()), (8000, "127.0.0.1"));
        assert_eq!(info.networks.len(), 1);
        bench.engine.remove(&id).await.unwrap();
    });
}

#[test]
fn who_runs_in_a_container_knows_the_volumes_there() {
    with_engine(|bench| async move {
        let mut spec = bench.spec("own", &["cat"]);
        let mount = |source, target: &str| MountSpec {
            source,
            target: target.to_owned(),
            read_only: false,
            options: Vec::new(),
        };
        spec.mounts =
            vec![mount(MountSource::Anonymous, "/state"), mount(MountSource::Folder("/tmp".into()), "/seen")];
        let id = bench.engine.create(&spec).await.unwrap();
        let config = EngineConfig {
            endpoint: bench.engine.endpoint().clone(),
            config_dir: None,
            own_container: Some(id.clone()),
        };
        let inside = DockerEngine::new(config);
        // The engine names it by 64 digits; a folder has no name.
        let own = inside.own_volumes().await.unwrap();
        assert_eq!(own.iter().map(String::len).collect::<Vec<_>>(), [64], "{own:?}");
        assert_eq!(bench.engine.own_volumes().await.unwrap(), [""; 0]);
        bench.engine.remove(&id).await.unwrap();
    });
}

#[test]
fn an_engine_that_is_not_there_is_said_to_be_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Unix(folder.path().join("none.sock"));
        let text = format!("reach the engine at {endpoint}: No such file or directory (os error 2)");
        let engine = DockerEngine::new(EngineConfig { endpoint, config_dir: None, own_container: None });
        let error = engine.info().await.unwrap_err();
        assert_eq!((error.kind, error.text), (ErrorKind::Unreachable, text));
        let error = engine.create(&ContainerSpec::new("a", "b")).await.unwrap_err();
        assert_eq!(
            error.hint.unwrap(),
            "start the engine, or say with `DOCKER_HOST` or `--docker-context` where it is"
        );
    });
}
