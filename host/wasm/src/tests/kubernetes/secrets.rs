//! What a plugin does not get out of Secrets.

use super::*;

/// In no way that a pod, or a template of pods, has to name one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reference_leads_into_a_secret_that_nobody_named() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let secrets = run.cluster.kind("v1/Secret").await.unwrap();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs", "namespace": run.namespace}, "stringData": {"k": SECRET, "token": SECRET}});
    run.cluster.create(&secrets, &secret, false).await.unwrap();
    type Change = fn(&mut serde_json::Value);
    let changes: [(Change, &str); 12] = [
        (
            |pod| {
                pod["spec"]["containers"][0]["env"] = json!([{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "token"}}}])
            },
            "the variable `TOKEN` may not take the entry `token` of the Secret `theirs`",
        ),
        (
            |pod| {
                let helper = json!({"name": "MCPCFG_token", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "token"}}});
                pod["spec"]["containers"][0]["env"] =
                    json!([helper, {"name": "TOKEN", "value": "$(MCPCFG_token)"}]);
            },
            "the variable `MCPCFG_token` may not take the entry `token` of the Secret `theirs`",
        ),
        (
            |pod| {
                let mut init = pod["spec"]["containers"][0].clone();
                init["name"] = json!("init");
                init["env"] =
                    json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "k"}}}]);
                pod["spec"]["initContainers"] = json!([init]);
            },
            "the variable `A` may not take the entry `k` of the Secret `theirs`",
        ),
        (
            |pod| pod["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "theirs"}}]),
            "a whole Secret is never put into variables",
        ),
        (
            |pod| pod["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "theirs"}}]),
            "the Secret `theirs` is neither made here for this server nor granted",
        ),
        (
            |pod| pod["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "theirs", "items": [{"key": "k", "path": "p"}]}}]),
            "the Secret `theirs` is neither made here for this server nor granted",
        ),
        (
            |pod| {
                pod["spec"]["volumes"] =
                    json!([{"name": "v", "projected": {"sources": [{"secret": {"name": "theirs"}}]}}])
            },
            "plugin `hostile` may not use a volume of kind `projected`",
        ),
        (
            |pod| {
                pod["spec"]["volumes"] =
                    json!([{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "theirs"}}}])
            },
            "plugin `hostile` may not use a volume of kind `csi`",
        ),
        (
            |pod| {
                pod["spec"]["volumes"] =
                    json!([{"name": "v", "emptyDir": {}, "secret": {"secretName": "theirs"}}])
            },
            "a volume has one source",
        ),
        (
            |pod| pod["spec"]["imagePullSecrets"] = json!([{"name": "theirs"}]),
            "the Secret `theirs` is neither made here for this server nor granted",
        ),
        (
            |pod| pod["spec"]["serviceAccountName"] = json!("default"),
            "the service account `default` is neither made here for this server nor granted",
        ),
        (|pod| pod["spec"]["serviceAccount"] = json!("default"), "the pod has `serviceAccount`"),
    ];
    let expected: Vec<&str> = changes.iter().map(|(_, expected)| *expected).collect();
    for (verb, set) in [("apply", false), ("apply", true), ("dry-run", true)] {
        let document = |change: Change| if set { run.deployment(change) } else { run.pod(change) };
        let deeds: Vec<(&str, String)> =
            changes.iter().map(|(change, _)| (verb, document(*change))).collect();
        // A server with a secret of its own, so that the variable is one of its entry's.
        let answers = run.answers(&plugin, run.with_secret(run.server(&deeds))).await;
        all_begin(&deeds, &answers, &expected);
    }
    run.made_nothing().await;
    run.ends().await;
}

