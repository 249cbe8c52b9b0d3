//! The word that was probably meant.

/// The candidate nearest to `word`, if one is near enough to be what was meant: at most a third of the letters differ, letter case and
/// the signs between words aside.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = fold(candidate);
        let distance = strsim::osa_distance(&folded, &other);
        // A third of the letters may differ: `foldrs` is `folders`, `x` is nothing.
        let near = distance == 0 || distance * 3 <= other.chars().count().max(folded.chars().count());
        if near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Writes `allow_hosts`, `allow-hosts` and `AllowHosts` alike.
fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// `did you mean …?` for the nearest candidate, or else the list of them when it is short.
pub(crate) fn suggestion<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(near) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<&str> = candidates.into_iter().collect();
    match all.len() {
        0 => None,
        1..=12 => Some(format!("known here: {}", list(&all))),
        _ => None,
    }
}

/// `` `a`, `b` ``
pub(crate) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let keys = ["folders", "memory", "env", "image", "longLived", "allowHosts"];
        let cases = [
            ("foldrs", Some("folders")),
            ("Image", Some("image")),
            ("long_lived", Some("longLived")),
            ("allow-hosts", Some("allowHosts")),
            ("memroy", Some("memory")),
            ("envs", Some("env")),
            ("x", None),
            ("command", None),
        ];
        for (word, meant) in cases {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }

    #[test]
    fn a_short_list_is_shown_when_nothing_is_near() {
        assert_eq!(suggestion("zzz", ["idle", "cap"]).unwrap(), "known here: `idle`, `cap`");
        assert_eq!(suggestion("zzz", []), None);
    }
}
