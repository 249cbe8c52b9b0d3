//! Rights as RBAC names them: which are missing, and the rule that would give them.

use crate::cluster::Cluster;
use crate::error::Error;
use serde_json::{Value, json};

/// A right as RBAC names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// `create`, `get`.
    pub verb: String,
    /// API group; empty for the core one.
    pub group: String,
    /// `pods`, `deployments`.
    pub plural: String,
    /// `attach`, `log`.
    pub subresource: Option<String>,
    /// Empty for what has no namespace, and for all of them.
    pub namespace: String,
    /// One object; absent: all.
    pub name: Option<String>,
}

impl Right {
    /// The right to do something with all objects of a kind.
    #[must_use]
    pub fn new(verb: &str, group: &str, plural: &str, namespace: &str) -> Self {
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            plural: plural.to_owned(),
            subresource: None,
            namespace: namespace.to_owned(),
            name: None,
        }
    }

    /// The same of a subresource.
    #[must_use]
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = Some(subresource.to_owned());
        self
    }

    /// `pods/attach`.
    #[must_use]
    pub fn resource(&self) -> String {
        match &self.subresource {
            Some(sub) => format!("{}/{sub}", self.plural),
            None => self.plural.clone(),
        }
    }

    /// The rule of a Role that gives it, as YAML on one line.
    #[must_use]
    pub fn rule(&self) -> String {
        let names = match &self.name {
            Some(name) => format!(", resourceNames: [\"{name}\"]"),
            None => String::new(),
        };
        format!(
            "{{apiGroups: [\"{}\"], resources: [\"{}\"], verbs: [\"{}\"]{names}}}",
            self.group,
            self.resource(),
            self.verb
        )
    }

    /// One sentence with the rule (`provisioning.md` 3.11).
    #[must_use]
    pub fn advice(&self) -> String {
        let resource = self.resource();
        if self.namespace.is_empty() {
            let rule = self.rule();
            return format!(
                "check RBAC permissions for {resource}.{}; a ClusterRole needs the rule {rule}",
                self.verb
            );
        }
        format!(
            "check RBAC permissions for {resource}.{} in namespace {}; a Role there needs the rule {}",
            self.verb,
            self.namespace,
            self.rule()
        )
    }
}

impl Cluster {
    /// Whether these credentials have the right. Everybody may ask that of himself.
    ///
    /// # Errors
    /// The cluster does not say.
    pub async fn may(&self, right: &Right) -> Result<bool, Error> {
        let mut attributes = json!({
            "verb": right.verb,
            "group": right.group,
            "resource": right.plural,
            "namespace": right.namespace,
        });
        if let Some(map) = attributes.as_object_mut() {
            if let Some(sub) = &right.subresource {
                map.insert("subresource".to_owned(), Value::from(sub.as_str()));
            }
            if let Some(name) = &right.name {
                map.insert("name".to_owned(), Value::from(name.as_str()));
            }
        }
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": attributes },
        });
        let asked = Right::new("create", "authorization.k8s.io", "selfsubjectaccessreviews", "");
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = self
            .request("ask for the rights of these credentials", &asked, "POST", path, Some(&review))
            .await?;
        Ok(answer.pointer("/status/allowed").and_then(Value::as_bool) == Some(true))
    }
}
