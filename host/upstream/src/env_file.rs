//! Files with variables as editors read them for a command: `NAME=value` a line, `#` comments, `export` and quotes taken off.
//!
//! An error names the line by its number and never by its text, which may be a secret.

use std::ffi::OsString;
use std::path::Path;

pub(crate) fn read(file: &Path) -> Result<Vec<(OsString, OsString)>, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("the file of variables `{}` cannot be read: {error}", file.display()))?;
    parse(&text).map_err(|line| {
        format!("the file of variables `{}` has no `NAME=value` in line {line}", file.display())
    })
}

/// The variables, or the number of a line that is none.
fn parse(text: &str) -> Result<Vec<(OsString, OsString)>, usize> {
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(index + 1)?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(index + 1);
        }
        let inner = ['"', '\'']
            .into_iter()
            .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
            .unwrap_or(value);
        variables.push((name.into(), inner.into()));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_variables_or_a_number() {
        let text = "# no\n\nA=1\nexport B = 'two words'\nC=\"x=y\"\nD=\nE='open\n";
        let expected = [("A", "1"), ("B", "two words"), ("C", "x=y"), ("D", ""), ("E", "'open")];
        assert_eq!(parse(text).unwrap(), expected.map(|(name, value)| (name.into(), value.into())));
        assert_eq!(parse("A=1\nhunter2\n"), Err(2));
        assert_eq!(parse("a b=1\n"), Err(1));
    }
}
