//! Text of others (plugins, servers, clients), made fit for logs, terminals, status pages and the failures that a model reads: what could
//! move a cursor, reorder letters or hide is shown as an escape, and everything has a length.

/// Bytes of a text that stands in one line: a failure, a label, a note.
pub const LINE: usize = 4 << 10;

/// Bytes of a document that a person reads.
pub const DOCUMENT: usize = 64 << 10;

/// A text for one line, at most `max` bytes of what is shown and a mark where it was cut.
#[must_use]
pub fn line(text: &str, max: usize) -> String {
    clean(text, max, false)
}

/// A text of several lines: line ends and tabs stay. `max` as for [`line`].
#[must_use]
pub fn block(text: &str, max: usize) -> String {
    clean(text, max, true)
}

fn clean(text: &str, max: usize, lines: bool) -> String {
    let mut out = String::with_capacity(text.len().min(max) + 8);
    for c in text.chars() {
        let plain = (lines && matches!(c, '\n' | '\t')) || !hostile(c);
        // What counts is what is shown: an escape is up to ten bytes for one.
        let length = if plain { c.len_utf8() } else { c.escape_default().len() };
        if out.len() + length > max {
            out.push('…');
            break;
        }
        // Not `escape_debug`, which takes fillers that show nothing for letters.
        if plain { out.push(c) } else { out.extend(c.escape_default()) }
    }
    out
}

/// Control characters, and those that show nothing or change the order of others (Unicode TR36 2.5, "Trojan source").
fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (text, shown) in [
            ("plain äöü 日本", "plain äöü 日本"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\nb\r", "a\\nb\\r"),
            ("user\u{202e}nimda", "user\\u{202e}nimda"),
            ("in\u{200b}visible", "in\\u{200b}visible"),
            ("\u{7f}\u{9b}", "\\u{7f}\\u{9b}"),
            ("fill\u{3164}er", "fill\\u{3164}er"),
        ] {
            assert_eq!(line(text, LINE), shown);
        }
        assert_eq!(block("a\n\tb\u{7}", LINE), "a\n\tb\\u{7}");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(line("äää", 4), "ää…");
        assert_eq!(line("äää", 5), "ää…");
        assert_eq!(line("äää", 6), "äää");
        assert_eq!(line("a\u{1b}b", 6), "a…", "an escape is not cut in two");
        assert_eq!(line(&"\u{202e}".repeat(1000), 80).len(), 80 + '…'.len_utf8());
    }
}
