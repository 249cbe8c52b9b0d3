//! Interceptors that are commands of this machine: `/bin/sh -c ARGUMENT`, with the gateway's own variables, the input on standard input and the
//! output from standard output, as with the original. Unlike there, one that nobody waits for is ended with all it has started.

use crate::{OUTPUT, Say, WITHIN, too_much, too_slow};
use async_trait::async_trait;
use bytes::Bytes;
use host_gateway::{Interceptor, When};
use host_provisioner::sanitize;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// Bytes of one line of standard error that are shown.
const LINE: usize = 1000;
/// Lines of standard error that are shown of one run.
const LINES: usize = 1000;

struct Exec {
    when: When,
    command: String,
    variables: BTreeMap<String, String>,
    say: Say,
}

pub(crate) fn new(
    when: When,
    command: String,
    variables: BTreeMap<String, String>,
    say: Say,
) -> Arc<dyn Interceptor> {
    Arc::new(Exec { when, command, variables, say })
}

/// Its process group ends with it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Nobody may be left in it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[async_trait]
impl Interceptor for Exec {
    fn when(&self) -> When {
        self.when
    }

    async fn run(&self, input: Bytes) -> Result<Option<Bytes>, String> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(&self.command).env_clear().envs(&self.variables);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let ran = tokio::time::timeout(WITHIN, self.follow(&mut child, input)).await;
        let (status, output) = ran.map_err(|_| too_slow())??;
        // It has ended by itself, and what it left running without our pipes is its own affair.
        group.0 = None;
        // What a failing command has printed is ignored.
        if !status.success() {
            return Err(said(status));
        }
        Ok(output.filter(|output| !output.is_empty()))
    }
}

impl Exec {
    async fn follow(&self, child: &mut Child, input: Bytes) -> Result<(ExitStatus, Option<Bytes>), String> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program may not want its input; whether it has done well, its exit code says.
                let _ = stdin.write_all(&input).await;
            }
        };
        let read = async {
            let mut output = Vec::new();
            if let Some(stdout) = stdout {
                let read = stdout.take(OUTPUT as u64 + 1).read_to_end(&mut output).await;
                read.map_err(|error| error.to_string())?;
            }
            if output.len() > OUTPUT { Err(too_much()) } else { Ok(Bytes::from(output)) }
        };
        let complain = async {
            if let Some(stderr) = stderr {
                complaints(stderr, &self.say).await;
            }
        };
        let feed = async {
            feed.await;
            Ok(())
        };
        let complain = async {
            complain.await;
            Ok(())
        };
        // What goes wrong ends the others too.
        let ((), output, ()) = tokio::try_join!(feed, read, complain)?;
        let status = child.wait().await.map_err(|error| error.to_string())?;
        Ok((status, Some(output)))
    }
}

/// Shows what a program complains about, line by line, with the original's sign in front.
async fn complaints(stderr: impl tokio::io::AsyncRead + Unpin, say: &Say) {
    let mut lines = BufReader::new(stderr);
    let (mut line, mut shown) = (Vec::new(), 0);
    loop {
        line.clear();
        // One line may be endless; what is too much of it is the next one.
        let read = (&mut lines).take(64 << 10).read_until(b'\n', &mut line).await;
        if !read.is_ok_and(|read| read > 0) {
            return;
        }
        shown += 1;
        if shown <= LINES {
            complaint(&line, say);
        }
    }
}

/// One line of complaint.
pub(crate) fn complaint(line: &[u8], say: &Say) {
    let text = String::from_utf8_lossy(line);
    say(&format!("  - {}", sanitize::line(text.trim_end_matches(['\n', '\r']), LINE)));
}

fn said(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "it did not end well".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn shell(command: &str, variables: &[(&str, &str)]) -> (Arc<dyn Interceptor>, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        let say: Say = Arc::new(move |line: &str| into.lock().unwrap().push(line.to_owned()));
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        (new(When::Before, command.to_owned(), variables, say), lines)
    }

    async fn run(command: &str, input: &'static [u8]) -> Result<Option<Bytes>, String> {
        let path = ("PATH", "/usr/local/bin:/usr/bin:/bin");
        shell(command, &[path]).0.run(Bytes::from_static(input)).await
    }

    #[tokio::test]
    async fn input_comes_in_and_output_goes_out() {
        assert_eq!(run("cat", b"{\"a\":1}").await.unwrap().unwrap(), "{\"a\":1}");
        assert_eq!(run("true", b"ignored").await.unwrap(), None, "nothing printed");
        assert_eq!(run("", b"x").await.unwrap(), None, "an empty command does nothing");
        assert_eq!(run("echo", b"x").await.unwrap().unwrap(), "\n", "a lone line feed is something");
        assert_eq!(run("printf '%s' \"$GIVEN$PATH\" | head -c 5", b"").await.unwrap().unwrap(), "/usr/");
    }

    #[tokio::test]
    async fn a_command_that_fails_says_how_and_its_output_is_ignored() {
        assert_eq!(run("echo x; exit 3", b"").await.unwrap_err(), "exit status 3");
        assert_eq!(run("kill -9 $$", b"").await.unwrap_err(), "ended by signal 9");
        assert_eq!(run("exec /not/there", b"").await.unwrap_err(), "exit status 127");
    }

    #[tokio::test]
    async fn complaints_are_shown_and_variables_are_the_given_ones() {
        let (interceptor, lines) =
            shell("echo \"$GIVEN\" >&2; printf 'a\\033[2J' >&2; echo '{}'", &[("GIVEN", "value")]);
        assert_eq!(interceptor.run(Bytes::new()).await.unwrap().unwrap(), "{}\n");
        assert_eq!(*lines.lock().unwrap(), ["  - value", "  - a\\u{1b}[2J"]);
    }

    #[tokio::test]
    async fn more_than_a_pipe_holds_goes_through_both_ways() {
        let big = vec![b'x'; 1 << 20];
        let (interceptor, _) = shell("exec cat", &[("PATH", "/usr/bin:/bin")]);
        assert_eq!(interceptor.run(big.clone().into()).await.unwrap().unwrap(), big);
        // One that does not read its input must not hold us.
        let (interceptor, _) = shell("echo done", &[]);
        assert_eq!(interceptor.run(big.into()).await.unwrap().unwrap(), "done\n");
    }

    #[tokio::test]
    async fn one_that_nobody_waits_for_ends_with_what_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let command = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let (interceptor, _) = shell(&command, &[("PATH", "/usr/bin:/bin")]);
        let running = tokio::spawn(async move { interceptor.run(Bytes::new()).await });
        let pid = loop {
            if let Ok(text) = std::fs::read_to_string(&file) {
                break text.trim().to_owned();
            }
            tokio::task::yield_now().await;
        };
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            // Its parent may not have buried it yet.
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        let within = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !gone() {
            assert!(std::time::Instant::now() < within, "the child of the command goes on");
            tokio::task::yield_now().await;
        }
    }
}
