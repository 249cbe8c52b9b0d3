//! A Kubernetes cluster through its API: JSON documents applied, read and waited for; pods spoken with by attach, exec and port-forward; a Lease
//! per session; and, where something does not come up, why.
//!
//! The crate must never know about plugins, MCP, the catalogue or the contract, and it reads no environment: whoever uses it says in
//! [`Surroundings`] what the environment says. (Credential plugins of a kubeconfig are programs, and run with the process's own.)
//!
//! **Deadlines** are the caller's, but for that of a request, which [`within`] makes shorter: no function here gives up by itself, and each may be
//! dropped at any point. What was created by then is there under the name that the caller chose, so a caller notes the name first.
//!
//! *Invariant:* names that reach the path of a request have been checked, so that no name can address another object.
//!
//! *Invariant:* data of Secrets stands in no error and in no log line of this crate.

mod attach;
mod cluster;
mod config;
mod diagnose;
mod error;
mod exec;
mod forward;
mod kind;
mod lease;
mod logs;
mod name;
mod object;
mod rights;
mod run;
mod test;
mod watch;

pub use attach::{Attached, Stderr, Stdin, Stdout};
pub use cluster::{Cluster, within};
pub use config::{ClusterConfig, Surroundings};
pub use diagnose::{Cause, Diagnosis, diagnose_pod, diagnose_set};
pub use error::{Error, ErrorKind};
pub use exec::{Ended, Output};
pub use forward::Tunnel;
pub use kind::Kind;
pub use lease::{SessionLease, is_session_id, session_id};
pub use logs::LogRequest;
pub use object::{Listed, Removal};
pub use rights::Right;
pub use run::{Captured, Run, RunEnd};
pub use test::{Test, is_met};
pub use watch::Watched;
