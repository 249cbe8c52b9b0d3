//! One pull for everybody who wants the same image, with progress for each of them.

use super::ImageRequest;
use super::reference::Reference;
use crate::engine::DockerEngine;
use crate::error::{Error, ErrorKind};
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// How a pull goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullProgress {
    /// What happens now, in the engine's words: `Downloading`.
    pub status: String,
    /// Bytes of layers that are here.
    pub done: u64,
    /// Bytes of the layers whose size is known by now. It grows while the engine learns of further layers.
    pub total: u64,
}

/// What waiters see of a pull.
#[derive(Debug, Clone)]
enum State {
    Running(PullProgress),
    Done(Result<(), Error>),
}

/// A pull that runs. It is ended when the last who waits lets go of it.
struct Pull {
    state: watch::Receiver<State>,
    task: AbortHandle,
}

impl Drop for Pull {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Two requests are one pull if image, platform and credentials are the same.
#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    target: Reference,
    platform: String,
    username: Option<String>,
}

/// The pulls that run.
#[derive(Default)]
pub(crate) struct Pulls {
    running: Mutex<HashMap<Key, Weak<Pull>>>,
}

impl DockerEngine {
    pub(super) async fn pull(
        &self,
        target: &Reference,
        request: &ImageRequest,
        progress: impl Fn(&PullProgress) + Send,
    ) -> Result<(), Error> {
        let docker = self.docker().await?.clone();
        let login = self.login(request, target.registry()).await?;
        let key = Key {
            target: target.clone(),
            platform: request.platform.clone().unwrap_or_default(),
            username: login.as_ref().and_then(|login| login.username.clone()),
        };
        let pull = self.pulls.join(key, docker, login);
        let mut state = pull.state.clone();
        loop {
            let seen = state.borrow_and_update().clone();
            match seen {
                State::Done(result) => return result,
                State::Running(now) => progress(&now),
            }
            if state.changed().await.is_err() {
                return Err(Error::cut(&format!("pull image `{target}`"), "the pull was ended"));
            }
        }
    }
}

impl Pulls {
    /// The pull that runs for this key, or a new one.
    fn join(&self, key: Key, docker: Docker, login: Option<DockerCredentials>) -> Arc<Pull> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, pull| pull.strong_count() > 0);
        if let Some(pull) = running.get(&key).and_then(Weak::upgrade)
            && matches!(*pull.state.borrow(), State::Running(_))
        {
            return pull;
        }
        // Until the engine says something, this is what happens.
        let status = format!("asking registry `{}`", key.target.registry());
        let begun = PullProgress { status, ..PullProgress::default() };
        let (sender, state) = watch::channel(State::Running(begun));
        let (target, platform) = (key.target.clone(), key.platform.clone());
        let task = tokio::spawn(async move {
            let result = fetch(&docker, &target, &platform, login, &sender).await;
            sender.send_replace(State::Done(result));
        });
        let pull = Arc::new(Pull { state, task: task.abort_handle() });
        running.insert(key, Arc::downgrade(&pull));
        pull
    }
}

async fn fetch(
    docker: &Docker,
    target: &Reference,
    platform: &str,
    login: Option<DockerCredentials>,
    sender: &watch::Sender<State>,
) -> Result<(), Error> {
    let what = format!("pull image `{target}`");
    // The API calls it a tag, also when it is a digest.
    let version = target.digest().or(target.tag()).unwrap_or("latest");
    let name = target.name();
    let mut options = CreateImageOptionsBuilder::default().from_image(&name).tag(version);
    if !platform.is_empty() {
        options = options.platform(platform);
    }
    let mut answers = docker.create_image(Some(options.build()), None, login).boxed();
    let mut layers: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    while let Some(answer) = answers.next().await {
        let answer = answer.map_err(|error| explain(Error::of(&what, &error), target))?;
        if let Some(now) = step(&mut layers, answer) {
            sender.send_replace(State::Running(now));
        }
    }
    Ok(())
}

/// Adds one answer of the engine to the sums.
fn step(layers: &mut BTreeMap<String, (u64, u64)>, answer: CreateImageInfo) -> Option<PullProgress> {
    let status = answer.status?;
    // A layer is downloaded, then extracted; only the first is counted, so that the sum never falls.
    if status == "Download complete" {
        if let Some((done, total)) = answer.id.and_then(|layer| layers.get_mut(&layer)) {
            *done = *total;
        }
    } else if status == "Downloading"
        && let (Some(layer), Some(detail)) = (answer.id, answer.progress_detail)
        && let (Some(current), Some(total)) = (detail.current, detail.total)
    {
        let size = (u64::try_from(current).unwrap_or(0), u64::try_from(total).unwrap_or(0));
        layers.insert(layer, size);
    }
    let sum = |pick: fn(&(u64, u64)) -> u64| layers.values().map(pick).sum();
    Some(PullProgress { status, done: sum(|layer| layer.0), total: sum(|layer| layer.1) })
}

/// A registry that says "not there" and one that says "not you" say the same for images that are private.
fn explain(error: Error, target: &Reference) -> Error {
    match error.kind {
        ErrorKind::NotFound | ErrorKind::Image => {
            Error { kind: ErrorKind::Image, ..error }.with_hint("check the name and the tag of the image")
        }
        ErrorKind::Denied => {
            let registry = target.registry();
            let login = if registry == super::reference::DEFAULT_REGISTRY {
                "`docker login`".to_owned()
            } else {
                format!("`docker login {registry}`")
            };
            error.with_hint(format!("check the name of the image, or log in with {login}"))
        }
        ErrorKind::Engine => Error { kind: ErrorKind::Image, ..error },
        _ => error,
    }
}
