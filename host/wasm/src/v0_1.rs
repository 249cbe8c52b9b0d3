//! Track 0.1 of the contract (`wit/v0.1`): generated bindings, host functions, and the translation between its records and the
//! provisioner's types. Everything that knows the track's words is below this file.

pub(crate) mod answers;
pub(crate) mod bounds;
pub(crate) mod call;
pub(crate) mod connection;
pub(crate) mod context;
pub(crate) mod docker;
pub(crate) mod embedded;
pub(crate) mod exports;
pub(crate) mod http;
pub(crate) mod kubernetes;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod registry;
pub(crate) mod secrets;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod tape;
pub(crate) mod tool;
pub(crate) mod values;

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::str_to_string,
    clippy::uninlined_format_args,
    reason = "generated; the comments that exist come from the contract"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "plugin",
        imports: {
            "gateway:provisioner/call.sleep": async | trappable,
            "gateway:provisioner/call.checkpoint": async | trappable,
            "gateway:provisioner/call.record-object": async | trappable,
            "gateway:provisioner/connection.http": async | trappable,
            "gateway:provisioner/connection.tcp": async | trappable,
            "gateway:provisioner/connection.wait-ready": async | trappable,
            "gateway:provisioner/http.send": async | trappable,
            "gateway:provisioner/secrets.lookup": async | trappable,
            "gateway:provisioner/docker.engine": async | trappable,
            "gateway:provisioner/docker.ensure-image": async | trappable,
            "gateway:provisioner/docker.resolve-image": async | trappable,
            "gateway:provisioner/docker.check": async | trappable,
            "gateway:provisioner/docker.start-attached": async | trappable,
            "gateway:provisioner/docker.start": async | trappable,
            "gateway:provisioner/docker.run": async | trappable,
            "gateway:provisioner/docker.attach": async | trappable,
            "gateway:provisioner/docker.address-of": async | trappable,
            "gateway:provisioner/docker.inspect": async | trappable,
            "gateway:provisioner/docker.wait": async | trappable,
            "gateway:provisioner/docker.stop": async | trappable,
            "gateway:provisioner/docker.remove": async | trappable,
            "gateway:provisioner/docker.exec": async | trappable,
            "gateway:provisioner/docker.log-tail": async | trappable,
            "gateway:provisioner/docker.containers": async | trappable,
            "gateway:provisioner/docker.networks": async | trappable,
            "gateway:provisioner/docker.create-network": async | trappable,
            "gateway:provisioner/docker.connect-network": async | trappable,
            "gateway:provisioner/docker.remove-network": async | trappable,
            "gateway:provisioner/docker.start-egress-proxy": async | trappable,
            "gateway:provisioner/embedded.start": async | trappable,
            "gateway:provisioner/embedded.run": async | trappable,
            "gateway:provisioner/embedded.stop": async | trappable,
            "gateway:provisioner/kubernetes.cluster": async | trappable,
            "gateway:provisioner/kubernetes.apply": async | trappable,
            "gateway:provisioner/kubernetes.dry-run": async | trappable,
            "gateway:provisioner/kubernetes.get": async | trappable,
            "gateway:provisioner/kubernetes.enumerate": async | trappable,
            "gateway:provisioner/kubernetes.remove": async | trappable,
            "gateway:provisioner/kubernetes.apply-secret": async | trappable,
            "gateway:provisioner/kubernetes.secret-keys": async | trappable,
            "gateway:provisioner/kubernetes.wait": async | trappable,
            "gateway:provisioner/kubernetes.diagnose": async | trappable,
            "gateway:provisioner/kubernetes.attach": async | trappable,
            "gateway:provisioner/kubernetes.exec-attached": async | trappable,
            "gateway:provisioner/kubernetes.exec": async | trappable,
            "gateway:provisioner/kubernetes.run-pod": async | trappable,
            "gateway:provisioner/kubernetes.log-tail": async | trappable,
            "gateway:provisioner/kubernetes.open-tunnel": async | trappable,
            "gateway:provisioner/kubernetes.service-address": async | trappable,
            "gateway:provisioner/kubernetes.missing-rights": async | trappable,
            "gateway:provisioner/kubernetes.living-sessions": async | trappable,
            "gateway:provisioner/registry.image": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "gateway:provisioner/connection.connection": crate::v0_1::connection::Held,
            "gateway:provisioner/connection.run-output": crate::v0_1::connection::RunOutput,
        },
    });
}

pub(crate) use generated::PluginIndices;
pub(crate) use generated::exports::gateway::provisioner::container_runtime as ran;
pub(crate) use generated::exports::gateway::provisioner::provisioner as exported;
pub(crate) use generated::gateway::provisioner as imported;
pub(crate) use generated::gateway::provisioner::types;

