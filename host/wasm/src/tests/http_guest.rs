//! The guest that does what its server's name says, a line each: it sends requests and asks registries.

use super::*;
use crate::grants::HostPattern;

/// The plugin with these grants, and with a secret of its own that is bound to one host.
pub(super) async fn loaded(fixture: &Fixture, bound: &str, grants: Grants) -> Arc<Plugin> {
    let secret_hosts = vec![bound.parse::<HostPattern>().unwrap()];
    let plugin = fixture
        .plugin_with(|spec| {
            spec.source =
                PluginSource::Bytes(std::fs::read(test_artifacts::guest("plugin_http")).unwrap().into());
            spec.grants = Grants {
                secrets: vec!["token".to_owned()],
                secret_hosts: BTreeMap::from([("token".to_owned(), secret_hosts)]),
                ..grants
            };
        })
        .await;
    fixture.resolver.declare("plugin:p", ["token".to_owned()]);
    plugin
}

/// What came of each line.
pub(super) async fn told(plugin: &Plugin, server: &Arc<ServerSpec>) -> Vec<String> {
    let failure = plugin.provision(&call(), server).await.map(|_| ()).unwrap_err();
    assert_eq!(failure.text, "done", "{failure:?}");
    failure.details
}
