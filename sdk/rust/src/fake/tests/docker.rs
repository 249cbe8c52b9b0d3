//! The fake engine.

use super::*;
use crate::docker::{Condition, ContainerSpec, ImageRequest, NetworkSpec};
use crate::types::PullPolicy;

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
