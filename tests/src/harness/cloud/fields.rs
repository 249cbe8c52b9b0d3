//! Which fields the platforms know. A double refuses every other one, as a platform may, so that a mistyped name is found here.

use serde_json::Value;

/// Keys of an object, each with the shape of what it holds.
pub(super) enum Shape {
    /// Anything.
    Any,
    /// An object with these keys and no others.
    Object(&'static [(&'static str, Shape)]),
    /// A list of such.
    List(&'static Shape),
    /// An object with keys that anybody chose.
    Map,
}

use Shape::{Any, List, Map, Object};

const TAGS: Shape = List(&Object(&[("key", Any), ("value", Any)]));

const CONTAINER: Shape = Object(&[
    ("name", Any),
    ("image", Any),
    ("essential", Any),
    ("memory", Any),
    ("entryPoint", Any),
    ("command", Any),
    ("workingDirectory", Any),
    ("user", Any),
    ("environment", List(&Object(&[("name", Any), ("value", Any)]))),
    ("secrets", List(&Object(&[("name", Any), ("valueFrom", Any)]))),
    ("portMappings", List(&Object(&[("containerPort", Any), ("protocol", Any)]))),
    ("mountPoints", List(&Object(&[("sourceVolume", Any), ("containerPath", Any), ("readOnly", Any)]))),
    ("linuxParameters", Object(&[("initProcessEnabled", Any)])),
    ("stopTimeout", Any),
    ("dependsOn", List(&Object(&[("containerName", Any), ("condition", Any)]))),
    ("logConfiguration", Object(&[("logDriver", Any), ("options", Map)])),
]);

const DEFINITION: Shape = Object(&[
    ("family", Any),
    ("networkMode", Any),
    ("requiresCompatibilities", Any),
    ("cpu", Any),
    ("memory", Any),
    ("runtimePlatform", Object(&[("cpuArchitecture", Any), ("operatingSystemFamily", Any)])),
    ("containerDefinitions", List(&CONTAINER)),
    ("executionRoleArn", Any),
    ("taskRoleArn", Any),
    ("ephemeralStorage", Object(&[("sizeInGiB", Any)])),
    ("volumes", List(&Object(&[("name", Any), ("efsVolumeConfiguration", Map)]))),
    ("tags", TAGS),
]);

const NETWORK: Shape = Object(&[("subnets", Any), ("securityGroups", Any), ("assignPublicIp", Any)]);

const RUN: Shape = Object(&[
    ("cluster", Any),
    ("taskDefinition", Any),
    ("count", Any),
    ("launchType", Any),
    ("capacityProviderStrategy", Any),
    ("platformVersion", Any),
    ("networkConfiguration", Object(&[("awsvpcConfiguration", NETWORK)])),
    ("clientToken", Any),
    ("startedBy", Any),
    ("enableExecuteCommand", Any),
    ("tags", TAGS),
]);

const NEW_SECRET: Shape = Object(&[
    ("Name", Any),
    ("ClientRequestToken", Any),
    ("SecretString", Any),
    ("Tags", List(&Object(&[("Key", Any), ("Value", Any)]))),
]);

const VARIABLE: Shape = Object(&[
    ("name", Any),
    ("value", Any),
    ("valueSource", Object(&[("secretKeyRef", Object(&[("secret", Any), ("version", Any)]))])),
]);

const PROBE: Shape = Object(&[
    ("periodSeconds", Any),
    ("timeoutSeconds", Any),
    ("failureThreshold", Any),
    ("initialDelaySeconds", Any),
    ("httpGet", Object(&[("path", Any), ("port", Any)])),
    ("tcpSocket", Object(&[("port", Any)])),
]);

const SERVED: Shape = Object(&[
    ("name", Any),
    ("image", Any),
    ("command", Any),
    ("args", Any),
    ("workingDir", Any),
    ("env", List(&VARIABLE)),
    ("ports", List(&Object(&[("name", Any), ("containerPort", Any)]))),
    ("resources", Object(&[("limits", Object(&[("cpu", Any), ("memory", Any)])), ("cpuIdle", Any)])),
    ("volumeMounts", List(&Object(&[("name", Any), ("mountPath", Any)]))),
    ("startupProbe", PROBE),
]);

const TEMPLATE: Shape = Object(&[
    ("containers", List(&SERVED)),
    ("scaling", Object(&[("minInstanceCount", Any), ("maxInstanceCount", Any)])),
    ("timeout", Any),
    ("sessionAffinity", Any),
    ("serviceAccount", Any),
    ("volumes", List(&Object(&[("name", Any), ("emptyDir", Map), ("gcs", Map)]))),
]);

/// A service of Cloud Run.
pub(super) const SERVICE: Shape = Object(&[("labels", Map), ("ingress", Any), ("template", TEMPLATE)]);
/// A secret of Secret Manager.
pub(super) const SECRET: Shape = Object(&[("replication", Object(&[("automatic", Map)])), ("labels", Map)]);
/// Its version.
pub(super) const VERSION: Shape = Object(&[("payload", Object(&[("data", Any)]))]);
/// A policy of either.
pub(super) const POLICY: Shape = Object(&[(
    "policy",
    Object(&[
        ("bindings", List(&Object(&[("role", Any), ("members", Any)]))),
        ("etag", Any),
        ("version", Any),
    ]),
)]);

/// What an operation of AWS may be given; nothing for those whose fields moto knows.
pub(super) fn of_aws(operation: &str) -> Option<&'static Shape> {
    Some(match operation {
        "RegisterTaskDefinition" => &DEFINITION,
        "RunTask" => &RUN,
        "CreateSecret" => &NEW_SECRET,
        _ => return None,
    })
}

impl Shape {
    /// The first field that is not known, by its path.
    pub(super) fn unknown(&self, value: &Value, path: &str) -> Option<String> {
        match (self, value) {
            (Any | Map, _) => None,
            (Object(keys), Value::Object(fields)) => fields.iter().find_map(|(name, value)| {
                let path = format!("{path}.{name}");
                match keys.iter().find(|(known, _)| known == name) {
                    Some((_, shape)) => shape.unknown(value, &path),
                    None => Some(path),
                }
            }),
            (List(shape), Value::Array(list)) => list.iter().find_map(|value| shape.unknown(value, path)),
            (Object(_), _) => Some(format!("{path}: no object")),
            (List(_), _) => Some(format!("{path}: no list")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DEFINITION, SERVICE};
    use serde_json::json;

    #[test]
    fn an_unknown_field_is_named_by_its_path() {
        let definition = json!({"family": "a", "containerDefinitions": [{"name": "a", "entrypoint": []}]});
        let unknown = DEFINITION.unknown(&definition, "");
        assert_eq!(unknown.as_deref(), Some(".containerDefinitions.entrypoint"));
        let service = json!({"labels": {"anything": "goes"}, "template": {"containers": {}}});
        assert_eq!(SERVICE.unknown(&service, "").as_deref(), Some(".template.containers: no list"));
        assert_eq!(SERVICE.unknown(&json!({"labels": {}}), ""), None);
    }
}
