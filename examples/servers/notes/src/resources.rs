//! Notes as resources: each one under `note:///` and its name.

use std::rc::Rc;

use serde_json::{Value, json};
use server_kit::Resources;

use crate::name::Name;
use crate::store::Store;

const TEMPLATE: &str = "note:///{name}";
const MARKDOWN: &str = "text/markdown";

/// The notes of a store.
pub(crate) struct Notes(pub(crate) Rc<Store>);

impl Resources for Notes {
    fn list(&self, after: Option<&str>, most: usize) -> Result<Vec<Value>, String> {
        let mut names: Vec<(String, Name)> =
            self.0.names()?.into_iter().map(|name| (name.uri(), name)).collect();
        names.sort();
        let rest = names.into_iter().filter(|(uri, _)| after.is_none_or(|after| uri.as_str() > after));
        Ok(rest
            .take(most)
            .map(|(uri, name)| {
                let entry = self.0.entry(name);
                let mut resource = json!({
                    "uri": uri,
                    "name": entry.name.as_str(),
                    "title": entry.title,
                    "mimeType": MARKDOWN,
                    "size": entry.size,
                });
                if let (Some(modified), Some(resource)) = (entry.modified, resource.as_object_mut()) {
                    resource.insert("annotations".into(), json!({ "lastModified": modified }));
                }
                resource
            })
            .collect())
    }

    fn templates(&self) -> Vec<Value> {
        vec![json!({
            "uriTemplate": TEMPLATE,
            "name": "note",
            "title": "A note",
            "description": "A note by its name, as Markdown",
            "mimeType": MARKDOWN,
        })]
    }

    fn read(&self, uri: &str) -> Result<Option<Value>, String> {
        let Some(name) = Name::from_uri(uri) else { return Ok(None) };
        Ok(self.0.read(&name)?.map(|text| content(uri, &text)))
    }

    fn complete(&self, template: &str, argument: &str, start: &str) -> Result<Option<Vec<String>>, String> {
        if (template, argument) != (TEMPLATE, "name") {
            return Ok(None);
        }
        let start = start.to_lowercase();
        let names = self.0.names()?.into_iter().map(|name| name.to_string());
        Ok(Some(names.filter(|name| name.to_lowercase().starts_with(&start)).collect()))
    }
}

/// A note's text as the content of a resource.
pub(crate) fn content(uri: &str, text: &str) -> Value {
    json!({ "uri": uri, "mimeType": MARKDOWN, "text": text })
}
