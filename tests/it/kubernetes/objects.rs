//! What tests make in their namespace by hand: objects, and accounts with few rights.

use super::{World, variable};
use gateway_tests::harness::eventually;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

impl World {
    /// Applies a document.
    pub(super) async fn apply(&self, document: &Value) {
        self.apply_text(&document.to_string()).await;
    }

    /// Applies documents, YAML or JSON, as an operator does.
    pub(super) async fn apply_text(&self, text: &str) {
        let mut command = Command::new(variable("GATEWAY_TEST_KUBECTL"));
        command.args(["--namespace", &self.namespace, "apply", "-f", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    }

    /// Waits until no object of these kinds is one of those.
    pub(super) async fn gone(&self, kinds: &str, is: impl Fn(&Value) -> bool) {
        eventually("objects to be gone", async || {
            let left: Vec<String> = self
                .get(kinds)
                .await
                .iter()
                .filter(|object| is(object))
                .map(|o| o["metadata"]["name"].to_string())
                .collect();
            if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
        })
        .await;
    }

    /// A kubeconfig of a service account with these rights in the namespace: resources (`pods/attach`, `leases.coordination.k8s.io`) and verbs.
    pub(super) async fn account(&self, name: &str, rights: &[(&str, &str)]) -> String {
        let rules: Vec<Value> = rights
            .iter()
            .map(|(resource, verbs)| {
                let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
                json!({"apiGroups": [group], "resources": [resource], "verbs": verbs.split(',').collect::<Vec<_>>()})
            })
            .collect();
        self.kubectl(&["create", "serviceaccount", name]).await;
        self.apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules})).await;
        let subject = format!("--serviceaccount={}:{name}", self.namespace);
        self.kubectl(&["create", "rolebinding", name, &format!("--role={name}"), &subject]).await;
        let token = self.kubectl(&["create", "token", name]).await;
        let text = self.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"]).await;
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["users"][0]["user"] = json!({ "token": token.trim() });
        config["contexts"][0]["context"]["namespace"] = Value::from(self.namespace.as_str());
        config.to_string()
    }
}
