//! What the pods of a plugin may be.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_has_no_rights_beyond_itself() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    type Change = fn(&mut serde_json::Value);
    let changes: [(Change, &str); 14] = [
        (
            |pod| pod["spec"]["hostNetwork"] = json!(true),
            "plugin `hostile` may not use namespaces of the node",
        ),
        (|pod| pod["spec"]["hostPID"] = json!(true), "plugin `hostile` may not use namespaces of the node"),
        (|pod| pod["spec"]["nodeName"] = json!("testnode"), "the pod has `nodeName`"),
        (|pod| pod["spec"]["ephemeralContainers"] = json!([]), "the pod has `ephemeralContainers`"),
        (|pod| pod["spec"]["serviceAccountName"] = json!("default"), "the service account `default`"),
        (
            |pod| pod["spec"]["automountServiceAccountToken"] = json!(true),
            "a pod without a service account of its own",
        ),
        (
            |pod| pod["spec"]["containers"][0]["securityContext"] = json!({"privileged": true}),
            "plugin `hostile` may not run a container privileged",
        ),
        (
            |pod| {
                pod["spec"]["containers"][0]["securityContext"] =
                    json!({"capabilities": {"add": ["SYS_ADMIN"]}})
            },
            "plugin `hostile` may not give a container the capability `SYS_ADMIN`",
        ),
        (
            |pod| pod["spec"]["containers"][0]["image"] = json!("evil/image"),
            "the image `evil/image` is not that of the server's entry",
        ),
        (
            |pod| pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]),
            "plugin `hostile` may not open a port of the node",
        ),
        (
            |pod| pod["spec"]["volumes"] = json!([{"name": "v", "hostPath": {"path": "/"}}]),
            "plugin `hostile` may not use a volume of kind `hostPath`",
        ),
        (
            |pod| {
                pod["spec"]["volumes"] =
                    json!([{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}])
            },
            "plugin `hostile` may not use a volume of kind `projected`",
        ),
        (
            |pod| pod["metadata"]["ownerReferences"] = json!([{"kind": "Node", "name": "testnode"}]),
            "an owner of an object can only be the gateway's own pod",
        ),
        (
            |pod| pod["metadata"]["annotations"] = json!({"mcp-gateway.docker.com/bridge": "80"}),
            "this gateway was built without `gateway-bridge`",
        ),
    ];
    let deeds: Vec<(&str, String)> = changes.iter().map(|(change, _)| ("apply", run.pod(*change))).collect();
    let answers = run.answers(&plugin, run.server(&deeds)).await;
    let expected: Vec<&str> = changes.iter().map(|(_, expected)| *expected).collect();
    all_begin(&deeds, &answers, &expected);
    run.ends().await;
}

/// A set takes what its selector names for its own, and removes what is too much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_of_pods_selects_its_own() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let with = |selector: serde_json::Value| {
        let mut deployment: serde_json::Value = serde_json::from_str(&run.deployment(|_| {})).unwrap();
        deployment["spec"]["selector"] = selector;
        deployment.to_string()
    };
    let deeds = [
        ("apply", with(json!({"matchLabels": {"app.kubernetes.io/managed-by": "mcp-gateway"}}))),
        ("apply", with(json!({"matchLabels": {"gateway-server": "somebody-else"}}))),
        ("apply", with(json!({"matchExpressions": [{"key": "gateway-server", "operator": "Exists"}]}))),
        ("apply", with(json!(null))),
    ];
    let answers = run.answers(&plugin, run.server(&deeds)).await;
    all_begin(&deeds, &answers, &["a set of pods must select by the label"; 4]);
    run.made_nothing().await;
    run.ends().await;
}
