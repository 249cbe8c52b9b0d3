//! A text split into words as a shell splits it: blanks, single and double quotes, backslashes, and comments; nothing is expanded.

/// The words; `None` if a quote is not closed or a backslash has nothing behind it.
pub(crate) fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '#' if word.is_none() => {
                // To the end of the line.
                letters.by_ref().find(|letter| *letter == '\n');
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        inside => word.push(inside),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            '\n' => {}
                            other => word.extend(['\\', other]),
                        },
                        inside => word.push(inside),
                    }
                }
            }
            '\\' => match letters.next()? {
                '\n' => {}
                escaped => word.get_or_insert_default().push(escaped),
            },
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_those_of_a_shell() {
        for (text, words) in [
            ("", &[][..]),
            ("  a  b\tc\n", &["a", "b", "c"]),
            ("'a b' \"c d\"e", &["a b", "c de"]),
            ("'' \"\"", &["", ""]),
            ("a\\ b \"c\\\"d\\e\" '\\'", &["a b", "c\"d\\e", "\\"]),
            ("a # b\nc a#b", &["a", "c", "a#b"]),
            ("$HOME `x` *", &["$HOME", "`x`", "*"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text:?}");
        }
        for text in ["'a", "\"a", "a\\", "\"a\\"] {
            assert_eq!(split(text), None, "{text:?}");
        }
    }
}
