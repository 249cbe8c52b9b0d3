//! Docker's catalogue files: which servers exist.
//!
//! Read as Docker's gateway reads them (section 7 of the reference): a value of the wrong kind anywhere
//! refuses the file, unknown keys do not. What has no effect is at least worth a warning.

use std::collections::HashMap;
use std::path::Path;

use crate::decode::Fields;
use crate::decode::table::{Form, Table, key};
use crate::file;
use crate::problem::{Problems, Warning};
use crate::report::{Mode, Report};
use crate::server::{CATALOG_SERVER, Server};
use crate::yaml::scalar::Schema;
use crate::yaml::{self, Document, Value};

/// One or several catalogue files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    /// The file as the operator named it; of several, the last.
    pub source: String,
    /// Its id.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
    /// Its servers, in the order of the file, each name once.
    pub servers: Vec<Server>,
    /// Somebody else's decision about it; kept, not interpreted.
    pub policy: Option<Value>,
}

static CATALOG: Table = Table {
    title: "catalog",
    about: "A catalogue.",
    groups: &[&[
        key("name", Form::Text, "Its id."),
        key("displayName", Form::Text, "Its name for people."),
        key("version", Form::Any, "Ignored."),
        key("registry", Form::Map(&Form::Group(&CATALOG_SERVER)), "The servers by name."),
        key("policy", Form::Any, "Somebody else's decision about it; kept, not interpreted."),
    ]],
    ignored: &[],
    hint: |name| {
        (name == "servers").then_some("the servers of a catalogue stand under `registry:`; rename the key")
    },
};

impl Catalog {
    /// Reads a catalogue file.
    ///
    /// # Errors
    /// Everything that is wrong with the file, at once. A file that is not there is an error too; whoever
    /// takes it for an empty catalogue must look first.
    pub fn load(path: &Path) -> Result<(Catalog, Vec<Warning>), Problems> {
        Catalog::parse(&file::read(path)?, &path.display().to_string())
    }

    /// Reads the text of a catalogue; `file_name` is for messages.
    ///
    /// # Errors
    /// Everything that is wrong with the text, at once.
    pub fn parse(text: &str, file_name: &str) -> Result<(Catalog, Vec<Warning>), Problems> {
        let mut report = Report::new(file_name, Mode::Docker);
        let catalog =
            yaml::read(text, &mut report, |document, report| Catalog::decode(document, file_name, report));
        report.finish(catalog)
    }

    fn decode(document: &Document<'_>, file_name: &str, report: &mut Report) -> Option<Catalog> {
        let mut catalog = Catalog { source: file_name.to_owned(), ..Catalog::default() };
        let Some(root) = document.root() else { return Some(catalog) };
        let fields = Fields::open(root, &CATALOG, "a catalogue", report)?;
        catalog.name = fields.text("name", report);
        catalog.display_name = fields.text("displayName", report);
        let _ = fields.node("version");
        for (name, at, fields) in fields.named_groups("registry", report) {
            crate::server::name::check_docker(&name, at, report);
            catalog.servers.push(Server::decode(name, at, &fields, report));
            fields.done();
        }
        catalog.policy = fields.node("policy").map(|node| Value::decode(node, Schema::Docker, report));
        fields.done();
        Some(catalog)
    }

    /// Puts catalogues together. Of servers with one name the last wins entirely, at the place of the
    /// first, and a warning says so.
    pub fn merge(catalogs: impl IntoIterator<Item = Catalog>) -> (Catalog, Vec<Warning>) {
        let mut merged = Catalog::default();
        let mut warnings = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for catalog in catalogs {
            let Catalog { source, name, display_name, servers, policy } = catalog;
            for server in servers {
                let known = places.get(&server.name).and_then(|index| merged.servers.get_mut(*index));
                match known {
                    Some(known) => {
                        warnings.push(Warning {
                            file: server.place.file.as_ref().to_owned(),
                            line: server.place.line,
                            column: server.place.column,
                            // Docker's words, so that whoever looks for them finds them.
                            what: format!(
                                "overlapping key '{}' found in catalog '{source}', overwriting previous value",
                                server.name
                            ),
                            hint: None,
                        });
                        *known = server;
                    }
                    None => {
                        places.insert(server.name.clone(), merged.servers.len());
                        merged.servers.push(server);
                    }
                }
            }
            merged = Catalog { source, name, display_name, policy, ..merged };
        }
        (merged, warnings)
    }

    /// The server of a name, which is trimmed as in Docker's gateway.
    pub fn get(&self, name: &str) -> Option<&Server> {
        let name = name.trim();
        self.servers.iter().find(|server| server.name == name)
    }
}

#[cfg(test)]
mod tests;
