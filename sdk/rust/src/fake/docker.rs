//! The fake container engine: an image is there or can be pulled, a container runs as soon as it is started, until the test or the
//! plugin ends it.

mod networks;

use super::FakeHost;
use super::world::World;
use crate::connection::{Connection, RunOutput};
use crate::docker::{
    Address, Attached, Condition, ContainerInfo, ContainerPage, ContainerSpec, EngineInfo, ExecResult,
    ImageInfo, ImageRequest, NetworkSpec,
};
use crate::types::{Finding, Label, ObjectRef, Page, PullPolicy, Severity, Workload};
use crate::{Error, Result, value};
use networks::network_object;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Engine {
    present: BTreeMap<String, String>,
    missing: BTreeSet<String>,
    containers: BTreeMap<String, Container>,
    networks: BTreeMap<String, NetworkSpec>,
    started: Vec<ContainerSpec>,
}

struct Container {
    /// As the plugin asked for it.
    asked: ContainerSpec,
    /// With the labels of the call, which the host adds.
    spec: ContainerSpec,
    exit_code: Option<i32>,
    secret: bool,
}

impl Container {
    fn info(&self, id: &str) -> ContainerInfo {
        ContainerInfo {
            id: id.to_owned(),
            name: self.spec.name.clone(),
            image: self.spec.image.clone(),
            state: if self.exit_code.is_some() { "exited" } else { "running" }.to_owned(),
            error: String::new(),
            health: None,
            // A program could tell its secrets by it, bit by bit.
            exit_code: self.exit_code.filter(|_| !self.secret),
            out_of_memory: false,
            networks: self.spec.networks.clone(),
            labels: self.spec.labels.clone(),
            age_seconds: 0,
        }
    }
}

fn container_object(name: &str) -> ObjectRef {
    ObjectRef::new("container", "", name)
}

