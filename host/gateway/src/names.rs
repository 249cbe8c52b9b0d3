//! Names under which clients see what several servers offer.
//!
//! The result depends on the servers, on what they offer and on their order alone, so that a list looks the same after every restart.
//!
//! *Invariant:* a name that begins with a server's prefix (`SERVER__…`) leads to that server or nowhere, whichever servers are up: what another
//! server calls so gets that one's own prefix in front. So no server answers under a name that was made for another one.

use crate::config::Names;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// A prefix never makes a name longer than this (`mcp-ecosystem.md` 2, "names": clients take 64).
const USUAL_LENGTH: usize = 64;
/// A name that is longer by itself may grow up to this, the limit of the specification.
const LONGEST: usize = 128;
/// Between prefix and name, as Docker has it.
const SEPARATOR: &str = "__";
/// What a name that was cut ends in: a mark and eight digits.
const TAIL: usize = 9;

/// A server, and how its names are told from those of others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder<'a> {
    /// The server's name.
    pub(crate) server: &'a str,
    /// The prefix that the operator's entry asks for.
    pub(crate) prefix: Option<&'a str>,
}

impl Holder<'_> {
    /// What its names get in front: the entry's prefix as it is written, otherwise the server's name in letters that every client takes.
    fn lead(&self) -> String {
        let mut lead = self.prefix.map_or_else(|| plain(self.server), str::to_owned);
        lead.push_str(SEPARATOR);
        lead
    }
}

/// Something a server offers under a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// Whose it is.
    pub(crate) holder: Holder<'a>,
    /// The server's own name for it.
    pub(crate) name: &'a str,
}

impl Candidate<'_> {
    /// The name with its prefix.
    fn prefixed(&self) -> String {
        shorten(format!("{}{}", self.holder.lead(), self.name), self.name.len())
    }

    /// The same with a hash of whose it is, another one in each round.
    fn hashed(&self, round: u32) -> String {
        let seed = format!("{}\0{}\0{round}", self.holder.server, self.name);
        shorten_with(&self.prefixed(), self.name.len(), &seed)
    }
}

/// The beginnings of names that are kept for servers, those included that are not up.
#[derive(Debug, Default)]
struct Kept<'a>(Vec<(String, &'a str)>);

