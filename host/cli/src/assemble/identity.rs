//! Who this gateway is: an installation that outlives restarts, and this run of it.

use crate::assemble::private;
use anyhow::{Context, Result};
use std::path::Path;

/// Ids of the contract's `context` (`[a-z][a-z0-9]{15}`).
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Of the installation, kept in the state folder.
    pub gateway: String,
    /// Of this run.
    pub session: String,
}

impl Identity {
    /// Reads the installation's id, making one at the first start, and makes one for this run.
    ///
    /// # Errors
    /// The state folder cannot be used.
    pub(crate) fn load(state: &Path) -> Result<Self> {
        private::folder("state folder", state)?;
        let path = state.join("gateway-id");
        let gateway = match std::fs::read_to_string(&path) {
            Ok(text) if is_id(text.trim()) => text.trim().to_owned(),
            Ok(_) => anyhow::bail!(
                "{} does not hold an id; remove it to make this a new installation",
                path.display()
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(state, &path)?,
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        Ok(Self { gateway, session: random_id('s')? })
    }
}

/// Two gateways may start for the first time at once: whoever links its file first decides for both.
fn create(state: &Path, path: &Path) -> Result<String> {
    let id = random_id('g')?;
    let fresh = state.join(format!(".{id}"));
    std::fs::write(&fresh, &id).with_context(|| format!("write {}", fresh.display()))?;
    let linked = std::fs::hard_link(&fresh, path);
    let _ = std::fs::remove_file(&fresh);
    match linked {
        Ok(()) => Ok(id),
        Err(_) => std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .with_context(|| format!("read {}", path.display())),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 16
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// `first` and fifteen random hexadecimal digits.
///
/// # Errors
/// The system gives no random bytes.
pub(crate) fn random_id(first: char) -> Result<String> {
    let bits = getrandom::u64().context("get random bytes")?;
    Ok(format!("{first}{:015x}", bits >> 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_keeps_its_id_and_each_run_has_its_own() {
        let state = tempfile::tempdir().unwrap();
        let a = Identity::load(state.path()).unwrap();
        let b = Identity::load(state.path()).unwrap();
        assert_eq!(a.gateway, b.gateway);
        assert_ne!(a.session, b.session);
        assert!(is_id(&a.gateway) && is_id(&a.session));
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 1);
    }
}