/// The digest that the fake registry gives a reference: made from its text, so it is the same in every test.
fn digest(reference: &str) -> String {
    let mut bytes: Vec<u8> = reference.bytes().cycle().take(32).collect();
    bytes.resize(32, 0);
    format!("sha256:{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

impl Engine {
    pub(super) fn left(&self) -> Vec<ObjectRef> {
        let containers = self.containers.values().map(|container| container_object(&container.spec.name));
        containers.chain(self.networks.keys().map(|name| network_object(name))).collect()
    }

    fn find(&self, container: &str) -> Option<(&String, &Container)> {
        self.containers.iter().find(|(id, known)| *id == container || known.spec.name == container)
    }

    fn open(&self, container: &str, what: &str) -> Result<&Container> {
        match self.find(container) {
            None => Err(Error::not_found(format!("{what}: there is no container `{container}`"))),
            Some((_, known)) if known.secret => {
                Err(Error::permission(format!("{what}: container `{container}` carries secrets")))
            }
            Some((_, known)) => Ok(known),
        }
    }

    fn remove(&mut self, container: &str) -> Option<String> {
        let id = self.find(container).map(|(id, _)| id.clone())?;
        self.containers.remove(&id).map(|known| known.spec.name)
    }
}

/// What a test prepares and asks.
impl FakeHost {
    /// An image that is on the engine without a pull.
    #[must_use]
    pub fn with_image(self, reference: &str) -> Self {
        self.world.borrow_mut().docker.present.insert(reference.to_owned(), digest(reference));
        self
    }

    /// An image that no registry has.
    #[must_use]
    pub fn without_image(self, reference: &str) -> Self {
        self.world.borrow_mut().docker.missing.insert(reference.to_owned());
        self
    }

    /// What the engine was asked to start or run, in order.
    #[must_use]
    pub fn containers_started(&self) -> Vec<ContainerSpec> {
        self.world.borrow().docker.started.clone()
    }

    /// Lets a container end by itself.
    pub fn end_container(&self, name: &str, exit_code: i32) {
        let mut world = self.world.borrow_mut();
        let ended = world.docker.containers.values_mut().find(|container| container.spec.name == name);
        if let Some(container) = ended {
            container.exit_code = Some(exit_code);
        }
    }
}

impl World {
    pub(super) fn resolve_reference(&self, reference: &str) -> Result<String> {
        if self.docker.missing.contains(reference) {
            return Err(Error::image(format!("find image `{reference}`: no such image")));
        }
        Ok(digest(reference))
    }

    fn resolve(&self, image: &ImageRequest) -> Result<String> {
        let found = self.resolve_reference(&image.reference)?;
        match &image.digest {
            Some(wanted) if *wanted != found => Err(Error::image(format!(
                "pull image `{}`: it is `{found}`, approved is `{wanted}`",
                image.reference
            ))),
            _ => Ok(found),
        }
    }

    fn check_container(&self, spec: &ContainerSpec) -> Result<bool> {
        if !self.docker.present.contains_key(&spec.image)
            && !self.docker.present.values().any(|d| *d == spec.image)
        {
            return Err(Error::image(format!(
                "start container `{}`: image `{}` is not there",
                spec.name, spec.image
            ))
            .hint("call `ensure_image` first"));
        }
        if spec.privileged {
            return Err(Error::permission(format!(
                "start container `{}` privileged: not granted",
                spec.name
            )));
        }
        self.check_environment(&spec.environment)?;
        self.check_unchanged(&spec.environment)?;
        self.check_files(&spec.files)?;
        self.check_mounts(&spec.mounts)?;
        if let Some(network) = spec.networks.iter().find(|name| !self.docker.networks.contains_key(*name)) {
            return Err(Error::permission(format!(
                "join network `{network}`: neither made here nor granted"
            )));
        }
        let values = spec.environment.iter().map(|v| &v.value).chain(spec.files.iter().map(|f| &f.content));
        let secret = values.flat_map(|parts| value::secrets(parts)).next().is_some();
        let own = self.subject.as_ref().is_some_and(|subject| match &subject.workload {
            Workload::Image(image) => image.reference == spec.image || digest(&image.reference) == spec.image,
            Workload::Component(_) | Workload::Other(_) => false,
        });
        if secret && !own {
            return Err(Error::permission(format!(
                "give secrets to image `{}`: it is not the server's",
                spec.image
            )));
        }
        Ok(secret)
    }

    /// Idempotent by name, as the contract says: the same request finds what it made.
    fn start_container(&mut self, spec: &ContainerSpec) -> Result<String> {
        let secret = self.check_container(spec)?;
        if let Some((id, known)) = self.docker.find(&spec.name) {
            return match known.asked == *spec {
                true => Ok(id.clone()),
                false => Err(Error::conflict(format!("start container `{}`: the name is taken", spec.name))),
            };
        }
        let id = format!("c{}", self.fresh());
        self.record(container_object(&spec.name));
        self.docker.started.push(spec.clone());
        let mut made = spec.clone();
        made.labels.retain(|label| !self.context.labels.iter().any(|own| own.key == label.key));
        made.labels.extend(self.context.labels.iter().cloned());
        let container = Container { asked: spec.clone(), spec: made, exit_code: None, secret };
        self.docker.containers.insert(id.clone(), container);
        Ok(id)
    }

    fn met(&self, condition: &Condition) -> Result<bool> {
        let running =
            |container: &str| self.docker.find(container).is_some_and(|(_, known)| known.exit_code.is_none());
        Ok(match condition {
            Condition::Running(container) | Condition::Healthy(container) => running(container),
            Condition::Exited(container) => {
                self.docker.find(container).is_some_and(|(_, c)| c.exit_code.is_some())
            }
            Condition::Listening((container, _)) => running(container),
            Condition::Responding(check) => running(&check.container),
            Condition::Other(_) => return Err(Error::unsupported("wait for a condition of a later version")),
        })
    }
}

impl FakeHost {
    pub(crate) fn docker_engine(&self) -> Result<EngineInfo> {
        self.call("docker.engine".to_owned(), |_| {
            Ok(EngineInfo {
                version: "28.0.0".to_owned(),
                os: "linux".to_owned(),
                architecture: "x86_64".to_owned(),
                rootless: false,
                local: true,
                limits: ["memory", "cpu", "processes", "disk"].map(str::to_owned).into(),
                own_networks: Vec::new(),
            })
        })
    }

    pub(crate) fn docker_ensure_image(&self, image: &ImageRequest) -> Result<ImageInfo> {
        self.call(format!("docker.ensure-image {}", image.reference), |world| {
            let digest = world.resolve(image)?;
            if image.pull == PullPolicy::Never && !world.docker.present.contains_key(&image.reference) {
                return Err(Error::image(format!(
                    "find image `{}`: not here, and never pulled",
                    image.reference
                )));
            }
            world.docker.present.insert(image.reference.clone(), digest.clone());
            Ok(ImageInfo {
                digest: Some(digest.clone()),
                id: digest,
                entrypoint: vec!["/server".to_owned()],
                arguments: Vec::new(),
                user: String::new(),
                working_directory: String::new(),
                labels: Vec::new(),
                environment_names: Vec::new(),
                exposed_ports: Vec::new(),
                health_check: false,
            })
        })
    }

    pub(crate) fn docker_resolve_image(&self, image: &ImageRequest) -> Result<String> {
        self.call(format!("docker.resolve-image {}", image.reference), |world| world.resolve(image))
    }

    /// The fake stops at the first obstacle, like its `start`; a real host finds all of them.
    pub(crate) fn docker_check(&self, spec: &ContainerSpec) -> Result<Vec<Finding>> {
        self.call(format!("docker.check {}", spec.name), |world| {
            let refused = world.check_container(spec).err();
            let finding = |error: Error| Finding { severity: Severity::Problem, failure: error.into() };
            Ok(refused.map(finding).into_iter().collect())
        })
    }

    pub(crate) fn docker_start_attached(&self, spec: &ContainerSpec) -> Result<Attached> {
        self.call(format!("docker.start-attached {}", spec.name), |world| {
            let container = world.start_container(spec)?;
            let connection =
                Connection { fake: self.handle(world, format!("stdio of container {container}")) };
            Ok(Attached { container, connection })
        })
    }

    pub(crate) fn docker_start(&self, spec: &ContainerSpec) -> Result<String> {
        self.call(format!("docker.start {}", spec.name), |world| world.start_container(spec))
    }

    pub(crate) fn docker_run(
        &self,
        spec: &ContainerSpec,
        input: Option<&[u8]>,
        output_limit: u32,
        timeout_ms: u32,
    ) -> Result<RunOutput> {
        let input = input.map_or(0, <[u8]>::len);
        self.call(format!("docker.run {} {input} {timeout_ms}", spec.name), |world| {
            world.check_container(spec)?;
            world.docker.started.push(spec.clone());
            Ok(world.run_output(output_limit))
        })
    }

    pub(crate) fn docker_attach(&self, container: &str) -> Result<Connection> {
        self.call(format!("docker.attach {container}"), |world| match world.docker.find(container) {
            Some((id, known)) if known.exit_code.is_none() => {
                let label = format!("stdio of container {id}");
                Ok(Connection { fake: self.handle(world, label) })
            }
            _ => Err(Error::not_found(format!("attach: container `{container}` does not run"))),
        })
    }

    pub(crate) fn docker_address_of(&self, container: &str, container_port: u16) -> Result<Address> {
        self.call(format!("docker.address-of {container} {container_port}"), |world| {
            let known = world.docker.find(container).map(|(_, known)| known);
            match known.and_then(|known| {
                known.spec.publish.iter().find(|port| port.container_port == container_port)
            }) {
                Some(port) => Ok(Address {
                    host: "127.0.0.1".to_owned(),
                    port: port.host_port.unwrap_or(container_port),
                }),
                None => {
                    Err(Error::not_found(format!("find port {container_port} of container `{container}`")))
                }
            }
        })
    }

    pub(crate) fn docker_inspect(&self, container: &str) -> Result<Option<ContainerInfo>> {
        self.call(format!("docker.inspect {container}"), |world| {
            Ok(world.docker.find(container).map(|(id, known)| known.info(id)))
        })
    }

    pub(crate) fn docker_wait(&self, conditions: &[Condition], timeout_ms: u32) -> Result<u32> {
        self.call(format!("docker.wait {} {timeout_ms}", conditions.len()), |world| {
            for (index, condition) in (0..).zip(conditions) {
                if world.met(condition)? {
                    return Ok(index);
                }
            }
            let _ = world.sleep(timeout_ms);
            Err(Error::timeout(format!(
                "wait for {} conditions: none came in {timeout_ms} ms",
                conditions.len()
            )))
        })
    }

    pub(crate) fn docker_stop(&self, container: &str, grace_ms: u32) -> Result<()> {
        self.call(format!("docker.stop {container} {grace_ms}"), |world| {
            let id = world.docker.find(container).map(|(id, _)| id.clone());
            if let Some(known) = id.and_then(|id| world.docker.containers.get_mut(&id)) {
                known.exit_code.get_or_insert(143);
            }
            Ok(())
        })
    }

    pub(crate) fn docker_remove(&self, container: &str) -> Result<()> {
        self.call(format!("docker.remove {container}"), |world| {
            if let Some(name) = world.docker.remove(container) {
                world.forget(&container_object(&name));
            }
            Ok(())
        })
    }

    pub(crate) fn docker_exec(
        &self,
        container: &str,
        arguments: &[String],
        _limit: u32,
    ) -> Result<ExecResult> {
        self.call(format!("docker.exec {container} {}", arguments.join(" ")), |world| {
            world.docker.open(container, "run a program")?;
            Ok(ExecResult { exit_code: 0, stdout: Vec::new(), stderr: Vec::new() })
        })
    }

    pub(crate) fn docker_log_tail(&self, container: &str, lines: u32) -> Result<String> {
        self.call(format!("docker.log-tail {container} {lines}"), |world| {
            world.docker.open(container, "read the log").map(|_| String::new())
        })
    }

    pub(crate) fn docker_containers(&self, labels: &[Label], page: &Page) -> Result<ContainerPage> {
        self.call("docker.containers".to_owned(), |world| {
            let all = world.docker.containers.iter().map(|(id, known)| known.info(id));
            let all = all.filter(|info| labels.iter().all(|label| info.labels.contains(label)));
            let (containers, cursor) = super::samples::paged(all.collect(), page)?;
            Ok(ContainerPage { containers, cursor })
        })
    }
}
