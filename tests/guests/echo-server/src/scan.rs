//! Finds the members of a JSON object without building values: each is the piece of the text it was written as.

/// The values of the named members as they are written, in one pass over the text. `None` if the text does not begin with an object that
/// is well-formed as far as brackets and quotes go. Names that are spelled with escapes are not found.
pub fn members<'a, const N: usize>(text: &'a [u8], names: [&str; N]) -> Option<[Option<&'a [u8]>; N]> {
    let mut found = [None; N];
    let mut at = blanks(text, 0);
    if text.get(at) != Some(&b'{') {
        return None;
    }
    at = blanks(text, at + 1);
    while text.get(at) == Some(&b'"') {
        let name_end = string_end(text, at)?;
        let name = &text[at + 1..name_end - 1];
        at = blanks(text, name_end);
        if text.get(at) != Some(&b':') {
            return None;
        }
        let start = blanks(text, at + 1);
        let end = value_end(text, start)?;
        if let Some(index) = names.iter().position(|wanted| wanted.as_bytes() == name) {
            found[index] = Some(&text[start..end]);
        }
        at = blanks(text, end);
        if text.get(at) == Some(&b',') {
            at = blanks(text, at + 1);
        }
    }
    (text.get(at) == Some(&b'}')).then_some(found)
}

fn blanks(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|b| b.is_ascii_whitespace()) {
        at += 1;
    }
    at
}

/// Position after the string that begins at `at`.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Position after the value that begins at `at`.
fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => {
            let (mut depth, mut at) = (0_usize, at);
            loop {
                match text.get(at)? {
                    b'"' => {
                        at = string_end(text, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => {
            let len = text[at..].iter().take_while(|b| !b",]} \t\r\n".contains(b)).count();
            (len > 0).then_some(at + len)
        }
    }
}
