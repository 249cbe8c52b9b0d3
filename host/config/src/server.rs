//! One MCP server as asked for: an entry of a catalogue, or of `servers:` in `gateway.yaml`.
//!
//! Both are read by the same code into the same type. What only `gateway.yaml` can say stands at the
//! end of [`Server`] and has its default in an entry of a catalogue.

mod listening;
pub(crate) mod name;
mod own;
mod parts;
mod tool;

pub use listening::{ContainerTransport, Port, PortProtocol};
pub use own::{Access, ComponentSource, Folder, Lifetime, OnUnenforced};
pub use parts::{
    Endpoint, EnvVariable, Metadata, OAuth, OAuthProvider, Remote, RemoteTransport, ServerSecret,
};
pub use tool::{Tool, ToolAnnotations, ToolArgument, ToolContainer, ToolParameters, ToolProperty};

pub(crate) use own::{ACCESS, FOLDER_PATH, OWN_SERVER};

use std::time::Duration;

use crate::decode::Fields;
use crate::decode::choice::choices;
use crate::decode::table::{Form, Key, Table, key};
use crate::editor::{EditorEntry, Reach};
use crate::misfit::Misfit;
use crate::problem::Place;
use crate::quantity::Cpus;
use crate::report::Report;
use crate::yaml::scalar::Schema;
use crate::yaml::{Position, Value};

choices! {
    /// What an entry is, decided by its fields; `type` plays no part (section 7.4 of the reference).
    pub enum Kind {
        /// A container image with an MCP server.
        Image = "image",
        /// A server that runs elsewhere and is reached by its URL.
        Remote = "remote",
        /// A group of tools, each a container that runs once per call. Docker calls it `poci`.
        ToolContainers = "toolContainers" | "poci",
        /// A WebAssembly component with an MCP server.
        Component = "component",
        /// A command of this machine that speaks on its standard streams. Only an editors' file, or `mcpServers:` in
        /// `gateway.yaml`, can name one.
        Process = "process",
    }
}

/// An MCP server as asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// The name everybody knows it by: the key of its entry.
    pub name: String,
    /// Where its entry stands.
    pub place: Place,
    /// The `name` inside the entry, which has no effect in a file.
    pub declared_name: String,
    /// `server`, `remote` or `poci`; informative, see [`Server::kind`].
    pub declared_type: String,
    /// The container image; empty if there is none.
    pub image: String,
    /// For people.
    pub title: String,
    /// For people, and searched by clients.
    pub description: String,
    /// URL of a picture.
    pub icon: String,
    /// URL of a page about it.
    pub readme: String,
    /// Whether the catalogue wants it kept for the whole session.
    pub long_lived: bool,
    /// How to reach a server that runs elsewhere. May be there without a URL.
    pub remote: Option<Remote>,
    /// The old way to name a remote server that speaks HTTP+SSE; wins over [`Server::remote`].
    pub sse_endpoint: String,
    /// How a person signs in.
    pub oauth: Option<OAuth>,
    /// The secrets it gets, in order.
    pub secrets: Vec<ServerSecret>,
    /// The environment variables it gets, in order.
    pub env: Vec<EnvVariable>,
    /// Arguments after the image or component, with templates.
    pub command: Vec<String>,
    /// Docker's volume specifications, with templates.
    pub volumes: Vec<String>,
    /// User to run as, with templates; empty for the image's own.
    pub user: String,
    /// Whether it runs without any network.
    pub disable_network: bool,
    /// Hosts it may talk to as `host:port[/protocol]`, see [`crate::AllowedHost`]; not checked in a catalogue.
    pub allow_hosts: Vec<String>,
    /// Further host names, `host:address`.
    pub extra_hosts: Vec<String>,
    /// How it is spoken to, if it is a container.
    pub transport: ContainerTransport,
    /// Ports it opens in its container; MCP over HTTP is spoken on the first.
    pub ports: Vec<Port>,
    /// Path of its MCP endpoint; empty for the usual one.
    pub path: String,
    /// Path that answers 2xx when it is ready; empty if there is none.
    pub health_path: String,
    /// The tools: what runs for [`Kind::ToolContainers`], informative otherwise.
    pub tools: Vec<Tool>,
    /// Descriptions of its configuration, close to JSON schemas.
    pub config: Vec<Value>,
    /// What its tools' names get in front; empty for the default.
    pub prefix: String,
    /// For people.
    pub metadata: Option<Metadata>,
    /// A decision somebody else has made about it; kept, not interpreted.
    pub policy: Option<Value>,

    /// Whether the operator's own file names it, and not a catalogue.
    pub by_operator: bool,
    /// The component that is the server. `gateway.yaml` only, as all that follows.
    pub component: Option<ComponentSource>,
    /// Folders it sees.
    pub folders: Vec<Folder>,
    /// Memory it may use in bytes; none for its provisioner's default.
    pub memory: Option<u64>,
    /// Processors it may use; none for its provisioner's default.
    pub cpus: Option<Cpus>,
    /// How long one running copy lives.
    pub lifetime: Lifetime,
    /// How long it may take to start; none for the pool's default.
    pub start_timeout: Option<Duration>,
    /// How long one call may take; none for no limit of its own.
    pub call_timeout: Option<Duration>,
    /// How long it is kept unused; none for the pool's time.
    pub idle_timeout: Option<Duration>,
    /// Calls that one running copy may have at once; none for any number.
    pub concurrency: Option<usize>,
    /// The longest message it may send, in bytes; none for the gateway's limit.
    pub output_limit: Option<u64>,
    /// What to do about a field that the platform cannot honour.
    pub on_unenforced: OnUnenforced,
    /// For its provisioner, which says what it takes; empty unless said.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// What an editors' file says about it, which then is all there is; see [`crate::EditorFile`].
    pub editor: Option<EditorEntry>,
}

