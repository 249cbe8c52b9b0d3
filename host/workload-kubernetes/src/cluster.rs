//! One cluster: a client that is made at its first use, and what is shared by all who ask.

use crate::config::{ClusterConfig, Surroundings};
use crate::error::{Error, ErrorKind};
use crate::kind::Kind;
use crate::rights::Right;
use crate::watch::Watches;
use http::Request;
use kube::Client;
use kube::client::Connection;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

/// How long one request may take that is no stream, or until a stream is open.
const REQUEST: Duration = Duration::from_secs(30);

/// Who had less time to answer cannot be said not to.
const FAIR: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// When requests of this work end at the latest.
    static ENDS: Instant;
}

/// Does some work whose requests end at that time at the latest, each with an error that says who did not answer. Requests of tasks that it
/// starts have their own time.
pub async fn within<T>(ends: Instant, work: impl Future<Output = T>) -> T {
    ENDS.scope(ends, work).await
}

/// What a request that begins now may take.
fn patience() -> Duration {
    let left = ENDS.try_with(|ends| ends.saturating_duration_since(Instant::now()));
    left.map_or(REQUEST, |left| left.min(REQUEST))
}

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
                    Err(self.failed("connect to the cluster", &Right::new("get", "", "api", ""), &error))
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
        let patience = patience();
        let begun = Instant::now();
        // One answer that never comes must not take the time of the one that would.
        if matches!(method, "GET" | "DELETE")
            && let Ok(answer) = timeout(patience / 2, client.request_text(request.clone())).await
        {
            return answer.map_err(|error| self.failed(what, right, &error));
        }
        match timeout(patience.saturating_sub(begun.elapsed()), client.request_text(request)).await {
            Ok(answer) => answer.map_err(|error| self.failed(what, right, &error)),
            Err(_) => Err(self.silent(what, patience)),
        }
    }

    /// One request that becomes a WebSocket.
    pub(crate) async fn connect(
        &self,
        what: &str,
        right: &Right,
        request: Request<Vec<u8>>,
    ) -> Result<Connection, Error> {
        let client = self.client().await?;
        let patience = patience();
        match timeout(patience, client.connect(request)).await {
            Ok(connection) => connection.map_err(|error| self.failed(what, right, &error)),
            Err(_) => Err(self.silent(what, patience)),
        }
    }

    /// As [`Error::of`], with the name of who was asked.
    pub(crate) fn failed(&self, what: &str, right: &Right, error: &kube::Error) -> Error {
        Error::of(what, &self.api_server(), right, error)
    }

    fn silent(&self, what: &str, patience: Duration) -> Error {
        if patience < FAIR {
            let text = format!("{what}: no time was left for {} to answer", self.api_server());
            return Error::new(ErrorKind::Unreachable, text);
        }
        Error::cut(what, &self.api_server(), &format!("nothing came in {patience:.1?}"))
    }

    /// Who is asked, for a person.
    fn api_server(&self) -> String {
        match self.config.get() {
            Some(ClusterConfig { inner, context, .. }) => {
                let url = inner.cluster_url.to_string();
                format!("the API server at {} of context `{context}`", url.trim_end_matches('/'))
            }
            None => "the API server".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cluster, within};
    use crate::config::{ClusterConfig, Surroundings};
    use crate::error::ErrorKind;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::OnceCell;
    use tokio::time::Instant;

    /// A cluster whose API server says nothing on its first connections, and then its version.
    async fn cluster(silent: usize) -> (Arc<Cluster>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await;
                if held.len() >= silent {
                    let body = r#"{"gitVersion": "v1.2.3"}"#;
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                }
                held.push(stream);
            }
        });
        let inner = kube::Config::new(format!("http://{address}").parse().unwrap());
        let (context, namespace) = ("far".to_owned(), "mcp".to_owned());
        let config = ClusterConfig { inner, context, namespace, inside: false };
        let cluster = Cluster::new(Surroundings::default());
        let mut cluster = Arc::into_inner(cluster).unwrap();
        cluster.config = OnceCell::new_with(Some(config));
        (Arc::new(cluster), address)
    }

    #[tokio::test]
    async fn an_api_server_that_says_nothing_is_named_before_the_caller_s_time_is_over() {
        let (cluster, address) = cluster(usize::MAX).await;
        let ends = Instant::now() + Duration::from_secs(2);
        let error = within(ends, cluster.version()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unreachable);
        let text = format!(
            "ask for the cluster's version: the API server at http://{address} of context `far` does not answer: nothing came in "
        );
        assert!(error.text.starts_with(&text), "{error}");
        assert_eq!(error.hint.as_deref(), Some("see whether it is up and can be reached from here"));
        let error = within(Instant::now(), cluster.version()).await.unwrap_err();
        let text = format!(
            "ask for the cluster's version: no time was left for the API server at http://{address} of context `far` to answer"
        );
        assert_eq!((error.text, error.hint), (text, None));
    }

    #[tokio::test]
    async fn a_question_whose_answer_never_comes_is_asked_once_more() {
        let (cluster, _) = cluster(1).await;
        let ends = Instant::now() + Duration::from_secs(6);
        assert_eq!(within(ends, cluster.version()).await.unwrap(), "v1.2.3");
    }
}
