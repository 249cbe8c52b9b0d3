//! Why a secret is not there. Never holds a value, nor the text of a line of a secrets file.

use std::path::PathBuf;

/// Why a secret is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Somebody asked for what its entry does not name.
    #[error("secret `{name}` is not declared by this server")]
    NotDeclared {
        /// Its name.
        name: String,
    },
    /// It is in none of the sources.
    #[error("secret `{name}` was not found{}", looked(looked_in))]
    Missing {
        /// Its name.
        name: String,
        /// The sources, in order.
        looked_in: Vec<String>,
    },
    /// A source that is not there on this machine, or does not answer.
    #[error("{place} cannot be used: {reason}")]
    Unreachable {
        /// Which.
        place: String,
        /// Why.
        reason: String,
    },
    /// A source exists and cannot be used.
    #[error("secrets file {path} cannot be read: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why; names a line by its number.
        reason: String,
    },
}

fn looked(sources: &[String]) -> String {
    if sources.is_empty() {
        ": no place is named to look in (`--secrets`, or `secrets:` in gateway.yaml)".to_owned()
    } else {
        format!(" in {}", sources.join(", "))
    }
}