/// A pod that carries a secret is made honestly; then everything is tried to get at it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_not_had_out_of_the_pod_that_carries_it() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let env = json!([{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "@NAME@", "key": "key"}}}]);
    let carrying = |change: &dyn Fn(&mut serde_json::Value)| {
        run.pod(|pod| {
            pod["spec"]["containers"][0]["env"] = env.clone();
            change(pod);
        })
    };
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "@NAME@", "namespace": run.namespace}});
    let own = |what: &str| format!("{what} {} @NAME@", run.namespace);
    let deeds = [
        ("secret", secret.to_string()),
        ("get", own("v1/Secret")),
        ("apply", carrying(&|pod| pod["spec"]["containers"][0]["command"] = json!(["env"]))),
        ("apply", carrying(&|pod| pod["spec"]["containers"][0]["args"] = json!(["env"]))),
        ("apply", carrying(&|pod| pod["spec"]["containers"][0]["env"][0]["name"] = json!("OTHER"))),
        (
            "apply",
            carrying(&|pod| {
                let env = pod["spec"]["containers"][0]["env"].as_array_mut().unwrap();
                env.push(json!({"name": "LD_PRELOAD", "value": "x"}));
            }),
        ),
        ("apply", carrying(&|pod| pod["spec"]["containers"][0]["workingDir"] = json!("/evil"))),
        (
            "apply",
            carrying(&|pod| {
                let env = pod["spec"]["containers"][0]["env"].as_array_mut().unwrap();
                env.push(json!({"name": "URL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['evil']"}}}));
            }),
        ),
        (
            "apply",
            carrying(&|pod| {
                let item = json!({"path": "sleep", "mode": 0o755, "fieldRef": {"fieldPath": "metadata.annotations['evil']"}});
                pod["spec"]["volumes"] = json!([{"name": "v", "downwardAPI": {"items": [item]}}]);
                pod["spec"]["containers"][0]["volumeMounts"] =
                    json!([{"name": "v", "mountPath": "/bin/sleep", "subPath": "sleep"}]);
            }),
        ),
        (
            "apply",
            carrying(&|pod| {
                pod["spec"]["containers"][0]["lifecycle"] =
                    json!({"postStart": {"exec": {"command": ["env"]}}})
            }),
        ),
        ("apply", carrying(&|pod| pod["spec"]["initContainers"] = pod["spec"]["containers"].clone())),
        (
            "apply",
            carrying(&|pod| {
                pod["spec"]["hostAliases"] = json!([{"ip": "10.0.0.1", "hostnames": ["api.example"]}])
            }),
        ),
        ("run-pod", carrying(&|pod| pod["spec"]["containers"][0]["args"] = json!(["env"]))),
        ("apply", carrying(&|_| {})),
        ("ready", own("v1/Pod")),
        ("exec", format!("{} @NAME@ env", run.namespace)),
        ("exec-attached", format!("{} @NAME@ env", run.namespace)),
        ("log", own("v1/Pod")),
        ("get", own("v1/Pod")),
    ];
    let answers = run.answers(&plugin, run.with_secret(run.server(&deeds))).await;
    let closed = "a container that carries secrets cannot have";
    let expected = [
        "()",
        "Some(",
        &*format!("{closed} another entry point"),
        &format!("{closed} other arguments than its entry's"),
        "the variable `OTHER` may not take the entry `key`",
        "the variable `LD_PRELOAD` of a server that carries secrets must be that of its entry",
        &format!("{closed} another working directory"),
        "the variable `URL` of a server that carries secrets must be that of its entry",
        "a pod that carries secrets has no volume of a plugin's own texts",
        &format!("{closed} programs that a plugin chose"),
        "a pod that carries secrets has no container but the server's own",
        "a pod that carries secrets has one container",
        &format!("{closed} other arguments than its entry's"),
        "()",
        "0",
        "run a program in pod",
        "run a program in pod",
        "read the output of pod",
        "Some(",
    ];
    all_begin(&deeds, &answers, &expected);
    assert!(!answers[1].contains("\\\"data"), "{}", answers[1]);
    for (at, answer) in answers.iter().enumerate().skip(15).take(3) {
        assert!(answer.ends_with(": it carries secrets"), "{at}: {answer}");
    }
    run.ends().await;
}
