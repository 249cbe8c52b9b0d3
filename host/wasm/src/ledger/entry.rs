//! Lines of the ledger.

use crate::ledger::Noted;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host_provisioner::{ObjectRef, State};
use serde::{Deserialize, Serialize};

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// A server.
    Server,
    /// A run of a tool; taken down by `stop`.
    Tool,
    /// What `prepare` made; taken down by `shutdown`.
    Shared,
}

/// The first line of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begin {
    pub(crate) lease: String,
    /// Counts up within a session: the order in which to work off.
    pub(crate) number: u64,
    pub(crate) subject: Subject,
    /// The operator's name of the plugin, its version and digest.
    pub(crate) plugin: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    /// The server's id and name of then; empty for `shared`.
    pub(crate) server_id: String,
    pub(crate) server_name: String,
    pub(crate) session: String,
    pub(crate) request: String,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub(crate) enum Entry {
    Begin(Begin),
    Object { lease: String, kind: String, scope: String, name: String, by_plugin: bool },
    Forget { lease: String, kind: String, scope: String, name: String },
    State { lease: String, version: u32, data: String },
    Released { lease: String },
}

impl Entry {
    pub(crate) fn object(lease: &str, noted: &Noted) -> Self {
        let ObjectRef { kind, scope, name } = noted.object.clone();
        Self::Object { lease: lease.to_owned(), kind, scope, name, by_plugin: noted.by_plugin }
    }

    pub(crate) fn forget(lease: &str, object: &ObjectRef) -> Self {
        let ObjectRef { kind, scope, name } = object.clone();
        Self::Forget { lease: lease.to_owned(), kind, scope, name }
    }

    pub(crate) fn state(lease: &str, state: &State) -> Self {
        Self::State { lease: lease.to_owned(), version: state.version, data: STANDARD.encode(&state.data) }
    }

    /// The line with its end.
    pub(crate) fn line(&self) -> std::io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// The bytes of a state in the ledger; what cannot be read is no state.
pub(crate) fn decode(version: u32, data: &str) -> Option<State> {
    STANDARD.decode(data).ok().map(|data| State { version, data })
}
