//! Signers of a grant, with the parameters that a plugin may choose; and endpoints whose every request is signed.

use crate::grants::{HttpGrant, SignerKind};
use crate::sanitize::line;
use crate::state::Scope;
use crate::v0_1::types::{Failure, FailureCategory, Signing};
use async_trait::async_trait;
use bytes::Bytes;
use host_outbound::{Client, ErrorKind, Scrubber, Signer};
use host_provisioner::{BoxBody, HttpChannel, HttpFailure};
use host_web::Target;
use http::{Request, Response};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// Headers that may carry an identity token (`reference/kubernetes-and-cloud-patterns.md` 14, step 4).
const CARRIERS: [&str; 2] = ["authorization", "x-serverless-authorization"];

/// A signer that was chosen. A token that is a secret is looked up when it is needed, because that may take a while.
pub(crate) enum Chosen {
    /// It knows what it needs.
    Ready(Signer),
    /// This secret of the plugin.
    Bearer(String),
}

impl Scope {
    /// The signer that a request names, if this element has it: `None` if it has not, a failure if it may not do that.
    pub(super) fn signer(
        &self,
        grant: &HttpGrant,
        signing: &Signing,
        target: &Target,
    ) -> Result<Option<Chosen>, Failure> {
        let Some(granted) = grant.signer.as_ref().filter(|granted| granted.name == signing.signer) else {
            return Ok(None);
        };
        let known: &[&str] = match granted.kind {
            SignerKind::Aws { .. } => &["service", "region"],
            SignerKind::GoogleIdentity { .. } => &["audience", "header"],
            SignerKind::GoogleAccess { .. } | SignerKind::Bearer { .. } => &[],
        };
        if let Some((name, _)) = signing.parameters.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            let text =
                format!("`{}` is no parameter of the signer `{}`", line(name, 60), line(&granted.name, 60));
            return Err(self.refuse(FailureCategory::Config, text));
        }
        let parameter = |name: &str| {
            signing.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        // What the grant says is the most that the plugin may ask for.
        let bounded = |name: &str, granted: Option<&String>| match (granted, parameter(name)) {
            (Some(granted), Some(asked)) if granted != asked => {
                let text = format!("the signer may sign for {name} `{}` only", line(granted, 200));
                Err(self.refuse(FailureCategory::Permission, text))
            }
            (granted, asked) => Ok(granted.map(String::as_str).or(asked).map(str::to_owned)),
        };
        let signer = match &granted.kind {
            SignerKind::Aws { service, region } => {
                let service = bounded("service", service.as_ref())?.ok_or_else(|| {
                    self.refuse(FailureCategory::Config, "the signer `aws` needs the parameter `service`")
                })?;
                Signer::Aws { service, region: bounded("region", region.as_ref())? }
            }
            SignerKind::GoogleAccess { scopes } => Signer::GoogleAccess { scopes: scopes.clone() },
            SignerKind::GoogleIdentity { audience } => {
                // Without a grant the token is for the very host that gets it, or anybody could be asked in the gateway's name.
                let own = target.origin();
                let audience = bounded("audience", Some(audience.as_ref().unwrap_or(&own)))?;
                let header = parameter("header").unwrap_or("authorization").to_ascii_lowercase();
                if !CARRIERS.contains(&header.as_str()) {
                    let text = format!("no identity token goes into the header `{}`", line(&header, 60));
                    return Err(self.refuse(FailureCategory::Permission, text));
                }
                Signer::GoogleIdentity { audience: audience.unwrap_or(own), header }
            }
            SignerKind::Bearer { secret } => {
                self.secret_may_go(secret, target)?;
                return Ok(Some(Chosen::Bearer(secret.clone())));
            }
        };
        Ok(Some(Chosen::Ready(signer)))
    }

