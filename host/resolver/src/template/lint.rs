//! What is probably a mistake in a template, though it evaluates.

use super::{Token, pipe, tokens};

/// Sentences about a text, for whoever wrote it.
#[must_use]
pub fn complaints(template: &str) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens(template) {
        match token {
            Token::Literal(literal) if literal.contains("{{") && literal.contains("}}") => {
                found.push("a template must stand on one line; this one is taken as text".to_owned());
            }
            Token::Literal(literal) if literal.contains("{{") => {
                found.push(
                    "`{{` without `}}` is taken as text; close it, or write the value itself".to_owned(),
                );
            }
            Token::Literal(_) => {}
            Token::Expression(inside) => expression(inside, &mut found),
        }
    }
    found
}

fn expression(inside: &str, found: &mut Vec<String>) {
    let mut parts = inside.split('|');
    let path = parts.next().unwrap_or_default();
    if path.split('.').any(|segment| segment.trim().is_empty()) {
        found.push(format!("`{{{{{inside}}}}}` has an empty part in its path, which finds nothing"));
    }
    for word in parts {
        if pipe::parse(word).is_some() {
            continue;
        }
        let trimmed = word.trim();
        found.push(if trimmed.starts_with("or:") || trimmed.starts_with("default:") || trimmed.starts_with("mount_as:") {
            format!("`|{word}` does nothing, because of the space before its name; write `|{trimmed}`")
        } else {
            format!(
                "`|{trimmed}` is no pipe and does nothing; there are `or:`, `default:`, `first`, `last`, `into`, `volume`, `volume-target` and `mount_as:`"
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::complaints;

    #[test]
    fn what_does_nothing_is_named() {
        for fine in ["", "text", "{\"a\": 1}", "{{a.b|or:x|volume| into }}", "x{{a}}y"] {
            assert_eq!(complaints(fine), Vec::<String>::new(), "{fine}");
        }
        for (template, expected) in [
            ("{{a| or:x}}", "`| or:x` does nothing, because of the space before its name; write `|or:x`"),
            ("{{a|upper}}", "`|upper` is no pipe and does nothing; there are `or:`"),
            ("{{a..b}}", "`{{a..b}}` has an empty part in its path, which finds nothing"),
            ("{{a\n}}", "a template must stand on one line; this one is taken as text"),
            ("{{a", "`{{` without `}}` is taken as text; close it"),
        ] {
            let found = complaints(template);
            assert_eq!(found.len(), 1, "{template}: {found:?}");
            assert!(found[0].starts_with(expected), "{template}: {found:?}");
        }
    }
}
