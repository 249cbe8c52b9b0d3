//! The fake cluster: documents are kept as they are applied, pods are ready at once, and a test sets any other status.

mod document;

use super::FakeHost;
use super::world::World;
use crate::connection::{Connection, RunOutput};
use crate::kubernetes::{
    Address, ClusterInfo, Condition, DocumentPage, ExecResult, Met, PodOutput, Right, SecretContent,
    SecretEntry, Target, Test, Tunnel,
};
use crate::types::{Failure, ObjectRef, Page};
use crate::{Error, Result, value};
use document::{Key, is, named, selects, set, shown};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Cluster {
    objects: BTreeMap<Key, Value>,
    hopeless: BTreeMap<Key, Failure>,
    tunnels: BTreeSet<String>,
    missing_rights: Vec<(Right, String)>,
}

impl Cluster {
    pub(super) fn left(&self) -> Vec<ObjectRef> {
        self.objects.keys().map(Key::object).collect()
    }

    /// What every cluster serves, and what the test put there.
    fn served(&self) -> Vec<String> {
        const ALWAYS: [&str; 9] = [
            "v1/Pod",
            "v1/Service",
            "v1/Secret",
            "v1/ConfigMap",
            "v1/PersistentVolumeClaim",
            "v1/ResourceQuota",
            "v1/LimitRange",
            "apps/v1/Deployment",
            "networking.k8s.io/v1/NetworkPolicy",
        ];
        let mut kinds: BTreeSet<String> = ALWAYS.map(str::to_owned).into();
        kinds.extend(self.objects.keys().map(|key| key.kind.clone()));
        kinds.into_iter().collect()
    }

    fn pod(&self, pod: &Target) -> Result<&Value> {
        self.objects
            .get(&pod.into())
            .ok_or_else(|| Error::not_found(format!("find pod `{}/{}`", pod.namespace, pod.name)))
    }

    fn met(&self, condition: &Condition) -> Result<bool> {
        let key = Key::from(&condition.target);
        let object = self.objects.get(&key);
        let status = |wanted: &str, value: &str| {
            let conditions = object.and_then(|o| o.pointer("/status/conditions")).and_then(Value::as_array);
            conditions.is_some_and(|all| all.iter().any(|c| is(c, "type", wanted) && is(c, "status", value)))
        };
        Ok(match &condition.test {
            Test::Exists | Test::RolledOut | Test::HasEndpoints => object.is_some(),
            Test::Gone => object.is_none(),
            Test::IsTrue(wanted) => status(wanted, "True"),
            Test::IsFalse(wanted) => status(wanted, "False"),
            Test::Equals((pointer, text)) => {
                let wanted: Value = serde_json::from_str(text)?;
                object.and_then(|o| o.pointer(pointer)) == Some(&wanted)
            }
            Test::Hopeless(_) => self.hopeless.contains_key(&key),
            Test::Other(_) => return Err(Error::unsupported("wait for a condition of a later version")),
        })
    }
}

/// What a test prepares and asks.
impl FakeHost {
    /// An object that is there before the plugin came, as JSON.
    ///
    /// # Errors
    ///
    /// `permanent` if it is no object of the API.
    pub fn put_object(&self, document: &str) -> Result<()> {
        let document: Value = serde_json::from_str(document)?;
        let key = Key::of(&document)?;
        self.world.borrow_mut().kubernetes.objects.insert(key, document);
        Ok(())
    }

    /// Makes an object one that cannot come up, for this reason. It is no longer ready.
    pub fn make_hopeless(&self, target: &Target, why: Error) {
        let mut world = self.world.borrow_mut();
        let key = Key::from(target);
        if let Some(object) = world.kubernetes.objects.get_mut(&key) {
            set(object, &["status"], json!({ "phase": "Pending" }));
        }
        world.kubernetes.hopeless.insert(key, why.into());
    }

