//! From parser events to the tree: nesting, anchors, merge keys, duplicate keys, and the bounds.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag as ParsedTag};

use super::{
    Content, Document, Id, MAX_DEPTH, MAX_REPEATED, NODE_WEIGHT, Position, Stored, Style, TEMPLATE_HINT, Tag,
};
use crate::report::Report;

/// Reading cannot go on; the problem has been reported.
struct Stop;

/// Below this many keys a map is searched instead of hashed.
const FEW_KEYS: usize = 12;

pub(super) fn document<'t>(text: &'t str, report: &mut Report) -> Option<Document<'t>> {
    let mut builder = Builder {
        document: Document { nodes: Vec::new(), root: None },
        open: Vec::new(),
        anchors: HashMap::new(),
        repeated: 0,
        report,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                syntax_error(text, &error, report);
                return None;
            }
        };
        // Only the first document counts.
        if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            break;
        }
        builder.event(event, position(span.start)).ok()?;
    }
    let document = builder.document;
    // What follows is not read, so whatever it is, it has no effect.
    let rest = match parser.next_event() {
        None | Some(Ok((Event::StreamEnd, _))) => None,
        Some(Ok((_, span))) => Some((span.start, "only the first document of a file counts")),
        Some(Err(error)) => Some((*error.marker(), "nothing may follow the end of the document")),
    };
    if let Some((marker, what)) = rest {
        if report.strict() {
            report.problem(position(marker), what);
        } else {
            report.warning(position(marker), what, None);
        }
    }
    Some(document)
}

/// A list or map that is still open.
struct Open {
    at: Position,
    anchor: usize,
    tag: Option<Tag>,
    children: Children,
}

enum Children {
    List(Vec<Id>),
    Map { entries: Vec<(Id, Id)>, key: Option<Id> },
}

struct Builder<'t, 'r> {
    document: Document<'t>,
    open: Vec<Open>,
    anchors: HashMap<usize, Id>,
    /// Weight of everything that aliases and merge keys have repeated so far.
    repeated: u64,
    report: &'r mut Report,
}

