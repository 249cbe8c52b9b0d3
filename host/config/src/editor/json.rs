//! JSON as VS Code writes it, made readable for the YAML reader, which knows JSON but neither its comments nor its tabs.

use std::borrow::Cow;

/// The same text with comments and tabs outside strings as spaces, so that every place stays what it was. A text that is not JSON is
/// left alone.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let is_json = text.trim_start().starts_with(['{', '['])
        || text.trim_start().starts_with("//")
        || text.trim_start().starts_with("/*");
    if !is_json || !(text.contains('\t') || text.contains("//") || text.contains("/*")) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                plain.push(c);
                // To the closing quote; an escape takes the next character with it.
                while let Some(c) = chars.next() {
                    plain.push(c);
                    match c {
                        '\\' => plain.extend(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '/' if chars.peek() == Some(&'/') => {
                plain.push(' ');
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    plain.push(blank(c));
                }
            }
            '/' if chars.peek() == Some(&'*') => {
                plain.push(' ');
                plain.extend(chars.next().map(blank));
                let mut last = ' ';
                for c in chars.by_ref() {
                    plain.push(blank(c));
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            '\t' => plain.push(' '),
            c => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

fn blank(c: char) -> char {
    if matches!(c, '\n' | '\r') { c } else { ' ' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_tabs_become_spaces_and_nothing_moves() {
        let cases = [
            ("{\t\"a\":\t1}", "{ \"a\": 1}"),
            ("{ // x\n\"a\": 1}", "{     \n\"a\": 1}"),
            ("/* x\n*/{}", "    \n  {}"),
            (r#"{"u": "https://a/*b*/	c\"// d"} // e"#, "{\"u\": \"https://a/*b*/\tc\\\"// d\"}     "),
            ("/* never closed", "               "),
            ("a: b\t# yaml", "a: b\t# yaml"),
        ];
        for (text, expected) in cases {
            let seen = plain(text);
            assert_eq!(seen, expected, "{text}");
            assert_eq!(seen.chars().count(), text.chars().count(), "{text}");
        }
    }
}