    /// A right that is missing, and the rule that would give it.
    #[must_use]
    pub fn with_missing_right(self, right: Right, rule: &str) -> Self {
        self.world.borrow_mut().kubernetes.missing_rights.push((right, rule.to_owned()));
        self
    }

    /// An object as the cluster has it.
    #[must_use]
    pub fn object(&self, target: &Target) -> Option<Value> {
        self.world.borrow().kubernetes.objects.get(&target.into()).cloned()
    }
}

impl World {
    pub(super) fn check_tunnel(&self, tunnel: Option<&str>) -> Result<()> {
        match tunnel {
            Some(id) if !self.kubernetes.tunnels.contains(id) => {
                Err(Error::permission(format!("use tunnel `{id}`: it was not opened in this call")))
            }
            _ => Ok(()),
        }
    }

    /// What the API server would store: the labels of the call, an id, and for a pod that it is ready.
    fn stored(&mut self, document: &str) -> Result<(Key, Value)> {
        let mut document: Value = serde_json::from_str(document)?;
        let key = Key::of(&document)?;
        if key.kind == "v1/Secret" {
            return Err(Error::permission("apply a Secret as a document").hint("use `apply_secret`"));
        }
        set(&mut document, &["metadata", "namespace"], json!(key.namespace));
        set(&mut document, &["metadata", "uid"], json!(format!("uid-{}", self.fresh())));
        for label in &self.context.labels {
            set(&mut document, &["metadata", "labels", &label.key], json!(label.value));
        }
        if key.kind == "v1/Pod" {
            let ready = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
            set(&mut document, &["status"], ready);
        }
        Ok((key, document))
    }

    fn check_entry(&self, entry: &SecretEntry) -> Result<()> {
        let values = match &entry.content {
            SecretContent::Value(parts) => vec![parts],
            SecretContent::Login(login) => vec![&login.username, &login.password],
            SecretContent::Other(_) => {
                return Err(Error::unsupported("make a Secret entry of a later version"));
            }
        };
        values.into_iter().flat_map(|parts| value::secrets(parts)).try_for_each(|s| self.lookup(s).map(drop))
    }
}

impl FakeHost {
    pub(crate) fn kubernetes_cluster(&self) -> Result<ClusterInfo> {
        self.call("kubernetes.cluster".to_owned(), |world| {
            Ok(ClusterInfo {
                version: "v1.34.0".to_owned(),
                context: "fake".to_owned(),
                default_namespace: "default".to_owned(),
                inside: false,
                own_pod: None,
                namespaces: vec!["*".to_owned()],
                kinds: world.kubernetes.served(),
                enforces_network_policy: None,
            })
        })
    }

    pub(crate) fn kubernetes_apply(&self, document: &str) -> Result<String> {
        let name = named(document);
        self.call(format!("kubernetes.apply {name}"), |world| {
            let (key, stored) = world.stored(document)?;
            world.record(key.object());
            let text = stored.to_string();
            world.kubernetes.objects.insert(key, stored);
            Ok(text)
        })
    }

    pub(crate) fn kubernetes_dry_run(&self, document: &str) -> Result<String> {
        let name = named(document);
        self.call(format!("kubernetes.dry-run {name}"), |world| Ok(world.stored(document)?.1.to_string()))
    }

    pub(crate) fn kubernetes_get(&self, target: &Target) -> Result<Option<String>> {
        self.call(format!("kubernetes.get {}", shown(target)), |world| {
            Ok(world.kubernetes.objects.get(&target.into()).map(Value::to_string))
        })
    }

    pub(crate) fn kubernetes_enumerate(
        &self,
        kind: &str,
        namespace: &str,
        selector: &str,
        page: &Page,
    ) -> Result<DocumentPage> {
        self.call(format!("kubernetes.enumerate {kind} {namespace} {selector}"), |world| {
            let all = world.kubernetes.objects.iter();
            let chosen = all.filter(|(key, document)| {
                let within = namespace.is_empty() || key.namespace == namespace;
                key.kind == kind && within && selects(selector, document)
            });
            let (documents, cursor) =
                super::samples::paged(chosen.map(|(_, d)| d.to_string()).collect(), page)?;
            Ok(DocumentPage { documents, cursor })
        })
    }

