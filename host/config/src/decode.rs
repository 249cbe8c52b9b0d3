//! From nodes to typed values, by tables.
//!
//! A [`Table`] lists the keys of a map with their forms. The decoder refuses or warns about keys that
//! are not in it, and the reference page is printed from it; [`Fields`] checks in debug builds that
//! code asks for the keys of its table, all of them, in their forms. So the page cannot drift.
//!
//! How a scalar becomes text, a flag or a number follows Docker's files (section 7.7 of the
//! reference), also in files of our own: a pasted catalogue entry means the same thing there.

pub(crate) mod choice;
pub(crate) mod table;

#[cfg(debug_assertions)]
use std::cell::RefCell;
use std::fmt;

use choice::Choice;
use table::{Form, Key, Table};

use crate::misfit::Misfit;
use crate::nearest::{list, suggestion};
use crate::path::{Base, Located};
use crate::report::Report;
use crate::yaml::scalar::{self, Scalar, Schema};
use crate::yaml::{Node, Position, Style, TEMPLATE_HINT, report_key};

/// The entries of one map whose keys are known.
pub(crate) struct Fields<'d> {
    table: &'static Table,
    at: Position,
    values: Vec<(&'static Key, Node<'d>)>,
    #[cfg(debug_assertions)]
    asked: RefCell<Vec<&'static str>>,
}

