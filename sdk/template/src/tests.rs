//! The plugin on the SDK's fake gateway: plain `cargo test`, no WebAssembly.

use super::*;
use gateway_plugin::fake::{FakeHost, check_endings, component_server};

#[test]
fn the_default_limit_comes_from_the_settings() {
    let host = FakeHost::new().with_settings(r#"{"memoryMib": 32}"#);
    host.provision::<MyProvisioner>(&component_server("notes")).expect("nothing is in the way");
    let asked = host.embedded_specs();
    assert_eq!(asked[0].limits.memory.as_ref().map(|memory| memory.mib), Some(32));
}

#[test]
fn nothing_is_left_however_it_ends() {
    assert_eq!(check_endings::<MyProvisioner>(FakeHost::new, &component_server("notes")), Ok(()));
}

#[test]
fn what_it_does_not_do_stops_the_server_by_name() {
    let mut server = component_server("notes");
    server.user = Some("1000".to_owned());
    let error = FakeHost::new().provision::<MyProvisioner>(&server).expect_err("a component has no user");
    assert_eq!(error.to_string(), "honour `user`: this plugin does not do it");
}
