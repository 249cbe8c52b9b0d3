//! What can be asked before anything is made: which rights are missing, each by its name.

use crate::CloudRun;
use crate::google::{Api, Service};
use crate::names;
use crate::plan;
use crate::provision::sources;
use gateway_plugin::http::Effect;
use gateway_plugin::types::{Finding, Prepared, Severity};
use gateway_plugin::{Call, Error, FailureCategory, Result, Server, Validation};
use serde_json::{Value, json};

/// What the gateway's identity must be allowed to do in the project.
pub(crate) const PERMISSIONS: [&str; 9] = [
    "run.operations.get",
    "run.services.create",
    "run.services.delete",
    "run.services.get",
    "run.services.list",
    "secretmanager.secrets.create",
    "secretmanager.secrets.delete",
    "secretmanager.secrets.list",
    "secretmanager.versions.add",
];

/// Settings and credentials, before the first server.
///
/// # Errors
/// What would stand in every server's way.
pub(crate) fn prepare(call: &Call<CloudRun>, servers: &[Server]) -> Result<Prepared> {
    if !servers.is_empty() {
        let parent = call.settings.parent()?;
        let path = format!("{parent}/services?pageSize=1");
        Api::new(&call.host, &call.settings).get(Service::Run, &path, "list services")?;
    }
    Ok(Prepared::default())
}

/// Everything about a server at once.
///
/// # Errors
/// Never: what could not be asked is a finding.
pub(crate) fn server(call: &Call<CloudRun>, server: &Server) -> Result<Validation> {
    let mut validation = Validation::default();
    let mut found = |severity: Severity, error: Error| {
        validation.findings.push(Finding { severity, failure: error.into() });
    };
    match missing(call) {
        Ok(missing) => {
            for permission in missing {
                let text = format!("do without `{permission}` in the project");
                let hint = "give the gateway's identity the roles Cloud Run Admin and Secret Manager Admin, or this right";
                found(Severity::Problem, Error::permission(text).hint(hint));
            }
        }
        Err(error) => {
            let known = matches!(error.category(), FailureCategory::Config);
            found(if known { Severity::Problem } else { Severity::Warning }, error);
        }
    }
    let labels = names::labels(&call.settings, &call.context, |_, value| value.to_owned());
    let planned = call.server_settings(server).and_then(|own| {
        plan::plan(server, &call.settings, own.min_instances, &labels, &sources(call, &server.secrets)?)
    });
    match planned {
        Ok(plan) => {
            let (fields, refused) = plan.fields.findings(&call.context);
            validation.fields = fields;
            validation.findings.extend(refused);
        }
        Err(error) => found(Severity::Problem, error),
    }
    Ok(validation)
}

fn missing(call: &Call<CloudRun>) -> Result<Vec<&'static str>> {
    let path = format!("{}:testIamPermissions", call.settings.project()?);
    let body = json!({"permissions": PERMISSIONS});
    let api = Api::new(&call.host, &call.settings);
    let answer = api.post(Service::Projects, &path, &body, Effect::Reads, true, "ask for permissions")?;
    let allowed = answer.get("permissions").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(PERMISSIONS
        .into_iter()
        .filter(|permission| !allowed.iter().any(|known| known == permission))
        .collect())
}
