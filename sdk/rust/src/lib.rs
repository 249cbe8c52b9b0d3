//! Write a provisioner for `gateway`: one trait, one macro, the gateway's abilities as Rust types.
//!
//! ```
//! use gateway_plugin::{Call, Info, Lease, NoSettings, Provisioned, Provisioner, ReleaseReason, Result, Server};
//! use gateway_plugin::{State, WorkloadKind, embedded};
//!
//! struct Smallest;
//!
//! impl Provisioner for Smallest {
//!     type Settings = NoSettings;
//!     type ServerSettings = NoSettings;
//!     const INFO: Info =
//!         Info::new("smallest", "0.1.0", "runs components, nothing else").runs(&[WorkloadKind::Component]).reads_state(&[1]);
//!
//!     fn provision(call: &Call<Self>, server: &Server) -> Result<Provisioned> {
//!         let spec = embedded::Spec::new(embedded::component(&server.workload)?);
//!         let started = call.host.embedded().start(&spec)?;
//!         Ok(Provisioned::new(started.connection, State::new(1, &started.workload)?))
//!     }
//!
//!     fn release(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
//!         for workload in lease.objects.iter().filter(|object| object.kind == "component") {
//!             call.host.embedded().stop(&workload.name, std::time::Duration::from_secs(2))?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! gateway_plugin::export!(Smallest);
//! ```
//!
//! Built for `wasm32-wasip2` it is a component that asks for the grant `embedded` and for nothing else: what is not called is not
//! imported. Built for any other target the same code speaks to a [`fake::FakeHost`], so `cargo test` tests it.
//!
//! *Invariant:* everything public here is chosen by hand. What the generator writes is hidden and may change.

// Lets the macros name this crate by its own name from inside too.
#[cfg(test)]
extern crate self as gateway_plugin;

mod adapter;
mod answer;
mod asked;
mod call;
pub mod connection;
pub mod docker;
pub mod embedded;
mod error;
#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
#[doc(hidden)]
pub mod generated;
mod host;
pub mod http;
pub mod kubernetes;
pub mod label;
mod provisioner;
mod runtime;
pub mod secrets;
mod settings;
mod state;
pub mod types;
pub mod value;

pub use answer::{Fields, Provisioned, Ran, Reconnected};
pub use call::Call;
pub use connection::{Connection, RunOutput};
pub use error::{Error, Result, each};
pub use host::{Host, Level, Update, Wake};
pub use provisioner::{Info, Provisioner};
pub use runtime::ContainerRuntime;
pub use settings::{NoSettings, Settings};
pub use types::{
    Blueprint, Context, Document, Egress, FailureCategory, Health, Lease, Leftovers, ManagedObject,
    ManagedPage, ObjectRef, Page, Prepared, ReleaseReason, Server, State, Status, SweepPage, ToolContainer,
    ToolEntry, Transport, Validation, Workload, WorkloadKind,
};

// Re-exported so that a plugin needs no second dependency for its settings and state.
pub use schemars;
pub use serde;
pub use serde_json;

/// Registers a plugin: `export!(MyPlugin);`, or `export!(MyPlugin, tools);` if it also is a [`ContainerRuntime`]. Once per component.
///
/// On `wasm32` it makes the component's exports. On other targets it only checks the types, so that the crate and its tests build there.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        $crate::__export!($plugin, $crate::__private::NoTools);
    };
    ($plugin:ty, tools) => {
        $crate::__export!($plugin, $crate::__private::WithTools);
    };
}

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty, $tools:ty) => {
        const _: () = {
            type Exported = $crate::__private::Exports<$plugin, $tools>;
    $crate::generated::export!(Exported with_types_in $crate::generated);
        };
    };
}

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty, $tools:ty) => {
        const _: () = $crate::__private::check::<$plugin, $tools>();
    };
}

#[doc(hidden)]
pub mod __private {
    pub use crate::adapter::{NoTools, Tools, WithTools};
    #[cfg(target_arch = "wasm32")]
    pub use crate::exports::Exports;

    /// Compiles for a plugin that can be registered.
    pub const fn check<P: crate::Provisioner, T: Tools<P>>() {}
}
