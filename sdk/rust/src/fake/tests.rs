//! The fake host keeps the rules that a plugin can break, and finds what a plugin leaves.

use super::{FakeHost, check_endings, component_server, image_server};
use crate::connection::{HttpEndpoint, HttpProtocol};
use crate::docker::{Condition, ContainerSpec, ImageRequest, NetworkSpec};
use crate::http::{Effect, Request, Response};
use crate::kubernetes::{self, SecretContent, SecretEntry, Target, Test};
use crate::types::{
    Access, Destination, File, Liveness, Mount, MountSource, Page, Protocol, PullPolicy, Variable,
};
use crate::value::{server_secret, text, variable};
use crate::{
    Call, Egress, Error, FailureCategory, Info, Lease, NoSettings, ObjectRef, Provisioned, Provisioner,
    ReleaseReason, Result, Server, State, Wake, Workload, WorkloadKind, embedded, value,
};
use std::time::Duration;

/// A plugin whose `provision` is a function of the test.
macro_rules! plugin {
    ($name:ident, |$call:ident, $server:ident| $provision:expr) => {
        plugin!($name, |$call, $server| $provision, |_call, _lease| Ok(()));
    };
    ($name:ident, |$call:ident, $server:ident| $provision:expr, |$rcall:ident, $lease:ident| $release:expr) => {
        struct $name;
        impl Provisioner for $name {
            type Settings = NoSettings;
            type ServerSettings = NoSettings;
            const INFO: Info = Info::new("test", "0.0.0", "")
                .runs(&[WorkloadKind::Component, WorkloadKind::Image])
                .reads_state(&[1]);

            fn provision($call: &Call<Self>, $server: &Server) -> Result<Provisioned> {
                $provision
            }

            fn release($rcall: &Call<Self>, $lease: &Lease, _: ReleaseReason) -> Result<()> {
                $release
            }
        }
    };
}

fn spec(server: &Server) -> Result<embedded::Spec> {
    let mut spec = embedded::Spec::new(embedded::component(&server.workload)?);
    spec.environment.clone_from(&server.environment);
    Ok(spec)
}

fn reference(server: &Server) -> String {
    match &server.workload {
        Workload::Image(image) => image.reference.clone(),
        _ => String::new(),
    }
}

plugin!(
    Tidy,
    |call, server| {
        let started = call.host.embedded().start(&spec(server)?)?;
        call.host.info("started");
        Ok(Provisioned::new(started.connection, State::new(1, &started.workload)?))
    },
    |call, lease| {
        for object in &lease.objects {
            call.host.embedded().stop(&object.name, Duration::ZERO)?;
        }
        Ok(())
    }
);

plugin!(
    Forgetful,
    |call, server| {
        let started = call.host.embedded().start(&spec(server)?)?;
        call.host.info("started");
        Ok(Provisioned::new(started.connection, State::new(1, &started.workload)?))
    },
    |call, lease| match lease.decode::<String>(1)? {
        Some(workload) => call.host.embedded().stop(&workload, Duration::ZERO),
        None => Ok(()),
    }
);

#[test]
fn a_plugin_that_releases_from_the_ledger_leaves_nothing_however_it_ends() {
    assert_eq!(check_endings::<Tidy>(FakeHost::new, &component_server("notes")), Ok(()));
}

#[test]
fn a_plugin_that_releases_only_what_it_returned_is_found_out() {
    let found = check_endings::<Forgetful>(FakeHost::new, &component_server("notes")).expect_err("it leaks");
    let expected = "after a cut after host call 1, `embedded.start component:notes`: component `w1` is left";
    assert_eq!(found, expected);
}

#[test]
fn a_cut_ends_the_call_and_closes_what_it_held() {
    let host = FakeHost::new();
    host.cut_before(2);
    let error = host.provision::<Tidy>(&component_server("notes")).expect_err("cut");
    assert_eq!(error.category(), FailureCategory::Cancelled);
    assert_eq!(host.calls(), ["embedded.start component:notes", "log started"]);
    assert_eq!(host.log_lines(), []);
    assert_eq!(host.connections(), Vec::<String>::new());
    assert_eq!(host.ledger(), [ObjectRef::new("component", "", "w1")]);
}

