//! What a server offers: tools, prompts, resources, and the words about itself.

use serde_json::{Map, Value, json};

use crate::arguments::Arguments;

type ToolHandler = Box<dyn Fn(&Arguments<'_>, &mut Call<'_>) -> Result<ToolOutput, String>>;
type ProgressReport<'a> = &'a mut dyn FnMut(u64, u64, &str);
type PromptHandler = Box<dyn Fn(&Arguments<'_>) -> Result<Vec<Value>, String>>;

/// A server, ready to be served.
pub struct Server {
    pub(crate) information: Value,
    pub(crate) instructions: Option<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) resources: Option<Box<dyn Resources>>,
}

impl Server {
    /// A server that offers nothing yet.
    pub fn new(name: &str, title: &str, version: &str) -> Self {
        Self {
            information: json!({ "name": name, "title": title, "version": version }),
            instructions: None,
            tools: Vec::new(),
            prompts: Vec::new(),
            resources: None,
        }
    }

    /// Says to the model how the server as a whole is used.
    #[must_use]
    pub fn instructions(mut self, text: &str) -> Self {
        self.instructions = Some(text.to_owned());
        self
    }

    /// Adds a tool. Tools are listed in the order they were added.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Adds a prompt.
    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompts.push(prompt);
        self
    }

    /// Sets the resources.
    #[must_use]
    pub fn resources(mut self, resources: impl Resources + 'static) -> Self {
        self.resources = Some(Box::new(resources));
        self
    }

    pub(crate) fn capabilities(&self) -> Value {
        let mut capabilities = Map::new();
        if !self.tools.is_empty() {
            capabilities.insert("tools".into(), json!({}));
        }
        if !self.prompts.is_empty() {
            capabilities.insert("prompts".into(), json!({}));
        }
        if self.resources.is_some() {
            capabilities.insert("resources".into(), json!({ "listChanged": true, "subscribe": true }));
            capabilities.insert("completions".into(), json!({}));
        }
        capabilities.into()
    }
}

/// A tool: its definition as the protocol has it, and what it does.
pub struct Tool {
    pub(crate) name: String,
    pub(crate) definition: Map<String, Value>,
    pub(crate) handler: ToolHandler,
}

impl Tool {
    /// A tool that reads and changes nothing outside this server; [`Tool::changes`] says otherwise. Its handler gets
    /// arguments that fit the input schema; the text of its error is what the model reads, so it says what to do.
    pub fn new(
        name: &str,
        title: &str,
        description: &str,
        input: Value,
        handler: impl Fn(&Arguments<'_>, &mut Call<'_>) -> Result<ToolOutput, String> + 'static,
    ) -> Self {
        let mut definition = Map::new();
        definition.insert("name".into(), name.into());
        definition.insert("title".into(), title.into());
        definition.insert("description".into(), description.into());
        definition.insert("inputSchema".into(), input);
        definition.insert("annotations".into(), json!({ "readOnlyHint": true, "openWorldHint": false }));
        Self { name: name.to_owned(), definition, handler: Box::new(handler) }
    }

    /// Publishes the schema of the structured content. The handler must keep to it.
    #[must_use]
    pub fn output(mut self, schema: Value) -> Self {
        self.definition.insert("outputSchema".into(), schema);
        self
    }

    /// The tool changes something. `destructive`: something may be lost; `idempotent`: twice is the same as once.
    #[must_use]
    pub fn changes(mut self, destructive: bool, idempotent: bool) -> Self {
        let hints = json!({ "readOnlyHint": false, "destructiveHint": destructive,
            "idempotentHint": idempotent, "openWorldHint": false });
        self.definition.insert("annotations".into(), hints);
        self
    }

    pub(crate) fn input(&self) -> &Value {
        self.definition.get("inputSchema").unwrap_or(&Value::Null)
    }
}

/// What a tool answers: structured content, and a text for clients and models that read only text.
pub struct ToolOutput {
    pub(crate) structured: Value,
    pub(crate) text: String,
}

impl ToolOutput {
    /// The text is the JSON of the structured content, as the protocol recommends.
    pub fn new(structured: Value) -> Self {
        Self { text: structured.to_string(), structured }
    }

    /// The text is something that reads better.
    pub fn with_text(structured: Value, text: impl Into<String>) -> Self {
        Self { structured, text: text.into() }
    }
}

/// One call of a tool, as its handler sees it: the way to report progress and changes.
pub struct Call<'a> {
    pub(crate) progress: Option<ProgressReport<'a>>,
    pub(crate) list_changed: bool,
    pub(crate) updated: Vec<String>,
}

impl Call<'_> {
    /// Reports progress if the client asked for it. `done` must rise from report to report.
    pub fn progress(&mut self, done: u64, total: u64, message: &str) {
        if let Some(report) = &mut self.progress {
            report(done, total, message);
        }
    }

    /// The list of resources is another one after this call.
    pub fn resources_changed(&mut self) {
        self.list_changed = true;
    }

    /// The resource of this address has another content after this call.
    pub fn resource_updated(&mut self, uri: &str) {
        self.updated.push(uri.to_owned());
    }
}

/// A prompt: its definition as the protocol has it, and how its messages are made.
pub struct Prompt {
    pub(crate) name: String,
    pub(crate) definition: Value,
    /// The arguments as the schema that calls are checked against.
    pub(crate) input: Value,
    pub(crate) handler: PromptHandler,
}

impl Prompt {
    /// A prompt whose arguments are name, description and whether it is required. The handler gives its messages.
    pub fn new(
        name: &str,
        title: &str,
        description: &str,
        arguments: &[(&str, &str, bool)],
        handler: impl Fn(&Arguments<'_>) -> Result<Vec<Value>, String> + 'static,
    ) -> Self {
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": 1000 });
        let properties = arguments.iter().map(|(name, ..)| ((*name).to_owned(), schema.clone())).collect();
        let required: Vec<&str> =
            arguments.iter().filter_map(|(name, _, required)| required.then_some(*name)).collect();
        let input = crate::object(Value::Object(properties), &required);
        let listed: Vec<Value> = arguments
            .iter()
            .map(|(name, description, required)| {
                json!({ "name": name, "description": description, "required": required })
            })
            .collect();
        let definition =
            json!({ "name": name, "title": title, "description": description, "arguments": listed });
        Self { name: name.to_owned(), definition, input, handler: Box::new(handler) }
    }

    pub(crate) fn description(&self) -> &Value {
        self.definition.get("description").unwrap_or(&Value::Null)
    }
}

/// The resources of a server. An error's text goes to the client as an internal error.
pub trait Resources {
    /// The next resources, as the protocol lists them, in the order of their `uri`: at most `most`, and only those
    /// after `after`.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn list(&self, after: Option<&str>, most: usize) -> Result<Vec<Value>, String>;

    /// The templates, as the protocol lists them.
    fn templates(&self) -> Vec<Value>;

    /// The content of a resource as the protocol has it, or `None` where there is no such resource.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn read(&self, uri: &str) -> Result<Option<Value>, String>;

    /// What an argument of a template could be, given how it begins; `None` where there is no such argument.
    ///
    /// # Errors
    /// When the candidates cannot be listed.
    fn complete(&self, template: &str, argument: &str, start: &str) -> Result<Option<Vec<String>>, String>;
}
