//! A gateway that runs as a process: what it says, what it is told, and how it ends.

use super::client::{Client, Era};
use super::finished::Finished;
use super::http::Endpoint;
use super::patience::patiently;
use super::scene::{Scene, TOKEN};
use super::stdio::Pipe;
use rustix::process::{Pid, kill_process, test_kill_process_group};
use serde_json::{Map, Value};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

pub use rustix::process::Signal;

/// What a gateway has said on standard error, line by line, as it comes.
#[derive(Clone)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    seen: watch::Receiver<bool>,
}

impl Log {
    fn follow(stderr: tokio::process::ChildStderr) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (tell, seen) = watch::channel(false);
        let into = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut from = BufReader::new(stderr);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                into.lock().unwrap().push(text);
                line.clear();
                tell.send_replace(false);
            }
            tell.send_replace(true);
        });
        Self { lines, seen }
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().iter().map(|line| format!("{line}\n")).collect()
    }

    /// The first line that `wanted` takes, now or later; `None` if the stream ends without it.
    async fn find<T>(&self, mut wanted: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let mut seen = self.seen.clone();
        let mut next = 0;
        loop {
            let ended = *seen.borrow_and_update();
            {
                let lines = self.lines.lock().unwrap();
                for line in &lines[next..] {
                    if let Some(found) = wanted(line) {
                        return Some(found);
                    }
                }
                next = lines.len();
            }
            // The stream ends with the sender's last word or with the sender itself.
            if ended || seen.changed().await.is_err() {
                return None;
            }
        }
    }

    async fn end(&self) {
        let mut seen = self.seen.clone();
        let _ = seen.wait_for(|ended| *ended).await;
    }
}

/// How a gateway ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code and what it had said on standard error. Standard output is the clients' and not repeated.
    pub finished: Finished,
}

/// A gateway that runs. Killed when it is dropped, so that a failing test leaves none.
pub struct Gateway<'s> {
    scene: &'s Scene,
    child: Child,
    pid: Pid,
    log: Log,
    pipe: Option<Pipe>,
}

impl<'s> Gateway<'s> {
    pub(super) fn started(scene: &'s Scene, mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        let log = Log::follow(child.stderr.take().unwrap());
        let pipe = child.stdin.take().zip(child.stdout.take()).map(|(to, from)| Pipe::new(to, from));
        Self { scene, child, pid, log, pipe }
    }

    /// Where it listens, with the token of the tests.
    ///
    /// # Panics
    /// It ends without saying so.
    pub async fn endpoint(&self) -> Endpoint {
        let found = patiently(
            "the gateway to say where it listens",
            self.log.find(|line| {
                let start = line.find("http://")?;
                let url = line[start..].split(|c: char| c.is_whitespace() || "`'\")>,".contains(c)).next()?;
                // Streamable HTTP is served whichever transport is the one that is told.
                let base = url.strip_suffix("/mcp").or(url.strip_suffix("/sse"))?;
                Some(Endpoint::new(&format!("{base}/mcp"), Some(TOKEN)))
            }),
        );
        match found.await {
            Some(endpoint) => endpoint,
            None => panic!("the gateway ended before it listened:\n{}", self.log.text()),
        }
    }

    /// A client over HTTP that has introduced itself.
    pub async fn client(&self, era: Era) -> Client {
        Client::over_http(self.endpoint().await, era).await
    }

    /// The one client over standard input and output, introduced.
    ///
    /// # Panics
    /// The gateway was started over HTTP, or has its client already.
    pub async fn only_client(&mut self, era: Era) -> Client {
        Client::over_stdio(self.only_pipe(), era).await
    }

    /// The same for a client that says it can be asked for something, with its result for each method.
    ///
    /// # Panics
    /// As [`Gateway::only_client`].
    pub async fn only_client_asked(
        &mut self,
        era: Era,
        capabilities: Value,
        answers: Map<String, Value>,
    ) -> Client {
        Client::asked_over_stdio(self.only_pipe(), era, capabilities, answers).await
    }

    fn only_pipe(&mut self) -> Pipe {
        self.pipe.take().unwrap_or_else(|| panic!("standard input and output have one client"))
    }

    /// Waits for a line on standard error that holds this text, and gives the whole line.
    ///
    /// # Panics
    /// It does not come.
    pub async fn says(&self, text: &str) -> String {
        let line = patiently(text, self.log.find(|line| line.contains(text).then(|| line.to_owned()))).await;
        line.unwrap_or_else(|| panic!("the gateway ended and never said `{text}`:\n{}", self.log.text()))
    }

    /// What it has said on standard error so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.log.text()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// It has ended already.
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process(self.pid, signal) {
            panic!("the gateway cannot be signalled ({error}):\n{}", self.log.text());
        }
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// It does not, or a process of its group outlives it.
    pub async fn ended(mut self) -> Ended {
        let status = match tokio::time::timeout(super::PATIENCE, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("the gateway does not end:\n{}", self.log.text()),
        };
        assert!(
            test_kill_process_group(self.pid).is_err(),
            "a process that it started outlives it:\n{}",
            self.log.text()
        );
        patiently("the end of standard error", self.log.end()).await;
        let finished = Finished {
            code: status.code(),
            stdout: String::new(),
            stderr: self.log.text(),
            places: self.scene.places(),
        };
        Ended { finished }
    }

    /// Ends it as an operator does, and checks that it ends well and leaves nothing.
    ///
    /// # Panics
    /// It ends with another code than 0, or something is left.
    pub async fn end(self) -> Ended {
        let scene = self.scene;
        self.signal(Signal::TERM);
        let ended = self.ended().await;
        assert_eq!(ended.finished.code, Some(0), "{}", ended.finished.stderr);
        scene.assert_nothing_left();
        ended
    }

    /// Ends it without any notice.
    pub async fn kill(self) -> Ended {
        self.signal(Signal::KILL);
        self.ended().await
    }
}

impl Drop for Gateway<'_> {
    /// A test that fails shows what the gateway had to say about it.
    #[expect(clippy::print_stderr, reason = "beside the words of the test that fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the gateway said:\n{}", self.log.text());
        }
    }
}