impl<'d> Fields<'d> {
    /// Opens a map. Nothing counts as an empty map; anything else is a problem and gives none.
    pub(crate) fn open(
        node: Node<'d>,
        table: &'static Table,
        what: impl fmt::Display,
        report: &mut Report,
    ) -> Option<Fields<'d>> {
        if node.is_null() {
            return Some(Fields::empty(table, node.at()));
        }
        let Some(entries) = node.entries() else {
            let names: Vec<&str> = table.keys().map(|key| key.name).collect();
            let hint = (names.len() <= 8).then(|| format!("it has the keys {}", list(&names)));
            report.problem_maybe_hint(node.at(), format!("{what} must be a map, not {}", node.noun()), hint);
            return None;
        };
        let mut fields = Fields::empty(table, node.at());
        for (key, value) in entries {
            let Some((name, ..)) = key.scalar() else {
                report_key(node, key, report);
                continue;
            };
            if let Some(key) = table.key(name) {
                fields.values.push((key, value));
            } else if !(table.ignored.contains(&name) || key.is_null()) {
                report_unknown(name, key.at(), table, report);
            }
        }
        Some(fields)
    }

    /// The fields of a map that is not there.
    pub(crate) fn empty(table: &'static Table, at: Position) -> Fields<'d> {
        Fields {
            table,
            at,
            values: Vec::new(),
            #[cfg(debug_assertions)]
            asked: RefCell::default(),
        }
    }

    /// Where the map starts.
    pub(crate) fn at(&self) -> Position {
        self.at
    }

    /// Where the value of a key stands, or the map if it has no such key.
    pub(crate) fn at_key(&self, name: &str) -> Position {
        self.values.iter().find(|(key, _)| key.name == name).map_or(self.at, |(_, node)| node.at())
    }

    /// Whether a key is there with a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(key, node)| key.name == name && !node.is_null())
    }

    /// The node of a key; none if the key is absent or its value is nothing.
    pub(crate) fn node(&self, name: &'static str) -> Option<Node<'d>> {
        self.find(name).map(|(_, node)| node)
    }

    /// Says that nothing more will be asked; in debug builds, fails if a key of the table was forgotten.
    pub(crate) fn done(self) {
        #[cfg(debug_assertions)]
        for key in self.table.keys() {
            let asked = self.asked.borrow();
            debug_assert!(asked.contains(&key.name), "`{}` of {} is never read", key.name, self.table.title);
        }
    }

    pub(crate) fn text(&self, name: &'static str, report: &mut Report) -> String {
        let Some((key, node)) = self.find(name) else { return String::new() };
        debug_assert!(key.form.is_text(), "{name}");
        text_of(node, format_args!("`{name}`"), report).unwrap_or_default()
    }

    /// The text of a key, none if there is none or it is empty.
    pub(crate) fn some_text(&self, name: &'static str, report: &mut Report) -> Option<String> {
        Some(self.text(name, report)).filter(|text| !text.is_empty())
    }

    pub(crate) fn flag(&self, name: &'static str, report: &mut Report) -> Option<bool> {
        let (key, node) = self.find(name)?;
        debug_assert!(matches!(key.form, Form::Flag), "{name}");
        let flag = flag_of(node);
        if flag.is_none() {
            let what = format!("`{name}` must be `true` or `false`, not {}", node.noun());
            report.problem_maybe_hint(node.at(), what, flag_hint(node));
        }
        flag
    }

    pub(crate) fn integer(&self, name: &'static str, report: &mut Report) -> Option<i64> {
        let (key, node) = self.find(name)?;
        debug_assert!(matches!(key.form, Form::Integer), "{name}");
        let number = integer_of(node, report.strict());
        if number.is_none() {
            let what = format!("`{name}` must be a whole number, not {}", node.noun());
            report.problem(node.at(), what);
        }
        number
    }

    /// A whole number between two bounds.
    pub(crate) fn count<T>(&self, name: &'static str, least: i64, most: i64, report: &mut Report) -> Option<T>
    where
        T: TryFrom<i64>,
    {
        let number = self.integer(name, report)?;
        if !(least..=most).contains(&number) {
            let what = format!("`{name}` must be between {least} and {most}, not {number}");
            report.problem(self.at_key(name), what);
            return None;
        }
        T::try_from(number).ok()
    }

    /// A text of a form of its own, such as a size.
    pub(crate) fn parsed<T>(
        &self,
        name: &'static str,
        report: &mut Report,
        parse: impl Fn(&str) -> Result<T, Misfit>,
    ) -> Option<T> {
        let (key, node) = self.find(name)?;
        debug_assert!(key.form.is_parsed(), "{name}");
        parsed(node, format_args!("`{name}`"), report, parse)
    }

    /// A list of texts of a form of their own.
    pub(crate) fn parsed_list<T>(
        &self,
        name: &'static str,
        report: &mut Report,
        parse: impl Fn(&str) -> Result<T, Misfit>,
    ) -> Vec<T> {
        let Some((key, node)) = self.find(name) else { return Vec::new() };
        debug_assert!(matches!(key.form, Form::List(form) if form.is_parsed()), "{name}");
        let items = items(node, name, report);
        items
            .into_iter()
            .filter_map(|item| parsed(item, format_args!("each of `{name}`"), report, &parse))
            .collect()
    }

    pub(crate) fn texts(&self, name: &'static str, report: &mut Report) -> Vec<String> {
        let Some((key, node)) = self.find(name) else { return Vec::new() };
        debug_assert!(matches!(key.form, Form::List(form) if form.is_text()), "{name}");
        texts_of(node, name, report)
    }

    pub(crate) fn path(&self, name: &'static str, base: &Base, report: &mut Report) -> Option<Located> {
        let (key, node) = self.find(name)?;
        debug_assert!(matches!(key.form, Form::Path), "{name}");
        parsed(node, format_args!("`{name}`"), report, |text| base.locate(text))
    }

    pub(crate) fn paths(&self, name: &'static str, base: &Base, report: &mut Report) -> Vec<Located> {
        let Some((key, node)) = self.find(name) else { return Vec::new() };
        debug_assert!(matches!(key.form, Form::List(Form::Path)), "{name}");
        let items = items(node, name, report);
        items
            .into_iter()
            .filter_map(|item| {
                parsed(item, format_args!("each of `{name}`"), report, |text| base.locate(text))
            })
            .collect()
    }

    pub(crate) fn choice<T: Choice>(&self, name: &'static str, report: &mut Report) -> Option<T> {
        let (key, node) = self.find(name)?;
        debug_assert!(matches!(key.form, Form::Choice(names) if names == T::NAMES), "{name}");
        parsed(node, format_args!("`{name}`"), report, choice::parse::<T>)
    }

    /// The fields of a map below a key; none if there is no such key.
    pub(crate) fn group(&self, name: &'static str, report: &mut Report) -> Option<Fields<'d>> {
        let (key, node) = self.find(name)?;
        Fields::open(node, key.form.table(), format_args!("`{name}`"), report)
    }

    /// The fields of a map below a key, or of an empty map.
    pub(crate) fn group_or_empty(&self, name: &'static str, report: &mut Report) -> Fields<'d> {
        let table = self.table.key(name).expect("code asks for keys of its own table").form.table();
        self.group(name, report).unwrap_or_else(|| Fields::empty(table, self.at_key(name)))
    }

    /// The fields of each map in a list below a key.
    pub(crate) fn groups(&self, name: &'static str, report: &mut Report) -> Vec<Fields<'d>> {
        let Some((key, node)) = self.find(name) else { return Vec::new() };
        let items = items(node, name, report);
        let table = key.form.table();
        items
            .into_iter()
            .filter_map(|item| Fields::open(item, table, format_args!("each of `{name}`"), report))
            .collect()
    }

    /// The fields of each map in a map below a key: name, place of the name, fields.
    pub(crate) fn named_groups(
        &self,
        name: &'static str,
        report: &mut Report,
    ) -> Vec<(String, Position, Fields<'d>)> {
        let Some((key, node)) = self.find(name) else { return Vec::new() };
        let table = key.form.table();
        named(node, format_args!("`{name}`"), report)
            .into_iter()
            .filter_map(|(text, at, value)| {
                let fields = Fields::open(value, table, format_args!("`{text}` in `{name}`"), report)?;
                Some((text, at, fields))
            })
            .collect()
    }

    /// A map from names to texts, in the order of the file.
    pub(crate) fn named_texts(&self, name: &'static str, report: &mut Report) -> Vec<(String, String)> {
        let Some((key, node)) = self.find(name) else { return Vec::new() };
        debug_assert!(matches!(key.form, Form::Map(form) if form.is_text()), "{name}");
        named(node, format_args!("`{name}`"), report)
            .into_iter()
            .filter_map(|(text, _, value)| {
                let value = if value.is_null() {
                    String::new()
                } else {
                    text_of(value, format_args!("`{text}` in `{name}`"), report)?
                };
                Some((text, value))
            })
            .collect()
    }

    fn find(&self, name: &'static str) -> Option<(&'static Key, Node<'d>)> {
        debug_assert!(self.table.key(name).is_some(), "`{name}` is not in the table {}", self.table.title);
        #[cfg(debug_assertions)]
        self.asked.borrow_mut().push(name);
        self.values.iter().copied().find(|(key, node)| key.name == name && !node.is_null())
    }
}

/// A key nobody knows: refused in our own files, worth a word in Docker's.
fn report_unknown(name: &str, at: Position, table: &'static Table, report: &mut Report) {
    let what = format!("unknown key `{name}`");
    let hint =
        (table.hint)(name).map(str::to_owned).or_else(|| suggestion(name, table.keys().map(|key| key.name)));
    if report.strict() {
        report.problem_maybe_hint(at, what, hint);
    } else {
        report.warning(at, what, hint);
    }
}

/// The entries of a map whose keys are names. A key that is nothing is dropped with its value.
pub(crate) fn named<'d>(
    node: Node<'d>,
    what: impl fmt::Display,
    report: &mut Report,
) -> Vec<(String, Position, Node<'d>)> {
    let Some(entries) = node.entries() else {
        report.problem(node.at(), format!("{what} must be a map, not {}", node.noun()));
        return Vec::new();
    };
    let mut named = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match key.scalar() {
            None => report_key(node, key, report),
            Some(_) if key.is_null() && !report.strict() => {}
            Some(_) if key.is_null() => report.problem(key.at(), format!("a key of {what} is empty")),
            Some((text, _, tag)) => named.push((scalar::source_text(text, tag), key.at(), value)),
        }
    }
    named
}

/// The elements of a list. Elements that are nothing are dropped; in our own files they are problems.
pub(crate) fn items<'d>(node: Node<'d>, name: &str, report: &mut Report) -> Vec<Node<'d>> {
    let Some(items) = node.items() else {
        let hint = node.scalar().map(|_| format!("write a list, also of one: `{name}: [...]`"));
        let what = format!("`{name}` must be a list, not {}", node.noun());
        report.problem_maybe_hint(node.at(), what, hint);
        return Vec::new();
    };
    let (empty, items): (Vec<_>, Vec<_>) = items.partition(|item| item.is_null());
    if report.strict() {
        for item in empty {
            report.problem(item.at(), format!("an element of `{name}` is empty"));
        }
    }
    items
}

