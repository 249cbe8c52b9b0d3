//! The exports of a plugin as values, so that one function can run any of them in a fresh instance.

use crate::state::CallState;
use crate::v0_1::ran::Ran;
use crate::v0_1::{Plugin, exported, types};
use std::future::Future;
use wasmtime::Store;

/// One call of one export.
pub(crate) trait Export: Send {
    /// What it answers.
    type Answer: Send;

    /// Makes the call.
    fn call(
        self,
        store: &mut Store<CallState>,
        plugin: &Plugin,
    ) -> impl Future<Output = wasmtime::Result<Self::Answer>> + Send;
}

macro_rules! exports {
    ($interface:ident $($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } $method:ident => $answer:ty;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name<'a> { $(pub(crate) $field: &'a $type,)* }

        impl Export for $name<'_> {
            type Answer = Result<$answer, types::Failure>;

            async fn call(self, store: &mut Store<CallState>, plugin: &Plugin) -> wasmtime::Result<Self::Answer> {
                plugin.$interface().$method(store $(, self.$field.pass())*).await
            }
        }
    )*};
}

/// Numbers and enums are passed by value, records by reference.
trait Pass<'a> {
    type As;
    fn pass(&'a self) -> Self::As;
}

macro_rules! by_reference {
    ($($type:ty => $as:ty),* $(,)?) => {$(
        impl<'a> Pass<'a> for $type {
            type As = &'a $as;
            fn pass(&'a self) -> &'a $as { self }
        }
    )*};
}

by_reference! {
    types::Context => types::Context,
    types::Server => types::Server,
    types::Lease => types::Lease,
    types::ToolContainer => types::ToolContainer,
    types::Page => types::Page,
    types::Leftovers => types::Leftovers,
    Vec<types::Server> => [types::Server],
    Vec<types::ToolEntry> => [types::ToolEntry],
}

impl<'a> Pass<'a> for u32 {
    type As = u32;
    fn pass(&'a self) -> u32 {
        *self
    }
}

impl<'a> Pass<'a> for types::ReleaseReason {
    type As = types::ReleaseReason;
    fn pass(&'a self) -> types::ReleaseReason {
        *self
    }
}

/// `describe`.
pub(crate) struct Describe;

impl Export for Describe {
    type Answer = exported::Description;

    async fn call(self, store: &mut Store<CallState>, plugin: &Plugin) -> wasmtime::Result<Self::Answer> {
        plugin.gateway_provisioner_provisioner().call_describe(store).await
    }
}

exports! {
    gateway_provisioner_container_runtime
    /// `container-runtime.validate-run`.
    ValidateRun { context: types::Context, container: types::ToolContainer } call_validate_run => types::Validation;
    /// `container-runtime.plan-run`.
    PlanRun { context: types::Context, container: types::ToolContainer } call_plan_run => types::Blueprint;
    /// `container-runtime.run`.
    Run { context: types::Context, container: types::ToolContainer } call_run => Ran;
    /// `container-runtime.stop`.
    Stop { context: types::Context, lease: types::Lease, reason: types::ReleaseReason } call_stop => ();
}

exports! {
    gateway_provisioner_provisioner
    /// `prepare`.
    Prepare { context: types::Context, servers: Vec<types::Server>, tools: Vec<types::ToolEntry> } call_prepare => exported::Prepared;
    /// `validate`.
    Validate { context: types::Context, server: types::Server } call_validate => types::Validation;
    /// `plan`.
    Plan { context: types::Context, server: types::Server } call_plan => types::Blueprint;
    /// `provision`.
    Provision { context: types::Context, server: types::Server } call_provision => exported::Provisioned;
    /// `probe`.
    Probe { context: types::Context, lease: types::Lease } call_probe => types::Health;
    /// `reconnect`.
    Reconnect { context: types::Context, server: types::Server, lease: types::Lease } call_reconnect => Option<exported::Reconnected>;
    /// `release`.
    Release { context: types::Context, lease: types::Lease, reason: types::ReleaseReason } call_release => ();
    /// `enumerate`.
    Enumerate { context: types::Context, page: types::Page } call_enumerate => types::ManagedPage;
    /// `sweep`.
    Sweep { context: types::Context, older_than_seconds: u32, page: types::Page } call_sweep => types::SweepPage;
    /// `shutdown`.
    Shutdown { context: types::Context, leftovers: types::Leftovers } call_shutdown => ();
}
