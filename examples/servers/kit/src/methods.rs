//! The methods that both eras have: tools, prompts, resources and completion.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::arguments::{Arguments, check, nearest};
use crate::pages::{PAGE, cursor, encode, listed, member, page};
use crate::server::Call;
use crate::session::{Changes, Era, Session, notification};
use crate::wire::{Failure, write_line};

impl<W: Write> Session<'_, W> {
    /// The methods that both eras have.
    pub(crate) fn feature(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
        changes: &mut Changes,
    ) -> Result<Map<String, Value>, Failure> {
        let server = self.server;
        let result = match (method, &server.resources) {
            ("tools/list", _) if !server.tools.is_empty() => {
                let tools = server.tools.iter().map(|tool| Value::Object(tool.definition.clone()));
                page("tools", "name", params, tools)?
            }
            ("tools/call", _) if !server.tools.is_empty() => self.call_tool(params, changes)?,
            ("prompts/list", _) if !server.prompts.is_empty() => {
                let prompts = server.prompts.iter().map(|prompt| prompt.definition.clone());
                page("prompts", "name", params, prompts)?
            }
            ("prompts/get", _) if !server.prompts.is_empty() => self.get_prompt(params)?,
            ("resources/list", Some(resources)) => {
                let after = cursor("resources", params)?;
                let mut entries = resources.list(after.as_deref(), PAGE + 1).map_err(Failure::internal)?;
                let next = (entries.len() > PAGE).then(|| {
                    entries.truncate(PAGE);
                    encode("resources", entries.last().map(|entry| member(entry, "uri")).unwrap_or_default())
                });
                listed("resources", entries, next)
            }
            ("resources/templates/list", Some(resources)) => {
                page("resourceTemplates", "uriTemplate", params, resources.templates().into_iter())?
            }
            ("resources/read", Some(resources)) => {
                let uri = text(params, "uri")?;
                let Some(content) = resources.read(uri).map_err(Failure::internal)? else {
                    let code = if self.era == Era::Modern { -32602 } else { -32002 };
                    let failure = Failure::new(code, format!("there is no resource `{uri}`"));
                    return Err(failure.with_data(json!({ "uri": uri })));
                };
                json!({ "contents": [content] })
            }
            ("completion/complete", Some(_)) => self.complete(params)?,
            _ => return Err(Failure::method(method)),
        };
        match result {
            Value::Object(result) => Ok(result),
            _ => Err(Failure::internal("the result is no object")),
        }
    }

    fn call_tool(&mut self, params: &Map<String, Value>, changes: &mut Changes) -> Result<Value, Failure> {
        let server = self.server;
        let name = text(params, "name")?;
        let Some(tool) = server.tools.iter().find(|tool| tool.name == name) else {
            return Err(unknown("tool", name, server.tools.iter().map(|tool| tool.name.as_str())));
        };
        let nothing = Map::new();
        let arguments = object(params, "arguments")?.unwrap_or(&nothing);
        let token = params.get("_meta").and_then(|meta| meta.get("progressToken"));
        let token = token.filter(|token| token.is_string() || token.is_number());
        let (output, failed) = (&mut self.output, &mut self.failed);
        let mut report = |done: u64, total: u64, message: &str| {
            let params =
                json!({ "progressToken": token, "progress": done, "total": total, "message": message });
            if let Err(cause) = write_line(output, &notification("notifications/progress", params)) {
                failed.get_or_insert(cause);
            }
        };
        let mut call = Call { progress: None, list_changed: false, updated: Vec::new() };
        if token.is_some() {
            call.progress = Some(&mut report);
        }
        // Arguments that do not fit are the model's to mend, so they are a result it reads, as a tool's own failure is.
        let outcome =
            check(tool.input(), arguments).and_then(|()| (tool.handler)(&Arguments(arguments), &mut call));
        changes.list |= call.list_changed;
        changes.updated.append(&mut call.updated);
        Ok(match outcome {
            Ok(output) => json!({
                "content": [{ "type": "text", "text": output.text }],
                "structuredContent": output.structured,
            }),
            Err(text) => json!({ "content": [{ "type": "text", "text": text }], "isError": true }),
        })
    }

    fn get_prompt(&self, params: &Map<String, Value>) -> Result<Value, Failure> {
        let prompts = &self.server.prompts;
        let name = text(params, "name")?;
        let Some(prompt) = prompts.iter().find(|prompt| prompt.name == name) else {
            let names = prompts.iter().map(|prompt| prompt.name.as_str());
            return Err(unknown("prompt", name, names));
        };
        let nothing = Map::new();
        let arguments = object(params, "arguments")?.unwrap_or(&nothing);
        check(&prompt.input, arguments).map_err(Failure::parameters)?;
        let messages = (prompt.handler)(&Arguments(arguments)).map_err(Failure::internal)?;
        Ok(json!({ "description": prompt.description(), "messages": messages }))
    }

    fn complete(&self, params: &Map<String, Value>) -> Result<Value, Failure> {
        let missing = |what: &str| Failure::parameters(format!("`{what}` is missing"));
        let reference = object(params, "ref")?.ok_or_else(|| missing("ref"))?;
        let argument = object(params, "argument")?.ok_or_else(|| missing("argument"))?;
        let (name, start) = (text(argument, "name")?, text(argument, "value")?);
        let found = match text(reference, "type")? {
            "ref/resource" => {
                let template = text(reference, "uri")?;
                let resources = self.server.resources.as_ref();
                let found = resources.map(|resources| resources.complete(template, name, start));
                found.transpose().map_err(Failure::internal)?.flatten()
            }
            "ref/prompt" => {
                let prompt = text(reference, "name")?;
                let known = self.server.prompts.iter().any(|known| known.name == prompt);
                known.then(Vec::new)
            }
            other => return Err(Failure::parameters(format!("there is no reference type `{other}`"))),
        };
        let Some(mut values) = found else {
            return Err(Failure::parameters(format!("there is nothing to complete for `{name}`")));
        };
        let total = values.len();
        values.truncate(PAGE);
        Ok(json!({ "completion": { "values": values, "total": total, "hasMore": total > PAGE } }))
    }
}

pub(crate) fn text<'a>(params: &'a Map<String, Value>, name: &str) -> Result<&'a str, Failure> {
    let value = params.get(name).ok_or_else(|| Failure::parameters(format!("`{name}` is missing")))?;
    value.as_str().ok_or_else(|| Failure::parameters(format!("`{name}` must be a string")))
}

pub(crate) fn object<'a>(
    params: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a Map<String, Value>>, Failure> {
    match params.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Failure::parameters(format!("`{name}` must be an object"))),
    }
}

fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let hint = nearest(name, known, 1);
    let hint = hint.first().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    Failure::parameters(format!("there is no {kind} `{name}`{hint}"))
}
