//! Enums and variants cannot grow inside a track, so each has a catch-all, or a reason why it will not need one.

use super::{contract, nothing_found};
use gateway_tests::contract::Shape;

/// Lists of cases without a catch-all, and why. "Comes as a required extra" means `server.extras` with `required`, which a plugin that does
/// not know it refuses.
const CLOSED: [(&str, &str); 14] = [
    ("types.secret-owner", "another owner would be another rule of who may read; that is a new track"),
    ("types.pull-policy", "these are all there are, in Docker and in Kubernetes"),
    ("types.lifetime", "another way of keeping a workload comes as a required extra"),
    ("types.access", "finer rights are `mount.options`"),
    ("types.unenforced", "yes or no"),
    ("types.honoured", "yes, nearly, no; the rest is the note"),
    ("types.severity", "it would fail, or it may work"),
    ("types.liveness", "`unknown` is the catch-all"),
    ("call.wake", "a wait ends by itself, by its caller or by its deadline"),
    ("log.level", "failures are returned, not logged"),
    ("embedded.workload-status", "`unknown` is the catch-all"),
    (
        "http.encoding",
        "plugins give it and the host knows all it is given; more come with a function beside `http.send`",
    ),
    ("http.body-part", "as `http.encoding`"),
    ("http.effect", "what these do not say, `call.record-object` and `call.forget-object` say"),
];

#[test]
fn every_list_of_cases_has_a_catch_all_or_a_reason() {
    let contract = contract();
    let mut found = Vec::new();
    let mut known = Vec::new();
    for (interface, item) in contract.types() {
        if matches!(item.shape, Shape::Enum(_) | Shape::Variant(_) | Shape::Flags(_)) {
            let name = format!("{interface}.{}", item.name);
            let catch_all = item.shape.members().iter().any(|m| m.name == "other");
            let reason = CLOSED.iter().any(|(closed, _)| *closed == name);
            match (catch_all, reason) {
                (false, false) => {
                    found.push(format!("`{name}` needs a case `other`, or a reason in this file"))
                }
                (true, true) => {
                    found.push(format!("`{name}` has a case `other`; take its reason out of this file"))
                }
                (true, false) | (false, true) => {}
            }
            known.push(name);
        }
    }
    for (name, _) in CLOSED {
        if !known.iter().any(|k| k == name) {
            found.push(format!("`{name}` is not in the contract any more; take its reason out of this file"));
        }
    }
    nothing_found("a list of cases cannot grow inside a track", &found);
}
