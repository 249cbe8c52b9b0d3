//! What is created over HTTP.

use super::*;
use crate::connection::{HttpEndpoint, HttpProtocol};
use crate::http::{Effect, Request, Response};
use crate::value::text;

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
