//! The fake engine for components: a workload runs as soon as it is started, until it is stopped or the test ends it.

use super::FakeHost;
use super::world::{Output, World};
use crate::connection::{Connection, Ending, RunOutput};
use crate::embedded::{Spec, Started, WorkloadInfo, WorkloadStatus};
use crate::types::{Destination, Egress, File, ObjectRef, Workload};
use crate::{Error, Result};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Engine {
    running: BTreeMap<String, Spec>,
    ended: BTreeMap<String, (i32, String)>,
    started: Vec<Spec>,
    next_run: Option<Output>,
}

impl Engine {
    pub(super) fn left(&self) -> Vec<ObjectRef> {
        self.running.keys().map(|id| object(id)).collect()
    }
}

fn object(id: &str) -> ObjectRef {
    ObjectRef::new("component", "", id)
}

/// What a test prepares and asks.
impl FakeHost {
    /// What the engine was asked to start or run, in order.
    #[must_use]
    pub fn embedded_specs(&self) -> Vec<Spec> {
        self.world.borrow().embedded.started.clone()
    }

    /// Lets a running workload end by itself.
    pub fn end_workload(&self, workload: &str, exit_code: i32, text: &str) {
        let mut world = self.world.borrow_mut();
        if world.embedded.running.remove(workload).is_some() {
            world.embedded.ended.insert(workload.to_owned(), (exit_code, text.to_owned()));
        }
    }

    /// What the next run to its end leaves, in the engine and on the other platforms; exit code 0 and no output unless said.
    pub fn next_run(&self, stdout: &[u8], stderr: &[u8], ending: Ending, exit_code: Option<i32>) {
        let output = Output {
            label: "run".to_owned(),
            stdout: stdout.to_vec(),
            stderr: stderr.to_vec(),
            truncated: false,
            ending,
            exit_code,
        };
        self.world.borrow_mut().embedded.next_run = Some(output);
    }
}

impl World {
    /// The output that the test prepared. An exit code could tell a secret, so it is kept back as the host does.
    pub(super) fn run_output(&mut self, limit: u32) -> RunOutput {
        let mut output = self.embedded.next_run.take().unwrap_or(Output {
            label: "run".to_owned(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            truncated: false,
            ending: Ending::Exited,
            exit_code: Some(0),
        });
        if self.carries_secrets() {
            output.exit_code = None;
        }
        RunOutput { fake: output.limited(limit) }
    }

    fn check_spec(&self, spec: &Spec) -> Result<()> {
        let Some(subject) = &self.subject else {
            return Err(Error::permission("start a component outside a call for a server"));
        };
        match &subject.workload {
            Workload::Component(own) if own.component == spec.component => {}
            _ => return Err(Error::permission("start a component that is not the server's")),
        }
        self.check_environment(&spec.environment)?;
        self.check_unchanged(&spec.environment)?;
        self.check_mounts(&spec.mounts)?;
        self.check_files(&spec.files)?;
        let own = |file: &&File| subject.files.contains(file);
        if let Some(file) = spec.files.iter().find(|file| !own(file)) {
            return Err(Error::permission(format!(
                "place file `{}`: the server's entry does not",
                file.path
            )));
        }
        let destinations = match &spec.egress {
            Egress::None => [].as_slice(),
            Egress::Only(destinations) => destinations,
            Egress::Unrestricted | Egress::Public | Egress::Other(_) => {
                return Err(Error::unsupported("let a component out to what was not named"));
            }
        };
        match destinations.iter().find(|destination| !allows(&subject.network.egress, destination)) {
            Some(refused) => {
                Err(Error::permission(format!("reach `{}`: the server's entry does not", refused.host)))
            }
            None => Ok(()),
        }
    }
}

fn allows(egress: &Egress, destination: &Destination) -> bool {
    match egress {
        Egress::Unrestricted | Egress::Public => true,
        Egress::None | Egress::Other(_) => false,
        Egress::Only(named) => named.contains(destination),
    }
}

impl FakeHost {
    pub(crate) fn embedded_start(&self, spec: &Spec) -> Result<Started> {
        self.call(format!("embedded.start {}", spec.component), |world| {
            world.check_spec(spec)?;
            let workload = format!("w{}", world.fresh());
            world.record(object(&workload));
            world.embedded.running.insert(workload.clone(), spec.clone());
            world.embedded.started.push(spec.clone());
            let connection =
                Connection { fake: self.handle(world, format!("stdio of component {workload}")) };
            Ok(Started { workload, connection })
        })
    }

    pub(crate) fn embedded_run(
        &self,
        spec: &Spec,
        input: Option<&[u8]>,
        output_limit: u32,
        timeout_ms: u32,
    ) -> Result<RunOutput> {
        let input = input.map_or(0, <[u8]>::len);
        self.call(format!("embedded.run {} {input} {timeout_ms}", spec.component), |world| {
            world.check_spec(spec)?;
            world.embedded.started.push(spec.clone());
            Ok(world.run_output(output_limit))
        })
    }

    pub(crate) fn embedded_info(&self, workload: &str) -> WorkloadInfo {
        self.ask(format!("embedded.info {workload}"), |world| {
            if world.embedded.running.contains_key(workload) {
                return WorkloadInfo {
                    status: WorkloadStatus::Running,
                    exit_code: None,
                    text: String::new(),
                };
            }
            match world.embedded.ended.get(workload) {
                Some((code, text)) => {
                    WorkloadInfo { status: WorkloadStatus::Ended, exit_code: Some(*code), text: text.clone() }
                }
                None => {
                    WorkloadInfo { status: WorkloadStatus::Unknown, exit_code: None, text: String::new() }
                }
            }
        })
    }

    pub(crate) fn embedded_stop(&self, workload: &str, grace_ms: u32) -> Result<()> {
        self.call(format!("embedded.stop {workload} {grace_ms}"), |world| {
            world.embedded.running.remove(workload);
            world.forget(&object(workload));
            Ok(())
        })
    }

    pub(crate) fn embedded_workloads(&self) -> Vec<ObjectRef> {
        self.ask("embedded.workloads".to_owned(), |world| world.embedded.left())
    }
}
