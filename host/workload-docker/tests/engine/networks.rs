//! Networks: made, joined, listed, removed.

use crate::bench::with_engine;
use host_workload_docker::{ErrorKind, NetworkSpec, PageRequest};
use std::time::Duration;

#[test]
fn a_network_is_made_joined_and_removed() {
    with_engine(|bench| async move {
        let spec = |what: &str| NetworkSpec {
            name: bench.name(what),
            internal: true,
            labels: vec![("gateway-test".to_owned(), bench.mark.clone())],
        };
        let (one, two) = (spec("one"), spec("two"));
        bench.engine.create_network(&one).await.unwrap();
        bench.engine.create_network(&two).await.unwrap();
        let error = bench.engine.create_network(&one).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert_eq!(error.text, format!("create network `{}`: there is one of that name", one.name));

        let mut container = bench.shell("member", "sleep 1000");
        (container.no_network, container.networks) = (false, vec![one.name.clone(), two.name.clone()]);
        container.network_aliases = vec!["notes".to_owned()];
        let id = bench.engine.create(&container).await.unwrap();
        bench.engine.start(&id).await.unwrap();
        assert_eq!(bench.engine.networks_of(&id).await.unwrap(), [one.name.clone(), two.name.clone()]);
        bench.engine.connect_network(&one.name, &id, &[]).await.unwrap();
        assert_eq!(bench.engine.network(&one.name).await.unwrap().unwrap().containers, Some(1));
        let error = bench.engine.remove_network(&one.name).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict, "{error}");

        let label = bench.label();
        let page = bench.engine.networks(&[&label], &PageRequest { cursor: None, limit: 1 }).await.unwrap();
        assert!(page.cursor.is_some() && page.items[0].internal);

        bench.engine.remove(&id).await.unwrap();
        for network in [&one, &two, &one] {
            bench.engine.remove_network(&network.name).await.unwrap();
        }
        assert_eq!(bench.engine.network(&one.name).await.unwrap(), None);
    });
}

/// Whoever goes while a network is being made leaves none, in whichever moment of the making.
#[test]
fn a_network_that_nobody_waits_for_is_removed() {
    with_engine(|bench| async move {
        for moment in 0..20 {
            let spec = NetworkSpec {
                name: bench.name(&format!("dropped-{moment}")),
                internal: true,
                labels: vec![("gateway-test".to_owned(), bench.mark.clone())],
            };
            let making = bench.engine.create_network(&spec);
            let made = tokio::time::timeout(Duration::from_millis(10 * moment), making).await;
            if made.is_ok() {
                bench.engine.remove_network(&spec.name).await.unwrap();
            }
            assert_eq!(bench.engine.network(&spec.name).await.unwrap(), None, "after {moment}0 ms");
        }
    });
}
