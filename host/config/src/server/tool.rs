//! The tools of an entry: containers that run once per call, or a description for people.

use super::{decode_all, decode_policy};
use crate::decode::Fields;
use crate::decode::table::{Form, Table, key};
use crate::report::Report;
use crate::yaml::Value;

/// A tool of an entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its arguments as Docker's OCI catalogues list them; informative.
    pub arguments: Vec<ToolArgument>,
    /// What it says about its behaviour; informative.
    pub annotations: Option<ToolAnnotations>,
    /// The container that does the work.
    pub container: Option<ToolContainer>,
    /// What a call must bring along.
    pub parameters: Option<ToolParameters>,
    /// Somebody else's decision about it; kept, not interpreted.
    pub policy: Option<Value>,
}

/// An argument of a tool, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolArgument {
    /// Its name.
    pub name: String,
    /// The JSON type of its value.
    pub value_type: String,
    /// The JSON type of the elements, for a list.
    pub items_type: Option<String>,
    /// What it is for.
    pub description: String,
    /// Whether a call may leave it out.
    pub optional: bool,
}

/// Hints about the behaviour of a tool, as in MCP; none where nothing was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolAnnotations {
    /// For people.
    pub title: String,
    /// It changes nothing.
    pub read_only_hint: Option<bool>,
    /// It may destroy something.
    pub destructive_hint: Option<bool>,
    /// Doing it twice is doing it once.
    pub idempotent_hint: Option<bool>,
    /// It deals with the world outside.
    pub open_world_hint: Option<bool>,
}

/// The container of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolContainer {
    /// Its image; without one the tool cannot run.
    pub image: String,
    /// Arguments after the image, with templates over the arguments of the call.
    pub command: Vec<String>,
    /// Docker's volume specifications, with templates.
    pub volumes: Vec<String>,
    /// User to run as, with templates; empty for the image's own.
    pub user: String,
}

/// The input schema of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolParameters {
    /// The JSON type, `object` if empty.
    pub value_type: String,
    /// Its properties, in order.
    pub properties: Vec<(String, ToolProperty)>,
    /// Those that must be there.
    pub required: Vec<String>,
}

/// A property of an input schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolProperty {
    /// The JSON type of its value.
    pub value_type: String,
    /// What it is for.
    pub description: String,
    /// The JSON type of the elements, for a list.
    pub items_type: Option<String>,
}

pub(super) static TOOL: Table = Table::new(
    "tools",
    "A tool that runs as a container, once per call.",
    &[&[
        key("name", Form::Text, "Its name."),
        key("description", Form::Text, "What it does."),
        key("arguments", Form::List(&Form::Group(&ARGUMENT)), "Its arguments, informative."),
        key("annotations", Form::Group(&ANNOTATIONS), "Hints about its behaviour, informative."),
        key("container", Form::Group(&CONTAINER), "The container that does the work."),
        key("parameters", Form::Group(&PARAMETERS), "Its input schema."),
        key("policy", Form::Any, "Somebody else's decision about it; kept, not interpreted."),
    ]],
);

static ARGUMENT: Table = Table::new(
    "tools.arguments",
    "An argument of a tool, for people.",
    &[&[
        key("name", Form::Text, "Its name."),
        key("type", Form::Text, "The JSON type of its value."),
        key("items", Form::Group(&ITEMS), "What a list is made of."),
        key("desc", Form::Text, "What it is for."),
        key("optional", Form::Flag, "Whether a call may leave it out.").or("false"),
    ]],
);

static ITEMS: Table = Table::new(
    "items",
    "What a list is made of.",
    &[&[key("type", Form::Text, "The JSON type of the elements.")]],
);

static ANNOTATIONS: Table = Table::new(
    "tools.annotations",
    "Hints about the behaviour of a tool.",
    &[&[
        key("title", Form::Text, "For people."),
        key("readOnlyHint", Form::Flag, "It changes nothing."),
        key("destructiveHint", Form::Flag, "It may destroy something."),
        key("idempotentHint", Form::Flag, "Doing it twice is doing it once."),
        key("openWorldHint", Form::Flag, "It deals with the world outside."),
    ]],
);

