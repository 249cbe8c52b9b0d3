//! What two checked configurations have in common: which servers came, went, and changed, and in what.
//!
//! A pure function of both, so that a reload can be reasoned about, and tested, without anything that runs.

use host_provisioner::ServerSpec;

/// A server as far as it matters for whether it must be replaced.
pub(crate) struct Wanted<'a> {
    /// What it is, completely evaluated; its name is its key.
    pub(crate) spec: &'a ServerSpec,
    /// Who brings it up, or why nobody does.
    pub(crate) place: &'a str,
}

/// What became of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is new.
    Added,
    /// It is no longer there.
    Removed,
    /// It differs in these things.
    Changed(Vec<&'static str>),
}

/// The servers that differ, in the order of the new configuration, then those that are gone. Servers that are the same are not in it.
pub(crate) fn difference(old: &[Wanted<'_>], new: &[Wanted<'_>]) -> Vec<(String, Change)> {
    let find = |all: &'_ [Wanted<'_>], name: &str| all.iter().position(|wanted| wanted.spec.name == name);
    let mut changes = Vec::new();
    for wanted in new {
        let name = wanted.spec.name.clone();
        match find(old, &name).and_then(|index| old.get(index)) {
            None => changes.push((name, Change::Added)),
            Some(before) => {
                let what = changed(before, wanted);
                if !what.is_empty() {
                    changes.push((name, Change::Changed(what)));
                }
            }
        }
    }
    let gone = old.iter().filter(|wanted| find(new, &wanted.spec.name).is_none());
    changes.extend(gone.map(|wanted| (wanted.spec.name.clone(), Change::Removed)));
    changes
}

fn changed(old: &Wanted<'_>, new: &Wanted<'_>) -> Vec<&'static str> {
    let (a, b) = (old.spec, new.spec);
    let fields = [
        (
            "what runs",
            a.workload != b.workload
                || a.late_arguments != b.late_arguments
                || a.transport != b.transport
                || a.id != b.id,
        ),
        ("placement", old.place != new.place),
        ("environment", a.environment != b.environment),
        ("secrets", a.secrets != b.secrets),
        ("folders", a.mounts != b.mounts || a.files != b.files),
        ("network", a.egress != b.egress || a.extra_hosts != b.extra_hosts || a.ports != b.ports),
        (
            "limits",
            a.limits != b.limits
                || a.idle_timeout != b.idle_timeout
                || a.concurrency != b.concurrency
                || a.output_limit != b.output_limit
                || a.start_timeout != b.start_timeout
                || a.call_timeout != b.call_timeout,
        ),
        ("lifetime", a.lifetime != b.lifetime),
        ("user", a.user != b.user),
        ("settings", a.settings != b.settings || a.unenforced != b.unenforced),
        ("description", a.annotations != b.annotations),
    ];
    let what: Vec<&'static str> =
        fields.into_iter().filter_map(|(word, differs)| differs.then_some(word)).collect();
    // Whatever a specification may hold one day, a difference is never overlooked.
    if what.is_empty() && a != b { vec!["its entry"] } else { what }
}

/// One line for a person.
pub(crate) fn line(name: &str, change: &Change) -> String {
    match change {
        Change::Added => format!("server `{name}` added"),
        Change::Removed => format!("server `{name}` removed; calls in flight finish"),
        Change::Changed(what) => {
            format!("server `{name}` replaced ({}); calls in flight finish", what.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_provisioner::{Value, Variable, Workload};

    fn spec(name: &str) -> ServerSpec {
        ServerSpec::new(name, Workload::Bundled { name: "time".to_owned(), arguments: Vec::new() })
    }

    fn with(name: &str, change: impl FnOnce(&mut ServerSpec)) -> ServerSpec {
        let mut spec = spec(name);
        change(&mut spec);
        spec
    }

    fn between(old: &[ServerSpec], new: &[ServerSpec]) -> Vec<String> {
        let wanted = |specs: &[ServerSpec]| -> Vec<ServerSpec> { specs.to_vec() };
        let (old, new) = (wanted(old), wanted(new));
        let view =
            |specs: &'_ [ServerSpec]| specs.iter().map(|spec| (spec.clone(), "embedded")).collect::<Vec<_>>();
        let (old, new) = (view(&old), view(&new));
        let old: Vec<_> = old.iter().map(|(spec, place)| Wanted { spec, place }).collect();
        let new: Vec<_> = new.iter().map(|(spec, place)| Wanted { spec, place }).collect();
        difference(&old, &new).iter().map(|(name, change)| line(name, change)).collect()
    }

    #[test]
    fn what_is_the_same_is_not_in_it() {
        assert_eq!(between(&[], &[]), Vec::<String>::new());
        // The order of the file is no change of a server.
        assert_eq!(between(&[spec("a"), spec("b")], &[spec("b"), spec("a")]), Vec::<String>::new());
    }

    #[test]
    fn each_server_is_told_by_itself() {
        let variable = Variable { name: "A".to_owned(), value: Value::Text("1".to_owned()) };
        let old = [spec("gone"), spec("same"), spec("env"), spec("many")];
        let new = [
            with("many", |spec| {
                spec.user = Some("1000".to_owned());
                spec.call_timeout = Some(std::time::Duration::from_secs(1));
            }),
            spec("same"),
            with("env", |spec| spec.environment.push(variable)),
            spec("new"),
        ];
        assert_eq!(
            between(&old, &new),
            [
                "server `many` replaced (limits, user); calls in flight finish",
                "server `env` replaced (environment); calls in flight finish",
                "server `new` added",
                "server `gone` removed; calls in flight finish",
            ]
        );
    }

    #[test]
    fn another_provisioner_is_a_change() {
        let spec = spec("a");
        let wanted = |place| [Wanted { spec: &spec, place }];
        let changes = difference(&wanted("docker"), &wanted("kubernetes"));
        assert_eq!(changes, [("a".to_owned(), Change::Changed(vec!["placement"]))]);
    }
}
