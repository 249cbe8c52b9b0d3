//! Sending: pace, sign, connect to an address that was checked, read within limits, repeat what may be repeated, and clean what comes back.

use crate::answer::Answer;
use crate::aws::credentials::AwsCredentials;
use crate::aws::{OWN_HEADERS, Scope};
use crate::error::{Error, ErrorKind};
use crate::google::{GoogleTokens, Wanted};
use crate::pace::Pace;
use crate::retry::{self, Came, again};
use crate::scrub::Scrubber;
use crate::surroundings::Surroundings;
use crate::{Signer, coding};
use aws_sigv4::http_request::SigningSettings;
use bytes::{Bytes, BytesMut};
use host_web::{Access, Body, Endpoint, EndpointConfig, Target};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Endpoints that are kept, each with its connections.
const ENDPOINTS: usize = 256;
/// Headers of the connection and of us, which nobody else sets.
const OF_THE_CONNECTION: [&str; 12] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "expect",
];
/// Headers by which a request would be another one than it seems: a DELETE, or one whose body cannot be looked at.
const DISGUISES: [&str; 4] =
    ["content-encoding", "x-http-method", "x-http-method-override", "x-method-override"];
/// What programs that check who asks see.
const AGENT: &str = concat!("gateway/", env!("CARGO_PKG_VERSION"));

/// A request, with everything that is to be known about it.
pub struct Outgoing {
    /// Who sends it, for the pace and for connections that nobody else uses.
    pub who: String,
    /// The method.
    pub method: Method,
    /// Where to.
    pub target: Target,
    /// Its headers; values may be secrets.
    pub headers: HeaderMap,
    /// Its body, with values filled in.
    pub body: Bytes,
    /// How it is signed.
    pub signer: Option<Signer>,
    /// What its host may lead to.
    pub access: Access,
    /// Whether sending it twice does what sending it once does.
    pub repeatable: bool,
    /// For everything.
    pub within: Duration,
    /// Bytes of the answer.
    pub limit: usize,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", &self.method)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// See the module. Makes no connection and asks for no credentials before the first request.
#[derive(Debug)]
pub struct Client {
    around: Arc<Surroundings>,
    aws: AwsCredentials,
    google: GoogleTokens,
    pace: Pace,
    endpoints: Mutex<HashMap<(String, String), Arc<Endpoint>>>,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").finish_non_exhaustive()
    }
}

impl Default for Client {
    /// A client without any surroundings, and so without credentials of files and variables.
    fn default() -> Self {
        Self::new(Surroundings::default())
    }
}