#[test]
fn a_failing_host_call_has_no_effect() {
    let host = FakeHost::new();
    host.fail_at(1, Error::quota("start: the engine is full"));
    let error = host.provision::<Tidy>(&component_server("notes")).expect_err("told to fail");
    assert_eq!(error.category(), FailureCategory::Quota);
    assert_eq!((host.left(), host.ledger()), (vec![], vec![]));
    host.resume::<Tidy>(&component_server("notes")).expect("the second attempt is not told to fail");
    let context = host.world_context();
    assert_eq!((context.attempt, context.resume.is_some()), (2, true));
}

#[test]
fn a_connection_is_open_until_the_host_drops_it() {
    let host = FakeHost::new();
    let provisioned = host.provision::<Tidy>(&component_server("notes")).expect("nothing is in the way");
    assert_eq!(provisioned.connection.label(), "stdio of component w1");
    assert_eq!(host.connections(), ["stdio of component w1"]);
    drop(provisioned);
    assert_eq!(host.connections(), Vec::<String>::new());
}

plugin!(AsWritten, |call, server| {
    let mut spec = spec(server)?;
    spec.mounts.clone_from(&server.mounts);
    spec.egress.clone_from(&server.network.egress);
    spec.files.clone_from(&server.files);
    // What a hostile plugin would do, as the display name says.
    match server.name.as_str() {
        "other component" => spec.component = "component:other".to_owned(),
        "other variable" => spec.environment[0].name = "LEAK".to_owned(),
        "other value" => spec.environment[0].value.insert(0, value::text("x").remove(0)),
        "more access" => spec.mounts[0].access = Access::ReadWrite,
        "other host" => match &mut spec.egress {
            Egress::Only(destinations) => destinations[0].host = "evil.example".to_owned(),
            other => panic!("{other:?}"),
        },
        "no limit" => spec.egress = Egress::Unrestricted,
        "other file" => spec.files[0].path = "/etc/passwd".to_owned(),
        "one more variable" => spec.environment.push(variable("DEBUG", "1")),
        "undeclared" => spec
            .environment
            .push(Variable { name: "LEAK".to_owned(), value: value::secret(server_secret("not.declared")) }),
        _ => {}
    }
    let started = call.host.embedded().start(&spec)?;
    Ok(Provisioned::new(started.connection, State::new(1, &())?))
});

#[test]
fn the_engine_refuses_whatever_is_not_in_the_entry() {
    let mut server = component_server("notes");
    server.secrets = vec!["notes.token".to_owned()];
    server.environment =
        vec![Variable { name: "TOKEN".to_owned(), value: value::secret(server_secret("notes.token")) }];
    server.mounts = vec![Mount {
        source: MountSource::Folder("f1".to_owned()),
        label: "/home/me/notes".to_owned(),
        target: "/notes".to_owned(),
        access: Access::ReadOnly,
        options: Vec::new(),
        written: "/home/me/notes:/notes:ro".to_owned(),
    }];
    server.files =
        vec![File { path: "/etc/notes.conf".to_owned(), content: value::text("a=b"), mode: 0o400 }];
    server.network.egress = Egress::Only(vec![Destination {
        host: "api.example".to_owned(),
        port: Some(443),
        protocol: Protocol::Tcp,
        written: "api.example:443".to_owned(),
    }]);
    FakeHost::new().provision::<AsWritten>(&server).expect("exactly the entry");
    for (name, text) in [
        ("other component", "start a component that is not the server's"),
        ("other variable", "put secret `notes.token` into variable `LEAK`: the server's entry does not"),
        ("other value", "put secret `notes.token` into variable `TOKEN`: the server's entry does not"),
        ("one more variable", "set variable `DEBUG` of a server that carries secrets: its entry does not"),
        ("more access", "mount `/notes`: the server's entry does not"),
        ("other host", "reach `evil.example`: the server's entry does not"),
        ("no limit", "let a component out to what was not named"),
        ("other file", "place file `/etc/passwd`: the server's entry does not"),
        ("undeclared", "find secret `not.declared`: nobody declares it"),
    ] {
        server.name = name.to_owned();
        let error = FakeHost::new().provision::<AsWritten>(&server).expect_err(name);
        assert_eq!(error.to_string(), text);
    }
}

