//! Serving: start-up and shutdown, each in order (design 11).

use crate::assemble::App;
use crate::assemble::own_lists::OwnLists;
use crate::commands::reload::Asked;
use crate::commands::running::Running;
use crate::control;
use crate::exit;
use crate::output::say;
use crate::signals::Signals;
use crate::streams;
use anyhow::{Context, Result};
use host_config::NamePolicy;
use host_gateway::{Front, FrontConfig, Home, HttpConfig, Names, Stop};
use host_pool::ServerState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long calls in flight may go on after the first signal.
const DRAIN: Duration = Duration::from_secs(10);
/// How long plugins may take to take down what is theirs.
const PLUGINS_DOWN: Duration = Duration::from_secs(30);

/// A bearer token and whether it must be shown, because nobody gave it.
pub(crate) struct Token {
    text: String,
    made_here: bool,
}

impl Token {
    /// The given one, else 50 random characters as in the original.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(crate) fn from(given: Option<&str>) -> Result<Self> {
        if let Some(text) = given {
            return Ok(Self { text: text.to_owned(), made_here: false });
        }
        let mut bytes = [0_u8; 50];
        getrandom::fill(&mut bytes).context("get random bytes")?;
        // 32 characters divide 256 evenly, so none is likelier than another; 50 of them are 250 bits.
        let text = bytes.iter().map(|b| char::from_digit(u32::from(b % 32), 32).unwrap_or('0')).collect();
        Ok(Self { text, made_here: true })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Where clients come from.
pub(crate) enum Listener {
    /// One, on the standard streams.
    Stdio,
    /// Any number, over HTTP.
    Http {
        /// Bound already, so that early clients wait rather than fail.
        listener: TcpListener,
        /// Where it is bound.
        address: SocketAddr,
        /// Which transport strays are sent to.
        home: Home,
        /// What they must show.
        token: Option<Token>,
    },
}

/// Binds the port.
///
/// # Errors
/// The port is taken or not allowed.
pub(crate) async fn bind(address: SocketAddr, home: Home, token: Option<Token>) -> Result<Listener> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let taken = error.kind() == std::io::ErrorKind::AddrInUse;
        let error = anyhow::Error::new(error).context(format!("listen on {address}"));
        if taken {
            error.context("the port is in use; choose another with `--port`, or 0 for a free one")
        } else {
            error
        }
    })?;
    let address = listener.local_addr().context("ask for the port")?;
    Ok(Listener::Http { listener, address, home, token })
}

/// The front of a pool, as flags and files say.
pub(crate) fn front(
    app: &App,
    pool: &Arc<host_pool::Pool>,
    token: Option<&Token>,
    list_wait: Option<Duration>,
) -> Arc<Front> {
    Front::new(Arc::clone(pool), front_config(app, token.map(Token::text), list_wait))
}

/// What a front is told about servers, names and tools.
fn front_config(app: &App, token: Option<&str>, list_wait: Option<Duration>) -> FrontConfig {
    let settings = &app.inputs.settings.front;
    let filter = app.inputs.tools.clone();
    let asked = Arc::clone(&app.tools_asked);
    let prefixes = app
        .placed
        .iter()
        .filter(|p| !p.server.prefix.is_empty())
        .map(|p| (p.server.name.clone(), p.server.prefix.clone()))
        .collect();
    let own = OwnLists::of(&app.inputs);
    FrontConfig {
        token: token.map(host_gateway::Token::new),
        names: match settings.names {
            NamePolicy::Clash => Names::Clash,
            NamePolicy::All => Names::All,
            NamePolicy::Fail => Names::Fail,
        },
        prefixes,
        filter: Arc::new(move |server, tool| {
            asked.allows(&filter, server, tool) && (filter.is_given() || own.allows(server, tool))
        }),
        list_wait: list_wait.unwrap_or(settings.list_wait),
        prestart: app.inputs.settings.pool.prestart,
        checks: app.checks.clone(),
        ..FrontConfig::default()
    }
}

/// What is taken over while the gateway runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Watching {
    /// Settings, catalogues and their like.
    pub(crate) files: bool,
    /// Plugins.
    pub(crate) plugins: bool,
}

