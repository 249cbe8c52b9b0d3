//! What `release` does: says what it was given, and stops what the state names.

use crate::failure;
use crate::gateway::provisioner::types::*;
use crate::gateway::provisioner::{call, embedded, log};

pub(crate) fn release(lease: &Lease, reason: ReleaseReason) -> Result<(), Failure> {
    let data = lease.state.as_ref().map(|state| String::from_utf8_lossy(&state.data).into_owned());
    let objects: Vec<&str> = lease.objects.iter().map(|object| object.name.as_str()).collect();
    let fields = [
        ("state".to_owned(), data.clone().unwrap_or_default()),
        ("objects".to_owned(), objects.join(",")),
        ("reason".to_owned(), format!("{reason:?}")),
        ("version".to_owned(), lease.plugin_version.clone()),
        ("by".to_owned(), crate::directive("version")),
    ];
    log::write(log::Level::Info, &format!("release {}", lease.server_id), &fields);
    if lease.server_name.ends_with("hangs") {
        loop {
            call::sleep(60_000);
        }
    }
    if lease.server_name.ends_with("resists at length") {
        return Err(failure(FailureCategory::Retryable, "x".repeat(70_000)));
    }
    if lease.server_name.ends_with("resists") {
        return Err(failure(FailureCategory::Retryable, "it does not go away"));
    }
    for object in &lease.objects {
        if object.kind == "component" {
            embedded::stop(&object.name, 1_000)?;
        }
    }
    Ok(())
}
