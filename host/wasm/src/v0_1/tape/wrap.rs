//! The host functions as they are, with a tape that hears what they answer. Without one it costs a branch.

use super::text::json;
use crate::state::CallState;
use crate::tape::{Noted, Object};
use crate::v0_1::connection::{Held, RunOutput};
use crate::v0_1::imported::{call, connection, docker, embedded, http, kubernetes, registry, secrets};
use crate::v0_1::types::{self, Failure, Finding, Label, ObjectRef, Page, SecretName, State};
use serde_json::Value;
use std::fmt::Debug;
use wasmtime::component::{HasData, Resource};

/// A call, recorded.
pub(crate) struct Recorded<'a>(&'a mut CallState);

/// For the linker.
pub(crate) fn recorded(state: &mut CallState) -> Recorded<'_> {
    Recorded(state)
}

/// What there was before a host function was called.
struct Before {
    asked: Value,
    objects: Vec<Object>,
}

impl Recorded<'_> {
    fn before(&self, asked: impl Debug) -> Option<Before> {
        self.0.scope.host.taped()?;
        Some(Before { asked: json(&asked), objects: self.objects() })
    }

    /// What the ledger holds for this call.
    fn objects(&self) -> Vec<Object> {
        let record = self.0.scope.record.as_ref();
        record.map(|record| record.lease().objects.iter().map(Object::of).collect()).unwrap_or_default()
    }

    fn note(&self, function: &str, before: Option<Before>, answer: &wasmtime::Result<impl Debug>) {
        let (Some(tape), Some(section)) = (self.0.scope.host.taped(), self.0.section) else { return };
        // A limit or a trap ended the instance: there was no answer.
        let (Some(Before { asked, objects }), Ok(answer)) = (before, answer) else { return };
        let now = self.objects();
        let noted = now.iter().filter(|object| !objects.contains(object)).cloned().collect();
        let gone = objects.into_iter().filter(|object| !now.contains(object)).collect();
        let answer = json(answer);
        tape.note(section, Noted { function: function.to_owned(), asked, answer, noted, gone });
    }
}

/// The data of the linker.
pub(crate) struct Data;

impl HasData for Data {
    type Data<'a> = Recorded<'a>;
}

impl types::Host for Recorded<'_> {}

macro_rules! recorded {
    ($interface:ident::$trait:ident $word:literal {
        async { $($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)* }
        plain { $($plain:ident($($parg:ident: $ptype:ty),*) -> $panswer:ty;)* }
        $($rest:tt)*
    }) => {
        impl $interface::$trait for Recorded<'_> {
            $(async fn $name(&mut self $(, $arg: $type)*) -> wasmtime::Result<$answer> {
                let before = self.before(($(&$arg,)*));
                let answer = $interface::$trait::$name(self.0 $(, $arg)*).await;
                self.note(&name($word, stringify!($name)), before, &answer);
                answer
            })*
            $(fn $plain(&mut self $(, $parg: $ptype)*) -> wasmtime::Result<$panswer> {
                let before = self.before(($(&$parg,)*));
                let answer = $interface::$trait::$plain(self.0 $(, $parg)*);
                self.note(&name($word, stringify!($plain)), before, &answer);
                answer
            })*
            $($rest)*
        }
    };
}

/// `ensure_image` is `docker.ensure-image` in the contract.
fn name(interface: &str, function: &str) -> String {
    format!("{interface}.{}", function.replace('_', "-"))
}

type Answer<T> = Result<T, Failure>;

recorded! { docker::Host "docker" {
    async {
        engine() -> Answer<docker::EngineInfo>;
        ensure_image(image: docker::ImageRequest) -> Answer<docker::ImageInfo>;
        resolve_image(image: docker::ImageRequest) -> Answer<String>;
        check(spec: docker::ContainerSpec) -> Answer<Vec<Finding>>;
        start_attached(spec: docker::ContainerSpec) -> Answer<docker::Attached>;
        start(spec: docker::ContainerSpec) -> Answer<String>;
        run(spec: docker::ContainerSpec, input: Option<Vec<u8>>, output_limit: u32, timeout_ms: u32) -> Answer<Resource<RunOutput>>;
        attach(container: String) -> Answer<Resource<Held>>;
        address_of(container: String, port: u16) -> Answer<docker::Address>;
        inspect(container: String) -> Answer<Option<docker::ContainerInfo>>;
        wait(conditions: Vec<docker::Condition>, timeout_ms: u32) -> Answer<u32>;
        stop(container: String, grace_ms: u32) -> Answer<()>;
        remove(container: String) -> Answer<()>;
        exec(container: String, words: Vec<String>, output_limit: u32) -> Answer<docker::ExecResult>;
        log_tail(container: String, lines: u32) -> Answer<String>;
        containers(labels: Vec<Label>, page: Page) -> Answer<docker::ContainerPage>;
        networks(labels: Vec<Label>, page: Page) -> Answer<docker::NetworkPage>;
        create_network(spec: docker::NetworkSpec) -> Answer<String>;
        connect_network(network: String, container: String, aliases: Vec<String>) -> Answer<()>;
        remove_network(network: String) -> Answer<()>;
        start_egress_proxy(spec: docker::ProxySpec) -> Answer<docker::EgressProxy>;
    }
    plain {
        plan_egress_proxy(spec: docker::ProxySpec) -> Answer<docker::EgressProxy>;
    }
}}