/// Lets a reload of files reach the front. Tools, names and lists of the new servers count from then on; the token stays.
fn follow(running: &Running, front: &Arc<Front>, token: Option<&Token>) {
    let (front, token) = (Arc::clone(front), token.map(|token| token.text().to_owned()));
    running.tell_front(Box::new(move |app| front.reload(front_config(app, token.as_deref(), None))));
}

/// Serves until a signal, or until the one client on standard input has gone.
///
/// # Errors
/// Something without which it cannot serve.
pub(crate) async fn serve(app: App, listener: Listener, watch: Watching) -> Result<u8> {
    serve_with(app, listener, watch, |_| Box::pin(std::future::pending())).await
}

/// A task beside serving; when it ends, serving ends.
pub(crate) type Beside = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// As [`serve`], with a task beside it that is told the URL.
///
/// # Errors
/// As [`serve`], and whatever the task fails with.
pub(crate) async fn serve_with(
    app: App,
    listener: Listener,
    watch: Watching,
    beside: impl FnOnce(Option<String>) -> Beside,
) -> Result<u8> {
    say(&format!(
        "session {} (`--session` of `gateway server` and `gateway plugin reload`)",
        app.identity.session
    ));
    if app.placed.is_empty() {
        say(&format!("warning: {}", app.inputs.no_servers()));
    }
    let app = Arc::new(app);
    let pool = app.pool();
    let running = Arc::new(Running::new(Arc::clone(&app), Arc::clone(&pool)));
    let reload = Arc::clone(&running);
    let signals = Signals::listen(move || {
        let reload = Arc::clone(&reload);
        tokio::spawn(async move {
            reload.reload_files(Asked::ByName).await;
            reload.reload_and_say(None).await;
        });
    })?;
    let control_stop = CancellationToken::new();
    let control = control::serve(
        &app.inputs.state,
        &app.identity.session,
        Arc::clone(&running) as _,
        control_stop.clone(),
    )
    .context("open the control socket")
    .map_err(|error| {
        tracing::warn!("{error:#}; `gateway server list` and `plugin reload` will not reach this gateway")
    })
    .ok();
    let orphans = tokio::spawn({
        let running = Arc::clone(&running);
        async move { running.sweep().await }
    });
    if watch.plugins {
        running.watch(&control_stop);
    }
    if watch.files {
        running.watch_files(&control_stop);
    }

    let stop = Stop { drain: signals.drain.clone(), cut: cut_after(&signals) };
    let (front, served) = match listener {
        Listener::Stdio => {
            let front = front(&app, &pool, None, None);
            follow(&running, &front, None);
            tell_unfit_tools(&app, &pool, &front, &control_stop);
            let (input, output) = streams::standard();
            let mut beside = beside(None);
            let served = tokio::select! {
                served = front.serve_stdio(input, output, streams::output_gone(), stop) => served.context("serve the client on the standard streams"),
                ended = &mut beside => ended,
            };
            (front, served)
        }
        Listener::Http { listener, address, home, token } => {
            let front = front(&app, &pool, token.as_ref(), None);
            follow(&running, &front, token.as_ref());
            tell_unfit_tools(&app, &pool, &front, &control_stop);
            let path = match home {
                Home::Streaming => "mcp",
                Home::Sse => "sse",
            };
            let url = format!("http://{address}/{path}");
            say(&format!("listening at {url}"));
            if let Some(token) = token.as_ref().filter(|token| token.made_here) {
                say(&format!("bearer token: {} (set MCP_GATEWAY_AUTH_TOKEN to choose it)", token.text()));
            }
            let http = HttpConfig {
                home,
                allowed_hosts: app.inputs.settings.front.allowed_hosts.clone(),
                allowed_origins: app.inputs.settings.front.allowed_origins.clone(),
                ..HttpConfig::default()
            };
            let mut beside = beside(Some(url));
            let served = tokio::select! {
                () = front.serve_http(listener, http, stop) => Ok(()),
                ended = &mut beside => ended,
            };
            (front, served)
        }
    };

    let left = end(&app, &front, &pool, &signals).await;
    orphans.abort();
    let _ = orphans.await;
    tell_left(&app);
    control_stop.cancel();
    drop(control);
    served?;
    Ok(match (left, signals.interrupted()) {
        (_, true) => exit::INTERRUPTED,
        (true, false) => exit::FAILED,
        (false, false) => exit::DONE,
    })
}