    pub(crate) fn kubernetes_remove(
        &self,
        target: &Target,
        _grace: Option<u32>,
        uid: Option<&str>,
    ) -> Result<()> {
        self.call(format!("kubernetes.remove {}", shown(target)), |world| {
            let key = Key::from(target);
            let present =
                world.kubernetes.objects.get(&key).and_then(|object| object.pointer("/metadata/uid"));
            let other = uid.is_some_and(|uid| present.is_some_and(|present| present != uid));
            if !other {
                world.kubernetes.objects.remove(&key);
                world.forget(&key.object());
            }
            Ok(())
        })
    }

    pub(crate) fn kubernetes_apply_secret(&self, document: &str, entries: &[SecretEntry]) -> Result<()> {
        let name = named(document);
        self.call(format!("kubernetes.apply-secret {name}"), |world| {
            entries.iter().try_for_each(|entry| world.check_entry(entry))?;
            let document: Value = serde_json::from_str(document)?;
            if document.get("data").is_some() || document.get("stringData").is_some() {
                return Err(Error::permission("make a Secret from a document that has data"));
            }
            let key = Key::of(&document)?;
            world.record(key.object());
            world.kubernetes.objects.insert(key, document);
            Ok(())
        })
    }

    pub(crate) fn kubernetes_secret_keys(&self, namespace: &str, name: &str) -> Result<Option<Vec<String>>> {
        self.call(format!("kubernetes.secret-keys {namespace}/{name}"), |world| {
            let secret = Target::new("v1/Secret", namespace, name);
            let Some(found) = world.kubernetes.objects.get(&(&secret).into()) else { return Ok(None) };
            let keys = ["data", "stringData"].into_iter().filter_map(|at| found.get(at)?.as_object());
            Ok(Some(keys.flat_map(|entries| entries.keys().cloned()).collect()))
        })
    }

    pub(crate) fn kubernetes_wait(&self, conditions: &[Condition], timeout_ms: u32) -> Result<Met> {
        self.call(format!("kubernetes.wait {} {timeout_ms}", conditions.len()), |world| {
            for (index, condition) in (0..).zip(conditions) {
                if world.kubernetes.met(condition)? {
                    let key = Key::from(&condition.target);
                    let document =
                        world.kubernetes.objects.get(&key).map(Value::to_string).unwrap_or_default();
                    return Ok(Met {
                        index,
                        document,
                        failure: world.kubernetes.hopeless.get(&key).cloned(),
                    });
                }
            }
            let _ = world.sleep(timeout_ms);
            Err(Error::timeout(format!(
                "wait for {} conditions: none came in {timeout_ms} ms",
                conditions.len()
            )))
        })
    }

    pub(crate) fn kubernetes_diagnose(&self, target: &Target) -> Result<Failure> {
        self.call(format!("kubernetes.diagnose {}", shown(target)), |world| {
            let known = world.kubernetes.hopeless.get(&target.into()).cloned();
            Ok(known.unwrap_or_else(|| Error::new(crate::FailureCategory::Other, "nothing is known").into()))
        })
    }

    pub(crate) fn kubernetes_attach(&self, pod: &Target, container: &str) -> Result<Connection> {
        self.call(format!("kubernetes.attach {} {container}", shown(pod)), |world| {
            world.kubernetes.pod(pod)?;
            Ok(Connection { fake: self.handle(world, format!("stdio of pod {}", pod.name)) })
        })
    }

