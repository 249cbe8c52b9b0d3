//! Whole lists of a server: every page, raw items.

use crate::{Client, ListError, Outgoing};
use bytes::Bytes;
use host_message::{ErrorBody, JsonKind, Params, code, elements, find_member, members, method, mirrors};
use host_provisioner::sanitize;
use std::collections::HashSet;
use std::sync::Arc;

/// Pages a list may have; a server with more is taken to walk in circles.
const MOST_PAGES: usize = 1000;
/// Items a list may have.
const MOST_ITEMS: usize = 100_000;
/// Bytes the items of a list may have together.
const MOST_BYTES: usize = 64 << 20;
/// Bytes of a server's refusal that are shown.
const SHOWN: usize = 500;

/// One of the lists of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the lists")]
pub enum ListKind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl ListKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The method that fetches it.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tools => method::TOOLS_LIST,
            Self::Prompts => method::PROMPTS_LIST,
            Self::Resources => method::RESOURCES_LIST,
            Self::Templates => method::RESOURCE_TEMPLATES_LIST,
        }
    }

    /// The member of the result that holds the items.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }
}

/// A whole list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The items in the server's order, raw.
    pub items: Vec<Bytes>,
    /// The smallest `ttlMs` of the pages, in milliseconds; `None` if no page names one. Negative ones count as zero.
    pub ttl_ms: Option<u64>,
    /// Whether a page has the `cacheScope` `private`; `None` if no page names one.
    pub private: Option<bool>,
}

impl Client {
    /// Fetches a whole list. A server without the capability has an empty one and is not asked; neither is there an error if it has resources
    /// but does not know templates.
    ///
    /// # Errors
    /// The server refused, ended, took too long for a page, repeated a cursor, or has more than any sensible list.
    pub async fn list(&self, kind: ListKind) -> Result<Listing, ListError> {
        let capabilities = self.capabilities();
        let offered = match kind {
            ListKind::Tools => capabilities.tools,
            ListKind::Prompts => capabilities.prompts,
            ListKind::Resources | ListKind::Templates => capabilities.resources,
        };
        let mut listing = Listing::default();
        if !offered {
            return Ok(listing);
        }
        let unusable = |text: &str| ListError::Unusable { method: kind.method(), text: text.to_owned() };
        let mut cursors: HashSet<Vec<u8>> = HashSet::new();
        let mut cursor: Option<Vec<u8>> = None;
        let mut bytes = 0;
        for _ in 0..MOST_PAGES {
            let page = match self.page(kind, cursor.as_deref()).await {
                Err(ListError::Refused { body, .. })
                    if kind == ListKind::Templates && body.code == code::METHOD_NOT_FOUND =>
                {
                    return Ok(listing);
                }
                page => page?,
            };
            bytes += listing.take(kind, &page).map_err(|text| unusable(&text))?;
            if listing.items.len() > MOST_ITEMS || bytes > MOST_BYTES {
                return Err(unusable("the list is too long"));
            }
            match next_cursor(&page) {
                None => {
                    self.learn(kind, &listing);
                    return Ok(listing);
                }
                Some(next) if !cursors.insert(next.clone()) => {
                    return Err(unusable("the server gave the same cursor twice"));
                }
                next => cursor = next,
            }
        }
        Err(unusable("the list has too many pages"))
    }

    /// Notes which arguments tools want repeated in headers, where there are headers.
    fn learn(&self, kind: ListKind, listing: &Listing) {
        let Some(http) = self.wire.http().filter(|_| kind == ListKind::Tools && self.era().is_modern())
        else {
            return;
        };
        let tool = |item: &Bytes| {
            let name = find_member(item, "name")?.string(item)?.into_owned();
            // One that breaks the rules is not offered, so nobody calls it.
            let mirrors = mirrors(find_member(item, "inputSchema")?.value(item)).ok()?;
            (!mirrors.is_empty()).then(|| (name.into_boxed_str(), Arc::from(mirrors)))
        };
        http.learn(listing.items.iter().filter_map(tool).collect());
    }

    async fn page(&self, kind: ListKind, cursor: Option<&[u8]>) -> Result<Bytes, ListError> {
        let method = kind.method();
        let params = cursor.map(|cursor| [b"{\"cursor\":", cursor, b"}"].concat());
        let params = params.map(|raw| Params::scan(raw.into())).transpose();
        let params = params.map_err(|error| ListError::Unusable { method, text: error.to_string() })?;
        let mut outgoing = Outgoing::new(method).timeout(self.list_timeout);
        if let Some(params) = &params {
            outgoing = outgoing.params(params);
        }
        let mut call = self.request(outgoing)?;
        let answer = call.response().await?;
        match (answer.result(), answer.error()) {
            (Some(result), _) => Ok(result),
            (None, error) => {
                let mut body = ErrorBody::scan(&error.unwrap_or_default());
                // It goes into logs and nowhere else.
                body.message = sanitize::line(&self.wire.blotter.text(&body.message), SHOWN);
                Err(ListError::Refused { method, body })
            }
        }
    }
}

impl Listing {
    /// Adds a page and says how many bytes its items have.
    fn take(&mut self, kind: ListKind, page: &Bytes) -> Result<usize, String> {
        let mut items = None;
        for member in members(page) {
            let member = member.map_err(|error| error.to_string())?;
            let value = member.value(page);
            if member.key_is(page, kind.key()) && member.kind() == JsonKind::Array {
                // Copied, because a kept item must not hold the block it was read into.
                items = Some(Bytes::copy_from_slice(value));
            } else if member.key_is(page, "ttlMs") && member.kind() == JsonKind::Number {
                let ttl = std::str::from_utf8(value).ok().and_then(|text| text.parse::<f64>().ok());
                // The conversion saturates: negative becomes zero, as the protocol wants.
                let ttl = ttl.unwrap_or_default() as u64;
                self.ttl_ms = Some(self.ttl_ms.map_or(ttl, |other| other.min(ttl)));
            } else if member.key_is(page, "cacheScope") {
                // What is not known to be public is private.
                let private = value != b"\"public\"";
                self.private = Some(self.private.unwrap_or_default() || private);
            }
        }
        let items = items.ok_or_else(|| format!("the result has no array `{}`", kind.key()))?;
        for item in elements(&items) {
            let (range, json) = item.map_err(|error| error.to_string())?;
            if json != JsonKind::Object {
                return Err(format!("an item of `{}` is no object", kind.key()));
            }
            self.items.push(items.slice(range));
        }
        Ok(items.len())
    }
}

/// The raw cursor of the next page. An empty string is a cursor, `null` is none.
fn next_cursor(page: &Bytes) -> Option<Vec<u8>> {
    host_message::find_member(page, "nextCursor")
        .filter(|member| member.kind() == JsonKind::String)
        .map(|member| member.value(page).to_vec())
}
