//! What an object can be tested for. Pure functions over documents.

use serde_json::Value;

/// A test of one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It is there.
    Exists,
    /// It is not there (any more).
    Gone,
    /// A condition of its status is `True`.
    IsTrue(String),
    /// A condition of its status is `False`.
    IsFalse(String),
    /// The value at a JSON pointer.
    Equals(String, Value),
    /// A Deployment has rolled out its present generation.
    RolledOut,
}

/// Whether an object, `None` if it is not there, passes a test.
#[must_use]
pub fn is_met(test: &Test, object: Option<&Value>) -> bool {
    let Some(object) = object else { return *test == Test::Gone };
    match test {
        Test::Exists => true,
        Test::Gone => false,
        Test::IsTrue(condition) => has_condition(object, condition, "True"),
        Test::IsFalse(condition) => has_condition(object, condition, "False"),
        Test::Equals(pointer, value) => object.pointer(pointer) == Some(value),
        Test::RolledOut => is_rolled_out(object),
    }
}

fn has_condition(object: &Value, kind: &str, status: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        let text = |key: &str| condition.get(key).and_then(Value::as_str);
        text("type") == Some(kind) && text("status") == Some(status)
    })
}

/// As `kubectl rollout status` decides it.
fn is_rolled_out(object: &Value) -> bool {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    number("/status/observedGeneration") >= number("/metadata/generation")
        && number("/status/updatedReplicas") >= wanted
        && number("/status/replicas") <= number("/status/updatedReplicas")
        && number("/status/availableReplicas") >= wanted
}

#[cfg(test)]
mod tests {
    use super::{Test, is_met};
    use serde_json::json;

    #[test]
    fn objects_are_tested_as_kubectl_does() {
        let pod = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
        let ready = Test::IsTrue("Ready".to_owned());
        assert!(is_met(&ready, Some(&pod)));
        assert!(!is_met(&ready, None));
        assert!(is_met(&Test::Gone, None));
        assert!(!is_met(&Test::Gone, Some(&pod)));
        assert!(is_met(&Test::Equals("/status/phase".to_owned(), json!("Running")), Some(&pod)));
        let mut deployment = json!({
            "metadata": { "generation": 2 }, "spec": { "replicas": 1 },
            "status": { "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1 },
        });
        assert!(!is_met(&Test::RolledOut, Some(&deployment)), "the old generation was observed");
        deployment["status"]["observedGeneration"] = json!(2);
        assert!(is_met(&Test::RolledOut, Some(&deployment)));
        deployment["status"]["replicas"] = json!(2);
        assert!(!is_met(&Test::RolledOut, Some(&deployment)), "an old replica is still there");
    }
}