recorded! { embedded::Host "embedded" {
    async {
        start(spec: embedded::Spec) -> Answer<embedded::Started>;
        run(spec: embedded::Spec, input: Option<Vec<u8>>, output_limit: u32, timeout_ms: u32) -> Answer<Resource<RunOutput>>;
        stop(workload: String, grace_ms: u32) -> Answer<()>;
    }
    plain {
        info(workload: String) -> embedded::WorkloadInfo;
        workloads() -> Vec<ObjectRef>;
    }
}}

recorded! { http::Host "http" {
    async {
        send(request: http::Request) -> Answer<http::Response>;
    }
    plain {}
}}

recorded! { kubernetes::Host "kubernetes" {
    async {
        cluster() -> Answer<kubernetes::ClusterInfo>;
        apply(document: String) -> Answer<String>;
        dry_run(document: String) -> Answer<String>;
        get(target: kubernetes::Target) -> Answer<Option<String>>;
        enumerate(kind: String, namespace: String, selector: String, page: Page) -> Answer<kubernetes::DocumentPage>;
        remove(target: kubernetes::Target, grace_seconds: Option<u32>, uid: Option<String>) -> Answer<()>;
        apply_secret(document: String, entries: Vec<kubernetes::SecretEntry>) -> Answer<()>;
        secret_keys(namespace: String, name: String) -> Answer<Option<Vec<String>>>;
        wait(conditions: Vec<kubernetes::Condition>, timeout_ms: u32) -> Answer<kubernetes::Met>;
        diagnose(target: kubernetes::Target) -> Answer<Failure>;
        attach(pod: kubernetes::Target, container: String) -> Answer<Resource<Held>>;
        exec_attached(pod: kubernetes::Target, container: String, words: Vec<String>) -> Answer<Resource<Held>>;
        exec(pod: kubernetes::Target, container: String, words: Vec<String>, output_limit: u32) -> Answer<kubernetes::ExecResult>;
        log_tail(pod: kubernetes::Target, container: String, lines: u32, previous: bool) -> Answer<String>;
        open_tunnel(target: kubernetes::Target, port: u16) -> Answer<kubernetes::Tunnel>;
        service_address(namespace: String, name: String, port: u16) -> Answer<kubernetes::Address>;
        missing_rights(rights: Vec<kubernetes::Right>) -> Answer<Vec<(kubernetes::Right, String)>>;
        living_sessions(namespace: String) -> Answer<Vec<String>>;
        run_pod(document: String, container: String, output: kubernetes::PodOutput, input: Option<Vec<u8>>, output_limit: u32, timeout_ms: u32)
            -> Answer<Resource<RunOutput>>;
    }
    plain {}
}}

recorded! { registry::Host "registry" {
    async {
        image(reference: String, platform: Option<String>, login: Option<types::RegistryLogin>) -> Answer<registry::ImageConfig>;
    }
    plain {}
}}

recorded! { call::Host "call" {
    async {
        sleep(ms: u32) -> call::Wake;
    }
    plain {
        remaining_ms() -> u32;
        cancelled() -> bool;
        session_liveness(session: String) -> types::Liveness;
    }
    // What the ledger is told is told anew when a tape plays.
    async fn checkpoint(&mut self, state: State) -> wasmtime::Result<Answer<()>> {
        call::Host::checkpoint(self.0, state).await
    }
    async fn record_object(&mut self, object: ObjectRef) -> wasmtime::Result<Answer<()>> {
        call::Host::record_object(self.0, object).await
    }
    fn forget_object(&mut self, object: ObjectRef) -> wasmtime::Result<Answer<()>> {
        call::Host::forget_object(self.0, object)
    }
}}

recorded! { secrets::Host "secrets" {
    async {
        lookup(secret: SecretName) -> Answer<secrets::SecretInfo>;
    }
    plain {}
    fn generate(&mut self, name: String) -> wasmtime::Result<Answer<SecretName>> {
        secrets::Host::generate(self.0, name)
    }
}}

recorded! { connection::Host "connection" {
    async {
        http(endpoint: connection::HttpEndpoint) -> Answer<Resource<Held>>;
        tcp(endpoint: connection::TcpEndpoint) -> Answer<Resource<Held>>;
        wait_ready(connection: Resource<Held>, timeout_ms: u32) -> Answer<()>;
    }
    plain {
        output(stdout: Vec<u8>, stderr: Vec<u8>, truncated: bool, ending: connection::Ending, exit_code: Option<i32>)
            -> Answer<Resource<RunOutput>>;
    }
    fn hand_over(&mut self, connection: Resource<Held>) -> wasmtime::Result<()> {
        connection::Host::hand_over(self.0, connection)
    }
    fn hand_over_output(&mut self, output: Resource<RunOutput>) -> wasmtime::Result<()> {
        connection::Host::hand_over_output(self.0, output)
    }
}}

recorded! { connection::HostRunOutput "run-output" {
    async {}
    plain {
        ending(this: Resource<RunOutput>) -> connection::Ending;
        exit_code(this: Resource<RunOutput>) -> Option<i32>;
    }
    fn label(&mut self, this: Resource<RunOutput>) -> wasmtime::Result<String> {
        connection::HostRunOutput::label(self.0, this)
    }
    fn drop(&mut self, this: Resource<RunOutput>) -> wasmtime::Result<()> {
        connection::HostRunOutput::drop(self.0, this)
    }
}}

impl connection::HostConnection for Recorded<'_> {
    fn label(&mut self, this: Resource<Held>) -> wasmtime::Result<String> {
        connection::HostConnection::label(self.0, this)
    }

    fn drop(&mut self, this: Resource<Held>) -> wasmtime::Result<()> {
        connection::HostConnection::drop(self.0, this)
    }
}
