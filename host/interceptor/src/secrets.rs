//! Secrets in what is passed to tools and returned by them (`docker-mcp-gateway.md` 20.4).
//!
//! The original looks at the arguments as JSON text and at the text blocks of a result. Here all of a result is looked at, so embedded resources,
//! `structuredContent`, links and what else a block may hold; strings with escapes again without them, base64 of text again decoded, and the text
//! blocks together, so that a secret does not pass because it was cut in two.
//!
//! One automaton finds the keywords of all rules in one pass; an expression is compiled when a keyword of it was seen for the first time, and once.

mod rules;
mod strings;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::bytes::{Regex, RegexBuilder};
use rules::{RULES, Rule};
use std::sync::OnceLock;

/// A finding, of which only the rule is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The id of the rule.
    pub rule: &'static str,
}

/// The search, ready to run.
pub struct Secrets {
    keywords: OnceLock<Keywords>,
    expressions: Vec<OnceLock<Option<Regex>>>,
}

struct Keywords {
    automaton: Option<AhoCorasick>,
    /// The rule of each keyword.
    rule: Vec<u8>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self::new()
    }
}

impl Secrets {
    /// Compiles nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { keywords: OnceLock::new(), expressions: RULES.iter().map(|_| OnceLock::new()).collect() }
    }

    /// Looks for a secret in a JSON text, in every form that the module names. Gives the first.
    #[must_use]
    pub fn find(&self, json: &[u8]) -> Option<Found> {
        self.look(json).or_else(|| strings::hidden(json, |text| self.look(text)))
    }

    /// Looks at one text as it is.
    fn look(&self, text: &[u8]) -> Option<Found> {
        let keywords = self.keywords.get_or_init(keywords);
        // Not more than 128 rules, which a test guards.
        let mut seen: u128 = 0;
        for found in keywords.automaton.as_ref()?.find_overlapping_iter(text) {
            let Some(rule) = keywords.rule.get(found.pattern().as_usize()) else { continue };
            let bit = 1_u128 << rule;
            if seen & bit != 0 {
                continue;
            }
            seen |= bit;
            if self.matches(usize::from(*rule), text) {
                return RULES.get(usize::from(*rule)).map(|rule| Found { rule: rule.id });
            }
        }
        None
    }

    fn matches(&self, rule: usize, text: &[u8]) -> bool {
        let (Some(place), Some(rule)) = (self.expressions.get(rule), RULES.get(rule)) else { return false };
        place.get_or_init(|| compiled(rule)).as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

/// Every expression compiles, which a test guards.
fn compiled(rule: &Rule) -> Option<Regex> {
    RegexBuilder::new(rule.expression).unicode(false).build().ok()
}

fn keywords() -> Keywords {
    let mut words = Vec::new();
    let mut rule = Vec::new();
    for (at, one) in RULES.iter().enumerate() {
        for keyword in one.keywords {
            words.push(*keyword);
            rule.push(u8::try_from(at).unwrap_or(u8::MAX));
        }
    }
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
    Keywords { automaton: builder.build(words).ok(), rule }
}

#[cfg(test)]
mod tests;
