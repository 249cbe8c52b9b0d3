//! The reference of `gateway.yaml`, printed from the tables that the decoder uses.

use crate::decode::table::{Form, Table};
use crate::settings::SETTINGS;

/// Every key of `gateway.yaml` as a page of Markdown: `host/config/reference.md`.
pub fn reference() -> String {
    let mut tables: Vec<&'static Table> = Vec::new();
    collect(&SETTINGS, &mut tables);
    let mut page = String::from(
        "# Reference of `gateway.yaml`\n\n\
         Generated from the tables the program reads the file with; do not edit. To renew it:\n\
         `cargo test -p host-config -- --ignored write_reference`.\n\n\
         Every key can be left out unless it says Required. Unknown keys are errors. `NAME` stands for a \
         name of your choice.\n\n\
         | written as | means |\n| --- | --- |\n\
         | size | bytes, or with a unit: `64MiB`, `512m`, `2Gb`. Units are binary, letter case does not matter |\n\
         | duration | a number with a unit: `300ms`, `5s`, `10m`, `1h30m` |\n\
         | processors | `2`, `0.5`, `500m` |\n\
         | path | relative to the folder of the file; `~` is not expanded |\n\
         | pattern | `*` stands for any characters |\n\
         | host | `api.example`, `*.example:8443`. `*` stays within one label; alone it is every host. Without a port, 443 |\n\
         | host:port | a host whose port must be written; `*` is every port, `/tcp` can follow |\n",
    );
    for table in tables {
        page.push_str(&format!("\n## {}\n\n{}\n\n", heading(table), table.about));
        page.push_str("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
        for key in table.keys() {
            let default = match key.default {
                "" => String::new(),
                word if word.contains(' ')
                    || word.contains('`')
                    || matches!(word, "none" | "nothing" | "all" | "any") =>
                {
                    word.to_owned()
                }
                value => format!("`{value}`"),
            };
            page.push_str(&format!(
                "| `{}` | {} | {default} | {} |\n",
                key.name,
                describe(&key.form),
                key.about
            ));
        }
    }
    page
}

/// The tables below a table, each once, parents first.
fn collect(table: &'static Table, tables: &mut Vec<&'static Table>) {
    if tables.iter().any(|known| std::ptr::eq(*known, table)) {
        return;
    }
    tables.push(table);
    for key in table.keys() {
        if let Some(below) = below(&key.form) {
            collect(below, tables);
        }
    }
}

fn below(form: &Form) -> Option<&'static Table> {
    match form {
        Form::Group(table) | Form::GroupOrTrue(table) => Some(table),
        Form::List(form) | Form::Map(form) => below(form),
        _ => None,
    }
}

fn heading(table: &Table) -> String {
    format!("`{}`", table.title)
}

fn describe(form: &Form) -> String {
    match form {
        Form::Text => "text".to_owned(),
        Form::Flag => "`true` or `false`".to_owned(),
        Form::Integer => "whole number".to_owned(),
        Form::Size => "size".to_owned(),
        Form::Duration => "duration".to_owned(),
        Form::Cpus => "processors".to_owned(),
        Form::Path => "path".to_owned(),
        Form::Special(name) => (*name).to_owned(),
        Form::Choice(names) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        Form::Any => "anything".to_owned(),
        Form::List(form) => format!("list of {}", describe(form)),
        Form::Map(form) => format!("map from names to {}", describe(form)),
        Form::Group(table) => format!("map, see {}", link(table)),
        Form::GroupOrTrue(table) => format!("`true`, or map, see {}", link(table)),
    }
}

/// A link to the section of a table, as GitHub names sections.
fn link(table: &Table) -> String {
    let anchor: String = table
        .title
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect();
    format!("[{}](#{anchor})", table.title)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reference.md");

    #[test]
    fn the_page_is_current() {
        let page = std::fs::read_to_string(PATH).unwrap_or_default();
        assert!(
            page == reference(),
            "host/config/reference.md is out of date; run `cargo test -p host-config -- --ignored write_reference`"
        );
    }

    #[test]
    #[ignore = "writes host/config/reference.md"]
    fn write_reference() {
        std::fs::write(PATH, reference()).unwrap();
    }

    #[test]
    fn every_table_and_key_says_something() {
        let mut tables = Vec::new();
        collect(&SETTINGS, &mut tables);
        assert!(tables.len() > 20, "{}", tables.len());
        for table in tables {
            assert!(table.about.ends_with('.'), "{}", table.title);
            let mut names: Vec<&str> = table.keys().map(|key| key.name).collect();
            assert!(
                table.keys().all(|key| key.about.ends_with('.') || key.about.ends_with(".)")),
                "{}",
                table.title
            );
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.keys().count(), "{}", table.title);
        }
    }
}
