//! One connection: from its first byte to the end of the program that the byte started.

use crate::listen::{Read, Write};
use crate::log;
use crate::process::{Process, Streams};
use crate::serve::Shared;
use crate::token::Greeting;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

/// Bytes that are passed on at once.
const CHUNK: usize = 64 << 10;

/// After the program has ended, how long its last words are waited for if somebody it started still holds its standard output.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub(crate) async fn serve(mut read: Read, mut write: Write, shared: Rc<Shared>, number: u64) {
    let Some(first) = greeted(&mut read, &shared, number).await else { return };
    let Some(_place) = shared.enter() else {
        log::line(format_args!("[{number}] closed: {} programs run already", shared.args.max_sessions));
        return;
    };
    let (mut process, streams) = match Process::start(&shared.args, number) {
        Ok(started) => started,
        Err(error) => {
            let program = shared.args.program.first().map_or("", String::as_str);
            log::line(format_args!("[{number}] start `{program}`: {error}"));
            return;
        }
    };
    let Streams { mut stdin, mut stdout } = streams;
    let moved = Cell::new(0_u64);
    let up = async {
        stdin.write_all(&first).await?;
        pass(&mut read, &mut stdin, &moved).await
    };
    let down = pass(&mut stdout, &mut write, &moved);
    let mut up = Box::pin(up);
    let mut down = Box::pin(down);
    // The end of the output ends nothing by itself: the program may have closed it and still work. Its own end, or the client's, does.
    let mut silent = false;
    let died = loop {
        tokio::select! {
            _ = &mut up => break false,
            result = &mut down, if !silent => {
                silent = true;
                if result.is_err() {
                    break false;
                }
            }
            status = process.ended() => {
                if !matches!(&status, Ok(status) if status.success()) {
                    let text = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    log::line(format_args!("[{number}] the program has ended: {text}"));
                }
                break true;
            }
            () = idle(shared.args.idle_timeout, &moved) => {
                log::line(format_args!("[{number}] closed: nothing was sent for a long time"));
                break false;
            }
            () = shared.cut() => break false,
        }
    };
    drop(up);
    drop(stdin);
    if died {
        // A grandchild may hold the output open for ever.
        if !silent {
            let _ = timeout(LAST_WORDS, &mut down).await;
        }
        drop(down);
        drop(process);
    } else {
        // A client that only closed its half still gets what the program has to say.
        let ended = process.end(shared.args.grace);
        if silent {
            ended.await;
        } else {
            tokio::pin!(ended);
            tokio::select! {
                () = &mut ended => {
                    let _ = timeout(LAST_WORDS, &mut down).await;
                }
                _ = &mut down => ended.await,
            }
        }
        drop(down);
    }
    let _ = write.shutdown().await;
}

/// Waits for the first byte, and for the token where one is asked for. What belongs to the server of what has arrived; `None` ends the
/// connection without anything having been started.
async fn greeted(read: &mut Read, shared: &Shared, number: u64) -> Option<Vec<u8>> {
    let mut arrived = Vec::new();
    let wait = async {
        loop {
            let mut part = vec![0; 4096];
            let count = read.read(&mut part).await.ok().filter(|count| *count > 0)?;
            arrived.extend_from_slice(part.get(..count)?);
            let Some(token) = &shared.token else { return Some(0) };
            match token.check(&arrived) {
                Greeting::Right(count) => return Some(count),
                Greeting::Incomplete => {}
                Greeting::Wrong => {
                    log::line(format_args!("[{number}] closed: it did not begin with the token"));
                    return None;
                }
            }
        }
    };
    let greeting = tokio::select! {
        greeting = timeout(shared.args.first_byte_timeout, wait) => greeting.ok()?,
        () = shared.draining_begins() => None,
    };
    greeting.map(|count| arrived.split_off(count))
}

/// Passes bytes on until the reader ends (`Ok`) or one of both fails.
async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    moved: &Cell<u64>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(buffer.get(..count).unwrap_or_default()).await?;
        moved.set(moved.get().wrapping_add(1));
    }
}

/// Ends when nothing was moved for that long; never without a limit.
async fn idle(limit: Option<Duration>, moved: &Cell<u64>) {
    let Some(limit) = limit else { return std::future::pending().await };
    loop {
        let before = moved.get();
        sleep(limit).await;
        if moved.get() == before {
            return;
        }
    }
}