/// The elements of a list of texts.
pub(crate) fn texts_of(node: Node<'_>, name: &str, report: &mut Report) -> Vec<String> {
    let items = items(node, name, report);
    items.into_iter().filter_map(|item| text_of(item, format_args!("each of `{name}`"), report)).collect()
}

fn parsed<T>(
    node: Node<'_>,
    what: impl fmt::Display,
    report: &mut Report,
    parse: impl Fn(&str) -> Result<T, Misfit>,
) -> Option<T> {
    let text = text_of(node, &what, report)?;
    parse(&text)
        .map_err(|misfit| {
            report.problem_maybe_hint(node.at(), format!("{what}: {}", misfit.what()), misfit.hint);
        })
        .ok()
}

/// Any scalar as its source text.
fn text_of(node: Node<'_>, what: impl fmt::Display, report: &mut Report) -> Option<String> {
    if let Some((text, _, tag)) = node.scalar() {
        return Some(scalar::source_text(text, tag));
    }
    let hint = node.looks_like_template().then(|| TEMPLATE_HINT.to_owned());
    report.problem_maybe_hint(node.at(), format!("{what} must be text, not {}", node.noun()), hint);
    None
}

/// What a scalar says as a flag; none if it is none.
pub(crate) fn flag_of(node: Node<'_>) -> Option<bool> {
    let (text, style, tag) = node.scalar()?;
    match text {
        // The words YAML 1.2 has dropped mean what they used to, in quotes too.
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => match scalar::resolve(text, style, tag, Schema::Core) {
            Scalar::Bool(flag) => Some(flag),
            _ => None,
        },
    }
}

fn flag_hint(node: Node<'_>) -> Option<String> {
    let (text, style, _) = node.scalar()?;
    (style == Style::Quoted && matches!(text, "true" | "false")).then(|| "remove the quotes".to_owned())
}

fn integer_of(node: Node<'_>, strict: bool) -> Option<i64> {
    let (text, style, tag) = node.scalar()?;
    let schema = if strict { Schema::Core } else { Schema::Docker };
    match scalar::resolve(text, style, tag, schema) {
        Scalar::Integer(number) => Some(number),
        Scalar::Float(number) if !strict && number.is_finite() && number.abs() < 9e18 => Some(number as i64),
        _ => None,
    }
}
