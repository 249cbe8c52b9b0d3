//! The keychain of the operating system: the Secret Service on Linux desktops, the Keychain on macOS.
//!
//! An entry is found by a service (of the settings) and a user, which is the secret's name. A machine without one, as most servers are,
//! says so; whether that matters is decided by whoever has other places to look.

use crate::SecretValue;
use std::sync::mpsc;
use std::time::Duration;

/// How long the keychain may take. It may be locked and ask its user, who may be away.
const WITHIN: Duration = Duration::from_secs(20);

/// Looks one name up.
///
/// # Errors
/// Why the keychain cannot be used; never anything of an entry.
pub(crate) fn get(service: &str, name: &str) -> Result<Option<SecretValue>, String> {
    let (service, name) = (service.to_owned(), name.to_owned());
    apart(move || platform::get(&service, &name))
}

/// Keeps one, over one that may be there.
///
/// # Errors
/// As [`get`].
pub(crate) fn set(service: &str, name: &str, value: &SecretValue) -> Result<(), String> {
    let (service, name) = (service.to_owned(), name.to_owned());
    let value = SecretValue::new(value.reveal().to_owned());
    apart(move || platform::set(&service, &name, &value))
}

/// Removes one; false if it was not there.
///
/// # Errors
/// As [`get`].
pub(crate) fn remove(service: &str, name: &str) -> Result<bool, String> {
    let (service, name) = (service.to_owned(), name.to_owned());
    apart(move || platform::remove(&service, &name))
}

fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    let (send, answer) = mpsc::channel();
    // A thread of its own: the platform's libraries block, and start event loops that must not meet ours.
    std::thread::Builder::new()
        .name("keychain".to_owned())
        .spawn(move || {
            let _ = send.send(work());
        })
        .map_err(|error| error.to_string())?;
    match answer.recv_timeout(WITHIN) {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s; is it locked?", WITHIN.as_secs())),
    }
}

#[cfg(all(feature = "keychain", any(target_os = "linux", target_os = "macos")))]
mod platform {
    use crate::SecretValue;
    use keyring_core::Error;
    use keyring_core::api::CredentialStoreApi;
    use std::sync::Arc;
    use zeroize::Zeroize;

    #[cfg(target_os = "macos")]
    use apple_native_keyring_store::keychain::Store;
    #[cfg(target_os = "linux")]
    use zbus_secret_service_keyring_store::Store;

    pub(super) fn get(service: &str, name: &str) -> Result<Option<SecretValue>, String> {
        get_from(&*store()?, service, name)
    }

    pub(super) fn set(service: &str, name: &str, value: &SecretValue) -> Result<(), String> {
        set_in(&*store()?, service, name, value)
    }

    pub(super) fn remove(service: &str, name: &str) -> Result<bool, String> {
        remove_from(&*store()?, service, name)
    }

    fn store() -> Result<Arc<Store>, String> {
        Store::new().map_err(|error| format!("no keychain answers on this machine: {}", reason(error)))
    }

    fn get_from(
        store: &impl CredentialStoreApi,
        service: &str,
        name: &str,
    ) -> Result<Option<SecretValue>, String> {
        outcome(store.build(service, name, None).map_err(reason)?.get_password())
    }

    fn set_in(
        store: &impl CredentialStoreApi,
        service: &str,
        name: &str,
        value: &SecretValue,
    ) -> Result<(), String> {
        store.build(service, name, None).map_err(reason)?.set_password(value.reveal()).map_err(reason)
    }

    fn remove_from(store: &impl CredentialStoreApi, service: &str, name: &str) -> Result<bool, String> {
        match store.build(service, name, None).map_err(reason)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(reason(error)),
        }
    }

    /// What an answer means. Errors of this library can hold the entry's bytes.
    pub(super) fn outcome(answer: Result<String, Error>) -> Result<Option<SecretValue>, String> {
        match answer {
            Ok(text) => Ok(Some(SecretValue::new(text))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(reason(error)),
        }
    }

    fn reason(error: Error) -> String {
        match error {
            Error::BadEncoding(mut bytes) | Error::BadDataFormat(mut bytes, _) => {
                bytes.zeroize();
                "the entry is no text".to_owned()
            }
            Error::Ambiguous(entries) => {
                format!("it has {} entries for this service and user", entries.len())
            }
            Error::NoStorageAccess(error) | Error::PlatformFailure(error) => error.to_string(),
            other => other.to_string(),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use keyring_core::mock;

        #[test]
        fn what_is_kept_is_found_under_its_service_and_name_until_it_is_removed() {
            let store = mock::Store::new().unwrap();
            let found = |service: &str, name: &str| {
                get_from(&*store, service, name).map(|value| value.map(|value| value.reveal().to_owned()))
            };
            assert_eq!(found("gateway", "acme.token"), Ok(None));
            for text in ["s3cret", "another \u{e4}"] {
                set_in(&*store, "gateway", "acme.token", &SecretValue::new(text.to_owned())).unwrap();
                assert_eq!(found("gateway", "acme.token"), Ok(Some(text.to_owned())));
            }
            assert_eq!(found("gateway", "acme.other"), Ok(None));
            assert_eq!(found("elsewhere", "acme.token"), Ok(None));
            assert_eq!(remove_from(&*store, "gateway", "acme.token"), Ok(true));
            assert_eq!(found("gateway", "acme.token"), Ok(None));
            assert_eq!(remove_from(&*store, "gateway", "acme.token"), Ok(false));
        }

        #[test]
        fn an_answer_never_tells_the_entry_in_an_error() {
            let found = outcome(Ok("s3cret".to_owned())).ok().flatten();
            assert_eq!(found.map(|value| value.reveal().to_owned()).as_deref(), Some("s3cret"));
            assert!(outcome(Err(Error::NoEntry)).is_ok_and(|value| value.is_none()));
            let refused = |error| outcome(Err(error)).err().unwrap();
            assert_eq!(refused(Error::BadEncoding(b"hunter2\xff".to_vec())), "the entry is no text");
            assert_eq!(
                refused(Error::BadDataFormat(b"hunter2".to_vec(), "hunter2".into())),
                "the entry is no text"
            );
            assert_eq!(refused(Error::NoStorageAccess("it is locked".into())), "it is locked");
        }
    }
}

#[cfg(not(all(feature = "keychain", any(target_os = "linux", target_os = "macos"))))]
mod platform {
    use crate::SecretValue;

    const NONE: &str = "this build has none";

    pub(super) fn get(_: &str, _: &str) -> Result<Option<SecretValue>, String> {
        Err(NONE.to_owned())
    }

    pub(super) fn set(_: &str, _: &str, _: &SecretValue) -> Result<(), String> {
        Err(NONE.to_owned())
    }

    pub(super) fn remove(_: &str, _: &str) -> Result<bool, String> {
        Err(NONE.to_owned())
    }
}
