//! A gateway for tests: everything a plugin may ask for, in memory, for `cargo test` on the author's machine.
//!
//! ```
//! # use gateway_plugin::{Call, Info, Lease, NoSettings, Provisioned, Provisioner, ReleaseReason, Result, Server};
//! # use gateway_plugin::{State, WorkloadKind, embedded};
//! # struct Smallest;
//! # impl Provisioner for Smallest {
//! #     type Settings = NoSettings;
//! #     type ServerSettings = NoSettings;
//! #     const INFO: Info = Info::new("smallest", "0.1.0", "").runs(&[WorkloadKind::Component]).reads_state(&[1]);
//! #     fn provision(call: &Call<Self>, server: &Server) -> Result<Provisioned> {
//! #         let spec = embedded::Spec::new(embedded::component(&server.workload)?);
//! #         let started = call.host.embedded().start(&spec)?;
//! #         Ok(Provisioned::new(started.connection, State::new(1, &started.workload)?))
//! #     }
//! #     fn release(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
//! #         for object in &lease.objects {
//! #             call.host.embedded().stop(&object.name, std::time::Duration::ZERO)?;
//! #         }
//! #         Ok(())
//! #     }
//! # }
//! use gateway_plugin::fake::{self, FakeHost};
//!
//! let host = FakeHost::new();
//! let server = fake::component_server("notes");
//! host.provision::<Smallest>(&server).expect("nothing is in the way");
//! assert_eq!(host.left().len(), 1);
//! host.release::<Smallest>(ReleaseReason::Ended).expect("it is there");
//! assert_eq!(host.left(), []);
//!
//! // However it ends, nothing is left.
//! fake::check_endings::<Smallest>(FakeHost::new, &server).expect("release works from everywhere");
//! ```
//!
//! It keeps the rules of the contract that a plugin can break (whose secret goes where, what precedes a creation), not the behaviour of
//! the platforms: a container runs as soon as it is started and answers what the test says.

mod docker;
mod embedded;
mod http;
mod kubernetes;
mod plugin;
mod registry;
mod samples;
mod world;

#[cfg(test)]
mod tests;

pub use plugin::check_endings;
pub use samples::{component_server, context, image_server, lease, tool};
pub(crate) use world::{Handle, Output};

use crate::connection::{Connection, Ending, HttpEndpoint, RunOutput, TcpEndpoint};
use crate::host::{Level, Update, Wake};
use crate::secrets::{Reference, SecretInfo};
use crate::types::{Context, Liveness, ObjectRef, SecretName, SecretOwner, State};
use crate::{Error, Result};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use world::{Cut, World};

/// See the module. Clones are the same gateway.
#[derive(Clone)]
pub struct FakeHost {
    world: Rc<RefCell<World>>,
}

impl Default for FakeHost {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeHost").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

/// What a test prepares and asks.
impl FakeHost {
    /// A gateway on which nothing runs, without settings, with a minute for every call.
    #[must_use]
    pub fn new() -> Self {
        Self { world: Rc::new(RefCell::new(World::new())) }
    }

    /// Settings of the plugin, a JSON object as in the operator's file.
    #[must_use]
    pub fn with_settings(self, json: &str) -> Self {
        json.clone_into(&mut self.world.borrow_mut().settings);
        self
    }

    /// A secret of the plugin itself. Those that a server declares need no preparation.
    #[must_use]
    pub fn with_plugin_secret(self, name: &str) -> Self {
        self.world.borrow_mut().plugin_secrets.insert(name.to_owned());
        self
    }

    /// A secret of the server that only the platform can fetch.
    #[must_use]
    pub fn with_secret_reference(self, name: &str, reference: Reference) -> Self {
        self.world.borrow_mut().references.insert(name.to_owned(), reference);
        self
    }

    /// What the host knows about another run of a gateway.
    #[must_use]
    pub fn with_session(self, session: &str, liveness: Liveness) -> Self {
        self.world.borrow_mut().sessions.insert(session.to_owned(), liveness);
        self
    }

    /// The context of the next calls; see [`context`] for one to start from.
    #[must_use]
    pub fn with_context(self, context: Context) -> Self {
        self.world.borrow_mut().context = context;
        self
    }

