//! What is asked for: one command.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// One command to start.
#[derive(Clone)]
pub struct StartSpec {
    /// For logs and errors: the server's name.
    pub name: String,
    /// A path, or a name that is looked up in the `PATH` of `environment`.
    pub program: String,
    /// Its arguments, each as it is: no shell reads them.
    pub arguments: Vec<String>,
    /// Every variable it gets; of equal names the last counts. May hold secrets.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it runs; `None`: where the gateway runs.
    pub directory: Option<PathBuf>,
    /// Bytes of private memory that each of its processes may map (`RLIMIT_DATA`); `None`: any number. The limit is set by a shell, `/bin/sh`,
    /// that becomes the program.
    pub memory: Option<u64>,
}

impl fmt::Debug for StartSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("StartSpec")
            .field("name", &self.name)
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("environment", &names)
            .field("directory", &self.directory)
            .field("memory", &self.memory)
            .finish()
    }
}
