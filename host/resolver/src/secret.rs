//! A secret value: wiped when dropped, never printed.

use zeroize::Zeroizing;

/// A secret value. It has no `Debug`, no `Display` and no `Clone`; who needs the text calls [`SecretValue::reveal`], which can be searched for.
pub struct SecretValue(Zeroizing<String>);

/// Takes a text out of a document so that it is wiped.
pub(crate) fn wiped<'de, D: serde::Deserializer<'de>>(document: D) -> Result<Zeroizing<String>, D::Error> {
    serde::Deserialize::deserialize(document).map(Zeroizing::new)
}

impl SecretValue {
    /// Takes a text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Appends, wiping the old text if it has to move.
    pub(crate) fn push(&mut self, text: &str) {
        let mut longer = Zeroizing::new(String::with_capacity(self.0.len() + text.len()));
        longer.push_str(&self.0);
        longer.push_str(text);
        self.0 = longer;
    }
}
