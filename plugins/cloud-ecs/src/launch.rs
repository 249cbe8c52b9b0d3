//! From a plan to a task: secrets, definition, task. Each step is checkpointed before it, and finds what an earlier attempt of the request made.

use crate::Ecs;
use crate::aws::{self, Api};
use crate::entry::{self, Entry, Speaks};
use crate::names::{self, Names, secret_tags};
use crate::plan::{self, Held, Plan, Source, Sources};
use crate::settings::{EcsSettings, Place, ServerSettings};
use crate::task::{self, Around};
use gateway_plugin::http::{BodyPart, Effect, EncodedValue, Encoding};
use gateway_plugin::kubernetes::ImageConfig;
use gateway_plugin::types::{SecretName, SecretOwner, Value as Parts};
use gateway_plugin::{Call, Error, FailureCategory, Result, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Version of the state.
pub(crate) const STATE: u32 = 1;

/// Where a reference must lead to be of use here.
const PROVIDER: &str = "aws-secrets-manager";

/// What is remembered of a server or tool, from before the first creation on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Region of everything.
    pub(crate) region: String,
    /// Cluster of the task.
    pub(crate) cluster: String,
    /// Family of the definition.
    pub(crate) family: String,
    /// Client token of the task.
    pub(crate) token: String,
    /// Names of the secrets that were made.
    pub(crate) secrets: Vec<String>,
    /// ARN of the task, as soon as it is known.
    pub(crate) task: Option<String>,
}

impl Kept {
    /// Where.
    #[must_use]
    pub(crate) fn place(&self) -> Place {
        Place { region: self.region.clone(), cluster: self.cluster.clone() }
    }
}

/// A task that ECS has taken.
#[derive(Debug)]
pub(crate) struct Launched {
    /// What is to be remembered of it.
    pub(crate) kept: Kept,
    /// Its ARN.
    pub(crate) arn: String,
}

/// Finds out where the secrets of an entry are.
///
/// # Errors
/// `config` for a secret that nobody has, or that only another platform has.
pub(crate) fn sources(call: &Call<Ecs>, secrets: &[String]) -> Result<Sources> {
    let mut sources = Sources::new();
    for name in secrets {
        if let Some(arn) = call.settings.secrets.get(name) {
            sources.insert(name.clone(), Source::Arn(arn.clone()));
            continue;
        }
        let wanted = SecretName { owner: SecretOwner::Server, server_id: None, name: name.clone() };
        let info = call.host.secrets().lookup(&wanted)?;
        let source = match info.reference {
            Some(reference) if reference.provider == PROVIDER => Source::Arn(reference.id),
            _ if info.available => Source::Value,
            reference => {
                let place = reference.map_or_else(String::new, |reference| {
                    format!(": it is only known as a reference of `{}`", reference.provider)
                });
                return Err(Error::config(format!("give a task the secret `{name}`{place}")).hint(format!(
                    "name its ARN under `secrets: {{{name}: arn:…}}` in the settings of the plugin"
                )));
            }
        };
        sources.insert(name.clone(), source);
    }
    Ok(sources)
}

/// What the image of an entry says about itself, where that must be known.
///
/// # Errors
/// Its registry does not tell.
pub(crate) fn image(
    call: &Call<Ecs>,
    entry: &Entry<'_>,
    own: &ServerSettings,
) -> Result<Option<ImageConfig>> {
    if !plan::must_ask(entry, own) {
        return Ok(None);
    }
    let arm = plan::architecture(entry, &call.settings)?;
    let platform = if arm { "linux/arm64" } else { "linux/amd64" };
    let reference = plan::reference(entry.image);
    call.host.registry().image(&reference, Some(platform), None).map(Some).map_err(|error| {
        let say = "what the image runs can be said instead: `settings: {entrypoint: [PROGRAM]}` in the server's entry";
        if error.failure().hint.is_some() { error.detail(say) } else { error.hint(say) }
    })
}

