//! What all servers offer together, as clients see it: immutable, replaced as a whole.
//!
//! *Invariant:* an item is sent as its server wrote it; at most its name is another.

use crate::announce::Kinds;
use crate::config::{FrontConfig, Names};
use crate::directory::template::Template;
use crate::error;
use crate::names::{Candidate, Holder, Shown, expose};
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Mirror, find_member, mirrors, write_string};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// One item of a server's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// The whole JSON object.
    raw: Bytes,
    /// Its name, URI or URI template.
    key: Box<str>,
    /// Where that stands in `raw`, with its quotes.
    at: Range<usize>,
    /// Of a tool: the arguments that clients repeat in headers.
    mirrors: Arc<[Mirror]>,
}

impl Item {
    /// Finds the key in an item. `None` for one that has no such text, which no client could ask for.
    pub(crate) fn new(raw: Bytes, key: &str) -> Option<Self> {
        let member = find_member(&raw, key)?;
        let text = member.string(&raw)?.into();
        Some(Self { at: member.value_range(), key: text, raw, mirrors: Arc::default() })
    }

    /// A tool. `Err` says why it must not be offered, with its name.
    pub(crate) fn tool(raw: Bytes) -> Option<Result<Self, String>> {
        let item = Self::new(raw, "name")?;
        let schema = find_member(&item.raw, "inputSchema");
        let found = mirrors(schema.map(|member| member.value(&item.raw)).unwrap_or_default());
        Some(match found {
            Ok(found) if found.is_empty() => Ok(item),
            Ok(found) => Ok(Self { mirrors: found.into(), ..item }),
            Err(problem) => Err(format!("tool `{}` is left out: {problem}", error::shown(&item.key))),
        })
    }

    /// The item under another name.
    fn renamed(&self, name: &str) -> Bytes {
        let mut out = BytesMut::with_capacity(self.raw.len() + name.len() + 2);
        out.put_slice(self.raw.get(..self.at.start).unwrap_or_default());
        write_string(&mut out, name);
        out.put_slice(self.raw.get(self.at.end..).unwrap_or_default());
        out.freeze()
    }
}

/// One list of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) items: Vec<Item>,
    /// How long a client may keep it.
    pub(crate) ttl_ms: u64,
    /// Whether anybody may be given the kept copy.
    pub(crate) public: bool,
    /// What was left out of it, a sentence each.
    pub(crate) problems: Vec<String>,
}

/// All lists of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) tools: Part,
    pub(crate) prompts: Part,
    pub(crate) resources: Part,
    pub(crate) templates: Part,
    pub(crate) instructions: Option<Arc<str>>,
    /// Whether it offers resources at all, listed or not.
    pub(crate) has_resources: bool,
    /// Whether it refused to give one of its lists when it was asked last.
    pub(crate) refused: bool,
}

/// A server with its lists.
pub(crate) type Listed = (Arc<str>, Arc<Listing>);

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The server that has it.
    pub(crate) server: Arc<str>,
    /// The server's own name for it as raw JSON, where that is another.
    pub(crate) own: Option<Bytes>,
    /// Of a tool: the arguments that clients repeat in headers.
    pub(crate) mirrors: Arc<[Mirror]>,
}

/// A list of all servers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shelf {
    pub(crate) items: Vec<Bytes>,
    pub(crate) ttl_ms: u64,
    pub(crate) public: bool,
    /// Why the list cannot be given, where equal names are an error.
    pub(crate) clash: Option<String>,
}

/// Everything at one moment.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) tools: Shelf,
    pub(crate) prompts: Shelf,
    pub(crate) resources: Shelf,
    pub(crate) templates: Shelf,
    tool_routes: HashMap<Box<str>, Route>,
    prompt_routes: HashMap<Box<str>, Route>,
    resource_routes: HashMap<Box<str>, Arc<str>>,
    template_routes: Vec<(Template, Arc<str>)>,
    resource_servers: Vec<Arc<str>>,
    /// Merged instructions; `None` if no server has any.
    pub(crate) instructions: Option<String>,
    /// What the operator should know about it, a sentence each.
    pub(crate) notes: Vec<String>,
    /// What it was merged from.
    pub(crate) servers: Vec<Listed>,
}