static CONTAINER: Table = Table::new(
    "tools.container",
    "The container of a tool.",
    &[&[
        key("image", Form::Text, "Its image."),
        key(
            "command",
            Form::List(&Form::Text),
            "Arguments after the image, with templates over the arguments of the call.",
        ),
        key("volumes", Form::List(&Form::Text), "Docker volume specifications, with templates."),
        key("user", Form::Text, "User to run as, with templates."),
    ]],
);

static PARAMETERS: Table = Table::new(
    "tools.parameters",
    "The input schema of a tool.",
    &[&[
        key("type", Form::Text, "The JSON type.").or("object"),
        key("properties", Form::Map(&Form::Group(&PROPERTY)), "Its properties."),
        key("required", Form::List(&Form::Text), "Those that must be there."),
    ]],
);

static PROPERTY: Table = Table::new(
    "tools.parameters.properties",
    "A property of an input schema.",
    &[&[
        key("type", Form::Text, "The JSON type of its value."),
        key("description", Form::Text, "What it is for."),
        key("items", Form::Group(&ITEMS), "What a list is made of."),
    ]],
);

impl Tool {
    pub(super) fn decode(fields: Fields<'_>, report: &mut Report) -> Tool {
        let tool = Tool {
            name: fields.text("name", report),
            description: fields.text("description", report),
            arguments: decode_all(&fields, "arguments", report, ToolArgument::decode),
            annotations: fields.group("annotations", report).map(|f| ToolAnnotations::decode(f, report)),
            container: fields.group("container", report).map(|f| ToolContainer::decode(f, report)),
            parameters: fields.group("parameters", report).map(|f| ToolParameters::decode(f, report)),
            policy: decode_policy(&fields, report),
        };
        fields.done();
        tool
    }
}

impl ToolArgument {
    fn decode(fields: Fields<'_>, report: &mut Report) -> ToolArgument {
        let argument = ToolArgument {
            name: fields.text("name", report),
            value_type: fields.text("type", report),
            items_type: decode_items(&fields, report),
            description: fields.text("desc", report),
            optional: fields.flag("optional", report).unwrap_or_default(),
        };
        fields.done();
        argument
    }
}

impl ToolAnnotations {
    fn decode(fields: Fields<'_>, report: &mut Report) -> ToolAnnotations {
        let annotations = ToolAnnotations {
            title: fields.text("title", report),
            read_only_hint: fields.flag("readOnlyHint", report),
            destructive_hint: fields.flag("destructiveHint", report),
            idempotent_hint: fields.flag("idempotentHint", report),
            open_world_hint: fields.flag("openWorldHint", report),
        };
        fields.done();
        annotations
    }
}

impl ToolContainer {
    fn decode(fields: Fields<'_>, report: &mut Report) -> ToolContainer {
        let container = ToolContainer {
            image: fields.text("image", report),
            command: fields.texts("command", report),
            volumes: fields.texts("volumes", report),
            user: fields.text("user", report),
        };
        fields.done();
        container
    }
}

impl ToolParameters {
    fn decode(fields: Fields<'_>, report: &mut Report) -> ToolParameters {
        let parameters = ToolParameters {
            value_type: fields.text("type", report),
            properties: fields
                .named_groups("properties", report)
                .into_iter()
                .map(|(name, _, fields)| (name, ToolProperty::decode(fields, report)))
                .collect(),
            required: fields.texts("required", report),
        };
        fields.done();
        parameters
    }
}

impl ToolProperty {
    fn decode(fields: Fields<'_>, report: &mut Report) -> ToolProperty {
        let property = ToolProperty {
            value_type: fields.text("type", report),
            description: fields.text("description", report),
            items_type: decode_items(&fields, report),
        };
        fields.done();
        property
    }
}

fn decode_items(fields: &Fields<'_>, report: &mut Report) -> Option<String> {
    let items = fields.group("items", report)?;
    let text = items.text("type", report);
    items.done();
    Some(text)
}
