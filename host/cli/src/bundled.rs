//! What is compiled into the program: the plugins that come with it, and the servers of the quickstart. `build.rs` builds them.

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// A bundled plugin. `k8s` is another spelling of `kubernetes`.
pub(crate) fn plugin(name: &str) -> Option<&'static [u8]> {
    let name = crate::assemble::placement::canonical(name);
    PLUGINS.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// Names of the bundled plugins.
pub(crate) fn plugin_names() -> Vec<&'static str> {
    PLUGINS.iter().map(|(name, _)| *name).collect()
}

/// A bundled server.
pub(crate) fn server(name: &str) -> Option<&'static [u8]> {
    SERVERS.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// Names of the bundled servers.
pub(crate) fn server_names() -> Vec<&'static str> {
    SERVERS.iter().map(|(name, _)| *name).collect()
}
