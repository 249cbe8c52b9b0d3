//! One cluster: a client that is made at its first use, and what is shared by all who ask.

use crate::config::{ClusterConfig, Surroundings};
use crate::error::{Error, ErrorKind};
use crate::kind::Kind;
use crate::rights::Right;
use crate::watch::Watches;
use http::Request;
use kube::Client;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long one request may take that is no stream.
const REQUEST: Duration = Duration::from_secs(30);

/// See the module.
pub struct Cluster {
    around: Surroundings,
    config: OnceCell<ClusterConfig>,
    client: OnceCell<Client>,
    pub(crate) kinds: Mutex<BTreeMap<String, Arc<Vec<Kind>>>>,
    pub(crate) watches: Watches,
}

impl Cluster {
    /// A cluster that is looked for at its first use. Costs nothing.
    #[must_use]
    pub fn new(around: Surroundings) -> Arc<Self> {
        Arc::new(Self {
            around,
            config: OnceCell::new(),
            client: OnceCell::new(),
            kinds: Mutex::default(),
            watches: Watches::default(),
        })
    }

    /// Where it is and who we are there.
    ///
    /// # Errors
    /// As [`ClusterConfig::find`].
    pub async fn config(&self) -> Result<&ClusterConfig, Error> {
        self.config.get_or_try_init(|| ClusterConfig::find(&self.around)).await
    }

    pub(crate) async fn client(&self) -> Result<Client, Error> {
        let make = || async {
            let config = self.config().await?.inner.clone();
            // A credential plugin of the kubeconfig is a program that is waited for.
            let made = tokio::task::spawn_blocking(move || Client::try_from(config)).await;
            match made {
                Ok(Ok(client)) => Ok(client),
                Ok(Err(error)) => {
                    Err(Error::of("connect to the cluster", &Right::new("get", "", "api", ""), &error))
                }
                Err(_) => Err(Error::new(ErrorKind::Unreachable, "the gateway is ending")),
            }
        };
        self.client.get_or_try_init(make).await.cloned()
    }

    /// The version of the API server, `v1.35.4`.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] when it does not answer.
    pub async fn version(&self) -> Result<String, Error> {
        let right = Right::new("get", "", "version", "");
        let answer = self.request("ask for the cluster's version", &right, "GET", "/version", None).await?;
        Ok(answer.get("gitVersion").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// One request with a JSON answer. `what` completes "failed to …", `right` is what it needs.
    pub(crate) async fn request(
        &self,
        what: &str,
        right: &Right,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let kind = if method == "PATCH" { "application/apply-patch+yaml" } else { "application/json" };
        let text = self.text(what, right, method, path, kind, body).await?;
        serde_json::from_str(&text).map_err(|error| {
            Error::new(ErrorKind::Cluster, format!("{what}: the answer is no JSON: {error}"))
        })
    }

    /// One request with a text for an answer.
    pub(crate) async fn text(
        &self,
        what: &str,
        right: &Right,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<String, Error> {
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .header("accept", "application/json, */*")
            .body(bytes)
            .map_err(|error| Error::specification(format!("{what}: {error}")))?;
        let client = self.client().await?;
        match tokio::time::timeout(REQUEST, client.request_text(request)).await {
            Ok(answer) => answer.map_err(|error| Error::of(what, right, &error)),
            Err(_) => Err(Error::cut(what, &format!("nothing came in {} s", REQUEST.as_secs()))),
        }
    }
}
