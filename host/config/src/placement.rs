//! Placement: the operator's rules for which provisioner runs which server.

use std::collections::BTreeSet;

use crate::decode::Fields;
use crate::decode::table::{Form, Table, key};
use crate::nearest::suggestion;
use crate::pattern::Pattern;
use crate::problem::Place;
use crate::report::Report;
use crate::server::{Kind, Server};

/// One rule; the first that fits a server decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacementRule {
    /// Where it stands.
    pub place: Place,
    /// Names of servers; empty for all.
    pub servers: Vec<Pattern>,
    /// What the server is; none for anything.
    pub kind: Option<Kind>,
    /// The plugin that runs it.
    pub provisioner: String,
}

pub(crate) static RULE: Table = Table::new(
    "placement",
    "A rule; the first that fits a server decides. One without `servers` and `kind` fits every server.",
    &[&[
        key(
            "servers",
            Form::List(&Form::Special("pattern")),
            "Names of servers; `*` stands for any characters.",
        )
        .or("all"),
        key("kind", Form::Choice(Kind::NAMES), "What the server is.").or("any"),
        key(
            "provisioner",
            Form::Text,
            "The plugin that runs it: one under `plugins`, or a bundled one. Required.",
        ),
    ]],
);

impl PlacementRule {
    /// Whether the rule fits a server.
    pub fn matches(&self, server: &Server) -> bool {
        let named =
            self.servers.is_empty() || self.servers.iter().any(|pattern| pattern.matches(&server.name));
        named && self.kind.is_none_or(|kind| kind == server.kind())
    }

    /// Reads a rule; `provisioners` are the names that exist.
    pub(crate) fn decode(
        fields: Fields<'_>,
        provisioners: &BTreeSet<&str>,
        report: &mut Report,
    ) -> PlacementRule {
        let rule = PlacementRule {
            place: report.place(fields.at()),
            servers: fields.parsed_list("servers", report, str::parse),
            kind: fields.choice("kind", report),
            provisioner: fields.text("provisioner", report),
        };
        if fields.node("servers").and_then(|node| node.items()).is_some_and(|items| items.len() == 0) {
            let hint = "leave `servers` out if the rule is for all of them";
            report.problem_with_hint(fields.at_key("servers"), "`servers` names nothing", hint);
        }
        if rule.provisioner.is_empty() {
            let hint = "name who runs these servers: `provisioner: embedded`";
            report.problem_with_hint(fields.at(), "a placement without a `provisioner`", hint);
        } else if !provisioners.contains(rule.provisioner.as_str()) {
            let what = format!("there is no provisioner `{}`", rule.provisioner);
            let hint = suggestion(&rule.provisioner, provisioners.iter().copied());
            report.problem_maybe_hint(fields.at_key("provisioner"), what, hint);
        }
        fields.done();
        rule
    }
}