/// The log group of the tasks: the operator's, or that of the session. Without an execution role nobody can write to it.
#[must_use]
pub(crate) fn logs(settings: &EcsSettings, own: impl FnOnce() -> String) -> Option<String> {
    match (&settings.log_group, &settings.execution_role) {
        (Some(group), _) => Some(group.clone()),
        (None, Some(_)) => Some(own()),
        (None, None) => None,
    }
}

/// Makes everything, and has ECS take the task.
///
/// # Errors
/// What stood in the way. What was made until then is in the checkpoint and in the ledger.
pub(crate) fn launch(
    call: &Call<Ecs>,
    entry: &Entry<'_>,
    plan: &Plan,
    own: &ServerSettings,
) -> Result<Launched> {
    let place = call.settings.place()?;
    let names = Names::of(&call.context, &call.settings, entry.id);
    let logs = logs(&call.settings, || names::log_group(&call.context));
    let around =
        Around { settings: &call.settings, own, place: &place, names: &names, logs: logs.as_deref() };
    let api = Api::new(&call.host, &call.settings, &place.region);
    let mut kept = Kept {
        region: place.region.clone(),
        cluster: place.cluster.clone(),
        family: names.base.clone(),
        token: names.token.clone(),
        secrets: Vec::new(),
        task: None,
    };
    // Every name follows from the request, so one checkpoint before the first creation is enough to undo all of them.
    for variable in &plan.variables {
        if let Held::Made(at, _) = &variable.value {
            kept.secrets.push(names.secret(*at, &variable.name));
        }
    }
    call.host.checkpoint(&State::new(STATE, &kept)?)?;
    if entry.speaks == Speaks::Bridge {
        call.host.secrets().generate(&entry::token().name)?;
    }
    let mut arns = Vec::new();
    for variable in &plan.variables {
        let Held::Made(at, value) = &variable.value else { continue };
        call.host.progress(format!("keep `{}` in Secrets Manager", variable.name));
        arns.push(secret(&api, &place, &names, &names.secret(*at, &variable.name), *at, value)?);
    }
    let again = call.context.resume.is_some();
    call.host.progress(format!("register task definition `{}`", names.base));
    let registered = if again { registered(&api, &names.base)? } else { None };
    let definition = match registered {
        Some(definition) => definition,
        None => {
            let document = task::definition(entry, plan, &around, &arns);
            let effect = Effect::Creates(names::definition(&place, &names.base));
            let answer = api.act("RegisterTaskDefinition", &document, effect, false)?;
            text(&answer, "/taskDefinition/taskDefinitionArn", "RegisterTaskDefinition")?
        }
    };
    call.host.progress(format!("run a task in cluster `{}`", place.cluster));
    let running = if again { started(&api, &place.cluster, &names.token)?.into_iter().next() } else { None };
    let arn = match running {
        Some(arn) => arn,
        None => run(&api, &call.settings, &place, &names, &definition)?,
    };
    kept.task = Some(arn.clone());
    call.host.checkpoint(&State::new(STATE, &kept)?)?;
    Ok(Launched { kept, arn })
}

/// Makes a secret, or finds the one that an earlier attempt made.
fn secret(
    api: &Api<'_>,
    place: &Place,
    names: &Names,
    name: &str,
    at: usize,
    value: &Parts,
) -> Result<String> {
    // The token becomes the version's id, so a repetition is the same version. It must have 32 characters.
    let token = format!("{}-{at:04}-{}", names.token, names.token);
    let mut before =
        json!({"Name": name, "ClientRequestToken": token, "Tags": secret_tags(&names.tags)}).to_string();
    before.pop();
    before.push_str(",\"SecretString\":\"");
    let body = vec![
        BodyPart::Bytes(before.into_bytes()),
        BodyPart::Value(EncodedValue { value: value.clone(), encodings: vec![Encoding::JsonString] }),
        BodyPart::Bytes(b"\"}".to_vec()),
    ];
    let effect = Effect::Creates(names::secret(place, name));
    let answer = match api.send("CreateSecret", body, effect, true) {
        Ok(answer) => answer,
        Err(error) if error.category() == FailureCategory::Conflict => {
            api.ask("DescribeSecret", &json!({"SecretId": name}))?
        }
        Err(error) => return Err(error),
    };
    text(&answer, "/ARN", "CreateSecret")
}