impl<'t> Builder<'t, '_> {
    fn event(&mut self, event: Event<'t>, at: Position) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
                let content = Content::Scalar { text, style };
                let id = self.store(at, tag.as_deref().map(convert_tag), content);
                self.finish(id, anchor);
            }
            Event::SequenceStart(anchor, tag) => {
                self.push(at, anchor, tag.as_deref(), Children::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.push(at, anchor, tag.as_deref(), Children::Map { entries: Vec::new(), key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => {
                let id = self.alias(anchor, at)?;
                self.attach(id);
            }
            _ => {}
        }
        Ok(())
    }

    fn push(
        &mut self,
        at: Position,
        anchor: usize,
        tag: Option<&ParsedTag>,
        children: Children,
    ) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            return self.too_deep(at);
        }
        self.open.push(Open { at, anchor, tag: tag.map(convert_tag), children });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stop> {
        let Some(Open { at, anchor, tag, children }) = self.open.pop() else { return Ok(()) };
        let content = match children {
            Children::List(items) => Content::List(items),
            Children::Map { entries, .. } => Content::Map(self.map(entries)?),
        };
        let id = self.store(at, tag, content);
        self.finish(id, anchor);
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<Id, Stop> {
        let Some(id) = self.anchors.get(&anchor).copied() else {
            self.report.problem(at, "this alias stands inside what it refers to");
            return Err(Stop);
        };
        let (weight, height) = self.measure(id);
        if self.open.len() + height > MAX_DEPTH {
            self.too_deep(at)?;
        }
        self.repeat(weight, at)?;
        Ok(id)
    }

    fn too_deep(&mut self, at: Position) -> Result<(), Stop> {
        self.report.problem(at, too_deep());
        Err(Stop)
    }

    /// Counts what is repeated, so that ten lines of aliases of aliases cannot fill the memory of
    /// whoever walks the tree.
    fn repeat(&mut self, weight: u64, at: Position) -> Result<(), Stop> {
        self.repeated = self.repeated.saturating_add(weight);
        if self.repeated > MAX_REPEATED {
            self.report.problem(at, "aliases repeat more than 16 MiB of content");
            return Err(Stop);
        }
        Ok(())
    }

    fn store(&mut self, at: Position, tag: Option<Tag>, content: Content<'t>) -> Id {
        let mut weight = NODE_WEIGHT;
        let mut below = 0;
        let mut add = |id: Id| {
            let (more, height) = self.measure(id);
            weight = weight.saturating_add(more);
            below = below.max(height);
        };
        match &content {
            Content::Scalar { .. } => {}
            Content::List(items) => items.iter().copied().for_each(&mut add),
            Content::Map(entries) => entries.iter().for_each(|(key, value)| {
                add(*key);
                add(*value);
            }),
        }
        let height = match &content {
            Content::Scalar { text, .. } => {
                weight = weight.saturating_add(text.len() as u64);
                0
            }
            _ => below + 1,
        };
        let id = Id(self.document.nodes.len());
        self.document.nodes.push(Stored { at, tag, content, weight, height });
        id
    }

    fn measure(&self, id: Id) -> (u64, usize) {
        self.document.nodes.get(id.0).map_or((0, 0), |node| (node.weight, node.height))
    }

    fn finish(&mut self, id: Id, anchor: usize) {
        // The parser counts anchors from 1; 0 means none.
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        self.attach(id);
    }

    fn attach(&mut self, id: Id) {
        match self.open.last_mut().map(|open| &mut open.children) {
            None => self.document.root = Some(id),
            Some(Children::List(items)) => items.push(id),
            Some(Children::Map { entries, key }) => match key.take() {
                None => *key = Some(id),
                Some(key) => entries.push((key, id)),
            },
        }
    }

    /// Checks the keys of a finished map and applies its merge keys.
    fn map(&mut self, entries: Vec<(Id, Id)>) -> Result<Vec<(Id, Id)>, Stop> {
        self.report_duplicates(&entries);
        if !entries.iter().any(|(key, _)| self.is_merge(*key)) {
            return Ok(entries);
        }
        let (merges, mut all): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(key, _)| self.is_merge(*key));
        // What is written out wins over what is merged, wherever the merge key stands.
        let mut known: HashSet<String> =
            all.iter().filter_map(|(key, _)| self.key_text(*key)).map(str::to_owned).collect();
        for (_, source) in merges {
            for map in self.merge_sources(source) {
                let more = match self.document.nodes.get(map.0).map(|node| &node.content) {
                    Some(Content::Map(more)) => more.clone(),
                    _ => Vec::new(),
                };
                let at = self.at(source);
                for (key, value) in more {
                    self.repeat(self.measure(key).0.saturating_add(self.measure(value).0), at)?;
                    let new = match self.key_text(key) {
                        Some(text) => known.insert(text.to_owned()),
                        None => true,
                    };
                    if new {
                        all.push((key, value));
                    }
                }
            }
        }
        Ok(all)
    }

    /// The maps behind a merge key: one, or a list of them of which the first has precedence.
    fn merge_sources(&mut self, source: Id) -> Vec<Id> {
        let is_map = |builder: &Builder<'_, '_>, id: Id| {
            matches!(builder.document.nodes.get(id.0).map(|node| &node.content), Some(Content::Map(_)))
        };
        let sources = match self.document.nodes.get(source.0).map(|node| &node.content) {
            Some(Content::List(items)) => items.clone(),
            _ => vec![source],
        };
        let (maps, others): (Vec<Id>, Vec<Id>) = sources.into_iter().partition(|id| is_map(self, *id));
        for other in others {
            let noun = self.document.node(other).noun();
            let what = format!("the merge key `<<` takes a map or a list of maps, not {noun}");
            self.report.problem(self.at(other), what);
        }
        maps
    }

    fn report_duplicates(&mut self, entries: &[(Id, Id)]) {
        let mut found: Vec<(Id, Id)> = Vec::new();
        if entries.len() <= FEW_KEYS {
            for (index, (key, _)) in entries.iter().enumerate() {
                let Some(text) = self.key_text(*key) else { continue };
                let before =
                    entries.iter().take(index).find(|(other, _)| self.key_text(*other) == Some(text));
                found.extend(before.map(|(first, _)| (*first, *key)));
            }
        } else {
            let mut seen: HashMap<&str, Id> = HashMap::with_capacity(entries.len());
            for (key, _) in entries {
                let Some(text) = self.key_text(*key) else { continue };
                match seen.get(text) {
                    Some(first) => found.push((*first, *key)),
                    None => {
                        seen.insert(text, *key);
                    }
                }
            }
        }
        for (first, again) in found {
            let text = self.key_text(again).unwrap_or_default().to_owned();
            let line = self.at(first).line;
            self.report.problem_with_hint(
                self.at(again),
                format!("the key `{text}` is already defined at line {line}"),
                "keep one of the two",
            );
        }
    }

    fn at(&self, id: Id) -> Position {
        self.document.nodes.get(id.0).map(|node| node.at).unwrap_or_default()
    }

    /// The text that makes two keys the same key. Lists and maps as keys are nobody's business here.
    fn key_text(&self, id: Id) -> Option<&str> {
        match self.document.nodes.get(id.0).map(|node| &node.content) {
            Some(Content::Scalar { text, .. }) => Some(text),
            _ => None,
        }
    }

    fn is_merge(&self, id: Id) -> bool {
        self.document.nodes.get(id.0).is_some_and(|node| {
            let tagged = match &node.tag {
                None => true,
                Some(Tag::Core(name)) => &**name == "merge",
                Some(Tag::Other) => false,
            };
            tagged && matches!(&node.content, Content::Scalar { text, style: Style::Plain } if text == "<<")
        })
    }
}

