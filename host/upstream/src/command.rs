//! Commands of this machine.

use crate::direct::{Opened, asked, report};
use crate::env_file;
use host_provisioner::{
    Class, Connection, Failure, FieldReport, Health, Honoured, ObjectRef, Phase, ServerSpec, Status, Streams,
    Value, Workload,
};
use host_resolver::Resolver;
use host_workload_process::{Error, ErrorKind, ProcessEngine, StartSpec};
use std::ffi::OsString;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// How long the system may take to tell how a process ended whose output has ended.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// What commands need.
pub struct CommandConfig {
    /// Runs them.
    pub engine: Arc<ProcessEngine>,
    /// Knows their secrets.
    pub resolver: Arc<Resolver>,
    /// Variables that each of them gets without being given them.
    pub inherited: Vec<(OsString, OsString)>,
}

/// See the module.
pub(crate) struct Command {
    config: CommandConfig,
}

impl Command {
    pub(crate) fn new(config: CommandConfig) -> Self {
        Self { config }
    }

    /// A command runs as the gateway's user on the gateway's machine. Only its memory can be limited, process by process.
    pub(crate) fn fields(server: &ServerSpec) -> Vec<FieldReport> {
        let field = |field: &'static str| match field {
            "memory" => report(
                field,
                Honoured::Approximated,
                "for each of its processes, and only what it may write to",
            ),
            "folders" => report(
                field,
                Honoured::NotEnforced,
                "a command sees all folders of its user, under their own names",
            ),
            _ => report(field, Honoured::NotEnforced, "a command runs as its user does, on this machine"),
        };
        asked(server).into_iter().map(field).collect()
    }

    /// Whether it could be started: its program is there, and its secrets are.
    pub(crate) fn validate(&self, server: &ServerSpec) -> Result<(), Failure> {
        let spec = self.spec(server, Phase::Validate)?;
        self.config.engine.check(&spec).map(drop).map_err(|error| failure(Phase::Validate, error))
    }

    /// What would be run. Values of variables are left out, because such files often hold tokens as they are.
    pub(crate) fn plan(&self, server: &ServerSpec) -> String {
        let Workload::Command { program, arguments, directory, environment_file } = &server.workload else {
            return String::new();
        };
        let mut text =
            std::iter::once(program).chain(arguments).map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        text.push('\n');
        let mut line = |what: &str, value: &str| {
            let _ = writeln!(text, "  {what}: {value}");
        };
        if let Some(directory) = directory {
            line("in", &directory.display().to_string());
        }
        let inherited: Vec<_> =
            self.config.inherited.iter().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        line("inherits", &inherited.join(", "));
        if let Some(file) = environment_file {
            line("variables from", &file.display().to_string());
        }
        for variable in &server.environment {
            let from = match &variable.value {
                Value::Text(_) => "set in its entry".to_owned(),
                Value::Secret(name) => format!("secret `{name}`"),
                Value::Joined(_) => "set in its entry, with secrets".to_owned(),
            };
            line(&variable.name, &from);
        }
        text
    }

    /// Starts it. No await: whoever drops the future has nothing to undo.
    pub(crate) fn open(&self, server: &ServerSpec) -> Result<Opened, Failure> {
        let spec = self.spec(server, Phase::Provision)?;
        let started = self.config.engine.start(&spec).map_err(|error| failure(Phase::Provision, error))?;
        Ok(Opened {
            connection: Connection::Streams(Streams {
                label: format!("stdio of process {}", started.pid),
                stdin: Box::new(started.stdin),
                stdout: Box::new(started.stdout),
                stderr: Some(Box::new(started.stderr)),
            }),
            number: started.id,
            objects: vec![ObjectRef {
                kind: "process group".to_owned(),
                scope: String::new(),
                name: started.pid.to_string(),
            }],
        })
    }

    pub(crate) async fn health(&self, number: u64) -> Health {
        use host_workload_process::Status as Process;
        let health = |status, text, exit_code| Health { status, text, exit_code };
        match self.config.engine.settled(number, LAST_MOMENT).await {
            Some(Process::Running) => health(Status::Running, String::new(), None),
            Some(Process::Ended { text, code }) => health(Status::Ended, text, code),
            None => health(Status::Unknown, String::new(), None),
        }
    }

    pub(crate) async fn close(&self, number: u64) -> Result<(), Failure> {
        self.config.engine.stop(number).await.map_err(|error| failure(Phase::Release, error))
    }

    fn spec(&self, server: &ServerSpec, phase: Phase) -> Result<StartSpec, Failure> {
        let Workload::Command { program, arguments, directory, environment_file } = &server.workload else {
            return Err(Failure::new(
                phase,
                Class::Config,
                format!("server `{}` is no command", server.name),
            ));
        };
        let mut environment = self.config.inherited.clone();
        if let Some(file) = environment_file {
            environment
                .extend(env_file::read(file).map_err(|text| Failure::new(phase, Class::Config, text))?);
        }
        for variable in &server.environment {
            let value = self.config.resolver.evaluate(server.id.as_str(), &variable.value);
            let value = value.map_err(|error| Failure::new(phase, Class::Config, error.to_string()))?;
            environment.push((variable.name.clone().into(), value.reveal().into()));
        }
        Ok(StartSpec {
            name: server.name.clone(),
            program: program.clone(),
            arguments: arguments.clone(),
            environment,
            directory: directory.clone(),
            memory: server.limits.memory_mib.map(|mib| u64::from(mib) << 20),
        })
    }
}

fn failure(phase: Phase, error: Error) -> Failure {
    let class = match error.kind {
        ErrorKind::Program | ErrorKind::Specification => Class::Config,
        ErrorKind::Busy => Class::Retryable,
        ErrorKind::Engine | ErrorKind::Stuck => Class::Other,
    };
    let mut failure = Failure::new(phase, class, error.text);
    failure.hint = error.hint;
    failure
}

/// A word as one could paste it into a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
