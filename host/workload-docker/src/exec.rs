//! Programs that are run inside a container that runs.

use crate::engine::DockerEngine;
use crate::error::Error;
use crate::name::checked;
use crate::run::Captured;
use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::StreamExt;

/// How a program inside a container has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code; `None` if the engine does not know it.
    pub exit_code: Option<i32>,
    /// What it wrote.
    pub stdout: Captured,
    /// What it complained about.
    pub stderr: Captured,
}

impl DockerEngine {
    /// Runs a program inside a container, without standard input, to its end. At most `limit` bytes of each stream are kept. The engine has
    /// no way to end such a program: when the future is dropped it runs on.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`], [`crate::ErrorKind::Conflict`] when the container does not run.
    pub async fn exec(&self, container: &str, words: &[String], limit: usize) -> Result<ExecOutput, Error> {
        let what = format!("run a program in container `{}`", checked("container", container)?);
        let fail = |error: bollard::errors::Error| Error::of(&what, &error);
        let docker = self.docker().await?;
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(words.to_vec()),
            ..ExecConfig::default()
        };
        let id = docker.create_exec(container, config).await.map_err(fail)?.id;
        let started = docker.start_exec(&id, None::<StartExecOptions>).await.map_err(fail)?;
        let (mut stdout, mut stderr) = (Captured::default(), Captured::default());
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(part) = output.next().await {
                match part.map_err(fail)? {
                    LogOutput::StdErr { message } => stderr.add(&message, limit),
                    LogOutput::StdOut { message }
                    | LogOutput::Console { message }
                    | LogOutput::StdIn { message } => stdout.add(&message, limit),
                }
            }
        }
        let ended = docker.inspect_exec(&id).await.map_err(fail)?;
        let exit_code = ended.exit_code.and_then(|code| i32::try_from(code).ok());
        Ok(ExecOutput { exit_code, stdout, stderr })
    }
}
