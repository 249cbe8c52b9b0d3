//! The token that a connection must begin with, where one is asked for: its first line.

use std::io;
use std::path::Path;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a token.
const LONGEST: usize = 4096;

/// A token. Has no `Debug`.
pub(crate) struct Token(Zeroizing<Vec<u8>>);

/// What the beginning of a connection says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// The token; so many bytes belong to it.
    Right(usize),
    /// Something else.
    Wrong,
    /// Its first line is not complete.
    Incomplete,
}

impl Token {
    /// Reads the file; space around the token does not count.
    ///
    /// # Errors
    /// The file cannot be read, or holds no token.
    pub(crate) fn read(file: &Path) -> io::Result<Self> {
        Self::of(&Zeroizing::new(std::fs::read(file)?), "the file is empty")
    }

    /// Takes it from an environment variable.
    ///
    /// # Errors
    /// There is no such variable, or it holds no token.
    #[expect(
        clippy::disallowed_methods,
        reason = "the bridge is a program of its own, and this is one of its arguments"
    )]
    pub(crate) fn of_variable(name: &str) -> io::Result<Self> {
        let text =
            std::env::var_os(name).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is not set"))?;
        Self::of(&Zeroizing::new(text.into_encoded_bytes()), "it is empty")
    }

    fn of(text: &[u8], empty: &'static str) -> io::Result<Self> {
        let token = text.trim_ascii();
        let wrong = |why| Err(io::Error::new(io::ErrorKind::InvalidData, why));
        match token.len() {
            0 => wrong(empty),
            length if length > LONGEST => wrong("the token is longer than 4096 bytes"),
            _ if token.contains(&b'\n') => wrong("the token has more than one line"),
            _ => Ok(Self(Zeroizing::new(token.to_vec()))),
        }
    }

    /// Looks at what has arrived. How long the comparison takes does not tell how much of it was right.
    pub(crate) fn check(&self, arrived: &[u8]) -> Greeting {
        match arrived.iter().position(|byte| *byte == b'\n') {
            None if arrived.len() > LONGEST + 1 => Greeting::Wrong,
            None => Greeting::Incomplete,
            Some(end) => {
                let line = arrived.get(..end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if bool::from(line.ct_eq(&self.0)) { Greeting::Right(end + 1) } else { Greeting::Wrong }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Greeting, LONGEST, Token};

    fn token(text: &[u8]) -> std::io::Result<Token> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Token::read(file.path())
    }

    #[test]
    fn the_first_line_decides() {
        let token = token(b" acme \n").unwrap();
        assert_eq!(token.check(b"acme\n{}"), Greeting::Right(5));
        assert_eq!(token.check(b"acme\r\n"), Greeting::Right(6));
        for wrong in
            [b"acm\n".as_slice(), b"acmee\n", b"\n", b"{\"jsonrpc\":\"2.0\"}\n", &[b'a'; LONGEST + 2]]
        {
            assert_eq!(token.check(wrong), Greeting::Wrong);
        }
        assert_eq!(token.check(b"acme"), Greeting::Incomplete);
    }

    #[test]
    fn a_file_without_a_token_is_refused() {
        for (text, why) in
            [(b" \n".as_slice(), "the file is empty"), (b"a\nb", "the token has more than one line")]
        {
            assert_eq!(token(text).err().unwrap().to_string(), why);
        }
    }
}