fn too_deep() -> String {
    format!("nested more than {MAX_DEPTH} levels deep")
}

fn convert_tag(tag: &ParsedTag) -> Tag {
    if tag.is_yaml_core_schema() { Tag::Core(tag.suffix.as_str().into()) } else { Tag::Other }
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

fn syntax_error(text: &str, error: &ScanError, report: &mut Report) {
    let at = position(*error.marker());
    let line = text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
    if error.info().contains("unknown anchor") {
        let name: String = line
            .chars()
            .skip(at.column)
            .take_while(|c| !c.is_whitespace() && !matches!(c, ',' | '[' | ']' | '{' | '}'))
            .collect();
        let what = format!("unknown anchor `{name}`");
        return report.problem_with_hint(at, what, format!("an alias needs `&{name}` somewhere above it"));
    }
    // The scanner looks ahead in brackets and has a bound of its own.
    if error.info().contains("recursion limit") {
        return report.problem(at, too_deep());
    }
    let what = format!("not valid YAML: {}", error.info());
    report.problem_maybe_hint(at, what, syntax_hint(line, error.info()).map(str::to_owned));
}

/// The way out of the usual slips.
fn syntax_hint(line: &str, info: &str) -> Option<&'static str> {
    let indent = line.len() - line.trim_start().len();
    if line.get(..indent).is_some_and(|indent| indent.contains('\t')) || info.contains("tab") {
        return Some("indent with spaces, YAML allows no tabs there");
    }
    if line.contains("{{") {
        return Some(TEMPLATE_HINT);
    }
    let hints = [
        ("mapping values are not allowed", "text that contains `: ` needs quotes"),
        ("simple key expect", "a line above has no `:` after its key"),
        ("illegal placement of ':'", "is a bracket above left open?"),
        ("found unexpected end of stream", "is a quote left open?"),
        ("did not find expected ',' or", "is a comma or the closing bracket missing?"),
        ("did not find expected key", "is the line indented like those around it?"),
    ];
    hints.into_iter().find(|(part, _)| info.contains(part)).map(|(_, hint)| hint)
}

/// JSON's `\ud83d\ude00` as the one character it stands for, which YAML does not know; none if the text
/// is not JSON or has no such pair.
pub(super) fn join_surrogates(text: &str) -> Option<String> {
    let first = text.trim_start().chars().next()?;
    if !matches!(first, '{' | '[' | '"') || !(text.contains("\\ud") || text.contains("\\uD")) {
        return None;
    }
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        joined.push_str(before);
        let pair = unit(escape).zip(escape.get(6..).and_then(unit));
        let decoded = pair.and_then(|(high, low)| char::decode_utf16([high, low]).next()?.ok());
        if let Some(c) = decoded.filter(|c| c.len_utf16() == 2) {
            joined.push(c);
            rest = escape.get(12..).unwrap_or_default();
        } else {
            // A backslash and what it escapes, so that `\\ud83d` is not taken for an escape.
            let width = 1 + escape.chars().nth(1).map_or(0, char::len_utf8);
            let (escaped, after) = escape.split_at(width);
            joined.push_str(escaped);
            rest = after;
        }
    }
    joined.push_str(rest);
    Some(joined)
}

/// The sixteen bits of a leading `\uXXXX`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}