    pub(crate) fn kubernetes_exec_attached(
        &self,
        pod: &Target,
        container: &str,
        arguments: &[String],
    ) -> Result<Connection> {
        let name = format!("kubernetes.exec-attached {} {container} {}", shown(pod), arguments.join(" "));
        self.call(name, |world| {
            world.kubernetes.pod(pod)?;
            if world.carries_secrets() {
                return Err(Error::permission(format!("run a program: pod `{}` carries secrets", pod.name)));
            }
            Ok(Connection { fake: self.handle(world, format!("stdio of a program in pod {}", pod.name)) })
        })
    }

    pub(crate) fn kubernetes_exec(
        &self,
        pod: &Target,
        container: &str,
        arguments: &[String],
        _limit: u32,
    ) -> Result<ExecResult> {
        let name = format!("kubernetes.exec {} {container} {}", shown(pod), arguments.join(" "));
        self.call(name, |world| {
            world.kubernetes.pod(pod)?;
            if world.carries_secrets() {
                return Err(Error::permission(format!("run a program: pod `{}` carries secrets", pod.name)));
            }
            Ok(ExecResult { exit_code: 0, stdout: Vec::new(), stderr: Vec::new() })
        })
    }

    pub(crate) fn kubernetes_run_pod(
        &self,
        document: &str,
        container: &str,
        _output: &PodOutput,
        input: Option<&[u8]>,
        output_limit: u32,
        timeout_ms: u32,
    ) -> Result<RunOutput> {
        let name = named(document);
        let input = input.map_or(0, <[u8]>::len);
        self.call(format!("kubernetes.run-pod {name} {container} {input} {timeout_ms}"), |world| {
            world.stored(document)?;
            Ok(world.run_output(output_limit))
        })
    }

    pub(crate) fn kubernetes_log_tail(
        &self,
        pod: &Target,
        container: &str,
        lines: u32,
        _previous: bool,
    ) -> Result<String> {
        self.call(format!("kubernetes.log-tail {} {container} {lines}", shown(pod)), |world| {
            world.kubernetes.pod(pod)?;
            if world.carries_secrets() {
                return Err(Error::permission(format!("read the log: pod `{}` carries secrets", pod.name)));
            }
            Ok(String::new())
        })
    }

    pub(crate) fn kubernetes_open_tunnel(&self, target: &Target, port: u16) -> Result<Tunnel> {
        self.call(format!("kubernetes.open-tunnel {} {port}", shown(target)), |world| {
            if !world.kubernetes.objects.contains_key(&target.into()) {
                return Err(Error::not_found(format!("open a tunnel to `{}`", shown(target))));
            }
            let id = format!("t{}", world.fresh());
            world.kubernetes.tunnels.insert(id.clone());
            Ok(Tunnel { id, host: "127.0.0.1".to_owned(), port })
        })
    }

    pub(crate) fn kubernetes_service_address(
        &self,
        namespace: &str,
        name: &str,
        port: u16,
    ) -> Result<Address> {
        self.call(format!("kubernetes.service-address {namespace}/{name} {port}"), |_| {
            Err(Error::unsupported("name the address of a Service: the gateway is not inside the cluster"))
        })
    }

    pub(crate) fn kubernetes_missing_rights(&self, rights: &[Right]) -> Result<Vec<(Right, String)>> {
        self.call(format!("kubernetes.missing-rights {}", rights.len()), |world| {
            let missing = world.kubernetes.missing_rights.iter();
            Ok(missing.filter(|(right, _)| rights.contains(right)).cloned().collect())
        })
    }

    pub(crate) fn kubernetes_living_sessions(&self, namespace: &str) -> Result<Vec<String>> {
        self.call(format!("kubernetes.living-sessions {namespace}"), |world| {
            let alive = world.sessions.iter().filter(|(_, l)| **l == crate::types::Liveness::Alive);
            Ok(alive.map(|(session, _)| session.clone()).chain([world.context.session.clone()]).collect())
        })
    }
}
