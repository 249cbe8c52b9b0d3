//! What containers have written, and what the cluster has noted about objects.

use crate::cluster::Cluster;
use crate::error::Error;
use crate::kind::Kind;
use crate::name;
use crate::rights::Right;
use serde_json::Value;

/// Which part of a log.
#[derive(Debug, Clone, Default)]
pub struct LogRequest {
    /// The last so many lines.
    pub lines: u32,
    /// At most so many bytes.
    pub bytes: usize,
    /// Of the container's run before this one.
    pub previous: bool,
}

impl Cluster {
    /// The end of a container's log: both streams in the order in which they came, because that is how clusters keep it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Denied`] with the rule, [`crate::ErrorKind::Specification`] when the container has not started.
    pub async fn log_tail(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        request: &LogRequest,
    ) -> Result<String, Error> {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines={}&limitBytes={}&previous={}",
            name::label(namespace)?,
            name::object(pod)?,
            name::label(container)?,
            request.lines,
            request.bytes.max(1),
            request.previous
        );
        let right = Right::new("get", "", "pods", namespace).subresource("log");
        let what = format!("read the log of pod `{pod}`");
        self.text(&what, &right, "GET", &path, "application/json", None).await
    }

    /// What the cluster noted about an object, oldest first: reason and message.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Denied`] with the rule.
    pub async fn events(&self, namespace: &str, uid: &str) -> Result<Vec<(String, String)>, Error> {
        let Some(kind) = Kind::known("v1/Event") else { return Ok(Vec::new()) };
        let selector = format!("involvedObject.uid={uid}");
        let mut found = self.list(&kind, namespace, "", &selector, 100, None).await?.items;
        let text = |event: &Value, pointers: [&str; 3]| {
            let mut found = pointers.iter().filter_map(|pointer| event.pointer(pointer)?.as_str());
            found.next().unwrap_or_default().to_owned()
        };
        let time =
            |event: &Value| text(event, ["/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]);
        found.sort_by_key(|event| time(event));
        let said = |event: &Value| {
            let reason = event.get("reason").and_then(Value::as_str).unwrap_or_default();
            let message = event.get("message").and_then(Value::as_str).unwrap_or_default();
            (reason.to_owned(), message.to_owned())
        };
        Ok(found.iter().map(said).collect())
    }
}
