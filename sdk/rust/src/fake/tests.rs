//! The fake host keeps the rules that a plugin can break, and finds what a plugin leaves.

use super::{FakeHost, check_endings, component_server, image_server};
use crate::types::{Access, Destination, File, Liveness, Mount, MountSource, Protocol, Variable};
use crate::value::{server_secret, variable};
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

mod cloud;
mod docker;
mod kubernetes;

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
