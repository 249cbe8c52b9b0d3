//! The reference page: every world, interface, type and function of a track with its comment, in Markdown.

use super::{Contract, Function, Interface, Piece, Shape, Type, TypeItem, UPDATE, World};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Writes the page. The same contract gives the same bytes.
pub(super) fn page(contract: &Contract) -> String {
    let links = Links::of(contract);
    let mut out = String::new();
    let _ = write!(
        out,
        "<!-- Generated from the `.wit` files in this folder. Do not edit; update with: {UPDATE} -->\n\n\
         # Reference of `{}`\n\n",
        contract.name
    );
    if let Some(docs) = &contract.docs {
        prose(&mut out, docs, &links);
    }
    out.push_str("What the tracks are, and worked examples, are in [the page above](../README.md).\n\n");
    contents(&mut out, contract);
    out.push_str("## Worlds\n\n");
    for world in &contract.worlds {
        world_section(&mut out, world, &links);
    }
    for interface in &contract.interfaces {
        interface_section(&mut out, interface, &links);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn contents(out: &mut String, contract: &Contract) {
    out.push_str("## Contents\n\n* [Worlds](#worlds):");
    let worlds = contract.worlds.iter().map(|w| link(&w.name, &world_heading(&w.name)));
    let _ = writeln!(out, " {}", worlds.collect::<Vec<_>>().join(", "));
    for i in &contract.interfaces {
        let _ = writeln!(out, "* {}", link(&i.name, &interface_heading(&i.name)));
        let item = |name: &str| link(name, &item_heading(&i.name, name));
        let types: Vec<_> = i.types.iter().map(|t| item(&t.name)).collect();
        let functions: Vec<_> = i.functions.iter().map(|f| item(&f.name)).collect();
        for (word, items) in [("types", types), ("functions", functions)] {
            if !items.is_empty() {
                let _ = writeln!(out, "  * {word}: {}", items.join(", "));
            }
        }
    }
    out.push('\n');
}

fn world_section(out: &mut String, world: &World, links: &Links) {
    let _ = writeln!(out, "### {}\n", world_heading(&world.name));
    if let Some(docs) = &world.docs {
        prose(out, docs, links);
    }
    for (word, names) in [("Exports", &world.exports), ("Imports", &world.imports)] {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|n| link(n, &interface_heading(n))).collect();
            let _ = writeln!(out, "{word}: {}\n", names.join(", "));
        }
    }
}

fn interface_section(out: &mut String, interface: &Interface, links: &Links) {
    let _ = writeln!(out, "## {}\n", interface_heading(&interface.name));
    if let Some(docs) = &interface.docs {
        prose(out, docs, links);
    }
    for item in &interface.types {
        type_section(out, interface, item, links);
    }
    for function in &interface.functions {
        let _ = writeln!(out, "### {}\n", item_heading(&interface.name, &function.name));
        function_body(out, function, links);
    }
}

fn type_section(out: &mut String, interface: &Interface, item: &TypeItem, links: &Links) {
    let _ = writeln!(out, "### {}\n", item_heading(&interface.name, &item.name));
    match &item.shape {
        Shape::Alias(ty) => {
            let _ = writeln!(out, "*type* {}\n", linked(ty));
        }
        shape => {
            let _ = writeln!(out, "*{}*\n", shape.word());
        }
    }
    if let Some(docs) = &item.docs {
        prose(out, docs, links);
    }
    match &item.shape {
        Shape::Alias(_) => {}
        Shape::Resource(methods) => {
            for method in methods {
                let _ = writeln!(out, "#### `{}.{}`\n", item.name, method.name);
                function_body(out, method, links);
            }
        }
        shape => members(out, shape, links),
    }
}