impl View {
    /// Merges the lists of the servers, which come in the order of the configuration. `all` are those too that have no lists, in that order.
    pub(crate) fn merge(servers: Vec<Listed>, all: &[Arc<str>], config: &FrontConfig) -> Self {
        let mut view = Self::default();
        (view.tools, view.tool_routes) = named(&servers, all, config, "tool", &mut view.notes);
        (view.prompts, view.prompt_routes) = named(&servers, all, config, "prompt", &mut view.notes);
        view.merge_resources(&servers);
        view.instructions = instructions(&servers);
        for (server, listing) in &servers {
            for part in [&listing.tools, &listing.prompts, &listing.resources, &listing.templates] {
                view.notes
                    .extend(part.problems.iter().map(|problem| format!("server `{server}`: {problem}")));
            }
        }
        view.servers = servers;
        view
    }

    fn merge_resources(&mut self, servers: &[Listed]) {
        self.resources = Shelf::of(servers.iter().map(|(_, listing)| &listing.resources));
        self.templates = Shelf::of(servers.iter().map(|(_, listing)| &listing.templates));
        let mut templates: HashMap<&str, &str> = HashMap::new();
        for (server, listing) in servers {
            for item in &listing.resources.items {
                if let Some(owner) = self.resource_routes.get(&item.key) {
                    self.notes.push(twice("resource", &item.key, owner, server));
                    continue;
                }
                self.resource_routes.insert(item.key.clone(), Arc::clone(server));
                self.resources.items.push(item.raw.clone());
            }
            for item in &listing.templates.items {
                if let Some(owner) = templates.get(&*item.key) {
                    self.notes.push(twice("resource template", &item.key, owner, server));
                    continue;
                }
                templates.insert(&item.key, server);
                self.template_routes.push((Template::parse(&item.key), Arc::clone(server)));
                self.templates.items.push(item.raw.clone());
            }
            if listing.has_resources {
                self.resource_servers.push(Arc::clone(server));
            }
        }
    }

    /// Where a tool is.
    pub(crate) fn tool(&self, name: &str) -> Option<&Route> {
        self.tool_routes.get(name)
    }

    /// Where a prompt is.
    pub(crate) fn prompt(&self, name: &str) -> Option<&Route> {
        self.prompt_routes.get(name)
    }

    /// The server of a resource: the one that lists it, or the one whose template says most about it.
    pub(crate) fn resource(&self, uri: &str) -> Option<&Arc<str>> {
        self.resource_routes.get(uri).or_else(|| {
            let fits = self
                .template_routes
                .iter()
                .filter_map(|(template, server)| Some((template.matches(uri)?, server)));
            // The first of equals wins, as it does among listed resources; `max_by_key` would take the last.
            fits.rev().max_by_key(|(own, _)| *own).map(|(_, server)| server)
        })
    }

    /// The server of a resource template, by its text, or of a resource.
    pub(crate) fn template(&self, text: &str) -> Option<&Arc<str>> {
        let listed = self
            .servers
            .iter()
            .find(|(_, listing)| listing.templates.items.iter().any(|item| &*item.key == text));
        listed.map(|(server, _)| server).or_else(|| self.resource(text))
    }

    /// Servers that may know a resource which none of them lists, in order.
    pub(crate) fn resource_servers(&self) -> &[Arc<str>] {
        &self.resource_servers
    }

    /// The tool or prompt whose name is nearest to one that does not exist.
    pub(crate) fn nearest(&self, kind: Kinds, name: &str) -> Option<&str> {
        let routes = if kind == Kinds::TOOLS { &self.tool_routes } else { &self.prompt_routes };
        // A handful of names suffices for a hint; somebody who sends nonsense must not buy much work with it.
        if name.len() > 128 {
            return None;
        }
        let near = routes.keys().map(|known| (strsim::normalized_damerau_levenshtein(known, name), &**known));
        let best = near
            .filter(|(score, _)| *score > 0.5)
            .max_by(|one, other| one.0.total_cmp(&other.0).then(other.1.cmp(one.1)));
        best.map(|(_, known)| known)
    }

