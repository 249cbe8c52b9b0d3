//! Secrets that the host makes for one lease (`secrets.generate`): known to nobody else, gone with the lease.
//!
//! *Invariant:* a value has no `Debug`, is wiped when the lease is released or the process ends, and never reaches a plugin or the disk.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// Random bytes of one secret (`wit/v0.1/call.wit`: 256 bits).
const BYTES: usize = 32;
/// Secrets of one lease. A helper needs one or two.
pub(crate) const MOST: usize = 64;

/// Why there is no secret of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotGenerated {
    /// The lease has as many as it may have.
    Full,
    /// The system gives no random numbers.
    NoRandom,
}

/// The secrets of one lease, by name.
#[derive(Default)]
pub(crate) struct Generated(Mutex<BTreeMap<String, Zeroizing<String>>>);

impl Generated {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Zeroizing<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the secret of that name if there is none yet, so that a repetition and `reconnect` find the same one.
    pub(crate) fn make(&self, name: &str) -> Result<(), NotGenerated> {
        let mut secrets = self.lock();
        if secrets.contains_key(name) {
            return Ok(());
        }
        if secrets.len() >= MOST {
            return Err(NotGenerated::Full);
        }
        let mut bytes = Zeroizing::new([0; BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(|_| NotGenerated::NoRandom)?;
        secrets.insert(name.to_owned(), Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_ref())));
        Ok(())
    }

    /// The value, if it was made.
    pub(crate) fn value(&self, name: &str) -> Option<Zeroizing<String>> {
        self.lock().get(name).cloned()
    }

    /// Wipes all of them.
    pub(crate) fn wipe(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_secret_until_the_lease_ends() {
        let (one, other) = (Generated::default(), Generated::default());
        assert!(one.value("adapter").is_none());
        one.make("adapter").unwrap();
        let first = one.value("adapter").unwrap();
        one.make("adapter").unwrap();
        other.make("adapter").unwrap();
        one.make("second").unwrap();
        assert_eq!(first.len(), 43, "256 bits in letters that need no escaping");
        assert_eq!(one.value("adapter").unwrap().as_str(), first.as_str());
        assert_ne!(other.value("adapter").unwrap().as_str(), first.as_str());
        assert_ne!(one.value("second").unwrap().as_str(), first.as_str());
        one.wipe();
        assert!(one.value("adapter").is_none());
    }

    #[test]
    fn a_lease_has_so_many_and_no_more() {
        let secrets = Generated::default();
        for n in 0..MOST {
            secrets.make(&n.to_string()).unwrap();
        }
        assert_eq!(secrets.make("one more"), Err(NotGenerated::Full));
        assert_eq!(secrets.make("0"), Ok(()));
    }
}
