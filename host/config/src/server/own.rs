//! What only `gateway.yaml` can say about a server, and the checks that only hold there.

use super::parts::check_url;
use super::{CATALOG_KEYS, Server};
use crate::decode::Fields;
use crate::decode::choice::choices;
use crate::decode::table::{Form, Key, Table, key};
use crate::host::AllowedHost;
use crate::misfit::Misfit;
use crate::nearest::nearest;
use crate::path::{Base, Located};
use crate::quantity::{parse_cpus, parse_size, parse_timeout};
use crate::report::Report;
use crate::yaml::Position;

choices! {
    /// What may be done with a folder.
    #[derive(Default)]
    pub enum Access {
        /// Reading.
        #[default]
        ReadOnly = "readOnly",
        /// Reading and writing.
        ReadWrite = "readWrite",
    }
}

choices! {
    /// How long one running copy of a server lives.
    #[derive(Default)]
    pub enum Lifetime {
        /// As long as the session of one client, which has it alone.
        #[default]
        Session = "session",
        /// As long as anybody uses it; all clients share it.
        Shared = "shared",
    }
}

choices! {
    /// What to do about a field that the platform cannot honour.
    #[derive(Default)]
    pub enum OnUnenforced {
        /// Do not start the server.
        #[default]
        Refuse = "refuse",
        /// Start it, and say so in the plan and the status.
        Report = "report",
    }
}

/// Where the component of a server comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ComponentSource {
    /// A file.
    File(Located),
    /// One that the gateway carries inside itself, by name.
    Bundled(String),
}

/// A folder of this machine that a server sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The folder here.
    pub path: Located,
    /// Where the server sees it: an absolute path with `/`.
    pub mount: String,
    /// What it may do there.
    pub access: Access,
}

/// The form of `access`, for every table that has it.
pub(crate) const ACCESS: Key =
    key("access", Form::Choice(Access::NAMES), "What may be done there.").or("readOnly");

/// The form of the `path` of a folder, for every table that has it.
pub(crate) const FOLDER_PATH: Key = key("path", Form::Path, "The folder, relative to this file. Required.");

/// The keys that a catalogue does not know.
pub(super) static OWN_KEYS: &[Key] = &[
    key("component", Form::Path, "WebAssembly component with the server."),
    key("bundled", Form::Text, "Name of a component that the gateway carries inside itself."),
    key("args", Form::List(&Form::Text), "Arguments of a component; another word for `command`."),
    key("folders", Form::List(&Form::Group(&FOLDER)), "Folders it sees."),
    key("memory", Form::Size, "Memory it may use.").or("that of its provisioner; of `embedded`, `64MiB`"),
    key("cpus", Form::Cpus, "Processors it may use.").or("that of its provisioner"),
    key(
        "lifetime",
        Form::Choice(Lifetime::NAMES),
        "`session`: each client has a copy of its own. `shared`: all clients use one copy.",
    )
    .or("session"),
    key("startTimeout", Form::Duration, "How long it may take to start.").or("`pool.startTimeout`"),
    key("callTimeout", Form::Duration, "How long one call may take.").or("no limit of its own"),
    key("idleTimeout", Form::Duration, "How long it stays up unused.").or("`pool.idle`"),
    key("concurrency", Form::Integer, "Calls that one copy may have at once; further ones wait in line.")
        .or("any number"),
    key("outputLimit", Form::Size, "The longest message it may send; one that is longer ends it.")
        .or("16MiB"),
    key(
        "onUnenforced",
        Form::Choice(OnUnenforced::NAMES),
        "What to do if the platform cannot honour a field: `refuse` to start, or start and `report` it.",
    )
    .or("refuse"),
    key("settings", Form::Any, "A map that is handed to its provisioner, which says what it takes.").or("{}"),
];

/// An entry of `servers:`.
pub(crate) static OWN_SERVER: Table = Table::new(
    "servers.NAME",
    "A server: everything an entry of a catalogue can say, and more. It must have exactly one of \
     `image`, `component`, `bundled`, `remote` (or `sseEndpoint`) and `tools`; beside the first four, \
     `tools` is informative.",
    &[OWN_KEYS, CATALOG_KEYS],
);

static FOLDER: Table = Table::new(
    "servers.NAME.folders",
    "A folder of this machine that a server sees.",
    &[&[
        FOLDER_PATH,
        key("mount", Form::Text, "Where the server sees it: an absolute path. Required."),
        ACCESS,
    ]],
);

