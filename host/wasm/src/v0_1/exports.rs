//! The exports of a plugin as values, so that one function can run any of them in a fresh instance.
//!
//! The generated bindings compare the types of all exports whenever an instance is made. Here that is done once, when a plugin is asked who
//! it is ([`Describe`]), and afterwards only for the function that is called.

use crate::state::CallState;
use crate::v0_1::ran::Ran;
use crate::v0_1::{PluginIndices, exported, types};
use std::collections::HashMap;
use std::future::Future;
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre};

/// The interfaces that a plugin exports, with their functions but `describe`.
const INTERFACES: [(&str, &[&str]); 2] = [
    ("gateway:provisioner/provisioner@0.1.0", PROVISIONER),
    ("gateway:provisioner/container-runtime@0.1.0", CONTAINER_RUNTIME),
];

/// Where the functions of a plugin are.
pub(crate) struct Functions {
    all: PluginIndices,
    each: HashMap<&'static str, ComponentExportIndex>,
}

impl Functions {
    /// Finds them by their names.
    ///
    /// # Errors
    /// One is not there.
    pub(crate) fn find(pre: &InstancePre<CallState>) -> wasmtime::Result<Self> {
        let mut each = HashMap::new();
        for (interface, functions) in INTERFACES {
            let missing =
                |name: &str| wasmtime::Error::msg(format!("no exported function `{interface}#{name}`"));
            let within = pre.component().get_export_index(None, interface);
            for name in functions {
                let function =
                    within.as_ref().and_then(|within| pre.component().get_export_index(Some(within), name));
                each.insert(*name, function.ok_or_else(|| missing(name))?);
            }
        }
        Ok(Self { all: PluginIndices::new(pre)?, each })
    }

    fn at(&self, name: &str) -> wasmtime::Result<&ComponentExportIndex> {
        self.each.get(name).ok_or_else(|| wasmtime::Error::msg(format!("no exported function `{name}`")))
    }
}

/// One call of one export.
pub(crate) trait Export: Send {
    /// What it answers.
    type Answer: Send;

    /// Makes the call.
    fn call(
        self,
        store: &mut Store<CallState>,
        plugin: &Instance,
        functions: &Functions,
    ) -> impl Future<Output = wasmtime::Result<Self::Answer>> + Send;
}

macro_rules! exports {
    ($names:ident $($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } $function:literal => $answer:ty;)*) => {
        const $names: &[&str] = &[$($function),*];

        $(
            $(#[$doc])*
            pub(crate) struct $name<'a> { $(pub(crate) $field: &'a $type,)* }

            impl Export for $name<'_> {
                type Answer = Result<$answer, types::Failure>;

                async fn call(
                    self,
                    store: &mut Store<CallState>,
                    plugin: &Instance,
                    functions: &Functions,
                ) -> wasmtime::Result<Self::Answer> {
                    let at = functions.at($function)?;
                    let function = plugin
                        .get_typed_func::<($(<$type as Pass<'_>>::As,)*), (Self::Answer,)>(&mut *store, at)?;
                    let (answer,) = function.call_async(store, ($(self.$field.pass(),)*)).await?;
                    Ok(answer)
                }
            }
        )*
    };
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

/// `describe`, after a look at the types of all exports.
pub(crate) struct Describe;

impl Export for Describe {
    type Answer = exported::Description;

    async fn call(
        self,
        store: &mut Store<CallState>,
        plugin: &Instance,
        functions: &Functions,
    ) -> wasmtime::Result<Self::Answer> {
        let plugin = functions.all.load(&mut *store, plugin)?;
        plugin.gateway_provisioner_provisioner().call_describe(store).await
    }
}

exports! {
    CONTAINER_RUNTIME
    /// `container-runtime.validate-run`.
    ValidateRun { context: types::Context, container: types::ToolContainer } "validate-run" => types::Validation;
    /// `container-runtime.plan-run`.
    PlanRun { context: types::Context, container: types::ToolContainer } "plan-run" => types::Blueprint;
    /// `container-runtime.run`.
    Run { context: types::Context, container: types::ToolContainer } "run" => Ran;
    /// `container-runtime.stop`.
    Stop { context: types::Context, lease: types::Lease, reason: types::ReleaseReason } "stop" => ();
}

exports! {
    PROVISIONER
    /// `prepare`.
    Prepare { context: types::Context, servers: Vec<types::Server>, tools: Vec<types::ToolEntry> } "prepare" => exported::Prepared;
    /// `validate`.
    Validate { context: types::Context, server: types::Server } "validate" => types::Validation;
    /// `plan`.
    Plan { context: types::Context, server: types::Server } "plan" => types::Blueprint;
    /// `provision`.
    Provision { context: types::Context, server: types::Server } "provision" => exported::Provisioned;
    /// `probe`.
    Probe { context: types::Context, lease: types::Lease } "probe" => types::Health;
    /// `reconnect`.
    Reconnect { context: types::Context, server: types::Server, lease: types::Lease } "reconnect" => Option<exported::Reconnected>;
    /// `release`.
    Release { context: types::Context, lease: types::Lease, reason: types::ReleaseReason } "release" => ();
    /// `enumerate`.
    Enumerate { context: types::Context, page: types::Page } "enumerate" => types::ManagedPage;
    /// `sweep`.
    Sweep { context: types::Context, older_than_seconds: u32, page: types::Page } "sweep" => types::SweepPage;
    /// `shutdown`.
    Shutdown { context: types::Context, leftovers: types::Leftovers } "shutdown" => ();
}
