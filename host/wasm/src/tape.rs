//! What the host functions answered in a run of a plugin, written down, so that the same run can be played again without the platform.
//!
//! An answer is what the plugin saw of it, so there is no secret in it: none ever is. Plugins are run in a fresh instance each time and what they ask
//! depends on what they were given, so the same questions come again; where they do not, the call ends with the first difference.

use host_provisioner::{ObjectRef, Phase};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Letters of the shortest digest that is taken for one.
const DIGEST: usize = 16;

/// One host function that was called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// `INTERFACE.FUNCTION` of the contract.
    pub function: String,
    /// What it was asked, as names and values.
    pub asked: Value,
    /// What it answered.
    pub answer: Value,
    /// The objects that it noted in the ledger before it made them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noted: Vec<Object>,
    /// The objects that it took out, because they were gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Object>,
}

/// An object of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: String,
    /// Where it is.
    pub scope: String,
    /// Its name there.
    pub name: String,
}

impl Object {
    pub(crate) fn of(object: &ObjectRef) -> Self {
        let ObjectRef { kind, scope, name } = object.clone();
        Self { kind, scope, name }
    }

    pub(crate) fn into_ref(self) -> ObjectRef {
        let Self { kind, scope, name } = self;
        ObjectRef { kind, scope, name }
    }
}

/// One call of the plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Which.
    pub phase: String,
    /// The host functions that it used, in their order.
    pub calls: Vec<Noted>,
}

/// A tape in a machine: it takes down, or it plays.
#[derive(Debug)]
pub struct Tape {
    plays: bool,
    held: Mutex<Vec<Held>>,
}

#[derive(Debug)]
struct Held {
    section: Section,
    /// Whether a call of the plugin has it.
    begun: bool,
    /// How many of its answers were given.
    at: usize,
}

impl Tape {
    /// A tape that takes down.
    #[must_use]
    pub fn blank() -> Self {
        Self { plays: false, held: Mutex::default() }
    }

    /// A tape that plays what was taken down.
    #[must_use]
    pub fn of(sections: Vec<Section>) -> Self {
        let held = sections.into_iter().map(|section| Held { section, begun: false, at: 0 }).collect();
        Self { plays: true, held: Mutex::new(held) }
    }

    /// What was taken down.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        self.lock().iter().map(|held| held.section.clone()).collect()
    }

    /// What was never asked for while it played: the functions, each with its phase.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let held = self.lock();
        let rest = held.iter().flat_map(|held| {
            let rest = held.section.calls.iter().skip(held.at);
            rest.map(|noted| format!("{} in `{}`", noted.function, held.section.phase))
        });
        rest.collect()
    }

    /// Whether it plays.
    pub(crate) fn plays(&self) -> bool {
        self.plays
    }

    /// A call of the plugin begins; which section is its own. Playing, it may have none.
    pub(crate) fn begin(&self, phase: Phase) -> Option<usize> {
        let phase = phase.as_str();
        let mut held = self.lock();
        if self.plays {
            let at = held.iter().position(|held| !held.begun && held.section.phase == phase)?;
            if let Some(found) = held.get_mut(at) {
                found.begun = true;
            }
            return Some(at);
        }
        let section = Section { phase: phase.to_owned(), calls: Vec::new() };
        held.push(Held { section, begun: true, at: 0 });
        Some(held.len() - 1)
    }

    /// Takes one answer down.
    pub(crate) fn note(&self, section: usize, noted: Noted) {
        if let Some(held) = self.lock().get_mut(section) {
            held.section.calls.push(noted);
        }
    }

    /// The next answer of a section.
    ///
    /// # Errors
    /// Something else was asked then: a sentence that says what.
    pub(crate) fn next(
        &self,
        section: Option<usize>,
        function: &str,
        asked: &Value,
    ) -> Result<Noted, String> {
        let mut held = self.lock();
        let held = section.and_then(|at| held.get_mut(at));
        let Some(held) = held else {
            return Err(format!("it called `{function}`, and the tape has no such call of the plugin"));
        };
        let Some(noted) = held.section.calls.get(held.at).cloned() else {
            return Err(format!("it called `{function}`, where the tape has ended"));
        };
        if noted.function != function {
            return Err(format!("it called `{function}`, where the tape has `{}`", noted.function));
        }
        if shape(&noted.asked) != shape(asked) {
            return Err(format!(
                "it asked `{function}` for something else than on the tape: {asked} and not {}",
                noted.asked
            ));
        }
        held.at += 1;
        Ok(noted)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question without its numbers: how much time is left, and the like, is another each time.
fn shape(value: &Value) -> Value {
    match value {
        Value::Number(_) => Value::from(0),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::String(text) => Value::from(without_digests(text)),
        other => other.clone(),
    }
}

/// Revisions of entries with secrets are keyed anew in each run.
fn without_digests(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        out.push_str(before);
        out.push_str(if run.len() >= DIGEST { "#" } else { run });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn noted(function: &str, asked: Value, answer: Value) -> Noted {
        Noted { function: function.to_owned(), asked, answer, noted: Vec::new(), gone: Vec::new() }
    }

    #[test]
    fn what_was_taken_down_plays_in_its_order_and_every_difference_is_told() {
        let tape = Tape::blank();
        let first = tape.begin(Phase::Provision).unwrap();
        let second = tape.begin(Phase::Release).unwrap();
        tape.note(first, noted("http.send", json!({"url": "a", "timeout_ms": 7}), json!("one")));
        tape.note(second, noted("http.send", json!({"url": "b"}), json!("two")));
        let tape = Tape::of(tape.sections());
        // The phases come in their own order.
        let next = |section, function: &str, asked: Value| {
            tape.next(section, function, &asked).map(|noted| noted.answer)
        };
        let release = tape.begin(Phase::Release);
        let provision = tape.begin(Phase::Provision);
        assert_eq!(tape.begin(Phase::Release), None);
        assert_eq!(next(release, "http.send", json!({"url": "b"})), Ok(json!("two")));
        assert_eq!(
            next(provision, "docker.run", json!({})),
            Err("it called `docker.run`, where the tape has `http.send`".to_owned())
        );
        assert_eq!(
            next(provision, "http.send", json!({"url": "c", "timeout_ms": 7})),
            Err(r#"it asked `http.send` for something else than on the tape: {"timeout_ms":7,"url":"c"} and not {"timeout_ms":7,"url":"a"}"#.to_owned())
        );
        assert_eq!(tape.left(), ["http.send in `provision`"]);
        assert_eq!(next(provision, "http.send", json!({"url": "a", "timeout_ms": 6})), Ok(json!("one")));
        assert_eq!(
            next(provision, "http.send", json!({})),
            Err("it called `http.send`, where the tape has ended".to_owned())
        );
        assert!(tape.left().is_empty());
        assert!(next(None, "http.send", json!({})).unwrap_err().contains("no such call"));
    }
}
