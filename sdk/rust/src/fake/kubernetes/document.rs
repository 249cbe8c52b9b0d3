//! Documents: what an object is found by, what it says, and whether a selector fits.

use crate::kubernetes::Target;
use crate::types::ObjectRef;
use crate::{Error, Result};
use serde_json::{Value, json};

/// What an object is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: String,
    pub(super) namespace: String,
    name: String,
}

impl From<&Target> for Key {
    fn from(target: &Target) -> Self {
        Self { kind: target.kind.clone(), namespace: target.namespace.clone(), name: target.name.clone() }
    }
}

impl Key {
    pub(super) fn object(&self) -> ObjectRef {
        ObjectRef::new(&self.kind, &self.namespace, &self.name)
    }

    pub(super) fn of(document: &Value) -> Result<Self> {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        match (text("/apiVersion"), text("/kind"), text("/metadata/name")) {
            (Some(version), Some(kind), Some(name)) => Ok(Self {
                kind: format!("{version}/{kind}"),
                namespace: text("/metadata/namespace").unwrap_or("default").to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(Error::permanent("apply document: it needs `apiVersion`, `kind` and `metadata.name`")),
        }
    }
}

pub(super) fn shown(target: &Target) -> String {
    format!("{} {}/{}", target.kind, target.namespace, target.name)
}

/// For the list of calls; a document that is none is refused by the call itself.
pub(super) fn named(document: &str) -> String {
    let parsed = serde_json::from_str::<Value>(document).ok();
    match parsed.and_then(|document| Key::of(&document).ok()) {
        Some(key) => format!("{} {}/{}", key.kind, key.namespace, key.name),
        None => "?".to_owned(),
    }
}

pub(super) fn is(object: &Value, key: &str, wanted: &str) -> bool {
    object.get(key).and_then(Value::as_str) == Some(wanted)
}

/// Puts a value at a path, with maps on the way to it.
pub(super) fn set(document: &mut Value, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *document = value;
        return;
    };
    if !document.is_object() {
        *document = json!({});
    }
    if let Some(map) = document.as_object_mut() {
        set(map.entry(*first).or_insert(Value::Null), rest, value);
    }
}

/// `a=b,c=d` and `a`, which is what plugins need to find their own.
pub(super) fn selects(selector: &str, document: &Value) -> bool {
    let labels = document.pointer("/metadata/labels").unwrap_or(&Value::Null);
    selector.split(',').filter(|part| !part.is_empty()).all(|part| match part.split_once('=') {
        Some((key, wanted)) => is(labels, key.trim(), wanted.trim()),
        None => labels.get(part.trim()).is_some(),
    })
}