use crate::state::{CallState, Scope};
use host_provisioner::Phase;
use tape::recorded;
use types::{Failure, FailureCategory};
use wasmtime::component::{HasSelf, Linker};

impl types::Host for CallState {}

/// Adds what everybody has, and the abilities that are named.
pub(crate) fn link(linker: &mut Linker<CallState>, abilities: &[String]) -> wasmtime::Result<()> {
    type Data = HasSelf<CallState>;
    imported::types::add_to_linker::<CallState, Data>(linker, |state| state)?;
    imported::call::add_to_linker::<CallState, Data>(linker, |state| state)?;
    imported::connection::add_to_linker::<CallState, Data>(linker, |state| state)?;
    imported::log::add_to_linker::<CallState, Data>(linker, |state| state)?;
    imported::progress::add_to_linker::<CallState, Data>(linker, |state| state)?;
    imported::secrets::add_to_linker::<CallState, Data>(linker, |state| state)?;
    imported::settings::add_to_linker::<CallState, Data>(linker, |state| state)?;
    if abilities.iter().any(|ability| ability == "docker") {
        imported::docker::add_to_linker::<CallState, Data>(linker, |state| state)?;
    }
    if abilities.iter().any(|ability| ability == "http") {
        imported::http::add_to_linker::<CallState, Data>(linker, |state| state)?;
    }
    if abilities.iter().any(|ability| ability == "kubernetes") {
        imported::kubernetes::add_to_linker::<CallState, Data>(linker, |state| state)?;
    }
    if abilities.iter().any(|ability| ability == "embedded") {
        imported::embedded::add_to_linker::<CallState, Data>(linker, |state| state)?;
    }
    if abilities.iter().any(|ability| ability == "registry") {
        imported::registry::add_to_linker::<CallState, Data>(linker, |state| state)?;
    }
    Ok(())
}

/// The same with a tape that hears what is answered.
pub(crate) fn link_recorded(linker: &mut Linker<CallState>, abilities: &[String]) -> wasmtime::Result<()> {
    type Plain = HasSelf<CallState>;
    type Data = tape::Data;
    imported::types::add_to_linker::<CallState, Plain>(linker, |state| state)?;
    imported::log::add_to_linker::<CallState, Plain>(linker, |state| state)?;
    imported::progress::add_to_linker::<CallState, Plain>(linker, |state| state)?;
    imported::settings::add_to_linker::<CallState, Plain>(linker, |state| state)?;
    imported::call::add_to_linker::<CallState, Data>(linker, recorded)?;
    imported::connection::add_to_linker::<CallState, Data>(linker, recorded)?;
    imported::secrets::add_to_linker::<CallState, Data>(linker, recorded)?;
    for ability in abilities {
        match ability.as_str() {
            "docker" => imported::docker::add_to_linker::<CallState, Data>(linker, recorded)?,
            "embedded" => imported::embedded::add_to_linker::<CallState, Data>(linker, recorded)?,
            "http" => imported::http::add_to_linker::<CallState, Data>(linker, recorded)?,
            "kubernetes" => imported::kubernetes::add_to_linker::<CallState, Data>(linker, recorded)?,
            "registry" => imported::registry::add_to_linker::<CallState, Data>(linker, recorded)?,
            _ => {}
        }
    }
    Ok(())
}

impl Scope {
    /// An answer of a host function that did not do what was asked.
    pub(crate) fn refuse(&self, category: FailureCategory, text: impl Into<String>) -> Failure {
        Failure {
            phase: phase(self.phase),
            category,
            step: None,
            text: text.into(),
            hint: None,
            details: Vec::new(),
            objects: Vec::new(),
            retry_after_ms: None,
            extras: Vec::new(),
        }
    }

    /// The same with advice for the operator.
    pub(crate) fn refuse_with(
        &self,
        category: FailureCategory,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Failure {
        Failure { hint: Some(hint.into()), ..self.refuse(category, text) }
    }
}

fn phase(phase: Phase) -> types::Phase {
    match phase {
        Phase::Describe => types::Phase::Describe,
        Phase::Prepare => types::Phase::Prepare,
        Phase::Validate => types::Phase::Validate,
        Phase::Plan => types::Phase::Plan,
        Phase::Provision => types::Phase::Provision,
        Phase::Probe => types::Phase::Probe,
        Phase::Reconnect => types::Phase::Reconnect,
        Phase::Release => types::Phase::Release,
        Phase::Enumerate => types::Phase::Enumerate,
        Phase::Sweep => types::Phase::Sweep,
        Phase::Shutdown => types::Phase::Shutdown,
        Phase::Run => types::Phase::Run,
        Phase::Load | Phase::Handshake | Phase::Other => types::Phase::Other,
    }
}
