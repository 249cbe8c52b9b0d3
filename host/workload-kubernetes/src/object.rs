//! Objects as JSON documents: applied, read, listed, removed.

use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind};
use crate::kind::Kind;
use crate::name::query;
use serde_json::{Value, json};

/// The name under which fields are owned in server-side apply.
const MANAGER: &str = "mcp-gateway";

/// A page of objects.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// The objects, each with `apiVersion` and `kind`.
    pub items: Vec<Value>,
    /// Where the next page begins; absent on the last one.
    pub cursor: Option<String>,
}

/// How an object is removed.
#[derive(Debug, Clone, Default)]
pub struct Removal {
    /// Seconds for it to end by itself; absent: what it says.
    pub grace_seconds: Option<u32>,
    /// Only if it is still that object.
    pub uid: Option<String>,
    /// It is there until what depends on it has gone: a Deployment until its pods have. Else it goes first, and they follow.
    pub dependents_first: bool,
}

impl Cluster {
    /// Server-side apply. The object as stored; with `dry_run` as it would be.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] with another field manager, and where the document has `metadata.resourceVersion` and the object another.
    pub async fn apply(&self, kind: &Kind, document: &Value, dry_run: bool) -> Result<Value, Error> {
        let (namespace, name) = of(document)?;
        let what = format!("apply {} `{name}`", kind.kind);
        let mut path = format!("{}?fieldManager={MANAGER}", kind.object(&namespace, &name)?);
        if dry_run {
            path.push_str("&dryRun=All");
        }
        let right = kind.right("patch", &namespace);
        self.request(&what, &right, "PATCH", &path, Some(document)).await
    }

    /// Makes an object that is not there yet. The object as stored; with `dry_run` as it would be.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the name is taken.
    pub async fn create(&self, kind: &Kind, document: &Value, dry_run: bool) -> Result<Value, Error> {
        let (namespace, name) = of(document)?;
        let what = format!("create {} `{name}`", kind.kind);
        // Checks the name too.
        kind.object(&namespace, &name)?;
        let dry = if dry_run { "&dryRun=All" } else { "" };
        let path = format!("{}?fieldManager={MANAGER}{dry}", kind.path(&namespace)?);
        let right = kind.right("create", &namespace);
        self.request(&what, &right, "POST", &path, Some(document)).await
    }

    /// Puts a document in the place of an object that is there.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] where the document has `metadata.resourceVersion` and the object another.
    pub async fn replace(&self, kind: &Kind, document: &Value) -> Result<Value, Error> {
        let (namespace, name) = of(document)?;
        let what = format!("update {} `{name}`", kind.kind);
        let path = format!("{}?fieldManager={MANAGER}", kind.object(&namespace, &name)?);
        let right = kind.right("update", &namespace);
        self.request(&what, &right, "PUT", &path, Some(document)).await
    }

    /// `None` when it is not there.
    ///
    /// # Errors
    /// The cluster does not say.
    pub async fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
        let what = format!("read {} `{name}`", kind.kind);
        let path = kind.object(namespace, name)?;
        match self.request(&what, &kind.right("get", namespace), "GET", &path, None).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of objects, in all namespaces when none is named. Selectors are in the API's words, empty for all.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] also when the cursor is too old: begin again.
    pub async fn list(
        &self,
        kind: &Kind,
        namespace: &str,
        labels: &str,
        fields: &str,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Listed, Error> {
        let what = format!("list {}", kind.plural);
        let mut path = format!("{}?limit={}", kind.path(namespace)?, limit.clamp(1, 1000));
        for (key, value) in [("labelSelector", labels), ("fieldSelector", fields)] {
            if !value.is_empty() {
                path.push_str(&format!("&{key}={}", query(value)));
            }
        }
        if let Some(cursor) = cursor {
            path.push_str(&format!("&continue={}", query(cursor)));
        }
        let mut found = self.request(&what, &kind.right("list", namespace), "GET", &path, None).await?;
        let cursor =
            found.pointer("/metadata/continue").and_then(Value::as_str).filter(|text| !text.is_empty());
        let cursor = cursor.map(str::to_owned);
        let mut items = match found.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        for item in &mut items {
            // Inside a list they have neither.
            if let Some(map) = item.as_object_mut() {
                map.insert("apiVersion".to_owned(), Value::from(kind.api_version.as_str()));
                map.insert("kind".to_owned(), Value::from(kind.kind.as_str()));
            }
        }
        Ok(Listed { items, cursor })
    }

    /// Removes an object and what depends on it. Succeeds when it is not there, or another of its name. Waits for nothing.
    ///
    /// # Errors
    /// The right is missing, or the cluster does not answer.
    pub async fn remove(&self, kind: &Kind, namespace: &str, name: &str, how: &Removal) -> Result<(), Error> {
        let what = format!("remove {} `{name}`", kind.kind);
        let path = kind.object(namespace, name)?;
        let mut options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": if how.dependents_first { "Foreground" } else { "Background" },
        });
        if let Some(map) = options.as_object_mut() {
            if let Some(grace) = how.grace_seconds {
                map.insert("gracePeriodSeconds".to_owned(), Value::from(grace));
            }
            if let Some(uid) = &how.uid {
                map.insert("preconditions".to_owned(), json!({ "uid": uid }));
            }
        }
        match self.request(&what, &kind.right("delete", namespace), "DELETE", &path, Some(&options)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            // It is another one by now.
            Err(error) if error.kind == ErrorKind::Conflict && how.uid.is_some() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Namespace and name of a document.
fn of(document: &Value) -> Result<(String, String), Error> {
    let text =
        |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text("/metadata/name");
    if name.is_empty() {
        return Err(Error::specification("a document needs `metadata.name`"));
    }
    Ok((text("/metadata/namespace"), name))
}
