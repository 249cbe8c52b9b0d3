//! Names under which clients see what several servers offer.
//!
//! The result depends on the candidates and their order alone, so that a list looks the same after every restart.

use crate::config::Names;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// A prefix never makes a name longer than this (`mcp-ecosystem.md` 2, "names": clients take 64).
const USUAL_LENGTH: usize = 64;
/// A name that is longer by itself may grow up to this, the limit of the specification.
const LONGEST: usize = 128;
/// Between prefix and name, as Docker has it.
const SEPARATOR: &str = "__";

/// Something a server offers under a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// Whose it is.
    pub(crate) server: &'a str,
    /// The prefix that the operator's entry asks for.
    pub(crate) prefix: Option<&'a str>,
    /// The server's own name for it.
    pub(crate) name: &'a str,
}

impl Candidate<'_> {
    /// The name with its prefix: the entry's as it is written, otherwise the server's name in letters that every client takes.
    pub(crate) fn prefixed(&self) -> String {
        let prefix = self.prefix.map_or_else(|| plain(self.server), str::to_owned);
        shorten(format!("{prefix}{SEPARATOR}{}", self.name), self.name.len())
    }
}

/// How one candidate is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Under its own name.
    Own,
    /// Under this one.
    As(String),
    /// Not at all: its server offers the name twice, or it is empty.
    Hidden,
}

/// What `expose` found.
#[derive(Debug)]
pub(crate) struct Exposed {
    /// One per candidate, in their order.
    pub(crate) shown: Vec<Shown>,
    /// The first clash, in Docker's words, where clashes are errors.
    pub(crate) clash: Option<String>,
}

/// Gives every candidate a name that no other has. `kind` is for the text of a clash: `tool` or `prompt`.
pub(crate) fn expose(candidates: &[Candidate<'_>], names: Names, kind: &str) -> Exposed {
    let mut seen = HashSet::with_capacity(candidates.len());
    let mut wanted: HashMap<String, usize> = HashMap::with_capacity(candidates.len());
    let mut shown = Vec::with_capacity(candidates.len());
    let mut clash = None;
    let mut first_owner: HashMap<String, &str> = HashMap::new();
    for candidate in candidates {
        if candidate.name.trim().is_empty() || !seen.insert((candidate.server, candidate.name)) {
            shown.push(Shown::Hidden);
            continue;
        }
        let first = if candidate.prefix.is_some() || names == Names::All {
            Shown::As(candidate.prefixed())
        } else {
            Shown::Own
        };
        let name = text(&first, candidate).to_owned();
        if let Some(owner) = first_owner.get(&*name) {
            clash.get_or_insert_with(|| clash_text(kind, owner, candidate.server, &name));
        } else {
            first_owner.insert(name.clone(), candidate.server);
        }
        *wanted.entry(name).or_default() += 1;
        shown.push(first);
    }
    let clash = clash.filter(|_| names == Names::Fail);
    // Whoever has its wish for itself keeps it, whatever the others are called in the end.
    let mut taken: HashSet<String> =
        wanted.iter().filter(|(_, n)| **n == 1).map(|(name, _)| name.clone()).collect();
    for (shown, candidate) in shown.iter_mut().zip(candidates) {
        if *shown == Shown::Hidden || wanted.get(text(shown, candidate)) == Some(&1) {
            continue;
        }
        let mut name = candidate.prefixed();
        let mut round = 0;
        while !taken.insert(name.clone()) {
            let seed = format!("{}\0{}\0{round}", candidate.server, candidate.name);
            name = shorten_with(&candidate.prefixed(), candidate.name.len(), &seed);
            round += 1;
        }
        *shown = if name == candidate.name { Shown::Own } else { Shown::As(name) };
    }
    Exposed { shown, clash }
}

fn text<'a>(shown: &'a Shown, candidate: &'a Candidate<'_>) -> &'a str {
    match shown {
        Shown::As(name) => name,
        Shown::Own | Shown::Hidden => candidate.name,
    }
}

fn clash_text(kind: &str, one: &str, other: &str, name: &str) -> String {
    let name = crate::error::shown(name);
    format!(
        "{kind} name collision: server \"{one}\" and server \"{other}\" both expose {kind} name \"{name}\"; \
         enable tool-name-prefix or set unique catalog prefixes"
    )
}

/// A server's display name in `A-Z a-z 0-9 _ - .`.
fn plain(server: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    server.chars().map(|c| if fits(c) { c } else { '-' }).collect()
}

/// Cuts a name that its prefix made too long, and makes it unique again by the hash of the whole.
fn shorten(name: String, own: usize) -> String {
    if name.len() <= limit(own) { name } else { shorten_with(&name, own, &name) }
}