/// The keys of an entry in a catalogue; `gateway.yaml` knows them too.
static CATALOG_KEYS: &[Key] = &[
    key("name", Form::Text, "Has no effect; the key of the entry is the name."),
    key(
        "type",
        Form::Text,
        "`server`, `remote` or `poci`. Informative: what the entry is follows from its fields.",
    ),
    key("image", Form::Text, "Container image with the server."),
    key("title", Form::Text, "For people."),
    key("description", Form::Text, "For people."),
    key("icon", Form::Text, "URL of a picture."),
    key("readme", Form::Text, "URL of a page about it."),
    key("longLived", Form::Flag, "Keep it for the whole session.").or("false"),
    key("remote", Form::Group(&parts::REMOTE), "A server that runs elsewhere."),
    key(
        "sseEndpoint",
        Form::Text,
        "Deprecated: the URL of a remote server with transport `sse`. Wins over `remote`.",
    ),
    key("oauth", Form::Group(&parts::OAUTH), "How a person signs in."),
    key("secrets", Form::List(&Form::Group(&parts::SECRET)), "Secrets it gets."),
    key("env", Form::List(&Form::Group(&parts::VARIABLE)), "Environment variables it gets."),
    key(
        "command",
        Form::List(&Form::Text),
        "Arguments after the image. Templates `{{…}}` first, then `$NAME`.",
    ),
    key("volumes", Form::List(&Form::Text), "Docker volume specifications, with templates."),
    key("user", Form::Text, "User to run as, with templates."),
    key("disableNetwork", Form::Flag, "Run it without any network.").or("false"),
    key(
        "allowHosts",
        Form::List(&Form::Text),
        "Hosts it may talk to, as `host:port` or `host:port/tcp`. `*.name` is every name below `name`, not itself.",
    ),
    key("extraHosts", Form::List(&Form::Text), "Further host names, as `host:address`."),
    key(
        "transport",
        Form::Choice(ContainerTransport::NAMES),
        "How a server in a container is spoken to: over its standard streams, or over HTTP on the first of its `ports`.",
    )
    .or("stdio"),
    key("ports", Form::List(&Form::Group(&listening::PORT)), "Ports it opens in its container."),
    key("path", Form::Text, "Path of its MCP endpoint.").or("`/mcp`; `/sse` with `transport: sse`"),
    key("healthPath", Form::Text, "A path that answers 2xx when it is ready.")
        .or("its endpoint answers anything"),
    key(
        "tools",
        Form::List(&Form::Group(&tool::TOOL)),
        "Tools that run as containers, once per call; informative beside `image` and `remote`.",
    ),
    key("config", Form::List(&Form::Any), "Descriptions of its configuration, close to JSON schemas."),
    key("prefix", Form::Text, "What its tools' names get in front."),
    key("metadata", Form::Group(&parts::METADATA), "For people."),
    key("policy", Form::Any, "Somebody else's decision about it; kept, not interpreted."),
];

/// An entry of a catalogue.
pub(crate) static CATALOG_SERVER: Table = Table {
    title: "catalog server",
    about: "One entry under `registry:` of a catalogue.",
    groups: &[CATALOG_KEYS],
    ignored: &["dateAdded", "ref", "toolsUrl", "source", "upstream", "prompts", "resources", "dynamic"],
    hint: |name| {
        own::OWN_KEYS
            .iter()
            .any(|key| key.name == name)
            .then_some("a catalogue cannot say this; it belongs under `servers:` in `gateway.yaml`")
    },
};

impl Server {
    /// A server about which nothing is known but its name.
    pub fn named(name: &str) -> Server {
        Server { name: name.to_owned(), ..Server::default() }
    }

    /// A server out of an editors' file.
    pub(crate) fn of_editor(name: String, place: Place, editor: EditorEntry) -> Server {
        Server { name, place, editor: Some(editor), by_operator: true, ..Server::default() }
    }