impl<'a> Kept<'a> {
    /// Of servers in their order. Of two whose prefixes come out equal without anybody's wish the first has it.
    fn of(servers: &[Holder<'a>]) -> Self {
        let mut kept: Vec<(String, &str)> = Vec::with_capacity(servers.len());
        for holder in servers {
            let mut lead = holder.lead();
            // No name has more of it: the rest of a longer prefix is cut.
            lead.truncate(floor(&lead, USUAL_LENGTH - TAIL));
            if holder.prefix.is_some() || kept.iter().all(|(known, _)| *known != lead) {
                kept.push((lead, holder.server));
            }
        }
        Self(kept)
    }

    /// Whether a name is kept for others than this server. The longest beginning counts, as the name of one server may begin with another's.
    fn is_foreign(&self, name: &str, server: &str) -> bool {
        let mut longest = 0;
        let mut own = true;
        for (lead, holder) in self.0.iter().filter(|(lead, _)| name.starts_with(&**lead)) {
            if lead.len() > longest {
                (longest, own) = (lead.len(), false);
            }
            own |= lead.len() == longest && *holder == server;
        }
        !own
    }

    /// What a candidate is called with its prefix.
    fn prefixed(&self, candidate: &Candidate<'_>) -> String {
        let name = candidate.prefixed();
        // Another server's name begins with this one's and the beginning of that name.
        if self.is_foreign(&name, candidate.holder.server) { candidate.hashed(0) } else { name }
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

/// Gives every candidate a name that no other has. `servers` are all that are configured, in their order; `kind` is for the text of a clash:
/// `tool` or `prompt`.
pub(crate) fn expose(
    servers: &[Holder<'_>],
    candidates: &[Candidate<'_>],
    names: Names,
    kind: &str,
) -> Exposed {
    // Where equal names are an error nothing is renamed without the operator's wish.
    let kept = if names == Names::Fail { Kept::default() } else { Kept::of(servers) };
    let mut seen = HashSet::with_capacity(candidates.len());
    let mut wanted: HashMap<String, usize> = HashMap::with_capacity(candidates.len());
    let mut shown = Vec::with_capacity(candidates.len());
    let mut clash = None;
    let mut first_owner: HashMap<String, &str> = HashMap::new();
    for candidate in candidates {
        let Holder { server, prefix } = candidate.holder;
        if candidate.name.trim().is_empty() || !seen.insert((server, candidate.name)) {
            shown.push(Shown::Hidden);
            continue;
        }
        let first = if prefix.is_some() || names == Names::All || kept.is_foreign(candidate.name, server) {
            Shown::As(kept.prefixed(candidate))
        } else {
            Shown::Own
        };
        let name = text(&first, candidate).to_owned();
        if let Some(owner) = first_owner.get(&*name) {
            clash.get_or_insert_with(|| clash_text(kind, owner, server, &name));
        } else {
            first_owner.insert(name.clone(), server);
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
        let mut name = kept.prefixed(candidate);
        let mut round = 0;
        while !taken.insert(name.clone()) {
            name = candidate.hashed(round);
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
    let end = floor(name, limit(own) - TAIL);
    format!("{}_{tail}", name.get(..end).unwrap_or_default())
}

/// The end of a text, or the last whole character within so many bytes.
fn floor(text: &str, most: usize) -> usize {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

const fn limit(own: usize) -> usize {
    if own <= USUAL_LENGTH { USUAL_LENGTH } else { LONGEST }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate<'a>(server: &'a str, prefix: Option<&'a str>, name: &'a str) -> Candidate<'a> {
        Candidate { holder: Holder { server, prefix }, name }
    }

    /// The names of candidates whose servers are all there are.
    fn shown(candidates: &[Candidate<'_>], names: Names) -> Vec<String> {
        let mut servers: Vec<Holder<'_>> = candidates.iter().map(|candidate| candidate.holder).collect();
        servers.dedup_by_key(|holder| holder.server);
        shown_among(&servers, candidates, names)
    }

    /// The same where more servers are configured than are up.
    fn shown_among(servers: &[Holder<'_>], candidates: &[Candidate<'_>], names: Names) -> Vec<String> {
        expose(servers, candidates, names, "tool")
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
    fn a_name_made_for_one_server_is_no_others() {
        let list = [candidate("a", None, "t"), candidate("b", None, "t"), candidate("c", None, "a__t")];
        assert_eq!(shown(&list, Names::Clash), ["a__t", "b__t", "c__a__t"]);
        let turned = [list[2], list[1], list[0]];
        assert_eq!(shown(&turned, Names::Clash), ["c__a__t", "b__t", "a__t"]);
        // It does not wait for the clash, nor for the server to be up.
        let servers: Vec<_> = list.iter().map(|candidate| candidate.holder).collect();
        assert_eq!(shown_among(&servers, &list[2..], Names::Clash), ["c__a__t"]);
        assert_eq!(shown_among(&servers[1..], &list[2..], Names::Clash), ["a__t"], "there is no such server");
        // A prefix of an entry is kept like a name.
        let prefixed =
            [candidate("a", Some("p"), "t"), candidate("b", None, "p__t"), candidate("b", None, "a__t")];
        assert_eq!(shown(&prefixed, Names::Clash), ["p__t", "b__p__t", "a__t"]);
    }

    #[test]
    fn a_servers_own_name_stays_its_own_when_it_looks_like_a_prefixed_one() {
        let list = [candidate("a", None, "a__t"), candidate("a", None, "t"), candidate("b", None, "t")];
        let names = shown(&list, Names::Clash);
        assert_eq!((&*names[0], &*names[2]), ("a__t", "b__t"));
        assert!(names[1].starts_with("a__t_") && names[1].len() == "a__t_00000000".len(), "{names:?}");
        assert_eq!(shown(&list[..2], Names::Clash), ["a__t", "t"], "without the clash");
    }

    #[test]
    fn a_name_that_was_cut_is_kept_too() {
        let long = "s".repeat(60);
        let cut = shown(&[candidate(&long, None, "one")], Names::All).remove(0);
        let list = [candidate(&long, None, "one"), candidate("b", None, "one"), candidate("b", None, &cut)];
        let names = shown(&list, Names::Clash);
        assert_eq!((&*names[0], &*names[1]), (&*cut, "b__one"));
        assert!(names[2].starts_with("b__sss") && names[2].len() == 64, "{names:?}");
    }

    /// Whichever servers are up, in whatever order: one owner per name, and none that changes hands once it has a prefix.
    #[test]
    fn names_with_a_prefix_never_change_hands() {
        let long = "l".repeat(62);
        let names = ["t", "a__t", "b__t", "a__b__t", "b__a__t", "a-b__t", "t_", &"n".repeat(70)];
        let servers: Vec<_> =
            ["a", "b", "a__b", "a/b", "a-b", &long].map(|server| Holder { server, prefix: None }).to_vec();
        for mode in [Names::Clash, Names::All] {
            let mut owners: HashMap<String, (&str, &str)> = HashMap::new();
            for up in 1_u32..1 << servers.len() {
                let up: Vec<_> = servers.iter().enumerate().filter(|(n, _)| (up >> n) & 1 == 1).collect();
                let mut list: Vec<_> = up
                    .iter()
                    .flat_map(|(_, holder)| names.iter().map(|name| Candidate { holder: **holder, name }))
                    .collect();
                for _ in 0..2 {
                    let shown = shown_among(&servers, &list, mode);
                    assert_eq!(shown.iter().collect::<HashSet<_>>().len(), list.len(), "{shown:?}");
                    for (shown, candidate) in shown.into_iter().zip(&list) {
                        assert!(shown.len() <= limit(candidate.name.len()), "{shown}");
                        let owner = (candidate.holder.server, candidate.name);
                        if shown.contains(SEPARATOR) {
                            let known = *owners.entry(shown.clone()).or_insert(owner);
                            assert_eq!(known, owner, "{shown}");
                        }
                    }
                    list.reverse();
                }
            }
        }
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
        assert_eq!(expose(&[], &list, Names::Fail, "tool").clash.as_deref(), Some(text));
        assert_eq!(expose(&[], &list, Names::Clash, "tool").clash, None);
        assert_eq!(expose(&[], &list[..1], Names::Fail, "tool").clash, None);
    }
}
