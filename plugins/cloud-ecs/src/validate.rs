//! Everything that can be asked before anything is made, all findings at once.

use crate::Ecs;
use crate::aws::{Api, elements, is_gone};
use crate::entry::Entry;
use crate::launch;
use crate::plan::{self, Plan, Source, Sources};
use crate::prepare::cluster;
use crate::price;
use crate::settings::{Place, ServerSettings, role_name};
use crate::tools;
use gateway_plugin::types::{Finding, Severity, ToolContainer};
use gateway_plugin::{Call, Error, FailureCategory, Result, Server, Validation};
use serde_json::{Value, json};

/// Quota of virtual processors of Fargate.
const VCPUS: &str = "L-3032A538";
/// Whom a role of tasks must trust.
const TRUSTED: &str = "ecs-tasks.amazonaws.com";

/// What was found.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn problem(&mut self, error: Error) {
        self.0.push(Finding { severity: Severity::Problem, failure: error.into() });
    }

    fn warning(&mut self, error: Error) {
        self.0.push(Finding { severity: Severity::Warning, failure: error.into() });
    }

    /// What could not be asked is a warning, what is wrong a problem.
    fn take(&mut self, outcome: Result<()>) {
        match outcome {
            Ok(()) => {}
            Err(error) if matches!(error.category(), FailureCategory::Config | FailureCategory::Image) => {
                self.problem(error);
            }
            Err(error) => self.warning(error),
        }
    }
}

/// Validates a server.
///
/// # Errors
/// Never: what could not be asked is a finding.
pub(crate) fn server(call: &Call<Ecs>, server: &Server) -> Result<Validation> {
    let entry = Entry::server(server).and_then(|entry| Ok((entry, call.server_settings(server)?)));
    all(call, entry)
}

/// Validates a tool.
///
/// # Errors
/// As [`server`].
pub(crate) fn tool(call: &Call<Ecs>, container: &ToolContainer) -> Result<Validation> {
    let entry = tools::entry(call, container).and_then(|entry| Ok((entry, call.tool_settings(container)?)));
    let mut validation = all(call, entry)?;
    let (fields, findings) = tools::output_fields(container).findings(&call.context);
    validation.fields.extend(fields);
    validation.findings.extend(findings);
    Ok(validation)
}