/// The definition of a family that is there already.
fn registered(api: &Api<'_>, family: &str) -> Result<Option<String>> {
    Ok(definitions(api, family, "ACTIVE")?.pop())
}

/// Definitions of a family in this state, oldest first.
///
/// # Errors
/// As ECS says.
pub(crate) fn definitions(api: &Api<'_>, family: &str, status: &str) -> Result<Vec<String>> {
    let own = |arn: &String| {
        let name = arn.rsplit('/').next().unwrap_or_default();
        name.rsplit_once(':').is_some_and(|(known, _)| known == family)
    };
    let request = json!({"familyPrefix": family, "status": status});
    let answer = api.ask("ListTaskDefinitions", &request)?;
    Ok(list(&answer, "taskDefinitionArns")?.into_iter().filter(own).collect())
}

/// Tasks that were started under this token and shall run.
///
/// # Errors
/// As ECS says.
pub(crate) fn started(api: &Api<'_>, cluster: &str, token: &str) -> Result<Vec<String>> {
    let answer = api.ask("ListTasks", &json!({"cluster": cluster, "startedBy": token}))?;
    list(&answer, "taskArns")
}

fn run(
    api: &Api<'_>,
    settings: &EcsSettings,
    place: &Place,
    names: &Names,
    definition: &str,
) -> Result<String> {
    let document = task::run(settings, place, names, definition);
    let effect = Effect::Creates(names::task(place, &names.token));
    let answer = api.act("RunTask", &document, effect, true)?;
    // 200 does not mean that it runs.
    if let Some(failure) = answer.pointer("/failures/0") {
        return Err(refused(failure));
    }
    text(&answer, "/tasks/0/taskArn", "RunTask")
}

/// Why ECS did not take a task although the request was right.
fn refused(failure: &Value) -> Error {
    let word = |key: &str| failure.get(key).and_then(Value::as_str).unwrap_or_default();
    let (reason, detail) = (word("reason"), word("detail"));
    let text = format!("run a task: {reason}");
    let error = if reason.starts_with("RESOURCE") || reason.contains("apacity") {
        Error::quota(text)
            .hint("Fargate has no room there now; it is tried again, and other subnets may have some")
    } else if reason.contains("limit") || reason.contains("quota") {
        Error::quota(text).hint("ask AWS for a higher quota of Fargate, or end other tasks")
    } else if reason.contains("MISSING") || reason.contains("INACTIVE") {
        Error::config(text).hint("make the cluster, or name another in `cluster`")
    } else {
        Error::permanent(text)
    };
    let error = error.step("RunTask");
    if detail.is_empty() { error } else { error.detail(detail) }
}

/// A text that an answer must have.
///
/// # Errors
/// `retryable`: the answer is not whole.
pub(crate) fn text(answer: &Value, pointer: &str, operation: &'static str) -> Result<String> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| {
        let action = aws::operation(operation).map_or_else(|_| operation.to_owned(), |known| known.action());
        Error::retryable(format!("read the answer to {action}: it has no `{pointer}`")).step(operation)
    })
}

/// The texts of a list that an answer must have: without it nothing is known, and not that there is nothing.
fn list(answer: &Value, key: &str) -> Result<Vec<String>> {
    match answer.get(key) {
        Some(Value::Array(_)) => Ok(texts(answer, key)),
        _ => Err(Error::retryable(format!("read an answer of ECS: it has no `{key}`"))),
    }
}

/// The texts of a list.
#[must_use]
pub(crate) fn texts(answer: &Value, key: &str) -> Vec<String> {
    let list = answer.get(key).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