    /// What the entry is.
    pub fn kind(&self) -> Kind {
        if let Some(editor) = &self.editor {
            match editor.reach {
                Reach::Command(_) => Kind::Process,
                Reach::Remote { .. } => Kind::Remote,
            }
        } else if self.component.is_some() {
            Kind::Component
        } else if !self.url().is_empty() {
            Kind::Remote
        } else if !self.image.is_empty() {
            Kind::Image
        } else {
            Kind::ToolContainers
        }
    }

    /// Where a remote server is reached; none for any other, and for one of an editors' file, whose [`Server::editor`] says more.
    ///
    /// # Errors
    /// A transport nobody knows.
    pub fn endpoint(&self) -> Result<Option<Endpoint<'_>>, Misfit> {
        if self.kind() != Kind::Remote || self.editor.is_some() {
            return Ok(None);
        }
        let remote = self.remote.as_ref();
        let transport = match remote {
            Some(remote) if self.sse_endpoint.is_empty() => remote.transport_type.parse()?,
            _ => RemoteTransport::Sse,
        };
        let headers = remote.map(|remote| remote.headers.as_slice()).unwrap_or_default();
        Ok(Some(Endpoint { url: self.url(), transport, headers }))
    }

    /// The tools that run as containers: of two with one name the last.
    pub fn tool_containers(&self) -> Vec<&Tool> {
        let mut tools: Vec<&Tool> = Vec::with_capacity(self.tools.len());
        if self.kind() == Kind::ToolContainers {
            for tool in &self.tools {
                match tools.iter_mut().find(|known| known.name == tool.name) {
                    Some(known) => *known = tool,
                    None => tools.push(tool),
                }
            }
        }
        tools
    }

    /// The name its configuration goes by, in `config.yaml` and in templates: every `.` as `_`.
    pub fn canonical_name(&self) -> String {
        self.name.replace('.', "_")
    }

    fn url(&self) -> &str {
        match &self.remote {
            Some(remote) if self.sse_endpoint.is_empty() => &remote.url,
            _ => &self.sse_endpoint,
        }
    }

    /// Reads what an entry of a catalogue can say.
    pub(crate) fn decode(name: String, at: Position, fields: &Fields<'_>, report: &mut Report) -> Server {
        Server {
            name,
            place: report.place(at),
            declared_name: fields.text("name", report),
            declared_type: fields.text("type", report),
            image: fields.text("image", report),
            title: fields.text("title", report),
            description: fields.text("description", report),
            icon: fields.text("icon", report),
            readme: fields.text("readme", report),
            long_lived: fields.flag("longLived", report).unwrap_or_default(),
            remote: fields.group("remote", report).map(|fields| Remote::decode(fields, report)),
            sse_endpoint: fields.text("sseEndpoint", report),
            oauth: fields.group("oauth", report).map(|fields| OAuth::decode(fields, report)),
            secrets: decode_all(fields, "secrets", report, ServerSecret::decode),
            env: decode_all(fields, "env", report, EnvVariable::decode),
            command: fields.texts("command", report),
            volumes: fields.texts("volumes", report),
            user: fields.text("user", report),
            disable_network: fields.flag("disableNetwork", report).unwrap_or_default(),
            allow_hosts: fields.texts("allowHosts", report),
            extra_hosts: fields.texts("extraHosts", report),
            transport: fields.choice("transport", report).unwrap_or_default(),
            ports: listening::ports(fields, report),
            path: fields.text("path", report),
            health_path: fields.text("healthPath", report),
            tools: decode_all(fields, "tools", report, Tool::decode),
            config: schemas(fields, report),
            prefix: fields.text("prefix", report),
            metadata: fields.group("metadata", report).map(|fields| Metadata::decode(fields, report)),
            policy: decode_policy(fields, report),
            ..Server::default()
        }
    }
}

/// Reads every map of a list.
fn decode_all<T>(
    fields: &Fields<'_>,
    name: &'static str,
    report: &mut Report,
    decode: fn(Fields<'_>, &mut Report) -> T,
) -> Vec<T> {
    fields.groups(name, report).into_iter().map(|fields| decode(fields, report)).collect()
}

fn schemas(fields: &Fields<'_>, report: &mut Report) -> Vec<Value> {
    let Some(node) = fields.node("config") else { return Vec::new() };
    let items = crate::decode::items(node, "config", report);
    items.into_iter().map(|item| Value::decode(item, Schema::Docker, report)).collect()
}

/// A policy is a map; nobody looks inside.
fn decode_policy(fields: &Fields<'_>, report: &mut Report) -> Option<Value> {
    let node = fields.node("policy")?;
    if node.entries().is_none() {
        report.problem(node.at(), format!("`policy` must be a map, not {}", node.noun()));
        return None;
    }
    Some(Value::decode(node, Schema::Docker, report))
}
