//! Standard input and output as streams that need no thread of their own where the system allows it.
//!
//! Editors connect pipes or socket pairs. Both can be waited for like any socket, which saves two thread changes a message. A file or a
//! terminal cannot, and gets tokio's threads.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

type Input = Box<dyn AsyncRead + Send + Unpin>;
type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// The standard streams of this process.
pub(crate) fn standard() -> (Input, Output) {
    let input = std::io::stdin().as_fd().try_clone_to_owned().ok().and_then(input);
    let output = std::io::stdout().as_fd().try_clone_to_owned().ok().and_then(output);
    (
        input.unwrap_or_else(|| Box::new(tokio::io::stdin())),
        output.unwrap_or_else(|| Box::new(tokio::io::stdout())),
    )
}

/// Between two looks at who reads.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until nobody can read standard output any more. A script that has written everything it wants to ask closes our input and goes on
/// reading; a client that has gone closes both.
pub(crate) async fn output_gone() {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let output = std::io::stdout();
        // The end of the other side is told without being asked for, and only by pipes, sockets and terminals.
        let mut looked = [PollFd::new(&output, PollFlags::empty())];
        let known = poll(&mut looked, Some(&Timespec::default())).is_ok();
        let [output] = looked;
        if known && output.revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            return;
        }
    }
}

fn input(fd: OwnedFd) -> Option<Input> {
    let again = fd.try_clone().ok()?;
    if let Ok(pipe) = pipe::Receiver::from_owned_fd(fd) {
        return Some(Box::new(pipe));
    }
    socket(again).map(|socket| Box::new(socket) as Input)
}

fn output(fd: OwnedFd) -> Option<Output> {
    let again = fd.try_clone().ok()?;
    if let Ok(pipe) = pipe::Sender::from_owned_fd(fd) {
        return Some(Box::new(pipe));
    }
    socket(again).map(|socket| Box::new(socket) as Output)
}

fn socket(fd: OwnedFd) -> Option<UnixStream> {
    let socket = StdUnixStream::from(fd);
    // Only a socket of this family has a local address here; anything else stays untouched.
    socket.local_addr().ok()?;
    socket.set_nonblocking(true).ok()?;
    UnixStream::from_std(socket).ok()
}
