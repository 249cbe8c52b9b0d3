//! What a plugin remembers between its calls: any serde type, with a version.

use crate::types::{Context, Lease, State};
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What the contract allows: a state is kept on disk for every server.
const MOST: usize = 64 * 1024;

impl State {
    /// A state of this version. Raise the version when the type changes in a way that the older plugin cannot read.
    ///
    /// # Errors
    ///
    /// `permanent` if the value cannot be JSON or is longer than the contract allows (64 KiB).
    pub fn new(version: u32, value: &impl Serialize) -> Result<Self> {
        let data = serde_json::to_vec(value)?;
        if data.len() > MOST {
            return Err(Error::permanent(format!(
                "keep a state of {} bytes: the most is {MOST}",
                data.len()
            )));
        }
        Ok(Self { version, data })
    }

    /// Reads a state of this version. For a plugin that reads several, match on `version` first.
    ///
    /// # Errors
    ///
    /// `permanent` if the state has another version, or its data is not that type.
    pub fn decode<T: DeserializeOwned>(&self, version: u32) -> Result<T> {
        if self.version != version {
            return Err(Error::permanent(format!(
                "read state of version {}: this plugin reads version {version}",
                self.version
            )));
        }
        serde_json::from_slice(&self.data)
            .map_err(|e| Error::permanent(format!("read state of version {version}: {e}")))
    }
}

impl Lease {
    /// The state, if the call that made the lease came as far as a checkpoint. Without one, work from `objects`.
    ///
    /// # Errors
    ///
    /// As [`State::decode`].
    pub fn decode<T: DeserializeOwned>(&self, version: u32) -> Result<Option<T>> {
        self.state.as_ref().map(|state| state.decode(version)).transpose()
    }
}

impl Context {
    /// What `prepare` returned last, if anything.
    ///
    /// # Errors
    ///
    /// As [`State::decode`].
    pub fn shared<T: DeserializeOwned>(&self, version: u32) -> Result<Option<T>> {
        self.shared.as_ref().map(|state| state.decode(version)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureCategory;

    #[test]
    fn a_state_comes_back_as_the_type_it_was() {
        let state = State::new(2, &("w1", 7)).expect("a pair is JSON");
        assert_eq!(state.decode::<(String, u8)>(2).expect("the same version"), ("w1".to_owned(), 7));
    }

    #[test]
    fn a_state_of_another_version_or_type_is_refused_by_name() {
        let state = State::new(2, &"w1").expect("a text is JSON");
        let error = state.decode::<String>(3).expect_err("another version");
        assert_eq!(error.category(), FailureCategory::Permanent);
        assert_eq!(error.to_string(), "read state of version 2: this plugin reads version 3");
        let error = state.decode::<u8>(2).expect_err("another type");
        assert!(error.to_string().starts_with("read state of version 2: invalid type"), "{error}");
    }

    #[test]
    fn a_state_that_is_too_long_is_refused_before_the_host_does() {
        let error = State::new(1, &"x".repeat(MOST)).expect_err("two quotes too many");
        assert_eq!(error.to_string(), "keep a state of 65538 bytes: the most is 65536");
    }
}