    /// A secret of the plugin's own goes only to the hosts that it is bound to.
    pub(crate) fn secret_may_go(&self, secret: &str, target: &Target) -> Result<(), Failure> {
        let plugin = &self.plugin;
        let name = line(secret, 128);
        if !plugin.grants.secrets.iter().any(|granted| granted == secret) {
            let text = format!("secret `{name}` is not granted to plugin `{}`", plugin.name);
            let hint = format!("name it in `plugins.{}.grants.secrets`", plugin.name);
            return Err(self.refuse_with(FailureCategory::Permission, text, hint));
        }
        let hosts = plugin.grants.secret_hosts.get(secret);
        if hosts.is_some_and(|hosts| hosts.iter().any(|host| host.covers(&target.host, Some(target.port)))) {
            return Ok(());
        }
        let text = format!("secret `{name}` may not be sent to {}:{}", line(&target.host, 200), target.port);
        let hint = format!("its hosts are in `plugins.{}.grants.secrets`", plugin.name);
        Err(self.refuse_with(FailureCategory::Permission, text, hint))
    }

    /// The value of a secret of the plugin's own. It may read a file.
    pub(crate) async fn own_secret(&self, name: &str) -> Result<Zeroizing<String>, Failure> {
        let (host, scope, name) =
            (Arc::clone(&self.host), format!("plugin:{}", self.plugin.name), name.to_owned());
        let found = tokio::task::spawn_blocking(move || {
            let secret = host.config.resolver.secret(&scope, &name)?;
            Ok::<_, host_resolver::SecretError>(Zeroizing::new(secret.reveal().to_owned()))
        });
        match found.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                Err(self.refuse(FailureCategory::Config, line(&error.to_string(), crate::sanitize::LINE)))
            }
            Err(_) => Err(self.refuse(FailureCategory::Retryable, "the gateway is ending")),
        }
    }

    /// The signer with what it needs.
    pub(crate) async fn ready_signer(&self, chosen: Chosen) -> Result<Signer, Failure> {
        match chosen {
            Chosen::Ready(signer) => Ok(signer),
            Chosen::Bearer(secret) => Ok(Signer::Bearer(Arc::new(self.own_secret(&secret).await?))),
        }
    }

    /// The signer of an endpoint: of any element that covers its host.
    pub(crate) fn endpoint_signer(&self, signing: &Signing, target: &Target) -> Result<Chosen, Failure> {
        let mut why = None;
        for grant in
            self.plugin.grants.http.iter().filter(|grant| grant.covers_host(&target.host, target.port))
        {
            match self.signer(grant, signing, target) {
                Ok(Some(signer)) => return Ok(signer),
                Ok(None) => {}
                Err(failure) => why = Some(failure),
            }
        }
        Err(why.unwrap_or_else(|| self.no_signer(&signing.signer, target)))
    }
}

/// A channel whose every request is signed when it is sent, so that no token is older than it may be.
pub(crate) struct Signed<C> {
    pub(crate) channel: C,
    pub(crate) client: Arc<Client>,
    pub(crate) signer: Signer,
}

#[async_trait]
impl<C: HttpChannel> HttpChannel for Signed<C> {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<BoxBody>, HttpFailure> {
        let reference = request.uri().clone();
        let url = self.channel.resolve(&reference.to_string())?;
        let failed = |text: String, hint: Option<String>, permanent: bool| HttpFailure {
            seen: false,
            permanent,
            text,
            hint,
        };
        *request.uri_mut() = url.parse().map_err(|_| failed(format!("`{url}` is no URL"), None, true))?;
        // What a server of the operator's answers is no plugin's to see, so nothing is taken out of it.
        let put = Mutex::new(Scrubber::default());
        self.client
            .sign(&mut request, &self.signer, &put)
            .await
            .map_err(|error| failed(error.text, error.hint, error.kind == ErrorKind::Credentials))?;
        *request.uri_mut() = reference;
        self.channel.send(request).await
    }

    fn resolve(&self, reference: &str) -> Result<String, HttpFailure> {
        self.channel.resolve(reference)
    }
}
