//! Tools that are containers: a task that runs to its end, and its output from the log service.

use crate::Ecs;
use crate::aws::{Api, is_gone};
use crate::entry::Entry;
use crate::launch::{self, Kept};
use crate::names;
use crate::plan;
use crate::provision::blueprint;
use crate::release;
use crate::task::log_stream;
use crate::wait::{self, Pauses, Stage};
use gateway_plugin::connection::Ending;
use gateway_plugin::types::ToolContainer;
use gateway_plugin::{Blueprint, Call, Context, Error, Fields, Ran, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// The log service is a moment behind: so long is waited for the first line.
const FIRST_LINE: Duration = Duration::from_secs(3);

/// What `run` would do.
///
/// # Errors
/// What it would refuse.
pub(crate) fn plan(call: &Call<Ecs>, container: &ToolContainer) -> Result<Blueprint> {
    let mut blueprint = blueprint(call, &entry(call, container)?, &call.tool_settings(container)?)?;
    blueprint.fields.extend(output_fields(container).enforce(&call.context)?);
    Ok(blueprint)
}

/// A tool that this plugin can run at all.
///
/// # Errors
/// What nobody can accept away.
pub(crate) fn entry<'a>(call: &Call<Ecs>, container: &'a ToolContainer) -> Result<Entry<'a>> {
    let entry = Entry::tool(container)?;
    if container.input.is_some() {
        return Err(Error::unsupported("give a task its standard input: Fargate has none"));
    }
    if !entry.secrets.is_empty() {
        return Err(Error::permission(
            "run a tool that carries secrets: its output is in the log service only",
        )
        .hint("what carries secrets is not read by plugins; place the tool on another provisioner"));
    }
    if launch::logs(&call.settings, String::new).is_none() {
        return Err(Error::config("read the output of a tool without `executionRole`")
            .hint("tasks write their output to the log service by that role"));
    }
    Ok(entry)
}

/// What the log service does to output.
#[must_use]
pub(crate) fn output_fields(_: &ToolContainer) -> Fields {
    let mut fields = Fields::new();
    fields.not_enforced(
        "output.stderr-apart",
        "the log service merges the streams; all of it is standard output",
    );
    fields.approximated("output.byte-exact", "the log service keeps lines, not bytes");
    fields
}

/// Runs a tool to its end.
///
/// # Errors
/// What kept it from running.
pub(crate) fn run(call: &Call<Ecs>, container: &ToolContainer) -> Result<Ran> {
    call.settings.check()?;
    let own = call.tool_settings(container)?;
    let entry = entry(call, container)?;
    let plan = plan::plan(&entry, &call.settings, &own, &launch::sources(call, entry.secrets)?)?;
    let fields = fields(&plan, container, &call.context)?;
    let launched = launch::launch(call, &entry, &plan, &own)?;
    let kept = launched.kept;
    let (ending, exit_code) = end(call, &kept, &launched.arn, container.timeout_ms)?;
    let limit = usize::try_from(container.output_limit).unwrap_or(usize::MAX);
    let (output, truncated) = output(call, &kept, &launched.arn, limit)?;
    let place = kept.place();
    release::remove(call, &names::task(&place, &kept.token), Some(&launched.arn), false)?;
    release::remove(call, &names::definition(&place, &kept.family), None, false)?;
    let output = call.host.connections().output(&output, &[], truncated, ending, exit_code)?;
    Ok(Ran::new(output, fields))
}

fn fields(
    plan: &plan::Plan,
    container: &ToolContainer,
    context: &Context,
) -> Result<Vec<gateway_plugin::types::FieldReport>> {
    let mut fields = plan.fields.clone().enforce(context)?;
    fields.extend(output_fields(container).enforce(context)?);
    Ok(fields)
}

/// Waits for the end, or makes one when the tool's time is over. Its time begins when it runs.
fn end(call: &Call<Ecs>, kept: &Kept, arn: &str, timeout_ms: u32) -> Result<(Ending, Option<i32>)> {
    let api = Api::new(&call.host, &call.settings, &kept.region);
    let within = Duration::from_millis(timeout_ms.into());
    let mut pauses = Pauses::default();
    let mut began = None;
    loop {
        let task = wait::look(&api, &kept.cluster, arn)?;
        match (wait::stage(task.as_ref()), task) {
            (Stage::Gone, Some(task)) => return ending(&task),
            (Stage::Running, _) if began.is_none() => began = Some(pauses.slept),
            _ => {}
        }
        if began.is_some_and(|began| pauses.slept.saturating_sub(began) >= within) {
            release::stop(&api, &kept.cluster, arn, "its time is over")?;
            return Ok((Ending::TimedOut, None));
        }
        pauses.pause(&call.host, || "wait for the end of the tool's task".to_owned())?;
    }
}

fn ending(task: &Value) -> Result<(Ending, Option<i32>)> {
    let container = wait::container(task);
    let exit = container.and_then(|container| container.get("exitCode")?.as_i64());
    let exit = exit.and_then(|code| i32::try_from(code).ok());
    let word = |value: Option<&Value>, key: &str| {
        value.and_then(|value| value.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if word(container, "reason").contains("OutOfMemory") {
        return Ok((Ending::OutOfMemory, exit));
    }
    match word(Some(task), "stopCode").as_str() {
        // It never ran, or it was taken away: there is no result to be had.
        "TaskFailedToStart"
        | "SpotInterruption"
        | "TerminationNotice"
        | "InfrastructureHealth"
        | "UserInitiated" => Err(wait::ended(task)),
        _ if exit.is_none() => Ok((Ending::Lost, None)),
        _ => Ok((Ending::Exited, exit)),
    }
}

/// What it has written, and whether more was.
fn output(call: &Call<Ecs>, kept: &Kept, arn: &str, limit: usize) -> Result<(Vec<u8>, bool)> {
    let api = Api::new(&call.host, &call.settings, &kept.region);
    let group = launch::logs(&call.settings, || names::log_group(&call.context)).unwrap_or_default();
    let stream = log_stream(&kept.family, arn);
    let mut output = Vec::new();
    let mut token: Option<String> = None;
    let mut pauses = Pauses::default();
    loop {
        let mut request = json!({"logGroupName": group, "logStreamName": stream, "startFromHead": true});
        if let (Some(token), Some(object)) = (&token, request.as_object_mut()) {
            object.insert("nextToken".to_owned(), token.as_str().into());
        }
        let answer = match api.ask("GetLogEvents", &request) {
            // The stream is made with the first line.
            Err(error) if is_gone(&error) => json!({}),
            answer => answer?,
        };
        let events = answer.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
        for event in &events {
            output.extend(event.get("message").and_then(Value::as_str).unwrap_or_default().as_bytes());
            output.push(b'\n');
            if output.len() > limit {
                output.truncate(limit);
                return Ok((output, true));
            }
        }
        let next = answer.get("nextForwardToken").and_then(Value::as_str).map(str::to_owned);
        let at_the_end = events.is_empty() && (next.is_none() || next == token);
        if at_the_end && (!output.is_empty() || pauses.slept >= FIRST_LINE) {
            return Ok((output, false));
        }
        if at_the_end {
            pauses.pause(&call.host, || "wait for the tool's output".to_owned())?;
        }
        token = next.or(token);
    }
}