impl Client {
    /// A client with these surroundings.
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        let around = Arc::new(around);
        Self {
            aws: AwsCredentials::new(&around),
            google: GoogleTokens::new(&around),
            around,
            pace: Pace::default(),
            endpoints: Mutex::default(),
        }
    }

    /// The region of AWS that the surroundings name.
    #[must_use]
    pub fn region(&self) -> Option<String> {
        self.around.region()
    }

    /// The Google project that the surroundings name.
    #[must_use]
    pub fn project(&self) -> Option<String> {
        self.google.project()
    }

    /// Whether a header may be set by somebody else than the connection and the signer.
    #[must_use]
    pub fn is_free(name: &str, signer: Option<&Signer>) -> bool {
        let name = name.to_ascii_lowercase();
        let of_signer = match signer {
            None => false,
            Some(Signer::Aws { .. }) => OWN_HEADERS.contains(&name.as_str()),
            Some(Signer::GoogleIdentity { header, .. }) => {
                name == "authorization" || name == "x-serverless-authorization" || name == *header
            }
            Some(Signer::GoogleAccess { .. } | Signer::Bearer(_)) => name == "authorization",
        };
        !of_signer && !OF_THE_CONNECTION.contains(&name.as_str()) && !DISGUISES.contains(&name.as_str())
    }

    /// Sends a request. Any status is an answer. What was put into it is remembered in `put`, and is in no answer.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn send(&self, outgoing: &Outgoing, put: &Mutex<Scrubber>) -> Result<Answer, Error> {
        let ends = Instant::now() + outgoing.within;
        let host = outgoing.target.authority();
        let endpoint = self.endpoint(outgoing)?;
        let mut attempt = 0;
        let (mut renewed, mut silent) = (false, false);
        loop {
            attempt += 1;
            self.await_turn(&outgoing.who, &host, ends).await?;
            // An answer that breaks off and never goes on must not take the time of the one that would have come.
            let half = ends.saturating_duration_since(Instant::now()) / 2;
            let until = if outgoing.repeatable && !silent { Instant::now() + half } else { ends };
            let came = tokio::time::timeout_at(until, self.once(&endpoint, outgoing, put)).await;
            if came.is_err() && until < ends && attempt < retry::MOST {
                silent = true;
                continue;
            }
            let late = || Error::new(ErrorKind::Timeout, format!("{host} did not answer in time"));
            let came = came.unwrap_or_else(|_| Err(late()));
            let asked = came
                .as_ref()
                .ok()
                .and_then(|answer| retry::retry_after(answer.header("retry-after")?, SystemTime::now()));
            if let Some(pause) = asked {
                self.pace.held(&outgoing.who, &host, pause);
            }
            // A token that was taken back before its time.
            if came.as_ref().is_ok_and(|answer| answer.status == 401) && !renewed && outgoing.repeatable {
                renewed = true;
                self.forget(outgoing.signer.as_ref()).await;
                continue;
            }
            let left = ends.saturating_duration_since(Instant::now());
            let met = match &came {
                Ok(answer) => Came::Status(answer.status, asked),
                Err(error) => Came::Nothing(error),
            };
            match again(&met, outgoing.repeatable, attempt, jitter(), left) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return came.map(|answer| Answer { attempts: attempt, ..answer }),
            }
        }
    }

    async fn await_turn(&self, who: &str, host: &str, ends: Instant) -> Result<(), Error> {
        let wait = self.pace.wait(who, host);
        let left = ends.saturating_duration_since(Instant::now());
        if wait >= left && wait > Duration::ZERO {
            let text = format!("{host} is asked faster than it may be, or asked to be left alone");
            return Err(Error { retry_after: Some(wait), ..Error::new(ErrorKind::Timeout, text) });
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    async fn once(
        &self,
        endpoint: &Endpoint,
        outgoing: &Outgoing,
        put: &Mutex<Scrubber>,
    ) -> Result<Answer, Error> {
        let mut request = Request::builder()
            .method(outgoing.method.clone())
            .uri(outgoing.target.to_string())
            .body(outgoing.body.clone())
            .map_err(|error| Error::new(ErrorKind::Refused, format!("this is no request: {error}")))?;
        *request.headers_mut() = outgoing.headers.clone();
        request.headers_mut().entry(header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        if let Some(signer) = &outgoing.signer {
            self.sign(&mut request, signer, put).await?;
        }
        // No proxy on the way has a reason to change it, so it need not be signed.
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let response = endpoint.send_once(&outgoing.target, &request).await?;
        read(response, outgoing, put).await
    }

    /// Adds to a request what its signer adds.
    ///
    /// # Errors
    /// There are no credentials, or the request cannot be signed.
    pub async fn sign(
        &self,
        request: &mut Request<Bytes>,
        signer: &Signer,
        put: &Mutex<Scrubber>,
    ) -> Result<(), Error> {
        let token = match signer {
            Signer::Aws { service, region } => {
                return self.sign_for_aws(request, service, region.as_deref(), put).await;
            }
            Signer::GoogleAccess { scopes } => self.google.get(&Wanted::Access(scopes.clone())).await?,
            Signer::GoogleIdentity { audience, .. } => {
                self.google.get(&Wanted::Identity(audience.clone())).await?
            }
            Signer::Bearer(token) => Arc::clone(token),
        };
        remember(put, [token.as_bytes()]);
        let value = Zeroizing::new(format!("Bearer {}", token.as_str()));
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| Error::new(ErrorKind::Refused, "the token cannot stand in a header"))?;
        value.set_sensitive(true);
        let name = match signer {
            Signer::GoogleIdentity { header, .. } => {
                header.parse().map_err(|_| Error::new(ErrorKind::Refused, "the signer's header is none"))?
            }
            _ => header::AUTHORIZATION,
        };
        request.headers_mut().insert(name, value);
        Ok(())
    }

    async fn sign_for_aws(
        &self,
        request: &mut Request<Bytes>,
        service: &str,
        region: Option<&str>,
        put: &Mutex<Scrubber>,
    ) -> Result<(), Error> {
        let region = match region {
            Some(region) => region.to_owned(),
            None => self.around.region().ok_or_else(|| {
                Error::credentials(
                    "nothing says in which region of AWS",
                    "set AWS_REGION, or the region in the plugin's settings",
                )
            })?,
        };
        let credential = self.aws.get().await?;
        let scope =
            Scope { service, region: &region, time: SystemTime::now(), settings: SigningSettings::default() };
        crate::aws::sign(request, &credential, scope)?;
        let signature = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let signature = signature.and_then(|value| value.rsplit('=').next()).unwrap_or_default().to_owned();
        let token = credential.session_token.as_deref().unwrap_or_default();
        let own =
            [credential.access_key_id.as_str(), credential.secret_access_key.as_str(), token, &signature];
        remember(put, own.map(str::as_bytes));
        Ok(())
    }

    async fn forget(&self, signer: Option<&Signer>) {
        match signer {
            Some(Signer::Aws { .. }) => self.aws.forget().await,
            Some(Signer::GoogleAccess { scopes }) => {
                self.google.forget(&Wanted::Access(scopes.clone())).await
            }
            Some(Signer::GoogleIdentity { audience, .. }) => {
                self.google.forget(&Wanted::Identity(audience.clone())).await;
            }
            Some(Signer::Bearer(_)) | None => {}
        }
    }

    fn endpoint(&self, outgoing: &Outgoing) -> Result<Arc<Endpoint>, Error> {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (outgoing.who.clone(), outgoing.target.origin());
        if let Some(known) = endpoints.get(&key) {
            return Ok(Arc::clone(known));
        }
        if endpoints.len() >= ENDPOINTS {
            endpoints.clear();
        }
        let config = EndpointConfig {
            reserved: &[],
            ..EndpointConfig::new(outgoing.target.origin(), Vec::new(), outgoing.access.clone())
        };
        let endpoint = Arc::new(Endpoint::new(config)?);
        endpoints.insert(key, Arc::clone(&endpoint));
        Ok(endpoint)
    }
}

fn remember<const N: usize>(put: &Mutex<Scrubber>, values: [&[u8]; N]) {
    let mut put = put.lock().unwrap_or_else(PoisonError::into_inner);
    for value in values {
        put.add(value);
    }
}

async fn read(response: Response<Body>, outgoing: &Outgoing, put: &Mutex<Scrubber>) -> Result<Answer, Error> {
    let (head, body) = response.into_parts();
    let body = whole(body, outgoing.limit).await?;
    let codings: Vec<&str> = head
        .headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let body = coding::undo(body, &codings.join(","), outgoing.limit)?;
    let put = put.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let kept = |name: &HeaderName| {
        !matches!(name.as_str(), "set-cookie" | "content-encoding" | "content-length")
            && !OF_THE_CONNECTION.contains(&name.as_str())
    };
    let headers = head.headers.iter().filter(|(name, _)| kept(name)).map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (put.clean_text(name.as_str()), put.clean_text(&value))
    });
    let headers = headers.collect();
    let body = put.clean(&body).map_or(body, Bytes::from);
    Ok(Answer { status: head.status.as_u16(), headers, body, attempts: 1 })
}

async fn whole(mut body: Body, limit: usize) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk?;
        if whole.len() + chunk.len() > limit {
            return Err(Error::new(
                ErrorKind::Unreadable,
                format!("the answer is longer than {limit} bytes"),
            ));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// Between 0 and 1, so that many who failed at once do not come again at once.
fn jitter() -> f64 {
    let mut byte = [0; 1];
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut byte);
    f64::from(byte[0]) / 255.0
}
