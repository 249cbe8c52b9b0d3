//! Names of notes: made from titles, taken from files, and written into addresses.
//!
//! *Invariant:* a [`Name`] is one visible file name. It has no separator and no drive, does not begin with a dot, and
//! so cannot lead out of the folder or to a hidden file.

use std::fmt;

/// The longest name, in bytes: file systems allow 255, and a temporary name is a little longer.
const LONGEST: usize = 200;
/// The longest name that is made from a title.
const LONGEST_SLUG: usize = 80;
const SCHEME: &str = "note:///";

/// The name of a note: its file without `.md`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    /// The name, if it is a safe one. Files that people put into the folder may have spaces and capitals.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let bad = |letter: char| letter.is_control() || matches!(letter, '/' | '\\' | ':');
        let safe = !name.is_empty()
            && name.len() <= LONGEST
            && !name.starts_with('.')
            && !name.starts_with(' ')
            && !name.ends_with(['.', ' '])
            && !name.contains(bad);
        safe.then(|| Self(name.to_owned()))
    }

    /// The name of a new note: small letters, digits and single hyphens. Letters that it cannot keep are made up for
    /// by a check sum, so that titles in any script get names of their own.
    pub(crate) fn from_title(title: &str) -> Self {
        let mut slug = String::new();
        let mut lost = false;
        for letter in title.chars().flat_map(char::to_lowercase) {
            match plain(letter) {
                Some(plain) => slug.push_str(plain),
                None if letter.is_ascii_alphanumeric() => slug.push(letter),
                None => {
                    lost |= letter.is_alphanumeric();
                    if !slug.is_empty() && !slug.ends_with('-') {
                        slug.push('-');
                    }
                }
            }
        }
        lost |= slug.len() > LONGEST_SLUG;
        slug.truncate(LONGEST_SLUG);
        let mut slug = slug.trim_end_matches('-').to_owned();
        if slug.is_empty() || is_device(&slug) {
            slug.insert_str(0, if slug.is_empty() { "note" } else { "note-" });
            lost |= slug == "note";
        }
        if lost {
            slug = format!("{slug}-{:08x}", check_sum(title));
        }
        Self(slug)
    }

    /// The name in a resource address, if it is one of ours.
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        let mut bytes = uri.strip_prefix(SCHEME)?.bytes();
        let mut name = Vec::new();
        while let Some(byte) = bytes.next() {
            let mut digit = || char::from(bytes.next()?).to_digit(16)?.try_into().ok();
            name.push(match byte {
                b'%' => {
                    let (high, low): (u8, u8) = (digit()?, digit()?);
                    high << 4 | low
                }
                b'?' | b'#' => return None,
                _ => byte,
            });
        }
        Self::new(&String::from_utf8(name).ok()?)
    }

    pub(crate) fn uri(&self) -> String {
        let mut uri = SCHEME.to_owned();
        for byte in self.0.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => uri.push(byte.into()),
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri
    }

    pub(crate) fn file(&self) -> String {
        format!("{}.md", self.0)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Accented Latin letters as people write them where there are no accents.
fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'à'..='ã' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ä' | 'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì'..='ï' | 'ī' | 'į' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò'..='õ' | 'ø' | 'ō' | 'ő' => "o",
        'ö' | 'œ' => "oe",
        'ř' => "r",
        'ś' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ț' => "t",
        'þ' => "th",
        'ù'..='û' | 'ū' | 'ů' | 'ű' => "u",
        'ü' => "ue",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

/// Whether Windows takes a file of this name for a device; the folder may be on one.
fn is_device(slug: &str) -> bool {
    let numbered = slug.strip_prefix("com").or_else(|| slug.strip_prefix("lpt"));
    matches!(slug, "con" | "prn" | "aux" | "nul") || numbered.is_some_and(|number| number.len() == 1)
}

/// FNV-1a, which is the same for a title for ever.
fn check_sum(title: &str) -> u32 {
    title.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_safe_names() {
        let cases = [
            ("Shopping List", "shopping-list"),
            ("  What?! -- Now... ", "what-now"),
            ("Über Größe", "ueber-groesse"),
            ("../../etc/passwd", "etc-passwd"),
            (".hidden", "hidden"),
            ("C:\\Windows\\nul", "c-windows-nul"),
            ("a\0b\nc", "a-b-c"),
            ("CON", "note-con"),
            ("com1", "note-com1"),
            ("con job", "con-job"),
            ("日本語", "note-805f5ce7"),
            ("Plan 日本", "plan-914c6af2"),
            ("...", "note-0ac31c19"),
            ("-", "note-280c9438"),
        ];
        for (title, name) in cases {
            let made = Name::from_title(title);
            assert!(Name::new(made.as_str()).is_some(), "{title:?} gives {made}");
            assert_eq!(made.as_str(), name, "{title:?}");
        }
        assert_ne!(Name::from_title("日本"), Name::from_title("中国"));
        let long = Name::from_title(&"long title ".repeat(50));
        assert!(long.as_str().len() <= 90, "{long}");
        assert_ne!(long, Name::from_title(&"long title ".repeat(51)));
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let bad = [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            ".hidden",
            "c:x",
            "a\0",
            "a\n",
            " a",
            "a ",
            "a.",
            "/etc/passwd",
        ];
        for name in bad {
            assert_eq!(Name::new(name), None, "{name:?}");
        }
        assert_eq!(Name::new(&"x".repeat(201)), None);
        for name in ["a", "My Note", "ä", "a..b", "v1.2"] {
            assert!(Name::new(name).is_some(), "{name:?}");
        }
    }

    #[test]
    fn addresses_lead_back_to_names() {
        for name in ["a", "My Note", "Grüße", "100% sure?", "a#b", "日本"] {
            let name = Name::new(name).unwrap();
            assert_eq!(Name::from_uri(&name.uri()), Some(name));
        }
        assert_eq!(Name::new("My Note").unwrap().uri(), "note:///My%20Note");
        let bad = [
            "note:///",
            "note:///..%2Fx",
            "note:///%2E%2E",
            "note://x/y",
            "note:///a%2",
            "note:///a%zz",
            "note:///a?b",
            "note:///a#b",
            "note:///%ff",
            "file:///a",
            "note:///a%00",
        ];
        for uri in bad {
            assert_eq!(Name::from_uri(uri), None, "{uri}");
        }
    }
}
