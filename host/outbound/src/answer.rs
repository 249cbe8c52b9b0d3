//! An answer as whoever asked gets it.

use bytes::Bytes;

/// An answer. Any status is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, without `set-cookie` and what belongs to the connection.
    pub headers: Vec<(String, String)>,
    /// With content codings undone.
    pub body: Bytes,
    /// How often the request was sent.
    pub attempts: u32,
}

impl Answer {
    /// The first header of that name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