plugin!(Unread, |call, server| {
    let started = call.host.embedded().start(&spec(server)?)?;
    let state = (server.id != "stateless").then(|| State::new(2, &())).transpose()?;
    Ok(Provisioned::new(started.connection, state))
});

#[test]
fn a_state_that_the_plugin_does_not_say_it_reads_is_found_out() {
    let error = FakeHost::new().provision::<Unread>(&component_server("notes")).expect_err("version 2");
    assert_eq!(error.to_string(), "keep a state of version 2, which `Info::reads_state` does not name");
    // Without one, what was checkpointed stays; here nothing was.
    let host = FakeHost::new();
    host.provision::<Unread>(&component_server("stateless")).expect("a state is not needed");
    assert_eq!(host.state(), None);
}

#[test]
fn time_passes_only_in_waits_and_the_last_second_is_not_slept_away() {
    plugin!(Sleepy, |call, _server| {
        assert_eq!(call.host.sleep(Duration::from_secs(2)), Wake::Elapsed);
        assert_eq!(call.host.remaining(), Duration::from_secs(3));
        assert_eq!(call.host.sleep(Duration::from_secs(9)), Wake::Deadline);
        assert_eq!(call.host.remaining(), Duration::from_secs(1));
        assert!(!call.host.is_cancelled());
        Err(Error::timeout("wait"))
    });
    let host = FakeHost::new();
    host.set_remaining_ms(5000);
    let error = host.provision::<Sleepy>(&component_server("notes")).expect_err("it always fails");
    assert_eq!(error.category(), FailureCategory::Timeout);
    host.cancel();
    plugin!(Waits, |call, _server| {
        assert_eq!(call.host.sleep(Duration::from_secs(1)), Wake::Cancelled);
        Err(Error::cancelled("wait"))
    });
    host.provision::<Waits>(&component_server("notes")).expect_err("it always fails");
}

#[test]
fn what_the_host_knows_about_sessions() {
    plugin!(Asks, |call, _server| {
        assert_eq!(call.host.session_liveness(&call.context.session), Liveness::ThisSession);
        assert_eq!(call.host.session_liveness("dead"), Liveness::Dead);
        assert_eq!(call.host.session_liveness("?"), Liveness::Unknown);
        Err(Error::cancelled("x"))
    });
    let host = FakeHost::new().with_session("dead", Liveness::Dead);
    host.provision::<Asks>(&component_server("notes")).expect_err("it always fails");
}

