//! What plugins answer, made ours: lengths checked, text made fit to be shown, categories mapped.

use crate::ledger::Liveness;
use crate::sanitize::{DOCUMENT, LINE, block, line};
use crate::v0_1::types;
use host_provisioner::{
    Blueprint, Class, Cost, Document, Failure, FieldReport, Health, Honoured, ManagedObject, ObjectRef,
    Ownership, Phase, Pin, State, Status,
};
use std::time::Duration;

/// Bytes of a name, a note, a detail.
const SHORT: usize = 512;
/// A failure that a plugin returned. The phase is the host's: it knows better.
pub(crate) fn failure(plugin: &str, phase: Phase, from: types::Failure) -> Failure {
    Failure {
        phase,
        class: class(from.category),
        step: from.step.map(|step| line(&step, 64)),
        text: line(&from.text, LINE),
        hint: from.hint.map(|hint| line(&hint, SHORT)),
        details: from.details.iter().map(|detail| line(detail, SHORT)).collect(),
        objects: objects(from.objects),
        retry_after: from.retry_after_ms.map(|ms| Duration::from_millis(u64::from(ms))),
        plugin: plugin.to_owned(),
    }
}

fn class(category: types::FailureCategory) -> Class {
    use types::FailureCategory as Category;
    match category {
        Category::Retryable => Class::Retryable,
        Category::Permanent => Class::Permanent,
        Category::NotFound => Class::NotFound,
        Category::Conflict => Class::Conflict,
        Category::Unsupported => Class::Unsupported,
        Category::Permission => Class::Permission,
        Category::Quota => Class::Quota,
        Category::Image => Class::Image,
        Category::Config => Class::Config,
        Category::Timeout => Class::Timeout,
        Category::Cancelled => Class::Cancelled,
        Category::Other => Class::Other,
    }
}

/// An object's name. It is compared with what a later call gives, so it is kept as it is; it is only escaped where it is shown.
pub(crate) fn object(from: types::ObjectRef) -> ObjectRef {
    ObjectRef { kind: from.kind, scope: from.scope, name: from.name }
}

/// Objects to be shown.
pub(crate) fn objects(from: Vec<types::ObjectRef>) -> Vec<ObjectRef> {
    let shown = |object: types::ObjectRef| ObjectRef {
        kind: line(&object.kind, SHORT),
        scope: line(&object.scope, SHORT),
        name: line(&object.name, SHORT),
    };
    from.into_iter().map(shown).collect()
}

/// How fields came out.
pub(crate) fn fields(from: Vec<types::FieldReport>) -> Vec<FieldReport> {
    let field = |field: types::FieldReport| FieldReport {
        field: line(&field.field, SHORT),
        honoured: match field.honoured {
            types::Honoured::Honoured => Honoured::Honoured,
            types::Honoured::Approximated => Honoured::Approximated,
            types::Honoured::NotEnforced => Honoured::NotEnforced,
        },
        note: line(&field.note, LINE),
    };
    from.into_iter().map(field).collect()
}

fn cost(from: types::Cost) -> Cost {
    Cost {
        amount: line(&from.amount, SHORT),
        currency: line(&from.currency, SHORT),
        per: line(&from.per, SHORT),
        source: line(&from.source, LINE),
        note: line(&from.note, LINE),
    }
}

/// A plan.
pub(crate) fn blueprint(from: types::Blueprint) -> Blueprint {
    let document = |document: types::Document| Document {
        title: line(&document.title, SHORT),
        media_type: line(&document.media_type, 128),
        text: block(&document.text, DOCUMENT),
    };
    let pin =
        |pin: types::Pin| Pin { reference: line(&pin.reference, SHORT), digest: line(&pin.digest, SHORT) };
    Blueprint {
        documents: from.documents.into_iter().map(document).collect(),
        fields: fields(from.fields),
        pins: from.pins.into_iter().map(pin).collect(),
        costs: from.costs.into_iter().map(cost).collect(),
    }
}

/// The result of `validate`: problems fail it, all of them in one failure; warnings are logged.
pub(crate) fn validation(plugin: &str, from: types::Validation) -> Result<Vec<FieldReport>, Failure> {
    let mut problems = Vec::new();
    for finding in from.findings {
        let failure = failure(plugin, Phase::Validate, finding.failure);
        match finding.severity {
            types::Severity::Problem => problems.push(failure),
            types::Severity::Warning => tracing::warn!(plugin, "{}", failure.one_line()),
        }
    }
    let mut problems = problems.into_iter();
    match problems.next() {
        None => Ok(fields(from.fields)),
        Some(mut first) => {
            // All of them at once, so that an operator mends all of them at once.
            for other in problems {
                first.text = line(&format!("{}; {}", first.text, other.one_line()), LINE);
            }
            Err(first)
        }
    }
}

/// A state.
pub(crate) fn state(from: types::State) -> State {
    State { version: from.version, data: from.data }
}

/// How a workload fares.
pub(crate) fn health(plugin: &str, from: types::Health) -> Health {
    use types::Status as Wire;
    let mut text = line(&from.text, LINE);
    if let Some(reason) = from.failure {
        let reason = failure(plugin, Phase::Probe, reason).one_line();
        text = if text.is_empty() { reason } else { format!("{text}: {reason}") };
    }
    Health {
        status: match from.status {
            Wire::Starting => Status::Starting,
            // It lives; what it does not do now is in the text.
            Wire::Running | Wire::Unready | Wire::Suspended => Status::Running,
            Wire::Ended | Wire::Gone => Status::Ended,
            Wire::Unknown | Wire::Other => Status::Unknown,
        },
        text,
        exit_code: from.exit_code,
    }
}

/// Whose an object is: the host decides, from the labels, its ledgers, and what the platform knows.
pub(crate) fn managed(
    from: types::ManagedObject,
    gateway: &str,
    liveness: impl Fn(&str) -> Liveness,
) -> ManagedObject {
    let session = from.session.as_deref().unwrap_or_default();
    let ours = from.gateway.as_deref() == Some(gateway);
    let ownership = match (liveness(session), from.session_alive) {
        (Liveness::ThisSession, _) if ours => Ownership::ThisGateway,
        (Liveness::ThisSession | Liveness::Alive, _) | (_, Some(true)) => Ownership::Other,
        (Liveness::Dead, _) | (Liveness::Unknown, Some(false)) => Ownership::Dead,
        (Liveness::Unknown, None) => Ownership::Unknown,
    };
    let object = types::ObjectRef {
        kind: line(&from.object.kind, SHORT),
        scope: line(&from.object.scope, SHORT),
        name: line(&from.object.name, SHORT),
    };
    ManagedObject {
        object: self::object(object),
        ownership,
        server_id: line(from.server_id.as_deref().unwrap_or_default(), SHORT),
        session: line(session, SHORT),
        age: Duration::from_secs(u64::from(from.age_seconds.unwrap_or_default())),
    }
}
