//! Enumerations that are written as words, in files and on the command line alike.

use crate::misfit::Misfit;
use crate::nearest::{list, nearest};

/// An enumeration written as words; letter case does not matter.
pub(crate) trait Choice: Copy + 'static {
    /// The words the reference names.
    const NAMES: &'static [&'static str];
    /// Every accepted word with its meaning.
    const WORDS: &'static [(&'static str, Self)];
}

/// Finds the meaning of a word.
pub(crate) fn parse<T: Choice>(text: &str) -> Result<T, Misfit> {
    if let Some((_, meaning)) = T::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
        return Ok(*meaning);
    }
    let mut hint = format!("write one of {}", list(T::NAMES));
    if let Some(near) = nearest(text, T::WORDS.iter().map(|(word, _)| *word)) {
        hint = format!("did you mean `{near}`? possible are {}", list(T::NAMES));
    }
    Err(Misfit::new(text, "not known here").hint(hint))
}

/// Declares such an enumeration: each case with its word, then other words for the same.
macro_rules! choices {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$case_meta:meta])* $case:ident = $word:literal $(| $other:literal)*,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$case_meta])* $case,)+
        }

        impl $name {
            /// The words of all cases, in order.
            pub const NAMES: &'static [&'static str] = &[$($word),+];

            /// The word a file uses for it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$case => $word,)+
                }
            }
        }

        impl $crate::decode::choice::Choice for $name {
            const NAMES: &'static [&'static str] = $name::NAMES;
            const WORDS: &'static [(&'static str, $name)] =
                &[$(($word, $name::$case), $(($other, $name::$case),)*)+];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::misfit::Misfit;

            fn from_str(text: &str) -> Result<$name, $crate::misfit::Misfit> {
                $crate::decode::choice::parse(text)
            }
        }
    };
}
pub(crate) use choices;
