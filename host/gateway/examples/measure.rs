//! Temporary: the front over a child process, to be measured with `mcpload`.
use host_gateway::{Front, FrontConfig, HttpConfig, Stop};
use host_pool::{Pool, PoolConfig, ServerEntry};
use host_provisioner::*;
use std::sync::Arc;

struct Child(String);

#[async_trait::async_trait]
impl Provisioner for Child {
    fn name(&self) -> &str {
        "child"
    }
    fn description(&self) -> Arc<Description> {
        Arc::new(Description {
            name: "child".into(), version: "0".into(), digest: String::new(), summary: String::new(),
            runs: vec![], settings_schema: "{}".into(), server_settings_schema: "{}".into(), reads_state: vec![], abilities: vec![],
        })
    }
    async fn prepare(&self, _: &Call, _: &[Arc<ServerSpec>]) -> Result<(), Failure> { Ok(()) }
    async fn validate(&self, _: &Call, _: &ServerSpec) -> Result<Vec<FieldReport>, Failure> { Ok(vec![]) }
    async fn plan(&self, _: &Call, _: &ServerSpec) -> Result<Blueprint, Failure> { Ok(Blueprint::default()) }
    async fn provision(&self, call: &Call, server: &Arc<ServerSpec>) -> Result<Provisioned, Failure> {
        let mut child = tokio::process::Command::new(&self.0)
            .arg("backend").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).kill_on_drop(true).spawn()
            .map_err(|e| Failure::new(Phase::Provision, Class::Other, e.to_string()))?;
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        tokio::spawn(async move { let _ = child.wait().await; });
        Ok(Provisioned {
            connection: Connection::Streams(Streams { label: "child".into(), stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: None }),
            lease: Lease { id: call.request.as_str().into(), server_id: server.id.clone(), server_name: server.name.clone(),
                session: "s".into(), request: String::new(), state: None, objects: vec![], plugin: String::new(), plugin_version: String::new(), plugin_digest: String::new() },
            fields: vec![], objects: vec![],
        })
    }
    async fn probe(&self, _: &Call, _: &Lease) -> Result<Health, Failure> { Ok(Health { status: Status::Unknown, text: String::new(), exit_code: None }) }
    async fn reconnect(&self, _: &Call, _: &Lease) -> Result<Option<Connection>, Failure> { Ok(None) }
    async fn release(&self, _: &Call, _: &Lease, _: ReleaseReason) -> Result<(), Failure> { Ok(()) }
    async fn enumerate(&self, _: &Call) -> Result<Vec<ManagedObject>, Failure> { Ok(vec![]) }
    async fn sweep(&self, _: &Call) -> Result<SweepReport, Failure> { Ok(SweepReport::default()) }
    async fn shutdown(&self, _: &Call) -> Result<(), Failure> { Ok(()) }
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let (program, port, shared) = (args.next().unwrap(), args.next().unwrap(), args.next().is_some());
    let mut spec = ServerSpec::new("echo", Workload::Image { reference: "x".into(), digest: None, arguments: vec![] });
    if shared { spec.lifetime = Lifetime::Shared; }
    let entries = vec![ServerEntry { spec: Arc::new(spec), provisioner: Arc::new(Child(program)) }];
    let front = Front::new(Pool::new(entries, PoolConfig::default()), FrontConfig::default());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
    front.serve_http(listener, HttpConfig::default(), Stop::default()).await;
}
