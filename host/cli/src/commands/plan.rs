//! What would be run: `gateway run --dry-run`, and a part of `gateway server inspect`.

use crate::assemble::App;
use crate::assemble::app::Placed;
use crate::exit;
use crate::output::{print, print_json};
use anyhow::Result;
use host_provisioner::{Blueprint, Call, Failure, FieldReport, Honoured, RequestId};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a plan may take; the platform may have to be asked.
const WITHIN: Duration = Duration::from_secs(60);

/// Prints the plan of every server; says no if one of them could not be provisioned.
pub(super) async fn run(app: App, as_json: bool) -> Result<u8> {
    let mut plans = Vec::new();
    let mut refused = 0;
    for placed in &app.placed {
        let plan = plan(placed).await;
        refused += usize::from(plan.is_err());
        plans.push((placed, plan));
    }
    if as_json {
        let servers: Vec<Value> = plans.iter().map(|(placed, plan)| value(placed, plan)).collect();
        print_json(&json!({"servers": servers}));
    } else {
        for (placed, plan) in &plans {
            print(&text(placed, plan));
        }
        if plans.is_empty() {
            print(&app.inputs.no_servers());
        }
    }
    app.host.shutdown(Duration::from_secs(5)).await;
    Ok(if refused > 0 { exit::SAID_NO } else { exit::DONE })
}

/// The plan of one server, for programs.
pub(super) async fn of(placed: &Placed) -> Value {
    value(placed, &plan(placed).await)
}

async fn plan(placed: &Placed) -> Result<Blueprint, Failure> {
    let bits = getrandom::u64().unwrap_or_default();
    let call = Call::new(RequestId::from_bits(bits), WITHIN);
    let mut fields = placed.provisioner.validate(&call, &placed.spec).await?;
    let mut blueprint = placed.provisioner.plan(&call, &placed.spec).await?;
    fields.retain(|field| !blueprint.fields.iter().any(|known| known.field == field.field));
    blueprint.fields.extend(fields);
    Ok(blueprint)
}

fn value(placed: &Placed, plan: &Result<Blueprint, Failure>) -> Value {
    let mut row = json!({
        "name": placed.server.name,
        "id": placed.spec.id.as_str(),
        "kind": placed.server.kind().as_str(),
        "provisioner": placed.provisioner.name(),
    });
    let more = match plan {
        Ok(plan) => json!({
            "documents": plan.documents.iter().map(|d| json!({"title": d.title, "mediaType": d.media_type, "text": d.text})).collect::<Vec<_>>(),
            "fields": plan.fields.iter().map(field).collect::<Vec<_>>(),
            "pins": plan.pins.iter().map(|p| json!({"reference": p.reference, "digest": p.digest})).collect::<Vec<_>>(),
        }),
        Err(failure) => json!({"failure": {
            "phase": failure.phase.as_str(), "class": failure.class.as_str(), "step": failure.step, "text": failure.text,
            "hint": failure.hint, "details": failure.details,
        }}),
    };
    if let (Some(row), Some(more)) = (row.as_object_mut(), more.as_object()) {
        row.extend(more.clone());
    }
    row
}

/// One field report for programs.
pub(super) fn field(report: &FieldReport) -> Value {
    json!({"field": report.field, "honoured": report.honoured.as_str(), "note": report.note})
}

fn text(placed: &Placed, plan: &Result<Blueprint, Failure>) -> String {
    let mut lines = vec![format!(
        "server `{}` ({}) → provisioner `{}`",
        placed.server.name,
        placed.server.kind(),
        placed.provisioner.name()
    )];
    match plan {
        Ok(plan) => {
            for document in &plan.documents {
                lines.push(format!("  {} ({})", document.title, document.media_type));
                lines.extend(document.text.lines().map(|line| format!("    {line}")));
            }
            for field in plan.fields.iter().filter(|field| field.honoured != Honoured::Honoured) {
                lines.push(format!("  {} {}: {}", field.field, field.honoured.as_str(), field.note));
            }
        }
        Err(failure) => {
            lines.push(format!("  refused: {}", failure.text));
            lines.extend(failure.hint.iter().map(|hint| format!("  hint: {hint}")));
        }
    }
    lines.join("\n")
}
