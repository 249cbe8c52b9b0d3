//! A single text that does not have the form it must have.

/// Why a text was refused. Files turn it into a problem with a place; the command line prints it as
/// it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The text as given.
    pub text: String,
    /// What it is instead, to follow "is": `not a size`.
    pub why: String,
    /// The way out, where one is known.
    pub hint: Option<String>,
}

impl Misfit {
    pub(crate) fn new(text: &str, why: impl Into<String>) -> Misfit {
        Misfit { text: text.to_owned(), why: why.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Misfit {
        Misfit { hint: Some(hint.into()), ..self }
    }

    /// The statement without the way out.
    pub(crate) fn what(&self) -> String {
        match self.text.as_str() {
            "" => format!("the empty text is {}", self.why),
            text => format!("`{text}` is {}", self.why),
        }
    }
}

impl std::error::Error for Misfit {}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what())?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
