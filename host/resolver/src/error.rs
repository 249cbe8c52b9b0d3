//! Why a secret is not there. Never holds a value, nor the text of a line of a secrets file.

use std::path::PathBuf;

/// Why a secret is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Somebody asked for what its entry does not name.
    #[error("{}", not_declared(scope, name))]
    NotDeclared {
        /// Who asked: a server's id, or `plugin:NAME`.
        scope: String,
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
    /// A value holds a setting that only the platform of the server has.
    #[error(
        "setting `{key}` is known to the cluster only, and its value is needed here; take secrets and settings from one place"
    )]
    OnPlatform {
        /// Its key.
        key: String,
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

fn not_declared(scope: &str, name: &str) -> String {
    match scope.strip_prefix("plugin:") {
        Some(plugin) => {
            format!(
                "secret `{name}` is not granted to plugin `{plugin}`: name it under `plugins.{plugin}.grants.secrets`"
            )
        }
        None => format!(
            "secret `{name}` is not declared by server `{scope}`: name it under `secrets` of its entry"
        ),
    }
}

fn looked(sources: &[String]) -> String {
    if sources.is_empty() {
        ": no place is named to look in (`--secrets`, or `secrets:` in gateway.yaml)".to_owned()
    } else {
        format!(" in {}", sources.join(", "))
    }
}
