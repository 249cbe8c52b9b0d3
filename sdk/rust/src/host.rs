//! What a plugin may ask of the gateway.
//!
//! On `wasm32` every function here is the call of an import. An import that no code calls is not in the component, so a plugin asks
//! for exactly the grants it uses. On other targets the same functions speak to a [`FakeHost`](crate::fake::FakeHost), because calling
//! an import there ends the process.

use crate::Result;
use crate::connection::Connections;
use crate::docker::Docker;
use crate::embedded::Embedded;
use crate::http::Http;
use crate::kubernetes::{Kubernetes, Registry};
use crate::secrets::Secrets;
use crate::types::{Liveness, ObjectRef, State};
use std::time::Duration;

pub use crate::generated::gateway::provisioner::call::Wake;
pub use crate::generated::gateway::provisioner::log::Level;
pub use crate::generated::gateway::provisioner::progress::Update;

#[cfg(target_arch = "wasm32")]
use crate::generated::gateway::provisioner::{call, log, progress, settings};

/// Chooses between the import and the fake. Exactly one of the two blocks is compiled.
macro_rules! side {
    (real => $real:expr, fake => $fake:expr $(,)?) => {{
        #[cfg(target_arch = "wasm32")]
        {
            $real
        }
        #[cfg(not(target_arch = "wasm32"))]
        {
            $fake
        }
    }};
}
pub(crate) use side;

/// Milliseconds as the contract counts them. What is longer than it can say, seven weeks, becomes the longest.
pub(crate) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// The gateway, as one call sees it.
#[derive(Debug)]
pub struct Host {
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fake: crate::fake::FakeHost,
}

impl Host {
    #[cfg(target_arch = "wasm32")]
    pub(crate) const fn real() -> Self {
        Self {}
    }

    /// The engine in the gateway's own process. Grant: `embedded`.
    #[must_use]
    pub fn embedded(&self) -> Embedded<'_> {
        Embedded { host: self }
    }

    /// A container engine with Docker's API. Grant: `docker`.
    #[must_use]
    pub fn docker(&self) -> Docker<'_> {
        Docker { host: self }
    }

    /// A Kubernetes cluster. Grant: `kubernetes`.
    #[must_use]
    pub fn kubernetes(&self) -> Kubernetes<'_> {
        Kubernetes { host: self }
    }

    /// Image registries. Grant: `registry`.
    #[must_use]
    pub fn registry(&self) -> Registry<'_> {
        Registry { host: self }
    }

    /// Outbound HTTP, signed by the host. Grant: `http`.
    #[must_use]
    pub fn http(&self) -> Http<'_> {
        Http { host: self }
    }

    /// What can be known about secrets without knowing them.
    #[must_use]
    pub fn secrets(&self) -> Secrets<'_> {
        Secrets { host: self }
    }

    /// Ways to a server that the plugin itself knows the address of.
    #[must_use]
    pub fn connections(&self) -> Connections<'_> {
        Connections { host: self }
    }

    /// Time until the host stops this call.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        Duration::from_millis(u64::from(side!(
            real => call::remaining_ms(),
            fake => self.fake.remaining_ms(),
        )))
    }

    /// True when nobody waits for the result any more. Costs nothing; ask between two steps.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        side!(real => call::cancelled(), fake => self.fake.is_cancelled())
    }

    /// Waits without using processor time, for polling with back-off.
    #[must_use = "a wait that was cut short says why"]
    pub fn sleep(&self, wait: Duration) -> Wake {
        side!(real => call::sleep(millis(wait)), fake => self.fake.sleep(millis(wait)))
    }

    /// Replaces what the host will pass to `release` until `provision` returns. Call it **before** each creation through
    /// [`Host::http`], with what is needed to undo it.
    ///
    /// # Errors
    ///
    /// What the host answers, `retryable` if the ledger could not be written.
    pub fn checkpoint(&self, state: &State) -> Result<()> {
        side!(real => Ok(call::checkpoint(state)?), fake => self.fake.checkpoint(state))
    }

    /// Notes in the ledger that this object is about to be created. Only for objects made through [`Host::http`].
    ///
    /// # Errors
    ///
    /// What the host answers, `retryable` if the ledger could not be written.
    pub fn record_object(&self, object: &ObjectRef) -> Result<()> {
        side!(real => Ok(call::record_object(object)?), fake => self.fake.record_object(object))
    }

    /// Takes an object out of the ledger after it is known to be gone.
    ///
    /// # Errors
    ///
    /// What the host answers, `retryable` if the ledger could not be written.
    pub fn forget_object(&self, object: &ObjectRef) -> Result<()> {
        side!(real => Ok(call::forget_object(object)?), fake => self.fake.forget_object(object))
    }

    /// Whether a run of a gateway lives, as far as the host knows: it knows those of this machine. `unknown` is not dead.
    #[must_use]
    pub fn session_liveness(&self, session: &str) -> Liveness {
        side!(real => call::session_liveness(session), fake => self.fake.session_liveness(session))
    }

    /// Tells a person what happens now, a few words: `pull image acme/notes:2`.
    pub fn progress(&self, text: impl Into<String>) {
        self.report(&Update { text: text.into(), done: None, total: None });
    }

    /// As [`Host::progress`], with how much of it is done.
    pub fn report(&self, update: &Update) {
        side!(real => progress::report(update), fake => self.fake.report(update));
    }

    /// A line in the gateway's log. Failures are returned, not logged.
    pub fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields: Vec<_> = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        side!(real => log::write(level, message, &fields), fake => self.fake.log(level, message, &fields));
    }

    /// A line at level `debug`.
    pub fn debug(&self, message: &str) {
        self.log(Level::Debug, message, &[]);
    }

    /// A line at level `info`.
    pub fn info(&self, message: &str) {
        self.log(Level::Info, message, &[]);
    }

    /// A line at level `warn`.
    pub fn warn(&self, message: &str) {
        self.log(Level::Warn, message, &[]);
    }

    /// The plugin's settings as the host has them, a JSON object.
    pub(crate) fn settings(&self) -> String {
        side!(real => settings::get(), fake => self.fake.settings())
    }
}
