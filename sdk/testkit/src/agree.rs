//! Whether a plan, what it says while the server runs, and what is said of the server are the same.

use crate::cases::Outcome;
use host_provisioner::{Blueprint, FieldReport, Honoured, Provisioned};
use std::collections::BTreeSet;

/// What was planned, what is planned while it runs, and what runs are the same.
pub(crate) fn agree(
    before: Option<&Blueprint>,
    after: Option<&Blueprint>,
    provisioned: &Provisioned,
    shown: &[String],
) -> Outcome {
    // What the plugin says exists must be known to whoever takes it down.
    let known: Vec<String> = provisioned.lease.objects.iter().map(ToString::to_string).collect();
    let unknown = provisioned.objects.iter().map(ToString::to_string);
    if let Some(object) =
        unknown.into_iter().find(|object| !known.contains(object) && !shown.contains(object))
    {
        return Err(format!("it says that {object} exists, which neither its lease nor `enumerate` knows"));
    }
    let (Some(before), Some(after)) = (before, after) else {
        return match (before, after) {
            (None, None) => Ok(()),
            _ => Err("it prints a plan before the server runs or while it does, and not both".to_owned()),
        };
    };
    for (what, same) in [
        ("documents", before.documents == after.documents),
        ("fields", before.fields == after.fields),
        ("pins", before.pins == after.pins),
        ("costs", before.costs == after.costs),
    ] {
        if !same {
            return Err(format!("another plan while the server runs than before: other {what}"));
        }
    }
    let is_digest = |digest: &str| digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64);
    if let Some(pin) = before.pins.iter().find(|pin| !is_digest(&pin.digest)) {
        return Err(format!("its plan pins `{}` to `{}`, which is no digest", pin.reference, pin.digest));
    }
    let not_simply = |fields: &[FieldReport]| {
        let reports = fields.iter().filter(|report| report.honoured != Honoured::Honoured);
        reports
            .map(|report| format!("{} {}", report.field, report.honoured.as_str()))
            .collect::<BTreeSet<_>>()
    };
    let (planned, done) = (not_simply(&before.fields), not_simply(&provisioned.fields));
    match planned.symmetric_difference(&done).next() {
        Some(report) if planned.contains(report) => {
            Err(format!("`{report}` stands in its plan, and not in what it says of the server that runs"))
        }
        Some(report) => Err(format!("`{report}` is said of the server that runs, and not in its plan")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::agree;
    use host_provisioner::{
        Blueprint, Connection, Document, FieldReport, Honoured, Lease, ObjectRef, Pin, Provisioned, ServerId,
        Streams,
    };

    fn object(name: &str) -> ObjectRef {
        ObjectRef { kind: "container".to_owned(), scope: String::new(), name: name.to_owned() }
    }

    fn not_enforced(field: &str) -> FieldReport {
        FieldReport { field: field.to_owned(), honoured: Honoured::NotEnforced, note: String::new() }
    }

    fn provisioned(objects: Vec<ObjectRef>, fields: Vec<FieldReport>) -> Provisioned {
        let lease = Lease {
            id: "l".to_owned(),
            server_id: ServerId::from_name("a"),
            server_name: "a".to_owned(),
            session: String::new(),
            request: String::new(),
            state: None,
            objects: vec![object("one")],
            plugin: "p".to_owned(),
            plugin_version: String::new(),
            plugin_digest: String::new(),
        };
        let connection = Connection::Streams(Streams {
            label: String::new(),
            stdin: Box::new(tokio::io::sink()),
            stdout: Box::new(tokio::io::empty()),
            stderr: None,
        });
        Provisioned { connection, lease, fields, objects }
    }

    #[test]
    fn what_does_not_agree_is_named() {
        let pin = |digest: &str| Pin { reference: "a:1".to_owned(), digest: digest.to_owned() };
        let digest = format!("sha256:{}", "0".repeat(64));
        let document = |text: &str| {
            vec![Document { title: String::new(), media_type: String::new(), text: text.to_owned() }]
        };
        let plan = Blueprint { documents: document("run"), pins: vec![pin(&digest)], ..Blueprint::default() };
        let up = || provisioned(vec![object("one")], Vec::new());
        assert_eq!(agree(Some(&plan), Some(&plan), &up(), &[]), Ok(()));
        assert_eq!(agree(None, None, &up(), &[]), Ok(()));
        let other = |change: fn(&mut Blueprint)| {
            let mut other = plan.clone();
            change(&mut other);
            other
        };
        let moved = other(|plan| plan.pins.clear());
        let says = |before: Option<&Blueprint>, after: Option<&Blueprint>, up: &Provisioned| {
            agree(before, after, up, &[]).expect_err("they do not agree")
        };
        assert_eq!(
            says(Some(&plan), Some(&moved), &up()),
            "another plan while the server runs than before: other pins"
        );
        let reworded = other(|plan| plan.documents.clear());
        assert!(says(Some(&plan), Some(&reworded), &up()).ends_with("other documents"));
        assert!(says(Some(&plan), None, &up()).contains("and not both"));
        let bad = other(|plan| plan.pins.iter_mut().for_each(|pin| "latest".clone_into(&mut pin.digest)));
        assert_eq!(
            says(Some(&bad), Some(&bad), &up()),
            "its plan pins `a:1` to `latest`, which is no digest"
        );
        let silent = provisioned(vec![object("one")], vec![not_enforced("user")]);
        assert_eq!(
            says(Some(&plan), Some(&plan), &silent),
            "`user not-enforced` is said of the server that runs, and not in its plan"
        );
        let stranger = provisioned(vec![object("two")], Vec::new());
        let text =
            format!("it says that {} exists, which neither its lease nor `enumerate` knows", object("two"));
        assert_eq!(says(Some(&plan), Some(&plan), &stranger), text);
        assert_eq!(agree(Some(&plan), Some(&plan), &stranger, &[object("two").to_string()]), Ok(()));
    }
}
