//! Where the cluster is and who we are there: one order of precedence, without surprises (`provisioning.md` 3.1).

use crate::error::{Error, ErrorKind};
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::{Path, PathBuf};

/// What the command line and the environment say.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `--kubeconfig`: this file, which must be there.
    pub kubeconfig_flag: Option<PathBuf>,
    /// `KUBECONFIG`: files separated as in `PATH`, merged; those that are not there are passed over.
    pub kubeconfig: Option<String>,
    /// `--kube-context`, or the context of a grant.
    pub context: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `KUBERNETES_SERVICE_HOST` is set: this process runs in a pod.
    pub in_pod: bool,
    /// Name of that pod, where it is known.
    pub own_pod: Option<String>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
}

/// A cluster and who we are there.
#[derive(Clone)]
pub struct ClusterConfig {
    pub(crate) inner: kube::Config,
    /// Name of the context; `in-cluster` inside.
    pub context: String,
    /// Used where nothing names a namespace.
    pub namespace: String,
    /// We run inside of it.
    pub inside: bool,
}

/// Where a pod finds its namespace.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

impl ClusterConfig {
    /// Finds the cluster: `--kubeconfig`, then `KUBECONFIG`, then the pod that this is, then `~/.kube/config`. What was asked for by name must be
    /// there; nothing falls through to the next place because it is broken.
    ///
    /// # Errors
    /// No cluster is named, a file cannot be read, or the context is not in it; the known ones are listed.
    pub async fn find(around: &Surroundings) -> Result<Self, Error> {
        if let Some(file) = &around.kubeconfig_flag {
            let config = read(file)?;
            return Self::of_file(config, &file.display().to_string(), around).await;
        }
        if let Some(list) = around.kubeconfig.as_deref().filter(|list| !list.is_empty()) {
            return Self::of_file(merged(list)?, list, around).await;
        }
        if around.in_pod {
            return Self::in_pod(around);
        }
        let home = around.home.as_ref().map(|home| home.join(".kube/config")).filter(|file| file.exists());
        let Some(file) = home else {
            return Err(Error::new(ErrorKind::Unsupported, "no cluster is named")
                .with_hint("say with `--kubeconfig` or `KUBECONFIG` where its kubeconfig is; without them `~/.kube/config` is read"));
        };
        Self::of_file(read(&file)?, &file.display().to_string(), around).await
    }

    async fn of_file(config: Kubeconfig, file: &str, around: &Surroundings) -> Result<Self, Error> {
        let known: Vec<String> = config.contexts.iter().map(|context| context.name.clone()).collect();
        let context = around.context.clone().or_else(|| config.current_context.clone());
        let Some(context) = context.filter(|context| !context.is_empty()) else {
            return Err(Error::specification(format!("`{file}` has no `current-context`"))
                .with_hint(format!("choose one with `--kube-context`: {}", list(&known))));
        };
        if !known.contains(&context) {
            return Err(Error::specification(format!("`{file}` has no context `{context}`"))
                .with_hint(format!("it has: {}", list(&known))));
        }
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let inner = kube::Config::from_custom_kubeconfig(config, &options).await.map_err(|error| {
            Error::specification(format!("read the context `{context}` of `{file}`: {error}"))
        })?;
        let namespace = around.namespace.clone().unwrap_or_else(|| inner.default_namespace.clone());
        Ok(Self { inner, context, namespace, inside: false }.limited())
    }

    fn in_pod(around: &Surroundings) -> Result<Self, Error> {
        if let Some(context) = &around.context {
            return Err(Error::specification(format!(
                "there is no context `{context}`: inside a cluster there are none"
            ))
            .with_hint("leave `--kube-context` out, or name a file with `--kubeconfig`"));
        }
        let inner = kube::Config::incluster().map_err(|error| {
            Error::new(ErrorKind::Denied, format!("use the service account of this pod: {error}"))
                .with_hint("give the pod a service account, with `automountServiceAccountToken: true`")
        })?;
        let own = || std::fs::read_to_string(OWN_NAMESPACE).ok().map(|text| text.trim().to_owned());
        let namespace = around.namespace.clone().or_else(own).filter(|name| !name.is_empty());
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        Ok(Self { inner, context: "in-cluster".to_owned(), namespace, inside: true }.limited())
    }

    /// Its own waiting is bounded; what is asked again is the caller's to decide.
    fn limited(mut self) -> Self {
        self.inner.connect_timeout = Some(std::time::Duration::from_secs(5));
        self.inner.default_retry = false;
        self
    }
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

fn read(file: &Path) -> Result<Kubeconfig, Error> {
    Kubeconfig::read_from(file).map_err(|error| {
        Error::specification(format!("read the kubeconfig `{}`: {error}", file.display()))
            .with_hint("`--kubeconfig` and `KUBECONFIG` say which file it is")
    })
}

/// The files of a list, of which the first that says something about a name counts.
fn merged(list: &str) -> Result<Kubeconfig, Error> {
    let mut found: Option<Kubeconfig> = None;
    for file in std::env::split_paths(list).filter(|file| file.exists()) {
        let next = read(&file)?;
        found = Some(match found {
            None => next,
            Some(before) => before
                .merge(next)
                .map_err(|error| Error::specification(format!("merge the files of `KUBECONFIG`: {error}")))?,
        });
    }
    found.ok_or_else(|| Error::specification(format!("none of the files of `KUBECONFIG` is there: `{list}`")))
}
