//! The contract (`wit/`) as data, and the reference page that is generated from it.
//!
//! Relies on `wit-parser` alone, so that what is checked and printed is what every generator reads. Knows nothing of the host.

mod model;
mod page;

pub use model::{Function, Interface, Member, Piece, Shape, Type, TypeItem, World};

use anyhow::Context as _;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wit_parser::Resolve;

/// The one command that brings the reference page up to date.
pub const UPDATE: &str = "cargo run -p gateway-tests --bin contract-reference";

/// The top folder of this checkout.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of the current track.
#[must_use]
pub fn track() -> PathBuf {
    repository().join("wit/v0.1")
}

/// Where the generated page is kept, beside what it describes.
#[must_use]
pub fn reference_file() -> PathBuf {
    track().join("reference.md")
}

/// One track of the contract, read and resolved.
#[derive(Debug)]
pub struct Contract {
    /// Package name with version: `gateway:provisioner@0.1.0`.
    pub name: String,
    /// What the package says about itself.
    pub docs: Option<String>,
    /// In the order of the file.
    pub worlds: Vec<World>,
    /// First what plugins export, then interfaces without functions, then what everyone may import, then what must be granted; the last
    /// two by name.
    pub interfaces: Vec<Interface>,
}

impl Contract {
    /// Reads every `.wit` file of a folder as one package.
    ///
    /// # Errors
    /// The folder cannot be read, or is no valid package; the text names file and line.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve
            .push_dir(folder)
            .with_context(|| format!("read the contract in `{}`", folder.display()))?;
        model::contract(&resolve, package)
    }

    /// The whole reference page, in Markdown.
    #[must_use]
    pub fn reference(&self) -> String {
        page::page(self)
    }

    /// Every type of every interface, with the interface's name.
    pub fn types(&self) -> impl Iterator<Item = (&str, &TypeItem)> {
        self.interfaces.iter().flat_map(|i| i.types.iter().map(move |t| (i.name.as_str(), t)))
    }

    /// Every function and method, with its full name: `docker.start`, `connection.run-output.label`.
    pub fn functions(&self) -> impl Iterator<Item = (String, &Function)> {
        let free = self
            .interfaces
            .iter()
            .flat_map(|i| i.functions.iter().map(move |f| (format!("{}.{}", i.name, f.name), f)));
        let methods = self.types().flat_map(|(interface, item)| {
            let functions = match &item.shape {
                Shape::Resource(functions) => functions.as_slice(),
                _ => &[],
            };
            functions.iter().map(move |f| (format!("{interface}.{}.{}", item.name, f.name), f))
        });
        free.chain(methods)
    }

    /// Dotted names that documentation uses for something which does not exist: ` `lease.stat` ` in a text. A name counts as ours when it
    /// begins with the name of an interface or type.
    #[must_use]
    pub fn unknown_names(&self, text: &str) -> Vec<String> {
        let (firsts, known) = self.names();
        code_spans(text)
            .filter(|span| span.contains('.') && span.chars().all(is_name_or_dot))
            .filter(|span| span.split('.').next().is_some_and(|first| firsts.contains(first)))
            .filter(|span| !known.contains(*span))
            .map(str::to_owned)
            .collect()
    }

    /// First segments, and whole names, that can be used for an item: `docker.start`, `types.lease.state`, `lease.state`.
    fn names(&self) -> (BTreeSet<&str>, BTreeSet<String>) {
        let mut firsts: BTreeSet<&str> = self.interfaces.iter().map(|i| i.name.as_str()).collect();
        let mut known = BTreeSet::new();
        for interface in &self.interfaces {
            for function in &interface.functions {
                known.insert(format!("{}.{}", interface.name, function.name));
            }
            for item in &interface.types {
                firsts.insert(&item.name);
                known.insert(format!("{}.{}", interface.name, item.name));
                for part in item.shape.part_names() {
                    known.insert(format!("{}.{part}", item.name));
                    known.insert(format!("{}.{}.{part}", interface.name, item.name));
                }
            }
        }
        (firsts, known)
    }
}

/// What stands between backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_name_or_dot(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.')
}