    /// Makes the `n`-th host call fail, counted from 1 as in [`FakeHost::calls`]. It then has no effect. Calls that cannot fail
    /// (`log`, `progress`, `sleep`, …) succeed.
    pub fn fail_at(&self, n: usize, error: Error) {
        self.world.borrow_mut().failures.insert(n, error);
    }

    /// Ends the plugin's call at the `n`-th host call, before it has an effect, as a deadline or a vanished client does.
    pub fn cut_before(&self, n: usize) {
        self.world.borrow_mut().cut = Some(Cut { at: n, before: true });
    }

    /// Ends the plugin's call at the `n`-th host call, after it had its effect: the plugin never sees the answer.
    pub fn cut_after(&self, n: usize) {
        self.world.borrow_mut().cut = Some(Cut { at: n, before: false });
    }

    /// From now on nobody waits for the result.
    pub fn cancel(&self) {
        self.world.borrow_mut().cancelled = true;
    }

    /// Time that a call has; 60,000 ms unless said.
    pub fn set_remaining_ms(&self, ms: u32) {
        self.world.borrow_mut().remaining_ms = ms;
    }

    /// Every host call so far, in order: its name and what it was about.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.world.borrow().calls.clone()
    }

    /// What exists on all fake platforms.
    #[must_use]
    pub fn left(&self) -> Vec<ObjectRef> {
        self.world.borrow().left()
    }

    /// Labels of the connections that are open: made and neither dropped by the plugin nor closed by a release.
    #[must_use]
    pub fn connections(&self) -> Vec<String> {
        self.world.borrow().connections.values().cloned().collect()
    }

    /// What the ledger holds for the lease: recorded and not seen removed, oldest first.
    #[must_use]
    pub fn ledger(&self) -> Vec<ObjectRef> {
        self.world.borrow().ledger.clone()
    }

    /// The last checkpoint or returned state.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.world.borrow().state.clone()
    }

    #[cfg(test)]
    pub(crate) fn world_context(&self) -> Context {
        self.world.borrow().context.clone()
    }

    /// Texts of all progress so far.
    #[must_use]
    pub fn progress(&self) -> Vec<String> {
        self.world.borrow().progress.iter().map(|update| update.text.clone()).collect()
    }

    /// All lines of the log so far.
    #[must_use]
    pub fn log_lines(&self) -> Vec<(Level, String)> {
        self.world.borrow().log.clone()
    }
}

/// The other side of [`Host`](crate::Host).
impl FakeHost {
    /// A host call that can fail: notes it, fails or ends where the test said so, else has its effect.
    fn call<T>(&self, name: String, effect: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
        let n = self.enter(name);
        let failure = self.world.borrow_mut().failures.remove(&n);
        let answer = match failure {
            Some(error) => Err(error),
            None => effect(&mut self.world.borrow_mut()),
        };
        self.cut(n, false);
        answer
    }

    /// A host call that cannot fail.
    fn ask<T>(&self, name: String, effect: impl FnOnce(&mut World) -> T) -> T {
        let n = self.enter(name);
        let answer = effect(&mut self.world.borrow_mut());
        self.cut(n, false);
        answer
    }

    fn enter(&self, name: String) -> usize {
        let n = {
            let mut world = self.world.borrow_mut();
            world.calls.push(name);
            world.calls.len()
        };
        self.cut(n, true);
        n
    }

    /// Leaves the plugin as the engine does, without running anything more of it but destructors. No panic, so nothing is printed.
    fn cut(&self, n: usize, before: bool) {
        let cut = Cut { at: n, before };
        if self.world.borrow().cut == Some(cut) {
            std::panic::resume_unwind(Box::new(cut));
        }
    }

    fn handle(&self, world: &mut World, label: String) -> Handle {
        let id = world.fresh();
        world.connections.insert(id, label.clone());
        Handle::new(self.clone(), id, label)
    }

    fn close(&self, id: u32) {
        self.world.borrow_mut().connections.remove(&id);
    }

    pub(crate) fn settings(&self) -> String {
        self.world.borrow().settings.clone()
    }

    pub(crate) fn remaining_ms(&self) -> u32 {
        self.world.borrow().remaining_ms
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.world.borrow().cancelled
    }

    pub(crate) fn sleep(&self, ms: u32) -> Wake {
        self.ask(format!("sleep {ms}"), |world| world.sleep(ms))
    }

