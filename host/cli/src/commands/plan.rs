//! What would be run: `gateway run --dry-run`, and a part of `gateway server inspect`.

use crate::assemble::placed::{NO_PROVISIONER, Placed};
use crate::assemble::{App, preflight};
use crate::exit;
use crate::output::{print, print_json, say};
use anyhow::Result;
use host_provisioner::{Blueprint, Call, Class, Cost, Failure, FieldReport, RequestId};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::time::Duration;

/// How long a plan may take; the platform may have to be asked.
const WITHIN: Duration = Duration::from_secs(60);

/// Prints the plan of every server; says no if one of them could not be provisioned.
pub(super) async fn run(app: App, as_json: bool) -> Result<u8> {
    let warnings = preflight::whole(&app).await;
    let mut servers = Vec::new();
    for placed in &app.placed {
        servers.push(of(&app, placed).await);
    }
    for warning in &warnings {
        say(&format!("warning: {warning}"));
    }
    let refused = servers.iter().any(is_refused);
    if as_json {
        print_json(&json!({"servers": servers, "warnings": warnings}));
    } else if servers.is_empty() {
        print(&app.inputs.no_servers());
    } else {
        servers.iter().for_each(|server| print(&text(server)));
    }
    app.close().await;
    Ok(if refused { exit::SAID_NO } else { exit::DONE })
}