impl Server {
    /// Reads an entry of `servers:`.
    pub(crate) fn decode_own(
        name: String,
        at: Position,
        fields: Fields<'_>,
        base: &Base,
        report: &mut Report,
    ) -> Server {
        let mut server = Server::decode(name, at, &fields, report);
        server.by_operator = true;
        server.component = component(&fields, base, report);
        let args = fields.texts("args", report);
        if fields.has("args") {
            if server.component.is_none() {
                let hint = "say `command`, which means the same for every kind of server";
                report.problem_with_hint(fields.at_key("args"), "`args` is for components only", hint);
            } else if fields.has("command") {
                let hint = "they mean the same; keep one";
                report.problem_with_hint(fields.at_key("args"), "both `args` and `command`", hint);
            } else {
                server.command = args;
            }
        }
        server.folders = folders(&fields, base, report);
        server.memory = fields.parsed("memory", report, parse_size);
        server.cpus = fields.parsed("cpus", report, parse_cpus);
        server.lifetime = fields.choice("lifetime", report).unwrap_or_default();
        server.start_timeout = fields.parsed("startTimeout", report, parse_timeout);
        server.call_timeout = fields.parsed("callTimeout", report, parse_timeout);
        server.idle_timeout = fields.parsed("idleTimeout", report, parse_timeout);
        server.concurrency = fields.count("concurrency", 1, 65_536, report);
        server.output_limit = fields.parsed("outputLimit", report, parse_size);
        server.on_unenforced = fields.choice("onUnenforced", report).unwrap_or_default();
        server.settings = crate::plugin::settings(&fields, report);
        super::name::check_own(&server.name, at, report);
        check_kind(&server, at, &fields, report);
        check_endpoint(&server, &fields, report);
        check_hosts(&fields, report);
        super::listening::check(&server, &fields, report);
        fields.done();
        server
    }
}

fn component(fields: &Fields<'_>, base: &Base, report: &mut Report) -> Option<ComponentSource> {
    let file = fields.path("component", base, report);
    let bundled = fields.some_text("bundled", report);
    if fields.has("component") && fields.has("bundled") {
        let hint = "a component comes from a file or from inside the gateway; keep one";
        report.problem_with_hint(fields.at_key("bundled"), "both `component` and `bundled`", hint);
    }
    file.map(ComponentSource::File).or(bundled.map(ComponentSource::Bundled))
}

fn folders(fields: &Fields<'_>, base: &Base, report: &mut Report) -> Vec<Folder> {
    let mut folders: Vec<Folder> = Vec::new();
    for fields in fields.groups("folders", report) {
        let path = fields.path("path", base, report);
        let mount = fields.text("mount", report);
        let access = fields.choice("access", report).unwrap_or_default();
        if !fields.has("path") {
            report.problem_with_hint(fields.at(), "a folder without a `path`", "for example `path: ./data`");
        }
        if !fields.has("mount") {
            report.problem_with_hint(fields.at(), "a folder without a `mount`", "for example `mount: /data`");
        } else if !mount.starts_with('/') || mount.split('/').any(|part| part == "..") {
            let what = format!("`mount`: `{mount}` is not an absolute path");
            report.problem_with_hint(fields.at_key("mount"), what, "it must start with `/`, without `..`");
        } else if folders.iter().any(|folder| same_mount(&folder.mount, &mount)) {
            report.problem(fields.at_key("mount"), format!("two folders are mounted at `{mount}`"));
        }
        fields.done();
        folders.extend(path.map(|path| Folder { path, mount, access }));
    }
    folders
}

fn same_mount(one: &str, other: &str) -> bool {
    let parts = |path: &'_ str| {
        path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect::<Vec<_>>()
    };
    parts(one) == parts(other)
}

/// What runs must be said once.
fn check_kind(server: &Server, at: Position, fields: &Fields<'_>, report: &mut Report) {
    let said: Vec<&str> = ["image", "component", "bundled", "remote", "sseEndpoint"]
        .into_iter()
        .filter(|name| fields.has(name))
        .collect();
    match said.as_slice() {
        [] if server.tools.is_empty() && !fields.has("tools") => {
            let what = format!("nothing says what the server `{}` is", server.name);
            report.problem_with_hint(
                at,
                what,
                "give it `image`, `component`, `bundled`, `remote` or `tools`",
            );
        }
        [] => {
            for tool in
                server.tools.iter().filter(|tool| tool.container.as_ref().is_none_or(|c| c.image.is_empty()))
            {
                let what = format!("the tool `{}` has no image", tool.name);
                let hint = "give it `container: {image: ...}`, or the server an `image`";
                report.problem_with_hint(fields.at_key("tools"), what, hint);
            }
        }
        [_] | ["component", "bundled"] => {}
        [first, second, ..] => {
            let what = format!("both `{first}` and `{second}`");
            report.problem_with_hint(fields.at_key(second), what, "a server is one thing; keep one of them");
        }
    }
    let known = ["", "server", "remote", "poci"];
    if !known.contains(&server.declared_type.as_str()) {
        let what = format!("`type`: `{}` is not a type of server", server.declared_type);
        let hint = match nearest(&server.declared_type, known) {
            Some(near) => format!("did you mean `{near}`? it can also be left out"),
            None => "leave it out; what the server is follows from its other keys".to_owned(),
        };
        report.problem_with_hint(fields.at_key("type"), what, hint);
    }
}

fn check_endpoint(server: &Server, fields: &Fields<'_>, report: &mut Report) {
    if fields.has("sseEndpoint") {
        check_url(&server.sse_endpoint, fields.at_key("sseEndpoint"), report);
    }
}

/// A host that the gateway will not understand is better said now than when the server starts.
fn check_hosts(fields: &Fields<'_>, report: &mut Report) {
    let Some(items) = fields.node("allowHosts").and_then(|node| node.items()) else { return };
    for item in items {
        let Some((text, ..)) = item.scalar() else { continue };
        let parsed: Result<AllowedHost, Misfit> = text.parse();
        if let Err(misfit) = parsed
            && !item.is_null()
        {
            report.problem_maybe_hint(
                item.at(),
                format!("each of `allowHosts`: {}", misfit.what()),
                misfit.hint,
            );
        }
    }
}
