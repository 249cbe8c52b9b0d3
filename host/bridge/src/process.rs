//! One run of the server's program, in a process group of its own, so that what it starts can be ended with it.

use crate::args::{Args, Stderr};
use crate::log;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Bytes of a line of standard error that are shown at once; a longer one becomes several.
const LONGEST_LINE: u64 = 8 << 10;

/// A program that runs. Dropped, it is killed with its whole group.
pub(crate) struct Process {
    child: Child,
    group: Option<Pid>,
}

/// Its standard streams.
pub(crate) struct Streams {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
}

impl Process {
    /// Starts the program; `number` is that of its connection.
    pub(crate) fn start(args: &Args, number: u64) -> io::Result<(Self, Streams)> {
        let (program, rest) = args.program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let stderr = match args.stderr {
            Stderr::Inherit => Stdio::inherit(),
            Stderr::Prefix => Stdio::piped(),
            Stderr::Drop => Stdio::null(),
        };
        let mut command = Command::new(program);
        if let Some(token) = &args.token_variable {
            command.env_remove(token);
        }
        let mut child = command
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        if let Some(stderr) = child.stderr.take() {
            tokio::task::spawn_local(prefixed(stderr, number));
        }
        let process = Self { child, group };
        match (stdin, stdout) {
            (Some(stdin), Some(stdout)) => Ok((process, Streams { stdin, stdout })),
            _ => Err(io::Error::other("the program has no standard streams")),
        }
    }

    /// Waits until the program has ended. What it started may still run.
    pub(crate) async fn ended(&mut self) -> io::Result<std::process::ExitStatus> {
        self.child.wait().await
    }

    /// Ends it: waits, asks, kills. Its standard input is closed already. At the end nothing of its group is left.
    pub(crate) async fn end(mut self, grace: Duration) {
        if timeout(grace, self.child.wait()).await.is_err() {
            self.signal(Signal::TERM);
            if timeout(grace, self.child.wait()).await.is_err() {
                self.signal(Signal::KILL);
                let _ = self.child.wait().await;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group that is gone needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Repeats standard error line by line, behind the number of the connection.
async fn prefixed(stderr: ChildStderr, number: u64) {
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(count) if count > 0) {
            return;
        }
        log::line(format_args!("[{number}] {}", String::from_utf8_lossy(line.trim_ascii_end())));
    }
}
