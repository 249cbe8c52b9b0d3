//! The fake cluster.

use super::*;
use crate::kubernetes::{self, SecretContent, SecretEntry, Target, Test};
use crate::types::Page;

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