/// Ends a name in eight digits of the hash of `seed`, within the limit.
fn shorten_with(name: &str, own: usize, seed: &str) -> String {
    let hash = Sha256::digest(seed.as_bytes());
    let tail: String = hash.iter().take(4).map(|b| format!("{b:02x}")).collect();
    let mut end = name.len().min(limit(own) - tail.len() - 1);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{tail}", name.get(..end).unwrap_or_default())
}

const fn limit(own: usize) -> usize {
    if own <= USUAL_LENGTH { USUAL_LENGTH } else { LONGEST }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate<'a>(server: &'a str, prefix: Option<&'a str>, name: &'a str) -> Candidate<'a> {
        Candidate { server, prefix, name }
    }

    fn shown(candidates: &[Candidate<'_>], names: Names) -> Vec<String> {
        expose(candidates, names, "tool")
            .shown
            .iter()
            .zip(candidates)
            .map(|(s, c)| if *s == Shown::Hidden { "-".to_owned() } else { text(s, c).to_owned() })
            .collect()
    }

    #[test]
    fn only_what_clashes_is_renamed() {
        let list = [candidate("a", None, "echo"), candidate("b", None, "echo"), candidate("b", None, "sum")];
        assert_eq!(shown(&list, Names::Clash), ["a__echo", "b__echo", "sum"]);
        assert_eq!(shown(&list, Names::All), ["a__echo", "b__echo", "b__sum"]);
        // Case matters, as it does to servers.
        assert_eq!(shown(&[candidate("a", None, "X"), candidate("b", None, "x")], Names::Clash), ["X", "x"]);
    }

    #[test]
    fn prefixes_of_entries_are_taken_as_written() {
        for (prefix, name) in [("p", "p__t"), ("p__", "p____t"), ("P x", "P x__t"), (" ", " __t")] {
            assert_eq!(shown(&[candidate("s", Some(prefix), "t")], Names::Clash), [name]);
            assert_eq!(shown(&[candidate("s", Some(prefix), "t")], Names::All), [name]);
        }
        // Two entries with one prefix: there is nothing left but the hash.
        let names = shown(&[candidate("a", Some("p"), "t"), candidate("b", Some("p"), "t")], Names::Clash);
        assert_eq!(names[0], "p__t");
        assert_eq!(names[1].len(), "p__t_00000000".len());
    }

    #[test]
    fn servers_names_become_letters_that_clients_take() {
        assert_eq!(shown(&[candidate("a/b c", None, "t")], Names::All), ["a-b-c__t"]);
    }

    #[test]
    fn a_prefixed_name_never_takes_what_another_tool_is_called() {
        let list = [candidate("a", None, "t"), candidate("b", None, "t"), candidate("c", None, "a__t")];
        let names = shown(&list, Names::Clash);
        assert_eq!((&*names[1], &*names[2]), ("b__t", "a__t"));
        assert!(names[0].starts_with("a__t_"), "{names:?}");
        assert_eq!(names, shown(&list, Names::Clash), "the same again");
    }

    #[test]
    fn long_names_stay_within_the_limit_and_apart() {
        let server = "s".repeat(60);
        let long = "t".repeat(70);
        let names = shown(
            &[
                candidate(&server, None, "one"),
                candidate(&server, None, "two-and-more"),
                candidate(&server, None, "two-and-less"),
                candidate(&server, None, &long),
            ],
            Names::All,
        );
        assert_eq!(names.iter().map(String::len).collect::<Vec<_>>(), [64, 64, 64, 128]);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 4);
        // A name that is long by itself is the server's business.
        let own = "o".repeat(200);
        assert_eq!(shown(&[candidate("s", None, &own)], Names::Clash), [own]);
        let umlauts = "ä".repeat(60);
        assert!(shown(&[candidate("s", Some(&umlauts), "t")], Names::Clash)[0].len() <= 64);
    }

    #[test]
    fn a_server_that_says_a_name_twice_or_none_shows_it_once_or_never() {
        let list = [candidate("a", None, "t"), candidate("a", None, "t"), candidate("a", None, " ")];
        assert_eq!(shown(&list, Names::Clash), ["t", "-", "-"]);
    }

    #[test]
    fn clashes_can_be_errors() {
        let list = [candidate("a", None, "x"), candidate("b", None, "x")];
        let text = "tool name collision: server \"a\" and server \"b\" both expose tool name \"x\"; \
                    enable tool-name-prefix or set unique catalog prefixes";
        assert_eq!(expose(&list, Names::Fail, "tool").clash.as_deref(), Some(text));
        assert_eq!(expose(&list, Names::Clash, "tool").clash, None);
        assert_eq!(expose(&list[..1], Names::Fail, "tool").clash, None);
    }
}
