//! One run of a program for whoever is attached to this container. What a container writes before somebody is attached is lost, and clusters
//! do not keep its two streams apart; so the program waits for a word, and everything it writes is told in frames on standard output, in order,
//! with its exit code as the last one.
//!
//! What comes on standard input: `?` asks for a sign of life (a frame `HELLO`), which shows that somebody is really attached; `!`, the length of
//! the program's input (four bytes, the highest first) and the input itself begin the run. The end of standard input ends everything.
//!
//! A frame is a byte for its kind, the length of what follows (four bytes, the highest first), and that. The kinds are those of
//! `host/workload-kubernetes/src/run.rs`.

use crate::log;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

const HELLO: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
/// The exit code, four bytes, the highest first.
const EXIT: u8 = 3;
/// Why the program could not be started.
const FAILED: u8 = 4;

/// Bytes of the program's output in a frame.
const PIECE: usize = 32 << 10;
/// Bytes of input that are taken.
const INPUT: u32 = 64 << 20;
/// Time for what a program has left in its pipes, when something it started still holds them.
const REST: Duration = Duration::from_secs(1);
/// As shells say that a program could not be started.
const NOT_STARTED: u8 = 127;

/// What was heard on standard input.
enum Heard {
    Anybody,
    Start(Vec<u8>),
    Gone,
}

/// Runs the program; its exit code.
pub(crate) async fn run(words: &[String]) -> ExitCode {
    match supervise(words).await {
        Ok(code) => code,
        Err(error) => {
            log::line(format_args!("{error}"));
            ExitCode::FAILURE
        }
    }
}

async fn supervise(words: &[String]) -> io::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let (tell, mut heard) = mpsc::unbounded_channel();
    // Reading may block for ever, so it is no task.
    std::thread::spawn(move || listen(&tell));
    let input = loop {
        let heard = tokio::select! {
            heard = heard.recv() => heard,
            _ = terminate.recv() => None,
        };
        match heard {
            Some(Heard::Anybody) => frame(HELLO, &[])?,
            Some(Heard::Start(input)) => break input,
            Some(Heard::Gone) | None => return Ok(ExitCode::FAILURE),
        }
    };
    let mut child = match start(words, !input.is_empty()) {
        Ok(child) => child,
        Err(error) => {
            let program = words.first().map_or("", String::as_str);
            frame(FAILED, format!("{program}: {error}").as_bytes())?;
            return Ok(ExitCode::from(NOT_STARTED));
        }
    };
    if let Some(mut stdin) = child.stdin.take() {
        tokio::spawn(async move {
            // A program that does not read its input is no failure.
            let _ = stdin.write_all(&input).await;
        });
    }
    let (mut stdout, mut stderr) = (Pipe::of(child.stdout.take()), Pipe::of(child.stderr.take()));
    let status = loop {
        tokio::select! {
            read = stdout.read() => frame(STDOUT, read)?,
            read = stderr.read() => frame(STDERR, read)?,
            status = child.wait() => break status?,
            word = heard.recv() => {
                if matches!(word, Some(Heard::Gone) | None) {
                    // Dropped, it is killed; and the container ends with this process.
                    return Ok(ExitCode::FAILURE);
                }
            }
            _ = terminate.recv() => pass_on(&child),
        }
    };
    // As when the first process of a container ends: everything else in it does. Then nothing holds the pipes any more.
    if std::process::id() == 1 {
        let _ = kill_process_group(Pid::INIT, Signal::KILL);
    }
    let _ = tokio::time::timeout(REST, async {
        stdout.drain(STDOUT).await?;
        stderr.drain(STDERR).await
    })
    .await;
    let code = code(status);
    frame(EXIT, &code.to_be_bytes())?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

fn start(words: &[String], input: bool) -> io::Result<Child> {
    let (program, rest) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(rest)
        .stdin(if input { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// As shells and init programs count: a signal is 128 and its number.
fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1)
}

fn pass_on(child: &Child) {
    if let Some(child) = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
        let _ = kill_process(child, Signal::TERM);
    }
}

/// Reads standard input to its end.
fn listen(tell: &mpsc::UnboundedSender<Heard>) {
    let mut stdin = io::stdin().lock();
    let mut word = [0];
    while let Ok(1) = stdin.read(&mut word) {
        let heard = match word {
            [b'?'] => Heard::Anybody,
            [b'!'] => match input(&mut stdin) {
                Ok(input) => Heard::Start(input),
                Err(_) => break,
            },
            _ => continue,
        };
        if tell.send(heard).is_err() {
            return;
        }
    }
    let _ = tell.send(Heard::Gone);
}

fn input(stdin: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stdin.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > INPUT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut input = Vec::new();
    stdin.take(u64::from(length)).read_to_end(&mut input)?;
    Ok(input)
}

/// Whoever is attached decides how fast: while he does not read, the program waits.
fn frame(kind: u8, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() && matches!(kind, STDOUT | STDERR) {
        return Ok(());
    }
    let mut whole = Vec::with_capacity(5 + bytes.len());
    whole.push(kind);
    whole.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    whole.extend_from_slice(bytes);
    let mut stdout = io::stdout().lock();
    stdout.write_all(&whole)?;
    stdout.flush()
}

/// One of the program's streams, with the piece that was read last.
struct Pipe<S> {
    stream: Option<S>,
    piece: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Pipe<S> {
    fn of(stream: Option<S>) -> Self {
        Self { stream, piece: vec![0; PIECE] }
    }

    /// The next piece; waits for ever when there is none any more.
    async fn read(&mut self) -> &[u8] {
        match &mut self.stream {
            None => std::future::pending().await,
            Some(stream) => match stream.read(&mut self.piece).await {
                Ok(read @ 1..) => self.piece.get(..read).unwrap_or_default(),
                Ok(0) | Err(_) => {
                    self.stream = None;
                    &[]
                }
            },
        }
    }

    async fn drain(&mut self, kind: u8) -> io::Result<()> {
        while self.stream.is_some() {
            frame(kind, self.read().await)?;
        }
        Ok(())
    }
}