plugin!(
    Cloud,
    |call, server| {
        let host = &call.host;
        let task = ObjectRef::new("task", "eu", call.object_name(&server.id));
        if server.name != "careless" {
            host.checkpoint(&State::new(1, &task.name)?)?;
        }
        let create = Request::post("https://cloud.example/tasks", Effect::Creates(task)).json(&"task")?;
        host.http().send(&create)?.success("start task")?;
        let connection = host.connections().http(&HttpEndpoint {
            url: "https://task.cloud.example/mcp".to_owned(),
            protocol: HttpProtocol::StreamableHttp,
            headers: Vec::new(),
            authorization: crate::connection::Authorization::None,
            tunnel: None,
            tls: None,
        })?;
        host.connections().wait_ready(&connection, Duration::from_secs(5))?;
        Ok(Provisioned::new(connection, State::new(1, &call.object_name(&server.id))?))
    },
    |call, lease| {
        let Some(name) = lease.decode::<String>(1)? else { return Ok(()) };
        let url = format!("https://cloud.example/tasks/{name}");
        let request = Request::delete(url, ObjectRef::new("task", "eu", name));
        match call.host.http().send(&request)?.success("stop task") {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
);

fn cloud() -> FakeHost {
    let host = FakeHost::new();
    host.on_http(|request| Ok(Response::new(if request.method == "DELETE" { 404 } else { 201 }, "{}")));
    host
}

#[test]
fn a_creation_over_http_needs_a_checkpoint_and_is_undone_from_it() {
    let mut server = component_server("notes");
    assert_eq!(check_endings::<Cloud>(cloud, &server), Ok(()));
    let host = cloud();
    host.provision::<Cloud>(&server).expect("the cloud says 201");
    assert_eq!(host.left(), [ObjectRef::new("task", "eu", "mcp-notes-r234567890123456")]);
    assert_eq!(host.requests()[0].headers[0].value, text("application/json"));
    server.name = "careless".to_owned();
    let error = cloud().provision::<Cloud>(&server).expect_err("nothing was checkpointed");
    assert_eq!(error.category(), FailureCategory::Permission);
}

#[test]
fn a_cloud_that_nobody_plays_is_a_failure_that_says_so() {
    let error = FakeHost::new().provision::<Cloud>(&component_server("notes")).expect_err("no answer");
    assert_eq!(error.to_string(), "send POST https://cloud.example/tasks: nobody answers");
}

plugin!(
    Docker,
    |call, server| {
        let docker = call.host.docker();
        let reference = reference(server);
        if server.name != "no pull" {
            let pull = PullPolicy::Missing;
            let request = ImageRequest {
                reference: reference.clone(),
                digest: None,
                platform: None,
                pull,
                login: None,
            };
            docker.ensure_image(&request)?;
        }
        let network = docker.create_network(&NetworkSpec {
            name: format!("{}-net", call.object_name(&server.id)),
            internal: true,
            labels: Vec::new(),
        })?;
        let mut spec = ContainerSpec::new(call.object_name(&server.id), reference);
        spec.networks.push(network);
        spec.environment.clone_from(&server.environment);
        let attached = docker.start_attached(&spec)?;
        docker.wait(
            &[Condition::Exited(spec.name.clone()), Condition::Running(spec.name)],
            Duration::from_secs(9),
        )?;
        Ok(Provisioned::new(attached.connection, State::new(1, &attached.container)?))
    },
    |call, lease| {
        for object in lease.objects.iter().rev() {
            match object.kind.as_str() {
                "container" => call.host.docker().remove(&object.name)?,
                _ => call.host.docker().remove_network(&object.name)?,
            }
        }
        Ok(())
    }
);

#[test]
fn several_objects_of_one_server_are_released_from_any_ending() {
    let server = image_server("notes", "acme/notes:1");
    assert_eq!(check_endings::<Docker>(FakeHost::new, &server), Ok(()));
    let host = FakeHost::new();
    host.provision::<Docker>(&server).expect("nothing is in the way");
    assert_eq!(host.containers_started().len(), 1);
    assert_eq!(host.resume::<Docker>(&server).map(drop), Ok(()), "the same request finds what it made");
    assert_eq!(host.containers_started().len(), 1);
}

#[test]
fn an_image_must_be_there_and_known() {
    let mut server = image_server("notes", "acme/notes:1");
    server.name = "no pull".to_owned();
    let error = FakeHost::new().provision::<Docker>(&server).expect_err("not pulled");
    assert_eq!(error.category(), FailureCategory::Image);
    FakeHost::new().with_image("acme/notes:1").provision::<Docker>(&server).expect("it is there");
    server.name.clear();
    let host = FakeHost::new().without_image("acme/notes:1");
    let error = host.provision::<Docker>(&server).expect_err("no registry has it");
    assert_eq!(error.to_string(), "find image `acme/notes:1`: no such image");
}

#[test]
fn a_container_with_secrets_is_closed() {
    plugin!(Peeks, |call, server| {
        let docker = call.host.docker();
        let mut spec = ContainerSpec::new("c", reference(server));
        spec.environment.clone_from(&server.environment);
        docker.start(&spec)?;
        docker.exec("c", &["env".to_owned()], 100)?;
        Err(Error::permanent("it was open"))
    });
    let mut server = image_server("notes", "acme/notes:1");
    server.environment = vec![variable("PLAIN", "1")];
    let host = || FakeHost::new().with_image("acme/notes:1");
    assert_eq!(host().provision::<Peeks>(&server).expect_err("at the end").to_string(), "it was open");
    server.secrets = vec!["notes.token".to_owned()];
    server.environment =
        vec![Variable { name: "TOKEN".to_owned(), value: value::secret(server_secret("notes.token")) }];
    let error = host().provision::<Peeks>(&server).expect_err("closed");
    assert_eq!(error.to_string(), "run a program: container `c` carries secrets");
}

fn pod(name: &str) -> Target {
    Target::new("v1/Pod", "mcp", name)
}

plugin!(
    Cluster,
    |call, server| {
        let kubernetes = call.host.kubernetes();
        let entry = SecretEntry {
            key: "token".to_owned(),
            server_ids: vec![server.id.clone()],
            content: SecretContent::Value(value::secret(server_secret("notes.token"))),
        };
        let secret = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"mcp"}}"#;
        kubernetes.apply_secret(secret, &[entry])?;
        kubernetes.apply(r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"mcp"}}"#)?;
        let conditions = [
            kubernetes::Condition { target: pod("p"), test: Test::Hopeless(0) },
            kubernetes::Condition { target: pod("p"), test: Test::IsTrue("Ready".to_owned()) },
        ];
        let met = kubernetes.wait(&conditions, Duration::from_secs(30))?;
        if let Some(failure) = met.failure {
            return Err(failure.into());
        }
        let connection = kubernetes.attach(&pod("p"), "server")?;
        Ok(Provisioned::new(connection, State::new(1, &())?))
    },
    |call, lease| {
        for object in lease.objects.iter().rev() {
            let target = Target::new(&object.kind, &object.scope, &object.name);
            call.host.kubernetes().remove(&target, None, None)?;
        }
        Ok(())
    }
);

