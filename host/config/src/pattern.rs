//! Patterns for names: of servers, images, networks and HTTP paths.

use std::fmt;
use std::str::FromStr;

use crate::misfit::Misfit;

/// A name in which `*` stands for any run of characters, also an empty one; everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern that fits everything.
    pub fn any() -> Pattern {
        Pattern("*".to_owned())
    }

    /// Whether a name fits.
    pub fn matches(&self, name: &str) -> bool {
        glob(&self.0, name)
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pattern {
    type Err = Misfit;

    /// # Errors
    /// The empty text, which could only fit an empty name.
    fn from_str(text: &str) -> Result<Pattern, Misfit> {
        if text.trim().is_empty() {
            return Err(Misfit::new(text, "not a pattern").hint("`*` fits everything"));
        }
        Ok(Pattern(text.to_owned()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `name` fits `pattern`, in time proportional to their product at worst.
pub(crate) fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    // `split` always gives a first part.
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        // The leftmost place is as good as any: what follows only needs room to its right.
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters() {
        let cases = [
            ("notes", "notes", true),
            ("notes", "notes2", false),
            ("notes", "Notes", false),
            ("*", "", true),
            ("*", "anything/at:all", true),
            ("time-*", "time-", true),
            ("time-*", "time-utc", true),
            ("time-*", "my-time-utc", false),
            ("mcp/*", "mcp/notes:1@sha256:00", true),
            ("mcp/*", "mcpx/notes", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXcXb", false),
            ("a*a", "a", false),
            ("**", "x", true),
            ("*.example", "a.example", true),
            ("é*", "ete", false),
            ("é*", "été", true),
        ];
        for (pattern, name, fits) in cases {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(name), fits, "{pattern} {name}");
        }
        "".parse::<Pattern>().unwrap_err();
        " ".parse::<Pattern>().unwrap_err();
    }
}
