//! From the command line to the end: listen, serve, drain.

use crate::args::Args;
use crate::health;
use crate::listen::Listener;
use crate::log;
use crate::session;
use crate::token::Token;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};

/// Connections that have not sent anything yet, at most. What comes beyond waits in the system's own queue.
const SILENT: usize = 256;

/// After a connection could not be accepted (no descriptors left, for example).
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    Serving,
    Draining,
    Cut,
}

/// What connections share.
pub(crate) struct Shared {
    pub(crate) args: Args,
    pub(crate) token: Option<Token>,
    places: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
}

impl Shared {
    /// A place for one more program.
    pub(crate) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    pub(crate) fn sessions(&self) -> usize {
        (self.args.max_sessions as usize).saturating_sub(self.places.available_permits())
    }

    pub(crate) fn draining(&self) -> bool {
        *self.phase.borrow() >= Phase::Draining
    }

    pub(crate) async fn draining_begins(&self) {
        let _ = self.phase.clone().wait_for(|phase| *phase >= Phase::Draining).await;
    }

    /// The time for draining is over.
    pub(crate) async fn cut(&self) {
        let _ = self.phase.clone().wait_for(|phase| *phase == Phase::Cut).await;
    }
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// A sentence: the token cannot be read, or it cannot be listened.
pub(crate) async fn serve(args: Args) -> Result<(), String> {
    let token = match (&args.token_file, &args.token_variable) {
        (Some(file), _) => Some(
            Token::read(file).map_err(|error| format!("read the token in `{}`: {error}", file.display()))?,
        ),
        (None, Some(name)) => Some(
            Token::of_variable(name)
                .map_err(|error| format!("read the token in the variable `{name}`: {error}"))?,
        ),
        (None, None) => None,
    };
    let bind = async |address| {
        Listener::bind(address).await.map_err(|error: io::Error| format!("listen on {address}: {error}"))
    };
    let listener = bind(&args.listen).await?;
    let health = match &args.health {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let fail = |error: io::Error| format!("wait for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    log::line(format_args!("listening on {}", listener.shown()));
    let (phase, seen) = watch::channel(Phase::Serving);
    let places = Arc::new(Semaphore::new(args.max_sessions as usize));
    let drain = args.drain;
    let shared = Rc::new(Shared { args, token, places, phase: seen });
    let local = LocalSet::new();
    local
        .run_until(async move {
            if let Some(health) = health {
                log::line(format_args!("health on {}", health.shown()));
                tokio::task::spawn_local(health::answer(health, Rc::clone(&shared)));
            }
            let mut sessions = JoinSet::new();
            tokio::select! {
                () = accept(&listener, &shared, &mut sessions) => {}
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            drop(listener);
            phase.send_replace(Phase::Draining);
            tokio::select! {
                () = all(&mut sessions) => return,
                () = tokio::time::sleep(drain) => {}
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            phase.send_replace(Phase::Cut);
            all(&mut sessions).await;
        })
        .await;
    Ok(())
}

async fn all(sessions: &mut JoinSet<()>) {
    while sessions.join_next().await.is_some() {}
}

/// Accepts connections for ever.
async fn accept(listener: &Listener, shared: &Rc<Shared>, sessions: &mut JoinSet<()>) {
    let most = SILENT + shared.args.max_sessions as usize;
    let mut number = 0;
    loop {
        while sessions.try_join_next().is_some() {}
        if sessions.len() >= most {
            sessions.join_next().await;
        }
        match listener.accept().await {
            Ok((read, write)) => {
                number += 1;
                sessions.spawn_local(session::serve(read, write, Rc::clone(shared), number));
            }
            Err(error) => {
                log::line(format_args!("accept a connection: {error}"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