#[test]
fn a_cluster_keeps_documents_and_shows_why_a_pod_is_hopeless() {
    let mut server = image_server("notes", "acme/notes:1");
    server.secrets = vec!["notes.token".to_owned()];
    assert_eq!(check_endings::<Cluster>(FakeHost::new, &server), Ok(()));
    let host = FakeHost::new();
    host.provision::<Cluster>(&server).expect("a pod is ready at once");
    let stored = host.object(&pod("p")).expect("it was applied");
    assert_eq!(stored["metadata"]["labels"]["gateway-id"], "g234567890123456");
    let page = Page { cursor: None, limit: 1 };
    plugin!(Lists, |call, _server| {
        let page = Page { cursor: None, limit: 1 };
        let found =
            call.host.kubernetes().enumerate("v1/Pod", "mcp", "gateway-id=g234567890123456", &page)?;
        assert_eq!((found.documents.len(), found.cursor), (1, None));
        let none = call.host.kubernetes().enumerate("v1/Pod", "mcp", "gateway-id=another", &page)?;
        assert_eq!(none.documents, Vec::<String>::new());
        Err(Error::cancelled("x"))
    });
    assert_eq!(host.provision::<Lists>(&server).expect_err("at the end").to_string(), "x");
    assert_eq!(host.enumerate::<Cluster>(&page).expect("the default").objects, []);
    host.make_hopeless(&pod("p"), Error::image("pull image: denied"));
    plugin!(Asks, |call, _server| {
        let gone = kubernetes::Condition { target: pod("p"), test: Test::Hopeless(0) };
        let met = call.host.kubernetes().wait(&[gone], Duration::from_secs(1))?;
        Err(met.failure.map_or(Error::permanent("no reason"), Error::from))
    });
    assert_eq!(host.provision::<Asks>(&server).expect_err("hopeless").to_string(), "pull image: denied");
}

#[test]
fn a_secret_object_is_never_made_from_text() {
    plugin!(Careless, |call, _server| {
        call.host.kubernetes().apply(r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}"#)?;
        Err(Error::permanent("it was applied"))
    });
    let error = FakeHost::new().provision::<Careless>(&component_server("notes")).expect_err("refused");
    assert_eq!(error.category(), FailureCategory::Permission);
}