    pub(crate) fn checkpoint(&self, state: &State) -> Result<()> {
        self.call(format!("checkpoint {}", String::from_utf8_lossy(&state.data)), |world| {
            world.state = Some(state.clone());
            Ok(())
        })
    }

    pub(crate) fn record_object(&self, object: &ObjectRef) -> Result<()> {
        self.call(format!("record-object {} {}", object.kind, object.name), |world| {
            world.record(object.clone());
            Ok(())
        })
    }

    pub(crate) fn forget_object(&self, object: &ObjectRef) -> Result<()> {
        self.call(format!("forget-object {} {}", object.kind, object.name), |world| {
            world.forget(object);
            world.http.gone(object);
            Ok(())
        })
    }

    pub(crate) fn session_liveness(&self, session: &str) -> Liveness {
        self.ask(format!("session-liveness {session}"), |world| {
            if session == world.context.session {
                return Liveness::ThisSession;
            }
            world.sessions.get(session).copied().unwrap_or(Liveness::Unknown)
        })
    }

    pub(crate) fn report(&self, update: &Update) {
        self.ask(format!("progress {}", update.text), |world| world.progress.push(update.clone()));
    }

    pub(crate) fn log(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let fields: String = fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        let line = format!("{message}{fields}");
        self.ask(format!("log {line}"), |world| world.log.push((level, line.clone())));
    }

    pub(crate) fn lookup_secret(&self, secret: &SecretName) -> Result<SecretInfo> {
        self.call(format!("secrets.lookup {}", secret.name), |world| world.lookup(secret))
    }

    pub(crate) fn generate_secret(&self, name: &str) -> Result<SecretName> {
        self.call(format!("secrets.generate {name}"), |world| {
            world.generated.insert(name.to_owned());
            Ok(SecretName { owner: SecretOwner::Generated, server_id: None, name: name.to_owned() })
        })
    }

    pub(crate) fn connect_http(&self, endpoint: &HttpEndpoint) -> Result<Connection> {
        self.call(format!("connection.http {}", endpoint.url), |world| {
            world.check_tunnel(endpoint.tunnel.as_deref())?;
            for header in &endpoint.headers {
                world.check_plugin_value("header", &header.name, &header.value)?;
            }
            Ok(Connection { fake: self.handle(world, format!("HTTP at {}", endpoint.url)) })
        })
    }

    pub(crate) fn connect_tcp(&self, endpoint: &TcpEndpoint) -> Result<Connection> {
        let address = format!("{}:{}", endpoint.host, endpoint.port);
        self.call(format!("connection.tcp {address}"), |world| {
            world.check_tunnel(endpoint.tunnel.as_deref())?;
            if let Some(line) = &endpoint.first_line {
                world.check_plugin_value("first line", &address, line)?;
            }
            Ok(Connection { fake: self.handle(world, format!("TCP to {address}")) })
        })
    }

    /// Everything answers at once; a test that wants it otherwise uses [`FakeHost::fail_at`].
    pub(crate) fn wait_ready(&self, connection: &Connection, timeout_ms: u32) -> Result<()> {
        self.call(format!("connection.wait-ready {} {timeout_ms}", connection.fake.label()), |_| Ok(()))
    }

    pub(crate) fn output(
        &self,
        stdout: &[u8],
        stderr: &[u8],
        truncated: bool,
        ending: Ending,
        exit_code: Option<i32>,
    ) -> Result<RunOutput> {
        self.call(format!("connection.output {} {}", stdout.len(), stderr.len()), |world| {
            if world.carries_secrets() {
                return Err(Error::permission("hand over output of a container that carries secrets"));
            }
            let output = Output {
                label: "output of the plugin".to_owned(),
                stdout: stdout.to_vec(),
                stderr: stderr.to_vec(),
                truncated,
                ending,
                exit_code,
            };
            Ok(RunOutput { fake: output })
        })
    }
}

/// What a test may ask of answers.
impl RunOutput {
    /// Standard output and standard error, which a plugin can never see.
    #[must_use]
    pub fn bytes(&self) -> (&[u8], &[u8]) {
        (&self.fake.stdout, &self.fake.stderr)
    }

    /// Whether more was written than was kept.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.fake.truncated
    }
}