fn all(call: &Call<Ecs>, entry: Result<(Entry<'_>, ServerSettings)>) -> Result<Validation> {
    let mut findings = Findings::default();
    let mut validation = Validation::default();
    let place = call.settings.check().and_then(|()| call.settings.place());
    let planned = entry.and_then(|(entry, own)| {
        let sources = launch::sources(call, entry.secrets)?;
        let says = launch::image(call, &entry, &own)?;
        let entry = Entry { says: says.as_ref(), ..entry };
        let plan = plan::plan(&entry, &call.settings, &own, &sources)?;
        Ok((plan, sources))
    });
    if let Err(error) = &place {
        findings.problem(error.clone());
    }
    match planned {
        Ok((plan, sources)) => {
            if let Ok(place) = &place {
                ask(call, place, &plan, &sources, &mut findings);
            }
            validation.costs = price::costs(&call.settings, &plan.bill());
            let (fields, refused) = plan.fields.findings(&call.context);
            validation.fields = fields;
            findings.0.extend(refused);
        }
        Err(error) => findings.problem(error),
    }
    validation.findings = findings.0;
    Ok(validation)
}

/// The questions, in the order in which a start would meet their answers.
fn ask(call: &Call<Ecs>, place: &Place, plan: &Plan, sources: &Sources, findings: &mut Findings) {
    let api = Api::new(&call.host, &call.settings, &place.region);
    if let Err(error) = account(&api, call.settings.account.as_deref()) {
        let known = error.category() != FailureCategory::Permission;
        findings.problem(error);
        // Without credentials every further question has the same answer.
        if !known {
            return;
        }
    }
    match cluster(&api, place) {
        Err(error) if error.category() == FailureCategory::Permission => findings.problem(error),
        outcome => findings.take(outcome),
    }
    findings.take(network(&api, "DescribeSubnets", "SubnetId", &call.settings.subnets));
    findings.take(network(&api, "DescribeSecurityGroups", "GroupId", &call.settings.security_groups));
    for role in call.settings.execution_role.iter().chain(&call.settings.task_role) {
        findings.take(self::role(&api, role));
    }
    for (name, source) in sources {
        if let Source::Arn(arn) = source {
            findings.take(secret(&api, name, arn));
        }
    }
    findings.take(image(&api, plan));
    findings.take(quota(&api, place, plan));
}

fn account(api: &Api<'_>, wanted: Option<&str>) -> Result<()> {
    let xml = api.query("GetCallerIdentity", &[])?;
    let found = elements(&xml, "Account").first().copied().unwrap_or_default();
    match wanted {
        Some(wanted) if wanted != found => Err(Error::config(format!(
            "use account `{wanted}`: the gateway's credentials belong to `{found}`"
        ))
        .hint("use another profile, or correct `account` in the settings of the plugin")),
        _ => Ok(()),
    }
}

/// Subnets or security groups, all in one question.
fn network(api: &Api<'_>, operation: &str, parameter: &str, ids: &[String]) -> Result<()> {
    let numbered = ids.iter().enumerate().map(|(at, id)| (format!("{parameter}.{}", at + 1), id.clone()));
    api.query(operation, &numbered.collect::<Vec<_>>()).map(drop)
}

fn role(api: &Api<'_>, arn: &str) -> Result<()> {
    let name = role_name(arn).unwrap_or(arn);
    let xml = match api.query("GetRole", &[("RoleName".to_owned(), name.to_owned())]) {
        Err(error) if is_gone(&error) => {
            return Err(Error::config(format!("use role `{name}`: it is not there"))
                .hint("make it, or correct its ARN"));
        }
        xml => xml?,
    };
    // A document inside XML, encoded as in URLs; the service's name survives that.
    let trusts =
        elements(&xml, "AssumeRolePolicyDocument").first().is_some_and(|text| text.contains(TRUSTED));
    if trusts {
        return Ok(());
    }
    Err(Error::config(format!("use role `{name}`: tasks may not take it"))
        .hint(format!("let `{TRUSTED}` assume it in its trust policy")))
}

fn secret(api: &Api<'_>, name: &str, arn: &str) -> Result<()> {
    // What stands behind the ARN names a key, a stage and a version of it.
    let id: Vec<&str> = arn.splitn(8, ':').take(7).collect();
    let answer = match api.ask("DescribeSecret", &json!({"SecretId": id.join(":")})) {
        Err(error) if is_gone(&error) => {
            return Err(Error::config(format!(
                "fetch secret `{name}`: Secrets Manager does not have `{arn}`"
            )));
        }
        answer => answer?,
    };
    if answer.get("DeletedDate").is_some_and(|date| !date.is_null()) {
        return Err(Error::config(format!("fetch secret `{name}`: `{arn}` is marked for deletion")));
    }
    Ok(())
}

/// Images in ECR can be asked for; of others only the task will tell.
fn image(api: &Api<'_>, plan: &Plan) -> Result<()> {
    let Some((host, rest)) = plan.image.split_once('/') else { return Ok(()) };
    if !host.contains(".dkr.ecr.") {
        return Ok(());
    }
    let (repository, id) = match rest.split_once('@') {
        Some((name, digest)) => (name, json!({"imageDigest": digest})),
        None => {
            let (name, tag) = rest.rsplit_once(':').unwrap_or((rest, "latest"));
            (name, json!({"imageTag": tag}))
        }
    };
    let registry = host.split('.').next().unwrap_or_default();
    let request = json!({"registryId": registry, "repositoryName": repository, "imageIds": [id]});
    match api.ask("DescribeImages", &request) {
        Err(error) if error.category() == FailureCategory::Image || is_gone(&error) => {
            Err(Error::image(format!("pull `{}`: ECR does not have it", plan.image)))
        }
        answer => answer.map(drop),
    }
}

fn quota(api: &Api<'_>, place: &Place, plan: &Plan) -> Result<()> {
    let request = json!({"ServiceCode": "fargate", "QuotaCode": VCPUS});
    let answer = match api.ask("GetServiceQuota", &request) {
        // Where nobody has set one, the default holds, which is not told here.
        Err(error) if is_gone(&error) => return Ok(()),
        answer => answer?,
    };
    let Some(limit) = answer.pointer("/Quota/Value").and_then(Value::as_f64) else { return Ok(()) };
    let asked = f64::from(plan.size.cpu_units) / 1024.0;
    let used = used(api, place)?;
    if used + asked <= limit {
        return Ok(());
    }
    let text = format!(
        "run the task within the quota: {used:.2} vCPU of {limit:.2} are used in this cluster, it needs {asked:.2}"
    );
    // Not repeated: it is the start that may find room again.
    Err(Error::quota(text).hint("ask AWS for a higher quota of Fargate, or end other tasks"))
}

/// Processors of the tasks that run in the cluster, as far as one page tells.
fn used(api: &Api<'_>, place: &Place) -> Result<f64> {
    let listed = api.ask("ListTasks", &json!({"cluster": place.cluster, "maxResults": 100}))?;
    let arns = launch::texts(&listed, "taskArns");
    if arns.is_empty() {
        return Ok(0.0);
    }
    let answer = api.ask("DescribeTasks", &json!({"cluster": place.cluster, "tasks": arns}))?;
    let tasks = answer.get("tasks").and_then(Value::as_array).into_iter().flatten();
    let units = tasks.filter_map(|task| task.get("cpu")?.as_str()?.parse::<f64>().ok());
    Ok(units.sum::<f64>() / 1024.0)
}
