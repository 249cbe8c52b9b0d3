//! Networks.

use crate::engine::DockerEngine;
use crate::error::{Error, ErrorKind};
use crate::list::{Page, PageRequest, filters, seconds};
use crate::name::checked;
use bollard::models::{EndpointSettings, NetworkConnectRequest, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// An internal network leads nowhere, but whatever listens on all addresses of the engine's machine is reached at the address that the
/// machine has in it. With this option of the driver it has none.
const NO_ADDRESS: &str = "com.docker.network.bridge.inhibit_ipv4";

/// A network to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Unique on the engine.
    pub name: String,
    /// No way out, also not to the engine's machine: its bridge has no address there.
    pub internal: bool,
    /// Labels.
    pub labels: Vec<(String, String)>,
}

/// A network that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Whether it has no way out of the machine.
    pub internal: bool,
    /// Labels, sorted.
    pub labels: Vec<(String, String)>,
    /// How many containers are in it; only told by [`DockerEngine::network`].
    pub containers: Option<u32>,
    /// When it was made, in seconds since 1970 by the engine's clock.
    pub created: u64,
}

/// What a network is called among those that are being made: no container has a name like that.
fn key(network: &str) -> String {
    format!("network {network}")
}

impl DockerEngine {
    /// Makes a network; its id.
    ///
    /// When the future is dropped the network is removed again, by a task. Until then [`DockerEngine::network`] and
    /// [`DockerEngine::remove_network`] of its name wait.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when there is one of that name, [`ErrorKind::Quota`] when the engine has no addresses left. Engines allow two networks of one name, so this is asked first.
    pub async fn create_network(self: &Arc<Self>, spec: &NetworkSpec) -> Result<String, Error> {
        let making = self.creating.begin(&key(&spec.name));
        let (tell, told) = oneshot::channel();
        let (engine, spec) = (Arc::clone(self), spec.clone());
        // In a task of its own, as containers are made: the engine goes on when nobody listens any more.
        tokio::spawn(async move {
            if let Err(Ok(id)) = tell.send(engine.make_network(&spec).await)
                && let Err(error) = engine.remove_network(&id).await
            {
                tracing::warn!(%error, "a network that nobody waits for could not be removed");
            }
            drop(making);
        });
        told.await.unwrap_or_else(|_| Err(Error::cut("create a network", "the program is ending")))
    }

    async fn make_network(&self, spec: &NetworkSpec) -> Result<String, Error> {
        let what = format!("create network `{}`", checked("network", &spec.name)?);
        if self.find_network(&spec.name).await?.is_some() {
            return Err(Error::new(ErrorKind::Conflict, format!("{what}: there is one of that name")));
        }
        let request = NetworkCreateRequest {
            name: spec.name.clone(),
            driver: Some("bridge".to_owned()),
            internal: Some(spec.internal),
            labels: Some(spec.labels.iter().cloned().collect::<HashMap<_, _>>()),
            options: spec.internal.then(|| HashMap::from([(NO_ADDRESS.to_owned(), "true".to_owned())])),
            ..NetworkCreateRequest::default()
        };
        let created = self.docker().await?.create_network(request).await;
        Ok(created.map_err(|error| Error::of(&what, &error))?.id)
    }

    /// A network by name or id; `None` if it is not there.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn network(&self, network: &str) -> Result<Option<NetworkInfo>, Error> {
        self.creating.settled(&key(network)).await;
        self.find_network(network).await
    }

    async fn find_network(&self, network: &str) -> Result<Option<NetworkInfo>, Error> {
        let what = format!("inspect network `{}`", checked("network", network)?);
        match self.docker().await?.inspect_network(network, None).await {
            Ok(found) => Ok(Some(NetworkInfo {
                id: found.id.unwrap_or_default(),
                name: found.name.unwrap_or_default(),
                internal: found.internal.unwrap_or(false),
                labels: sorted(found.labels),
                containers: found.containers.map(|all| u32::try_from(all.len()).unwrap_or(u32::MAX)),
                created: found.created.as_deref().and_then(seconds).unwrap_or(0),
            })),
            Err(error) => match Error::of(&what, &error) {
                error if error.is_not_found() => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Joins a container to a network, under further names. Succeeds when it is joined already.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when one of both is not there.
    pub async fn connect_network(
        &self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> Result<(), Error> {
        let (network, container) = (checked("network", network)?, checked("container", container)?);
        let what = format!("join container `{container}` to network `{network}`");
        let place = EndpointSettings {
            aliases: (!aliases.is_empty()).then(|| aliases.to_vec()),
            ..EndpointSettings::default()
        };
        let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(place) };
        match self.docker().await?.connect_network(network, request).await {
            Ok(()) => Ok(()),
            Err(error) => match Error::of(&what, &error) {
                error if error.text.contains("already exists in network") => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Removes a network. Succeeds when it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when containers are in it.
    pub async fn remove_network(&self, network: &str) -> Result<(), Error> {
        let what = format!("remove network `{}`", checked("network", network)?);
        self.creating.settled(&key(network)).await;
        match self.docker().await?.remove_network(network).await {
            Ok(()) => Ok(()),
            Err(error) => match Error::of(&what, &error) {
                error if error.is_not_found() => Ok(()),
                error if error.text.contains("has active endpoints") => {
                    Err(Error { kind: ErrorKind::Conflict, ..error })
                }
                error => Err(error),
            },
        }
    }

    /// Networks that have all these labels (`key`, or `key=value`).
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn networks(&self, labels: &[&str], page: &PageRequest) -> Result<Page<NetworkInfo>, Error> {
        let options = ListNetworksOptionsBuilder::default().filters(&filters(labels)).build();
        let found = self.docker().await?.list_networks(Some(options)).await;
        let found = found.map_err(|error| Error::of("list networks", &error))?;
        let all = found.into_iter().map(|network| NetworkInfo {
            id: network.id.unwrap_or_default(),
            name: network.name.unwrap_or_default(),
            internal: network.internal.unwrap_or(false),
            labels: sorted(network.labels),
            containers: None,
            created: network.created.as_deref().and_then(seconds).unwrap_or(0),
        });
        Ok(Page::cut(all.collect(), page, |network| &network.id))
    }
}

fn sorted(labels: Option<HashMap<String, String>>) -> Vec<(String, String)> {
    let mut labels: Vec<_> = labels.unwrap_or_default().into_iter().collect();
    labels.sort();
    labels
}
