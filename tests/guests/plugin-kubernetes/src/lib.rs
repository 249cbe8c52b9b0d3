//! A plugin that asks a cluster, on request, for what it must not have. The request is the annotations of the server: each is a host function and
//! its argument, and what all of them answered becomes the text of a failure. `@NAME@`, `@REQUEST@` and `@SERVER@` stand for what is this call's.

#[path = "../../toolless.rs"]
mod toolless;

wit_bindgen::generate!({
    path: "../../../wit/v0.1",
    world: "kubernetes-plugin",
    generate_all,
});

use exports::gateway::provisioner::provisioner::{Description, Guest, Prepared, Provisioned, Reconnected};
use gateway::provisioner::kubernetes::{
    self, Condition, PodOutput, SecretContent, SecretEntry, Target, Test,
};
use gateway::provisioner::types::*;
use toolless::{failure, unsupported};

struct Plugin;

export!(Plugin);

/// `kind namespace name`.
fn target(words: &[&str]) -> Target {
    let word = |at: usize| words.get(at).copied().unwrap_or_default().to_owned();
    Target { kind: word(0), namespace: word(1), name: word(2) }
}

fn said<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(failure) => failure.text,
    }
}

/// One host function; what it answered.
fn deed(verb: &str, argument: &str, server: &Server) -> String {
    let words: Vec<&str> = argument.split(' ').collect();
    let rest = || words.iter().skip(2).map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match verb {
        "apply" => said(kubernetes::apply(argument).map(|_| ())),
        "dry-run" => said(kubernetes::dry_run(argument).map(|_| ())),
        "get" => said(kubernetes::get(&target(&words))),
        "remove" => said(kubernetes::remove(&target(&words), Some(0), None)),
        "enumerate" => {
            let page = Page { cursor: None, limit: 100 };
            let selector = words.get(2).copied().unwrap_or_default();
            said(
                kubernetes::enumerate(words[0], words.get(1).copied().unwrap_or_default(), selector, &page)
                    .map(|p| p.documents),
            )
        }
        "secret" => {
            let name = SecretName { owner: SecretOwner::Server, server_id: None, name: "token".to_owned() };
            let content = SecretContent::Value(vec![Part::Secret(name)]);
            let entry = SecretEntry { key: "key".to_owned(), server_ids: vec![server.id.clone()], content };
            said(kubernetes::apply_secret(argument, &[entry]))
        }
        "keys" => said(kubernetes::secret_keys(words[0], words.get(1).copied().unwrap_or_default())),
        "ready" => {
            let ready = Condition { target: target(&words), test: Test::IsTrue("Ready".to_owned()) };
            said(kubernetes::wait(&[ready], 60_000).map(|met| met.index))
        }
        "attach" => said(kubernetes::attach(&target(&words), "c").map(|held| held.label())),
        "exec" => {
            let pod = Target {
                kind: "v1/Pod".to_owned(),
                namespace: words[0].to_owned(),
                name: words[1].to_owned(),
            };
            said(kubernetes::exec(&pod, "c", &rest(), 1000).map(|ran| (ran.exit_code, ran.stdout)))
        }
        "exec-attached" => {
            let pod = Target {
                kind: "v1/Pod".to_owned(),
                namespace: words[0].to_owned(),
                name: words[1].to_owned(),
            };
            said(kubernetes::exec_attached(&pod, "c", &rest()).map(|held| held.label()))
        }
        "log" => said(kubernetes::log_tail(&target(&words), "c", 10, false)),
        "tunnel" => said(kubernetes::open_tunnel(&target(&words), 80).map(|_| ())),
        "run-pod" => said(
            kubernetes::run_pod(argument, "c", &PodOutput::Attached, None, 1000, 60_000)
                .map(|ran| ran.exit_code()),
        ),
        other => format!("no deed `{other}`"),
    }
}

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            name: "kubernetes".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "asks for what it must not have".to_owned(),
            runs: vec![WorkloadKind::Image],
            runs_tools: Vec::new(),
            settings_schema: "{}".to_owned(),
            server_settings_schema: "{}".to_owned(),
            reads_state: vec![1],
            understands: Vec::new(),
            extras: Vec::new(),
        }
    }

    fn prepare(_: Context, _: Vec<Server>, _: Vec<ToolEntry>) -> Result<Prepared, Failure> {
        Ok(Prepared { shared: None, refused: Vec::new(), objects: Vec::new(), extras: Vec::new() })
    }

    /// Tries to create in a call that only reads.
    fn validate(_: Context, server: Server) -> Result<Validation, Failure> {
        let answers: Vec<String> =
            server.annotations.iter().map(|(verb, argument)| deed(verb, argument, &server)).collect();
        Err(failure(FailureCategory::Other, answers.join(" / ")))
    }

    fn plan(_: Context, _: Server) -> Result<Blueprint, Failure> {
        unsupported()
    }

    fn provision(context: Context, server: Server) -> Result<Provisioned, Failure> {
        let name = format!("mcp-{}-{}", server.id, context.request);
        let mut answers = Vec::new();
        for (verb, argument) in &server.annotations {
            let argument = argument.replace("@NAME@", &name);
            let argument = argument.replace("@REQUEST@", &context.request).replace("@SERVER@", &server.id);
            answers.push(deed(verb, &argument, &server));
        }
        Err(failure(FailureCategory::Other, answers.join(" / ")))
    }

    fn probe(_: Context, _: Lease) -> Result<Health, Failure> {
        unsupported()
    }

    fn reconnect(_: Context, _: Server, _: Lease) -> Result<Option<Reconnected>, Failure> {
        Ok(None)
    }

    fn release(_: Context, lease: Lease, _: ReleaseReason) -> Result<(), Failure> {
        for object in lease.objects.iter().rev() {
            let target = Target {
                kind: object.kind.clone(),
                namespace: object.scope.clone(),
                name: object.name.clone(),
            };
            kubernetes::remove(&target, Some(0), None)?;
        }
        Ok(())
    }

    fn enumerate(_: Context, _: Page) -> Result<ManagedPage, Failure> {
        Ok(ManagedPage { objects: Vec::new(), cursor: None })
    }

    fn sweep(_: Context, _: u32, _: Page) -> Result<SweepPage, Failure> {
        Ok(SweepPage { removed: Vec::new(), failed: Vec::new(), cursor: None })
    }

    fn shutdown(_: Context, leftovers: Leftovers) -> Result<(), Failure> {
        for object in leftovers.objects.iter().rev() {
            let target = Target {
                kind: object.kind.clone(),
                namespace: object.scope.clone(),
                name: object.name.clone(),
            };
            kubernetes::remove(&target, Some(0), None)?;
        }
        Ok(())
    }
}
