//! One test's folders and files, and the program run among them with an empty environment.

use super::finished::Finished;
use super::gateway::Gateway;
use super::patience::patiently;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;

/// The bearer token of every gateway in tests.
pub const TOKEN: &str = "token-of-the-tests";

/// Folders of one test: work (where the program is started), home and state. They go when it goes.
pub struct Scene {
    folder: TempDir,
    program: PathBuf,
    cache: PathBuf,
    variables: Vec<(String, String)>,
}

impl Scene {
    /// An empty scene. `shared` is a folder that all tests of a run may use: compiled components are kept there, because compiling is
    /// what takes longest and none of them is about it.
    ///
    /// # Panics
    /// There is no place for temporary files.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, shared: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("gateway-").tempdir().unwrap();
        for name in ["work", "home"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::create_dir_all(shared).unwrap();
        Self { folder, program: program.into(), cache: shared.join("compiled"), variables: Vec::new() }
    }

    /// The same with one more environment variable for the program.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with a folder of its own for compiled components.
    #[must_use]
    pub fn with_cold_cache(mut self) -> Self {
        self.cache = self.folder.path().join("cache");
        self
    }

    /// Where the program is started.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The program's state folder.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Writes a file below the work folder, with the folders it needs.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Renamed into place, as an editor or a build does it, so that a watching gateway never reads half a file.
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, content).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        path
    }

    /// Writes `gateway.yaml`.
    pub fn settings(&self, text: &str) -> PathBuf {
        self.file("gateway.yaml", text)
    }

    /// Copies a built component below the work folder.
    ///
    /// # Panics
    /// It is not there.
    pub fn component(&self, name: &str, built: &Path) -> PathBuf {
        self.file(name, std::fs::read(built).unwrap_or_else(|error| panic!("{}: {error}", built.display())))
    }

    /// The program with these arguments, in the work folder, knowing of nothing outside the scene.
    #[must_use]
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.work())
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("GATEWAY_STATE", self.state())
            .env("GATEWAY_CACHE", &self.cache)
            .env("MCP_GATEWAY_AUTH_TOKEN", TOKEN)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            // A group of its own, so that a process which it left behind can be told.
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Runs the program to its end, with nothing to read.
    ///
    /// # Panics
    /// It does not end.
    pub async fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null());
        let output = patiently("the program to end", command.output()).await.unwrap();
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            places: self.places(),
        }
    }

    /// Starts `gateway run` over HTTP on a free port with these further arguments, and waits until it says where it listens.
    pub async fn serve(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Gateway<'_> {
        self.serve_by("streaming", arguments).await
    }

    /// The same with this value of `--transport`.
    pub async fn serve_by(
        &self,
        transport: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Gateway<'_> {
        let run = ["run", "--transport", transport, "--port", "0"].map(OsString::from);
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        self.start(run.into_iter().chain(arguments)).await
    }

    /// Starts the program with these arguments, which make it serve over HTTP by themselves, and waits until it says where it listens.
    pub async fn start(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Gateway<'_> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let gateway = Gateway::started(self, command);
        gateway.endpoint().await;
        gateway
    }

    /// Starts `gateway run` over standard input and output with these further arguments.
    pub fn pipe(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Gateway<'_> {
        let mut command = self.command(["run"]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        Gateway::started(self, command)
    }

    /// What the ledger folder holds: files with what is in them.
    #[must_use]
    pub fn ledger(&self) -> Vec<(String, String)> {
        files(&self.state().join("ledger"))
    }

    /// Checks that no ledger and no socket is left.
    ///
    /// # Panics
    /// Something is; the message lists it.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let ledger = self.ledger();
        assert!(ledger.is_empty(), "the ledger still holds {ledger:#?}");
        let sockets: Vec<_> = files(&self.state().join("run")).into_iter().map(|(name, _)| name).collect();
        assert!(sockets.is_empty(), "left in the folder of sockets: {sockets:?}");
    }

    /// Folders whose place differs from run to run, with what is written instead of each.
    #[must_use]
    pub fn places(&self) -> Vec<(PathBuf, &'static str)> {
        vec![
            (self.work(), "[WORK]"),
            (self.state(), "[STATE]"),
            (self.cache.clone(), "[CACHE]"),
            (self.folder.path().to_owned(), "[SCENE]"),
            (std::fs::canonicalize(self.folder.path()).unwrap(), "[SCENE]"),
        ]
    }
}

/// Name and text of every file in a folder; none where the folder is not there.
fn files(folder: &Path) -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap_or_default())
        })
        .collect();
    found.sort();
    found
}
