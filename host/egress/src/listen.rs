//! Accepting connections, each in a thread of its own, as many as there may be.

use crate::log;
use crate::settings::Settings;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Connections at once, over all doors. One that is beyond is closed.
const MOST: usize = 256;
/// What a thread needs at most; it keeps its buffers elsewhere.
pub(crate) const STACK: usize = 128 << 10;
/// After a failure to accept, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Counts a connection as long as it lives.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let free = |open: usize| (open < MOST).then_some(open + 1);
        OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "this thread has nothing else to do")]
fn pause() {
    thread::sleep(PAUSE);
}

/// Listens on one address and port, and hands every connection to `serve`.
pub(crate) fn tcp(
    at: IpAddr,
    port: u16,
    settings: &Arc<Settings>,
    serve: impl Fn(&Settings, TcpStream) + Send + Sync + 'static,
) -> Result<(), String> {
    let listener =
        TcpListener::bind((at, port)).map_err(|error| format!("listen on {at}:{port}: {error}"))?;
    let (settings, serve) = (Arc::clone(settings), Arc::new(serve));
    let accept = move || {
        loop {
            let Ok((stream, _)) = listener.accept() else {
                pause();
                continue;
            };
            let Some(place) = Place::take() else {
                log::line(&format!("too many connections; one on port {port} was closed"));
                continue;
            };
            let (settings, serve) = (Arc::clone(&settings), Arc::clone(&serve));
            let run = move || {
                let _place = place;
                let _ = stream.set_nodelay(true);
                serve(&settings, stream);
            };
            if let Err(error) = thread::Builder::new().stack_size(STACK).spawn(run) {
                log::line(&format!("a connection on port {port} was closed: {error}"));
            }
        }
    };
    let spawned = thread::Builder::new().stack_size(STACK).spawn(accept);
    spawned.map(drop).map_err(|error| format!("listen on {at}:{port}: {error}"))
}
