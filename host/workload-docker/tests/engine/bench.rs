//! An engine for one test, with a label of its own, and nothing left afterwards, also when the test fails.

use host_workload_docker::{
    ContainerSpec, DockerEngine, Endpoint, EngineConfig, MountSpec, PageRequest, Surroundings,
};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Long enough for any of this on a busy machine. Nothing waits for it unless something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A static shell, of the test environment.
pub(crate) const BUSYBOX: &str = "mcp/busybox:1";
/// Prints its arguments as JSON, of the test environment.
pub(crate) const ARGV: &str = "mcp/argv:1";

#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) engine: Arc<DockerEngine>,
    /// Stands in every name, and is the value of the label of everything this test makes.
    pub(crate) mark: String,
}

/// A variable of the environment. Tests ask it what there is; the crate itself reads none.
#[expect(clippy::disallowed_methods, reason = "only this function of the tests reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn named(list: &str, part: &str) -> bool {
    variable(list).is_some_and(|parts| parts.split(',').any(|each| each.trim() == part))
}

/// What a variable says about a part of the test environment; `None`, with a line on standard error, where that is not up.
pub(crate) fn part(name: &str, of: &str) -> Option<String> {
    let value = variable(of).filter(|_| named("GATEWAY_TEST_UP", name));
    if value.is_none() {
        assert!(
            !named("GATEWAY_TEST_REQUIRE", name),
            "GATEWAY_TEST_REQUIRE names `{name}`, and it is not up (testenv/up {name})"
        );
        eprintln!("skipped: no {name} (testenv/up {name})");
    }
    value
}

pub(crate) fn surroundings() -> Surroundings {
    let home = variable("HOME").map(PathBuf::from);
    Surroundings {
        host: variable("DOCKER_HOST"),
        context: variable("DOCKER_CONTEXT"),
        config_dir: variable("DOCKER_CONFIG").map(PathBuf::from).or(home.map(|home| home.join(".docker"))),
        runtime_dir: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
        ..Surroundings::default()
    }
}

/// The engine, or `None` with a line on standard error.
async fn engine() -> Option<Arc<DockerEngine>> {
    let around = surroundings();
    let endpoint = Endpoint::find(&around).unwrap();
    let config = EngineConfig { endpoint, config_dir: around.config_dir, own_container: None };
    let engine = DockerEngine::new(config);
    let missing = match engine.info().await {
        Ok(_) => match (engine.image(BUSYBOX).await, engine.image(ARGV).await) {
            (Ok(Some(_)), Ok(Some(_))) => return Some(engine),
            _ => "no images (testenv/up images)".to_owned(),
        },
        Err(error) => format!("no docker (testenv/up docker): {error}"),
    };
    let required = ["docker", "images"].iter().any(|part| named("GATEWAY_TEST_REQUIRE", part));
    assert!(!required, "{missing}");
    eprintln!("skipped: {missing}");
    None
}

/// Runs a test, then removes everything with its mark, and fails if the test failed.
pub(crate) fn with_engine<F>(test: impl FnOnce(Bench) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(engine) = engine().await else { return };
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("gwtest-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let bench = Bench { engine, mark };
        let outcome = tokio::spawn(test(bench.clone())).await;
        let left = bench.left().await;
        bench.clean().await;
        if let Err(error) = outcome {
            std::panic::resume_unwind(error.into_panic());
        }
        assert_eq!(left, Vec::<String>::new(), "the test has left something behind");
    });
}

impl Bench {
    pub(crate) fn label(&self) -> String {
        format!("gateway-test={}", self.mark)
    }

    pub(crate) fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.mark)
    }

    /// A container of busybox that runs these words.
    pub(crate) fn spec(&self, what: &str, words: &[&str]) -> ContainerSpec {
        let mut spec = ContainerSpec::new(self.name(what), BUSYBOX);
        spec.entrypoint = Some(vec!["/bin/busybox".to_owned()]);
        spec.arguments = words.iter().map(|word| (*word).to_owned()).collect();
        spec.labels = vec![("gateway-test".to_owned(), self.mark.clone())];
        spec.no_network = true;
        spec.stdin = true;
        spec
    }

    pub(crate) fn shell(&self, what: &str, script: &str) -> ContainerSpec {
        self.spec(what, &["sh", "-c", script])
    }

    /// Names of what has this test's label.
    pub(crate) async fn left(&self) -> Vec<String> {
        let label = self.label();
        let page = PageRequest { cursor: None, limit: 1000 };
        let containers = self.engine.containers(&[&label], &page).await.unwrap().items;
        let networks = self.engine.networks(&[&label], &page).await.unwrap().items;
        let names = containers.into_iter().map(|c| c.name).chain(networks.into_iter().map(|n| n.name));
        names.collect()
    }

    async fn clean(&self) {
        let label = self.label();
        let page = PageRequest { cursor: None, limit: 1000 };
        for container in self.engine.containers(&[&label], &page).await.unwrap().items {
            self.engine.remove(&container.id).await.unwrap();
        }
        for network in self.engine.networks(&[&label], &page).await.unwrap().items {
            self.engine.remove_network(&network.id).await.unwrap();
        }
    }

    /// Waits until the container of that name is gone: the engine removes it a moment after it has ended.
    pub(crate) async fn gone(&self, name: &str) {
        let gone = async {
            while self.engine.inspect(name).await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
    }
}

/// A folder of this machine inside.
pub(crate) fn folder(path: &std::path::Path, target: &str, read_only: bool) -> MountSpec {
    MountSpec {
        source: host_workload_docker::MountSource::Folder(path.to_owned()),
        target: target.to_owned(),
        read_only,
        options: Vec::new(),
    }
}
