//! What comes back: descriptions, plans, servers that run, and what must be remembered to take them down.

use crate::{Connection, Failure, ObjectRef, ServerId};
use std::time::Duration;

/// Kind of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkloadKind {
    /// A WASI component.
    Component,
    /// A container image.
    Image,
    /// Something only the provisioner understands.
    Other,
}

impl WorkloadKind {
    /// The word for settings, logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Image => "image",
            Self::Other => "other",
        }
    }
}

/// What a provisioner says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its own name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its file in hexadecimal; empty for one that is no file.
    pub digest: String,
    /// One line.
    pub summary: String,
    /// What it can run.
    pub runs: Vec<WorkloadKind>,
    /// JSON Schema of its settings.
    pub settings_schema: String,
    /// JSON Schema of `settings` in a server's entry.
    pub server_settings_schema: String,
    /// State versions it understands.
    pub reads_state: Vec<u32>,
    /// Interfaces it imports beyond those that everybody has.
    pub abilities: Vec<String>,
}

/// Text that a person reads before saying yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its heading.
    pub title: String,
    /// Media type of the text.
    pub media_type: String,
    /// The text. Secrets appear as their names.
    pub text: String,
}

/// A mutable reference and what it means now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// As written.
    pub reference: String,
    /// `sha256:…`.
    pub digest: String,
}

/// What `provision` would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blueprint {
    /// In the order of creation.
    pub documents: Vec<Document>,
    /// Fields that are not simply honoured, and those that are.
    pub fields: Vec<FieldReport>,
    /// What the plan holds fast.
    pub pins: Vec<Pin>,
    /// What it costs, as an estimate; empty where nobody knows.
    pub costs: Vec<Cost>,
}

/// What something costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// A decimal number: `0.0497`.
    pub amount: String,
    /// `EUR`, `USD`.
    pub currency: String,
    /// `hour`, `month`.
    pub per: String,
    /// Where the price is from.
    pub source: String,
    /// What is in it.
    pub note: String,
}

/// How a field came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Honoured {
    /// As asked.
    Honoured,
    /// Something close.
    Approximated,
    /// Not at all.
    NotEnforced,
}

impl Honoured {
    /// The word for status pages and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::Approximated => "approximated",
            Self::NotEnforced => "not-enforced",
        }
    }
}

/// One row of what a status page shows about a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldReport {
    /// Field of the operator's file.
    pub field: String,
    /// How it came out.
    pub honoured: Honoured,
    /// Why; empty when honoured.
    pub note: String,
}

/// Opaque memory of a provisioner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Chosen by the provisioner.
    pub version: u32,
    /// At most 64 KiB.
    pub data: Vec<u8>,
}

/// What is needed to take a server down, also in a later run of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Key in the ledger.
    pub id: String,
    /// The server's id of then.
    pub server_id: ServerId,
    /// The server's name of then.
    pub server_name: String,
    /// Run of the gateway that made it.
    pub session: String,
    /// Request that made it.
    pub request: String,
    /// Returned state, or last checkpoint.
    pub state: Option<State>,
    /// Recorded as about to be created and not seen removed, oldest first.
    pub objects: Vec<ObjectRef>,
    /// The operator's name of the plugin.
    pub plugin: String,
    /// Its version.
    pub plugin_version: String,
    /// Its digest.
    pub plugin_digest: String,
}

/// A server that runs.
#[derive(Debug)]
pub struct Provisioned {
    /// The way to it.
    pub connection: Connection,
    /// To be given to `release`, exactly once, by whoever holds it.
    pub lease: Lease,
    /// How the fields came out.
    pub fields: Vec<FieldReport>,
    /// What exists now.
    pub objects: Vec<ObjectRef>,
}

/// A new way to a workload that lives.
#[derive(Debug)]
pub struct Reconnected {
    /// The way to it.
    pub connection: Connection,
    /// True: the same process is behind it, so its MCP session goes on. False: the lease is the same and the process is another, so a
    /// handshake is due.
    pub same_process: bool,
    /// The lease as it is now.
    pub lease: Lease,
}

/// Why a server is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseReason {
    /// Its client has gone, it was idle, or the configuration changed.
    Ended,
    /// It never came up, or the handshake failed.
    Unfinished,
    /// The workload died.
    Died,
    /// The gateway ends.
    Shutdown,
    /// Of a gateway that no longer lives.
    Orphaned,
}

/// Whether a workload runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// On its way.
    Starting,
    /// Runs.
    Running,
    /// Has ended by itself.
    Ended,
    /// Cannot be told.
    Unknown,
}

/// How a workload fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// In one word.
    pub status: Status,
    /// In the platform's words.
    pub text: String,
    /// Exit code, if it ended and the platform knows.
    pub exit_code: Option<i32>,
}

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// This run of this gateway.
    ThisGateway,
    /// A gateway known to be dead.
    Dead,
    /// Another that lives.
    Other,
    /// Cannot be told.
    Unknown,
}

/// Something on the platform with a gateway's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedObject {
    /// What it is.
    pub object: ObjectRef,
    /// Whose.
    pub ownership: Ownership,
    /// Server it belongs to.
    pub server_id: String,
    /// Session that made it.
    pub session: String,
    /// How old it is.
    pub age: Duration,
}

/// What a sweep did.
#[derive(Debug, Clone, Default)]
pub struct SweepReport {
    /// Gone.
    pub removed: Vec<ObjectRef>,
    /// Still there, and why.
    pub failed: Vec<Failure>,
}