/// The plan of one server and what stands against it, for programs.
pub(super) async fn of(app: &App, placed: &Placed) -> Value {
    let (blueprint, printed, mut problems) = match plan(placed).await {
        Ok((blueprint, printed)) => (blueprint, printed, Vec::new()),
        Err(failure) => (Blueprint::default(), false, vec![failure]),
    };
    // A component that is not there was told by the plan already.
    let no_component = problems.iter().any(|problem| problem.class == Class::Image);
    let more = preflight::server(app, placed, &blueprint).await;
    problems.extend(more.into_iter().filter(|problem| !(no_component && problem.class == Class::Image)));
    let provisioner = Some(placed.provisioner.name()).filter(|name| *name != NO_PROVISIONER);
    json!({
        "name": placed.server.name,
        "id": placed.spec.id.as_str(),
        "kind": placed.server.kind().as_str(),
        "provisioner": provisioner,
        "printsPlans": printed || !problems.is_empty(),
        "documents": blueprint.documents.iter().map(|d| json!({"title": d.title, "mediaType": d.media_type, "text": d.text})).collect::<Vec<_>>(),
        "fields": blueprint.fields.iter().map(field).collect::<Vec<_>>(),
        "pins": blueprint.pins.iter().map(|p| json!({"reference": p.reference, "digest": p.digest})).collect::<Vec<_>>(),
        "costs": blueprint.costs.iter().map(cost).collect::<Vec<_>>(),
        "problems": problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

/// What validation and plan say together, and whether there is a plan: a plugin need not print any (`wit/v0.1/lifecycle.wit`, `plan`),
/// which says nothing about the server.
async fn plan(placed: &Placed) -> Result<(Blueprint, bool), Failure> {
    let bits = getrandom::u64().unwrap_or_default();
    let call = Call::new(RequestId::from_bits(bits), WITHIN);
    let mut fields = placed.provisioner.validate(&call, &placed.spec).await?;
    let (mut blueprint, printed) = match placed.provisioner.plan(&call, &placed.spec).await {
        Ok(blueprint) => (blueprint, true),
        Err(failure) if failure.class == Class::Unsupported => (Blueprint::default(), false),
        Err(failure) => return Err(failure),
    };
    fields.retain(|field| !blueprint.fields.iter().any(|known| known.field == field.field));
    blueprint.fields.extend(fields);
    Ok((blueprint, printed))
}

/// One field report for programs.
pub(super) fn field(report: &FieldReport) -> Value {
    json!({"field": report.field, "honoured": report.honoured.as_str(), "note": report.note})
}

fn cost(cost: &Cost) -> Value {
    json!({
        "amount": cost.amount, "currency": cost.currency, "per": cost.per, "source": cost.source, "note": cost.note,
    })
}

fn problem(failure: &Failure) -> Value {
    json!({
        "phase": failure.phase.as_str(), "class": failure.class.as_str(), "step": failure.step, "text": failure.text,
        "hint": failure.hint, "details": failure.details,
    })
}

fn is_refused(server: &Value) -> bool {
    list(server, "problems").next().is_some()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The same for people.
pub(super) fn text(server: &Value) -> String {
    let to = match word(server, "provisioner") {
        "" => "no provisioner".to_owned(),
        name => format!("provisioner `{name}`"),
    };
    let mut lines = vec![format!("server `{}` ({}) → {to}", word(server, "name"), word(server, "kind"))];
    for document in list(server, "documents") {
        let (kind, text) = shown(word(document, "mediaType"), word(document, "text"));
        lines.push(format!("  {} ({kind})", word(document, "title")));
        lines.extend(text.lines().map(|line| format!("    {line}")));
    }
    if server.get("printsPlans") == Some(&Value::Bool(false)) {
        lines.push(
            "  its plugin prints no plans; nothing stands against the server as far as can be told"
                .to_owned(),
        );
    }
    for field in list(server, "fields").filter(|field| word(field, "honoured") != "honoured") {
        lines.push(format!(
            "  {} {}: {}",
            word(field, "field"),
            word(field, "honoured"),
            word(field, "note")
        ));
    }
    for cost in list(server, "costs") {
        let [amount, currency, per, note, source] =
            ["amount", "currency", "per", "note", "source"].map(|key| word(cost, key));
        lines.push(format!("  about {amount} {currency} per {per}: {note} ({source})"));
    }
    for problem in list(server, "problems") {
        lines.push(format!("  refused: {}", word(problem, "text")));
        match word(problem, "hint") {
            "" => {}
            hint => lines.push(format!("  hint: {hint}")),
        }
    }
    lines.join("\n")
}

/// An argument list, which is a JSON array of words (`wit/v0.1/types.wit`, `document`), is shown as the line that a person would type.
fn shown<'a>(media_type: &'a str, text: &'a str) -> (&'a str, Cow<'a, str>) {
    let words = || serde_json::from_str::<Vec<String>>(text).ok().filter(|words| !words.is_empty());
    let line = (media_type == "application/json").then(words).flatten();
    match line.and_then(|words| shlex::try_join(words.iter().map(String::as_str)).ok()) {
        Some(line) => ("for a shell", line.into()),
        None => (media_type, text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_list_is_a_line_for_a_shell() {
        let words = r#"["docker", "run", "-e", "A=b c", "it's"]"#;
        assert_eq!(
            shown("application/json", words),
            ("for a shell", "docker run -e 'A=b c' \"it's\"".into())
        );
        for (kind, other) in
            [("application/json", r#"{"a": 1}"#), ("application/json", "[]"), ("text/plain", "[\"a\"]")]
        {
            assert_eq!(shown(kind, other), (kind, other.into()));
        }
    }

    #[test]
    fn people_read_what_programs_read() {
        let server = json!({
            "name": "notes", "kind": "component", "provisioner": "acme", "printsPlans": true,
            "documents": [{"title": "component", "mediaType": "text/plain", "text": "one\ntwo"}],
            "fields": [
                {"field": "user", "honoured": "not-enforced", "note": "no users"},
                {"field": "mounts", "honoured": "honoured", "note": ""},
            ],
            "costs": [{"amount": "0.0120", "currency": "USD", "per": "hour", "source": "list of 2026", "note": "1 vCPU"}],
            "problems": [{"text": "too much", "hint": "less"}, {"text": "too little", "hint": null}],
        });
        let expected = "server `notes` (component) → provisioner `acme`\n  component (text/plain)\n    one\n    two\n  user not-enforced: \
                        no users\n  about 0.0120 USD per hour: 1 vCPU (list of 2026)\n  refused: too much\n  hint: less\n  refused: too little";
        assert_eq!(text(&server), expected);
        assert!(is_refused(&server));
        let nowhere = json!({"name": "far", "kind": "remote", "provisioner": null, "printsPlans": false});
        assert_eq!(
            text(&nowhere),
            "server `far` (remote) → no provisioner\n  its plugin prints no plans; nothing stands against the server as far as can be told"
        );
    }
}
