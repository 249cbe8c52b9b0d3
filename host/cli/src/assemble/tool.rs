//! A tool that is a container, from its entry.

use anyhow::{Result, bail};
use host_config::{Tool, ToolParameters};
use host_provisioner::ToolSpec;
use serde_json::{Map, Value, json};

/// The tool with the whole schema of its arguments; the original shows nothing but its type (`docker-mcp-gateway.md` 7.3).
///
/// # Errors
/// It has no name or no image.
pub(super) fn spec(tool: &Tool) -> Result<ToolSpec> {
    if tool.name.is_empty() {
        bail!("a tool of it has no `name`");
    }
    let Some(container) = tool.container.as_ref().filter(|container| !container.image.is_empty()) else {
        bail!("its tool `{}` has no `container.image`", tool.name);
    };
    Ok(ToolSpec {
        name: tool.name.clone(),
        description: tool.description.clone(),
        schema: schema(tool.parameters.as_ref()),
        annotations: annotations(tool),
        image: container.image.clone(),
        command: container.command.clone(),
        volumes: container.volumes.clone(),
        user: container.user.clone(),
    })
}

fn schema(parameters: Option<&ToolParameters>) -> Value {
    let Some(parameters) = parameters else { return json!({"type": "object"}) };
    let or_object = |text: &str| if text.is_empty() { "object".to_owned() } else { text.to_owned() };
    let mut schema = Map::new();
    schema.insert("type".to_owned(), or_object(&parameters.value_type).into());
    let properties = parameters.properties.iter().map(|(name, property)| {
        let mut one = Map::new();
        for (key, text) in [("type", &property.value_type), ("description", &property.description)] {
            if !text.is_empty() {
                one.insert(key.to_owned(), text.as_str().into());
            }
        }
        if let Some(items) = property.items_type.as_ref().filter(|items| !items.is_empty()) {
            one.insert("items".to_owned(), json!({"type": items}));
        }
        (name.clone(), Value::Object(one))
    });
    let properties: Map<String, Value> = properties.collect();
    if !properties.is_empty() {
        schema.insert("properties".to_owned(), Value::Object(properties));
    }
    if !parameters.required.is_empty() {
        schema.insert("required".to_owned(), json!(parameters.required));
    }
    Value::Object(schema)
}

fn annotations(tool: &Tool) -> Option<Value> {
    let said = tool.annotations.as_ref()?;
    let mut annotations = Map::new();
    if !said.title.is_empty() {
        annotations.insert("title".to_owned(), said.title.as_str().into());
    }
    for (key, hint) in [
        ("readOnlyHint", said.read_only_hint),
        ("destructiveHint", said.destructive_hint),
        ("idempotentHint", said.idempotent_hint),
        ("openWorldHint", said.open_world_hint),
    ] {
        if let Some(hint) = hint {
            annotations.insert(key.to_owned(), hint.into());
        }
    }
    (!annotations.is_empty()).then_some(Value::Object(annotations))
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_config::Catalog;

    fn tools(entry: &str) -> Vec<Result<ToolSpec>> {
        let (catalog, _) =
            Catalog::parse(&format!("registry: {{kit: {{tools: [{entry}]}}}}"), "c.yaml").unwrap();
        catalog.get("kit").unwrap().tool_containers().into_iter().map(spec).collect()
    }

    #[test]
    fn the_schema_is_whole() {
        let entry = "{name: t, description: D, container: {image: i}, annotations: {readOnlyHint: true}, parameters: {type: object, \
                     properties: {path: {type: string, description: P}, flags: {type: array, items: {type: string}}}, required: [path]}}";
        let tool = tools(entry).remove(0).unwrap();
        let expected = json!({"type": "object", "required": ["path"], "properties": {
            "path": {"type": "string", "description": "P"}, "flags": {"type": "array", "items": {"type": "string"}}}});
        assert_eq!(tool.schema, expected);
        assert_eq!(tool.annotations, Some(json!({"readOnlyHint": true})));
        let bare = tools("{name: t, container: {image: i}}").remove(0).unwrap();
        assert_eq!((bare.schema, bare.annotations), (json!({"type": "object"}), None));
    }

    #[test]
    fn a_tool_without_an_image_is_refused_by_name() {
        for (entry, why) in
            [("{name: t}", "`t` has no `container.image`"), ("{container: {image: i}}", "no `name`")]
        {
            let error = tools(entry).remove(0).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