/// Says that what killed gateways had left was not all taken down, so that nobody takes this ending for a clean one. It is no failure of this run: the
/// next start goes on.
fn tell_left(app: &App) {
    match app.host.not_worked_off().len() {
        0 => {}
        1 => say(
            "note: one thing that a killed gateway left is still there; the next start takes it down, or `gateway server sweep`",
        ),
        many => say(&format!(
            "note: {many} things that killed gateways left are still there; the next start takes them down, or `gateway server sweep`"
        )),
    }
}

/// Cancelled when clients have had their time to finish, or at once with the second signal: a call that hangs holds up no ending.
fn cut_after(signals: &Signals) -> CancellationToken {
    let (drain, cut) = (signals.drain.clone(), signals.cut.child_token());
    let until = cut.clone();
    tokio::spawn(async move {
        drain.cancelled().await;
        tokio::select! {
            () = until.cancelled() => {}
            () = tokio::time::sleep(DRAIN) => until.cancel(),
        }
    });
    cut
}

/// Says which entries of `--tools`, and which tools of servers' own lists, fit nothing, as soon as every server has come up or failed.
fn tell_unfit_tools(
    app: &Arc<App>,
    pool: &Arc<host_pool::Pool>,
    front: &Arc<Front>,
    stop: &CancellationToken,
) {
    if !app.tools_asked.asks() {
        return;
    }
    let (app, pool, front, stop) = (Arc::clone(app), Arc::clone(pool), Arc::clone(front), stop.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = front.ready() => {
                let failed: Vec<String> = failed(&pool).into_iter().map(|(name, _)| name).collect();
                app.tools_asked.unfit(&failed).iter().for_each(|line| say(line));
            }
        }
    });
}

/// Servers that did not come up, with the reason.
pub(crate) fn failed(pool: &host_pool::Pool) -> Vec<(String, String)> {
    let down = |state| matches!(state, ServerState::Failed | ServerState::BackingOff);
    let statuses = pool.statuses().into_iter().filter(|status| down(status.state));
    statuses
        .map(|status| {
            let why =
                status.last_failure.as_ref().map_or_else(|| "it keeps ending".to_owned(), |f| f.one_line());
            (status.name.to_string(), why)
        })
        .collect()
}

/// The ending, in order. True if something is left behind.
pub(crate) async fn end(app: &App, front: &Front, pool: &host_pool::Pool, signals: &Signals) -> bool {
    let cut = signals.cut.clone();
    let within = if cut.is_cancelled() { Duration::ZERO } else { DRAIN };
    front.shutdown(within).await;
    let report = pool.shutdown(within, cut.clone()).await;
    let within_plugins = if cut.is_cancelled() { Duration::from_secs(2) } else { PLUGINS_DOWN };
    let left = app.host.shutdown(within_plugins).await;
    // What plugins made, the host has just tried once more, and says itself what is left of it.
    let unfinished: Vec<_> = report.unfinished.iter().filter(|one| !app.host.gave(&one.lease)).collect();
    for unfinished in &unfinished {
        say(&format!(
            "warning: server `{}` was not taken down: {}; the next start tries again",
            unfinished.server,
            unfinished.text.as_deref().unwrap_or("there was no time left")
        ));
    }
    for behind in &left {
        say(&format!("{}; the next start tries again", crate::assemble::sweep::left_behind(behind)));
    }
    for (server, group) in app.processes.shutdown(Duration::from_secs(3)).await {
        say(&format!(
            "warning: process group {group} of server `{server}` did not end; the next start tries again"
        ));
    }
    for workload in app.embedded.shutdown(Duration::from_secs(2)).await {
        say(&format!("warning: component {workload} did not end"));
    }
    !unfinished.is_empty() || !left.is_empty()
}