    /// The lists that are not the same in both.
    pub(crate) fn differs(&self, other: &Self) -> Kinds {
        let mut kinds = Kinds::NONE;
        for (same, kind) in [
            (self.tools == other.tools && self.tool_routes == other.tool_routes, Kinds::TOOLS),
            (self.prompts == other.prompts && self.prompt_routes == other.prompt_routes, Kinds::PROMPTS),
            (self.resources == other.resources && self.templates == other.templates, Kinds::RESOURCES),
        ] {
            if !same {
                kinds = kinds.with(kind);
            }
        }
        kinds
    }
}

impl Shelf {
    /// An empty list that may be kept as long as the most cautious of its parts.
    fn of<'a>(parts: impl Iterator<Item = &'a Part>) -> Self {
        let mut filled = parts.filter(|part| !part.items.is_empty()).peekable();
        if filled.peek().is_none() {
            return Self::default();
        }
        let (ttl_ms, public) = filled
            .fold((u64::MAX, true), |(ttl, public), part| (ttl.min(part.ttl_ms), public && part.public));
        Self { items: Vec::new(), ttl_ms, public, clash: None }
    }
}

/// Prefixes are for tools alone, as in the original; a prompt gets its server's name only when it clashes.
fn holder<'a>(server: &'a str, config: &'a FrontConfig, tools: bool) -> Holder<'a> {
    let prefix = config.prefixes.get(server).filter(|_| tools).map(String::as_str);
    Holder { server, prefix }
}

/// Merges tools or prompts, whose names must differ.
fn named(
    servers: &[Listed],
    all: &[Arc<str>],
    config: &FrontConfig,
    kind: &'static str,
    notes: &mut Vec<String>,
) -> (Shelf, HashMap<Box<str>, Route>) {
    let tools = kind == "tool";
    let mut items = Vec::new();
    let mut candidates = Vec::new();
    for (server, listing) in servers {
        let part = if tools { &listing.tools } else { &listing.prompts };
        for item in &part.items {
            if tools && !(config.filter)(server, &item.key) {
                continue;
            }
            candidates.push(Candidate { holder: holder(server, config, tools), name: &item.key });
            items.push((server, item));
        }
    }
    let names = if tools || config.names == Names::Fail { config.names } else { Names::Clash };
    let all: Vec<_> = all.iter().map(|server| holder(server, config, tools)).collect();
    let exposed = expose(&all, &candidates, names, kind);
    let mut shelf =
        Shelf::of(servers.iter().map(|(_, listing)| if tools { &listing.tools } else { &listing.prompts }));
    shelf.clash = exposed.clash;
    let mut routes = HashMap::with_capacity(items.len());
    for ((shown, (server, item)), candidate) in exposed.shown.iter().zip(&items).zip(&candidates) {
        let (server, mirrors) = (Arc::clone(server), Arc::clone(&item.mirrors));
        match shown {
            Shown::Own => {
                routes.insert(item.key.clone(), Route { server, own: None, mirrors });
                shelf.items.push(item.raw.clone());
            }
            Shown::As(name) => {
                let own = Some(item.raw.slice(item.at.clone()));
                routes.insert(name.as_str().into(), Route { server, own, mirrors });
                shelf.items.push(item.renamed(name));
            }
            Shown::Hidden => notes.push(format!(
                "server `{}` lists a {kind} `{}` twice, or without a name; it is left out",
                candidate.holder.server,
                error::shown(candidate.name)
            )),
        }
    }
    (shelf, routes)
}

fn twice(kind: &str, key: &str, owner: &str, other: &str) -> String {
    let key = error::shown(key);
    format!("{kind} `{key}` is offered by `{owner}` and by `{other}`; `{owner}` answers for it")
}

/// Each server's instructions under its name.
fn instructions(servers: &[Listed]) -> Option<String> {
    let parts = servers.iter().filter_map(|(server, listing)| {
        let text = listing.instructions.as_deref()?.trim();
        (!text.is_empty()).then(|| format!("## {server}\n\n{text}"))
    });
    let parts: Vec<_> = parts.collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}
