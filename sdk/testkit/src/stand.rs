//! One run of a gateway in a state folder of its own, with the plugin loaded, and the questions that every case asks at its end.

use crate::Bench;
use host_provisioner::{
    Blueprint, Call, Class, Connection, Failure, Ownership, Provisioned, Provisioner, RequestId, ServerSpec,
    Streams,
};
use host_wasm::{Plugin, PluginHost, RunId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// How long anything may take that must happen. Only a case that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Time in which whoever is cut must have answered: the host gives a plugin one second after a cancellation.
pub(crate) const PROMPTLY: Duration = Duration::from_secs(15);
/// Between two looks at a platform that tells nobody.
pub(crate) const BETWEEN: Duration = Duration::from_millis(50);

/// See the module.
pub(crate) struct Stand<'b> {
    pub(crate) bench: &'b dyn Bench,
    pub(crate) host: Arc<PluginHost>,
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) server: Arc<ServerSpec>,
    /// What `prepare` made: it is there as long as the run, and is no server's.
    prepared: Vec<String>,
    gateway: RunId,
    state: Arc<TempDir>,
}

fn id() -> Result<RunId, String> {
    getrandom::u64().map(RunId::from_bits).map_err(|error| format!("no random bytes: {error}"))
}

impl<'b> Stand<'b> {
    /// A gateway that nobody knows yet.
    pub(crate) async fn new(bench: &'b dyn Bench) -> Result<Self, String> {
        let state = tempfile::tempdir().map_err(|error| format!("make a folder: {error}"))?;
        Self::with(bench, Arc::new(state), id()?).await
    }

    /// Another run of the same gateway.
    pub(crate) async fn again(&self) -> Result<Self, String> {
        Self::with(self.bench, Arc::clone(&self.state), self.gateway.clone()).await
    }

    async fn with(bench: &'b dyn Bench, state: Arc<TempDir>, gateway: RunId) -> Result<Self, String> {
        let host = bench.host(state.path(), gateway.clone(), id()?);
        let plugin = host.load(bench.plugin()).await.map_err(|error| error.to_string())?;
        let server = bench.server();
        let before = shown(&plugin).await?;
        plugin.prepare(&call(PATIENCE)?, &[Arc::clone(&server)]).await.map_err(told("prepare"))?;
        let mut prepared = shown(&plugin).await?;
        prepared.retain(|object| !before.contains(object));
        Ok(Self { bench, host, plugin, server, prepared, gateway, state })
    }

    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    pub(crate) async fn provision(&self) -> Result<Provisioned, String> {
        self.plugin.provision(&call(PATIENCE)?, &self.server).await.map_err(told("provision"))
    }

    /// The plan of a server in this request; `None`: the plugin prints none, which is its right.
    pub(crate) async fn plan(
        &self,
        request: &RequestId,
        server: &ServerSpec,
    ) -> Result<Option<Blueprint>, String> {
        match self.plugin.plan(&Call::new(request.clone(), PATIENCE), server).await {
            Ok(plan) => Ok(Some(plan)),
            Err(failure) if failure.class == Class::Unsupported => Ok(None),
            Err(failure) => Err(told("plan")(failure)),
        }
    }

    /// What the plugin shows of this gateway, but for what `prepare` of this run made.
    pub(crate) async fn shown(&self) -> Result<Vec<String>, String> {
        let mut shown = shown(&self.plugin).await?;
        shown.retain(|object| !self.prepared.contains(object));
        Ok(shown)
    }

    /// Waits until nothing of this run is left, neither on the platform nor in the ledger.
    pub(crate) async fn nothing_left(&self) -> Result<(), String> {
        let begin = tokio::time::Instant::now();
        loop {
            let shown = self.shown().await?;
            if shown.is_empty() {
                break;
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("left on the platform: {}", shown.join(", ")));
            }
            tokio::time::sleep(BETWEEN).await;
        }
        Ok(())
    }

    /// Ends the run in good order; nothing may stay in the ledger, nor what `prepare` made.
    pub(crate) async fn end(self) -> Result<(), String> {
        self.over().await?;
        let ledger = self.state().join("ledger");
        let files = std::fs::read_dir(ledger).into_iter().flatten().flatten().count();
        if files == 0 { Ok(()) } else { Err(format!("{files} files are left in the ledger")) }
    }

    /// The same where another run still has its ledger in the folder.
    pub(crate) async fn over(&self) -> Result<(), String> {
        self.nothing_left().await?;
        let behind = self.host.shutdown(PATIENCE).await;
        if let Some(first) = behind.first() {
            return Err(format!("not taken down at the end: {}", first.failure.one_line()));
        }
        if self.prepared.is_empty() { Ok(()) } else { self.prepared_gone().await }
    }
}

impl Stand<'_> {
    /// The end of the run has taken down what `prepare` made. A run that has ended is asked no more, so another one looks.
    async fn prepared_gone(&self) -> Result<(), String> {
        let state = tempfile::tempdir().map_err(|error| format!("make a folder: {error}"))?;
        let host = self.bench.host(state.path(), self.gateway.clone(), id()?);
        let plugin = host.load(self.bench.plugin()).await.map_err(|error| error.to_string())?;
        let begin = tokio::time::Instant::now();
        loop {
            let mut left = shown(&plugin).await?;
            left.retain(|object| self.prepared.contains(object));
            if left.is_empty() {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("made by `prepare` and left at the end: {}", left.join(", ")));
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }
}

/// What a plugin shows of this gateway.
async fn shown(plugin: &Plugin) -> Result<Vec<String>, String> {
    let all = plugin.enumerate(&call(PATIENCE)?).await.map_err(told("enumerate"))?;
    let own = all.into_iter().filter(|object| object.ownership == Ownership::ThisGateway);
    Ok(own.map(|object| object.object.to_string()).collect())
}

/// A request of its own.
pub(crate) fn request() -> Result<RequestId, String> {
    getrandom::u64().map(RequestId::from_bits).map_err(|error| format!("no random bytes: {error}"))
}

/// A call of a request of its own.
pub(crate) fn call(within: Duration) -> Result<Call, String> {
    Ok(Call::new(request()?, within))
}

/// A failure where none may be.
pub(crate) fn told(what: &'static str) -> impl Fn(Failure) -> String {
    move |failure| format!("{what}: {} ({})", failure.one_line(), failure.class.as_str())
}

/// Asks the server one thing; any line that comes back is an answer.
pub(crate) async fn speaks(connection: Connection) -> Result<(), String> {
    let Connection::Streams(Streams { mut stdin, stdout, stderr, .. }) = connection else {
        // What is no stream the pool connects to; that it was given is all that can be said here.
        return Ok(());
    };
    let asked = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
        r#""capabilities":{},"clientInfo":{"name":"testkit","version":"1"}}}"#,
        "\n"
    );
    let talk = async {
        stdin.write_all(asked.as_bytes()).await.map_err(|error| format!("write to it: {error}"))?;
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .await
            .map_err(|error| format!("read from it: {error}"))?;
        if line.is_empty() { Err("its output ended without an answer".to_owned()) } else { Ok(()) }
    };
    let outcome = tokio::time::timeout(PATIENCE, talk).await.map_err(|_| "it never answered".to_owned())?;
    drop(stderr);
    outcome
}