fn members(out: &mut String, shape: &Shape, links: &Links) {
    let typed = shape.members().iter().any(|m| m.ty.is_some());
    let first = if matches!(shape, Shape::Record(_)) { "field" } else { "case" };
    out.push_str(&if typed {
        format!("| {first} | type | meaning |\n| --- | --- | --- |\n")
    } else {
        format!("| {first} | meaning |\n| --- | --- |\n")
    });
    for member in shape.members() {
        let _ = write!(out, "| `{}` |", member.name);
        if typed {
            match &member.ty {
                Some(ty) => drop(write!(out, " {} |", linked(ty))),
                None => out.push_str(" |"),
            }
        }
        match &member.docs {
            Some(docs) => drop(writeln!(out, " {} |", cell(docs, links))),
            None => out.push_str(" |\n"),
        }
    }
    out.push('\n');
}

fn function_body(out: &mut String, function: &Function, links: &Links) {
    let parameters: Vec<_> = function.parameters.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {ty}")).unwrap_or_default();
    let word = if function.is_async { "async func" } else { "func" };
    let _ = writeln!(out, "```wit\n{}: {word}({}){result};\n```\n", function.name, parameters.join(", "));
    if let Some(docs) = &function.docs {
        prose(out, docs, links);
    }
    let mut used = Vec::new();
    for ty in function.parameters.iter().map(|(_, ty)| ty).chain(&function.result) {
        for piece in &ty.0 {
            if let Piece::Named { interface, name } = piece {
                let one = link(name, &item_heading(interface, name));
                if !used.contains(&one) {
                    used.push(one);
                }
            }
        }
    }
    if !used.is_empty() {
        let _ = writeln!(out, "Types: {}\n", used.join(", "));
    }
}

/// A comment as paragraphs.
fn prose(out: &mut String, docs: &str, links: &Links) {
    let _ = writeln!(out, "{}\n", links.in_text(docs));
}

/// A comment in a cell of a table, which has no paragraphs and no bars.
fn cell(docs: &str, links: &Links) -> String {
    let paragraphs: Vec<_> = docs.split("\n\n").map(|p| p.lines().collect::<Vec<_>>().join(" ")).collect();
    links.in_text(&paragraphs.join("<br><br>").replace('|', "\\|"))
}

/// A type with links to the named types in it.
fn linked(ty: &Type) -> String {
    ty.0.iter()
        .map(|piece| match piece {
            Piece::Text(text) => format!("`{text}`"),
            Piece::Named { interface, name } => link(name, &item_heading(interface, name)),
        })
        .collect()
}

/// Which names in a text become links.
struct Links(BTreeMap<String, String>);

impl Links {
    fn of(contract: &Contract) -> Self {
        // Only dotted names: a bare `http` may be the interface, a scheme, or a word.
        let mut links = BTreeMap::new();
        for (interface, item) in contract.types() {
            let heading = item_heading(interface, &item.name);
            for part in item.shape.part_names() {
                links.insert(format!("{}.{part}", item.name), heading.clone());
            }
            links.insert(format!("{interface}.{}", item.name), heading);
        }
        // Functions last: where a name could mean a function and a field, the function is meant.
        for interface in &contract.interfaces {
            for function in &interface.functions {
                let heading = item_heading(&interface.name, &function.name);
                links.insert(format!("{}.{}", interface.name, function.name), heading);
            }
        }
        Self(links)
    }

    fn in_text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for (i, span) in text.split('`').enumerate() {
            match (i % 2, self.0.get(span)) {
                (0, _) => out.push_str(span),
                (_, Some(heading)) => out.push_str(&link(span, heading)),
                (_, None) => drop(write!(out, "`{span}`")),
            }
        }
        out
    }
}

fn world_heading(name: &str) -> String {
    format!("World `{name}`")
}

fn interface_heading(name: &str) -> String {
    format!("Interface `{name}`")
}

fn item_heading(interface: &str, name: &str) -> String {
    format!("`{interface}.{name}`")
}

fn link(text: &str, heading: &str) -> String {
    format!("[`{text}`](#{})", slug(heading))
}

/// The anchor that Markdown renderers give a heading: lower case, spaces to dashes, other punctuation dropped.
fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
            _ => None,
        })
        .collect()
}
