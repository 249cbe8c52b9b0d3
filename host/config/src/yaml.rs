//! A YAML document as a tree that remembers where each thing stood and how it was written.
//!
//! Docker's files need more than a value: `1.10` must stay `1.10` where text is wanted, so every
//! scalar keeps its source text and style, and what it means is decided by whoever asks
//! ([`scalar`]). The tree is bounded in depth and in what aliases may repeat, so a small hostile
//! file cannot become a large tree, and code that walks it may recurse.

mod build;
pub(crate) mod scalar;
mod value;

pub use value::{Map, Value};
pub(crate) use value::{TEMPLATE_HINT, report_key};

use std::borrow::Cow;

use crate::report::Report;

/// How deep lists and maps may be nested, aliases included.
pub(crate) const MAX_DEPTH: usize = 128;

/// How much content aliases and merge keys may repeat, in bytes of text plus [`NODE_WEIGHT`] each.
pub(crate) const MAX_REPEATED: u64 = 16 * 1024 * 1024;

/// What one node counts for beside its text.
const NODE_WEIGHT: u64 = 64;

/// A place in the text, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Bare: its meaning depends on its text.
    Plain,
    /// In quotes or as a block: text, whatever it looks like.
    Quoted,
}

/// The tag in front of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// One of YAML's own: `!!int` is `Core("int")`.
    Core(Box<str>),
    /// Any other, `!foo` or a lone `!`.
    Other,
}

/// Reads the first document of a text and hands it to `decode`.
///
/// Duplicate keys and bad merges are reported and reading goes on; after a syntax error nothing can be
/// said about the rest, so there is no document.
pub(crate) fn read<T>(
    text: &str,
    report: &mut Report,
    decode: impl FnOnce(&Document<'_>, &mut Report) -> Option<T>,
) -> Option<T> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let joined = build::join_surrogates(text);
    let document = build::document(joined.as_deref().unwrap_or(text), report)?;
    decode(&document, report)
}

/// Index of a node in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id(usize);

/// What a node is made of. Aliases are the same node twice, so this is a graph without cycles.
#[derive(Debug)]
enum Content<'t> {
    Scalar { text: Cow<'t, str>, style: Style },
    List(Vec<Id>),
    Map(Vec<(Id, Id)>),
}

/// A node as stored.
#[derive(Debug)]
struct Stored<'t> {
    at: Position,
    tag: Option<Tag>,
    content: Content<'t>,
    /// Size of everything below with aliases written out.
    weight: u64,
    /// Levels below and including this one.
    height: usize,
}

/// The first document of a file.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    nodes: Vec<Stored<'t>>,
    root: Option<Id>,
}

impl Document<'_> {
    /// The top of the document; none if it is empty.
    pub(crate) fn root(&self) -> Option<Node<'_>> {
        self.root.map(|id| self.node(id))
    }

    fn node(&self, id: Id) -> Node<'_> {
        let stored = self.nodes.get(id.0).expect("ids are only made for nodes that were stored");
        Node { document: self, stored }
    }
}

/// One node of a document.
#[derive(Clone, Copy)]
pub(crate) struct Node<'d> {
    document: &'d Document<'d>,
    stored: &'d Stored<'d>,
}

impl<'d> Node<'d> {
    /// Where it starts.
    pub(crate) fn at(self) -> Position {
        self.stored.at
    }

    /// The source text, style and tag of a scalar.
    pub(crate) fn scalar(self) -> Option<(&'d str, Style, Option<&'d Tag>)> {
        match &self.stored.content {
            Content::Scalar { text, style } => Some((text, *style, self.stored.tag.as_ref())),
            _ => None,
        }
    }

    /// The elements of a list.
    pub(crate) fn items(self) -> Option<impl ExactSizeIterator<Item = Node<'d>>> {
        match &self.stored.content {
            Content::List(items) => Some(items.iter().map(move |id| self.document.node(*id))),
            _ => None,
        }
    }

    /// The keys and values of a map, merge keys already applied.
    pub(crate) fn entries(self) -> Option<impl ExactSizeIterator<Item = (Node<'d>, Node<'d>)>> {
        match &self.stored.content {
            Content::Map(entries) => Some(
                entries
                    .iter()
                    .map(move |(key, value)| (self.document.node(*key), self.document.node(*value))),
            ),
            _ => None,
        }
    }

    /// Whether it is nothing: empty, `~` or `null`.
    pub(crate) fn is_null(self) -> bool {
        self.scalar().is_some_and(|(text, style, tag)| scalar::is_null(text, style, tag))
    }

    /// What it is, for "must be a list, not …". Never quotes the content, which may be private.
    pub(crate) fn noun(self) -> &'static str {
        match &self.stored.content {
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
            Content::Scalar { text, style } => {
                scalar::resolve(text, *style, self.stored.tag.as_ref(), scalar::Schema::Core).noun()
            }
        }
    }

    /// Whether this is what `{{a.b}}` without quotes becomes: a map whose key is a map.
    pub(crate) fn looks_like_template(self) -> bool {
        self.entries()
            .is_some_and(|mut entries| entries.len() == 1 && entries.any(|(key, _)| key.entries().is_some()))
    }
}

#[cfg(test)]
mod tests;
