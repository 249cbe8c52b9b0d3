//! A text of an editors' file with its placeholders: `${NAME}`, `${env:NAME}`, `${NAME:-default}`, `${input:ID}`, `${workspaceFolder}`.
//!
//! What they stand for is not looked up here: variables belong to whoever reads the environment, and an input is a secret of that name.

use std::fmt;
use std::path::Path;

use crate::misfit::Misfit;

/// A text with placeholders. Editors' files often hold tokens as they are, so it has no readable `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EditorText {
    parts: Vec<Piece>,
}

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable { name: String, default: Option<String> },
    Input(String),
}

/// A part of a text whose variables are filled in.
#[derive(Clone, PartialEq, Eq)]
pub enum EditorPart {
    /// Plain text.
    Text(String),
    /// The secret of this name (`${input:NAME}`).
    Secret(String),
}

/// A variable without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfilled {
    /// Name of the variable.
    pub variable: String,
}

impl std::error::Error for Unfilled {}

impl fmt::Display for Unfilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`${{{0}}}` has no value: the gateway's environment has no variable `{0}`; set it, or write `${{{0}:-default}}`",
            self.variable
        )
    }
}

impl EditorText {
    /// Takes a text apart.
    ///
    /// # Errors
    /// A placeholder that only an editor can fill. The text itself is not quoted, it may hold a token.
    pub(super) fn parse(text: &str, workspace: &Path) -> Result<EditorText, Misfit> {
        let mut whole = EditorText::default();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, after) = rest.split_at(start);
            let inside = after.get(2..).unwrap_or_default();
            let Some((name, after)) = inside.split_once('}') else {
                return Err(Misfit::new("${", "not closed").hint("a placeholder ends with `}`"));
            };
            whole.push(before);
            match meaning(name, workspace)? {
                Piece::Text(text) => whole.push(&text),
                piece => whole.parts.push(piece),
            }
            rest = after;
        }
        whole.push(rest);
        Ok(whole)
    }

    fn push(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.parts.push(Piece::Text(text.to_owned())),
        }
    }

    /// The text with its variables filled in by `variable`; a default counts where it gives none, or an empty one.
    ///
    /// # Errors
    /// A variable that has neither a value nor a default.
    pub fn fill(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Vec<EditorPart>, Unfilled> {
        let mut filled: Vec<EditorPart> = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let text = match part {
                Piece::Input(name) => {
                    filled.push(EditorPart::Secret(name.clone()));
                    continue;
                }
                Piece::Text(text) => text.clone(),
                Piece::Variable { name, default: None } => {
                    variable(name).ok_or_else(|| Unfilled { variable: name.clone() })?
                }
                Piece::Variable { name, default: Some(default) } => {
                    variable(name).filter(|value| !value.is_empty()).unwrap_or_else(|| default.clone())
                }
            };
            match filled.last_mut() {
                Some(EditorPart::Text(last)) => last.push_str(&text),
                _ => filled.push(EditorPart::Text(text)),
            }
        }
        Ok(filled)
    }

    /// Names of the secrets it takes.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Piece::Input(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Names of the variables it takes.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Piece::Variable { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// The text, if it has no placeholders.
    pub fn as_plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// What stands between `${` and `}`.
fn meaning(name: &str, workspace: &Path) -> Result<Piece, Misfit> {
    let whole = || format!("${{{name}}}");
    if let Some(id) = name.strip_prefix("input:") {
        if id.is_empty() {
            return Err(Misfit::new(&whole(), "not the name of an input"));
        }
        return Ok(Piece::Input(id.to_owned()));
    }
    let (variable, default) = match name.split_once(":-") {
        Some((variable, default)) => (variable, Some(default.to_owned())),
        None => (name, None),
    };
    let variable = variable.strip_prefix("env:").unwrap_or(variable);
    match variable {
        "workspaceFolder" => return Ok(Piece::Text(workspace.display().to_string())),
        "workspaceFolderBasename" => {
            let last = workspace.file_name().map(|name| name.to_string_lossy().into_owned());
            return Ok(Piece::Text(last.unwrap_or_default()));
        }
        "userHome" => return Ok(Piece::Variable { name: "HOME".to_owned(), default: None }),
        "/" | "pathSeparator" => return Ok(Piece::Text(std::path::MAIN_SEPARATOR.to_string())),
        _ => {}
    }
    let is_name = variable.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err(Misfit::new(&whole(), "something only an editor can fill in").hint(
            "known here: `${NAME}`, `${env:NAME}`, `${NAME:-default}`, `${input:SECRET}`, `${workspaceFolder}`, `${userHome}`",
        ));
    }
    Ok(Piece::Variable { name: variable.to_owned(), default })
}

impl fmt::Debug for EditorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EditorText({} parts)", self.parts.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let text =
            EditorText::parse(text, Path::new("/home/a/project")).map_err(|misfit| misfit.to_string())?;
        let known = |name: &str| match name {
            "HOME" => Some("/home/a".to_owned()),
            "EMPTY" => Some(String::new()),
            "KEY" => Some("k${HOME}".to_owned()),
            _ => None,
        };
        let parts = text.fill(known).map_err(|unfilled| unfilled.to_string())?;
        Ok(parts
            .into_iter()
            .map(|part| match part {
                EditorPart::Text(text) => text,
                EditorPart::Secret(name) => format!("<{name}>"),
            })
            .collect())
    }

    #[test]
    fn placeholders_are_filled_once() {
        let cases = [
            ("", ""),
            ("plain $HOME {x}", "plain $HOME {x}"),
            ("${KEY}/x", "k${HOME}/x"),
            ("${env:KEY}", "k${HOME}"),
            ("a${NONE:-b}c", "abc"),
            ("${EMPTY:-b}${EMPTY}", "b"),
            ("${NONE:-}", ""),
            ("Bearer ${input:token}", "Bearer <token>"),
            ("${workspaceFolder}/x", "/home/a/project/x"),
            ("${workspaceFolderBasename}${/}${userHome}", "project//home/a"),
        ];
        for (text, expected) in cases {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        for (text, expected) in [
            ("${NONE}", "`${NONE}` has no value: the gateway's environment has no variable `NONE`"),
            ("x${", "`${` is not closed"),
            ("${command:pick}", "`${command:pick}` is something only an editor can fill in"),
            ("${}", "`${}` is something only an editor can fill in"),
            ("${input:}", "`${input:}` is not the name of an input"),
        ] {
            let error = filled(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
