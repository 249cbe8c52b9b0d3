//! What a plugin reaches: its own objects, of granted kinds in granted namespaces.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_namespace_and_no_other_kind_is_reached() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let elsewhere = run.pod(|pod| pod["metadata"]["namespace"] = json!(run.other));
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "@NAME@", "namespace": run.namespace}});
    let role =
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "@NAME@"}});
    let deeds = [
        ("apply", elsewhere.clone()),
        ("dry-run", elsewhere),
        ("get", format!("v1/Pod {} x", run.other)),
        ("remove", format!("v1/Pod {} x", run.other)),
        ("enumerate", format!("v1/Pod {} a", run.other)),
        ("keys", format!("{} x", run.other)),
        ("exec", format!("{} x env", run.other)),
        ("tunnel", format!("v1/Pod {} x", run.other)),
        ("get", "v1/Pod kube-system x".to_owned()),
        ("get", format!("v1/Pod {}/../kube-system x", run.namespace)),
        ("apply", map.to_string()),
        ("apply", role.to_string()),
        ("get", format!("v1/ConfigMap {} x", run.namespace)),
        ("remove", format!("v1/ConfigMap {} x", run.namespace)),
        ("enumerate", format!("v1/Node {} a", run.namespace)),
        ("get", format!("v1/Namespace {} {}", run.namespace, run.namespace)),
    ];
    let answers = run.answers(&plugin, run.server(&deeds)).await;
    let namespace = format!("plugin `hostile` may do nothing in namespace `{}`", run.other);
    let kind = "plugin `hostile` may do nothing with objects of kind";
    let mut expected = vec![namespace.as_str(); 8];
    expected.extend([
        "plugin `hostile` may do nothing in namespace `kube-system`",
        "plugin `hostile` may do nothing in namespace",
    ]);
    expected.extend([kind; 6]);
    all_begin(&deeds, &answers, &expected);
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_neither_removed_nor_changed_nor_entered() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let pods = run.cluster.kind("v1/Pod").await.unwrap();
    // One without labels, one with a gateway's labels that says it is somebody else's.
    for (name, labels) in [
        ("plain", json!({})),
        (
            "theirs",
            json!({"app.kubernetes.io/managed-by": "mcp-gateway", "gateway-plugin": "hostile", "gateway-session": "kzzzzzzzzzzzzzzz", "gateway-id": "kzzzzzzzzzzzzzzz"}),
        ),
    ] {
        let mut pod: serde_json::Value = serde_json::from_str(&run.pod(|_| {})).unwrap();
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["labels"] = labels;
        run.cluster.create(&pods, &pod, false).await.unwrap();
    }
    let secrets = run.cluster.kind("v1/Secret").await.unwrap();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain", "namespace": run.namespace}, "stringData": {"k": SECRET}});
    run.cluster.create(&secrets, &secret, false).await.unwrap();
    let of = |what: &str, name: &str| format!("{what} {} {name}", run.namespace);
    let secret_document = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain", "namespace": run.namespace}});
    let deeds = [
        ("remove", of("v1/Pod", "plain")),
        ("remove", of("v1/Pod", "theirs")),
        ("remove", of("v1/Secret", "plain")),
        ("exec", format!("{} plain env", run.namespace)),
        ("exec-attached", format!("{} theirs env", run.namespace)),
        ("attach", of("v1/Pod", "theirs")),
        ("log", of("v1/Pod", "plain")),
        ("tunnel", of("v1/Pod", "plain")),
        ("keys", format!("{} plain", run.namespace)),
        ("apply", run.pod(|pod| pod["metadata"]["name"] = json!("plain"))),
        ("apply", secret_document.to_string()),
        (
            "apply",
            run.pod(|pod| pod["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "plain"}}])),
        ),
        (
            "apply",
            run.pod(|pod| {
                pod["spec"]["containers"][0]["env"] =
                    json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "plain", "key": "k"}}}])
            }),
        ),
        (
            "apply",
            run.pod(|pod| {
                pod["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "plain"}}])
            }),
        ),
    ];
    let answers = run.answers(&plugin, run.server(&deeds)).await;
    let not_own = |name: &str| format!("Pod `{name}` is not one of this call");
    let belongs = format!("Pod `plain` in namespace `{}` belongs to somebody else", run.namespace);
    let expected = [
        &*not_own("plain"),
        &not_own("theirs"),
        "Secret `plain` is not one of this call",
        &not_own("plain"),
        &not_own("theirs"),
        &not_own("theirs"),
        &not_own("plain"),
        &not_own("plain"),
        "plugin `hostile` may not look at the Secret `plain`",
        &belongs,
        "a Secret is not applied as a document",
        "the Secret `plain` is neither made here for this server nor granted",
        "the variable `A` may not take the entry `k` of the Secret `plain`",
        "a whole Secret is never put into variables",
    ];
    all_begin(&deeds, &answers, &expected);
    // What may be seen of a Secret is that it is there.
    let seen = run.answers(&plugin, run.server(&[("get", of("v1/Secret", "plain"))])).await;
    assert!(seen[0].contains("\\\"name\\\":\\\"plain\\\"") && !seen[0].contains("\\\"data"), "{seen:?}");
    for name in ["plain", "theirs"] {
        assert!(
            run.cluster.get(&pods, &run.namespace, name).await.unwrap().is_some(),
            "{name} is still there"
        );
    }
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_in_calls_that_only_read() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let deeds = [
        ("apply", run.pod(|pod| pod["metadata"]["name"] = json!("made"))),
        ("remove", format!("v1/Pod {} made", run.namespace)),
        ("exec", format!("{} made env", run.namespace)),
        ("run-pod", run.pod(|pod| pod["metadata"]["name"] = json!("made"))),
        ("tunnel", format!("v1/Pod {} made", run.namespace)),
    ];
    let call = Call::new(RequestId::from_bits(1), LONG);
    let failure =
        plugin.validate(&call, &Arc::new(run.server(&deeds))).await.map(drop).expect_err("it only asks");
    let answers: Vec<String> = failure.text.split(" / ").map(str::to_owned).collect();
    let expected =
        ["applied", "removed", "run", "run", "opened"].map(|what| format!("nothing is {what} in `validate`"));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    all_begin(&deeds, &answers, &expected);
    run.ends().await;
}
