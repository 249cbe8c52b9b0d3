//! One URL that may be asked, and everything that is the same for each request to it.

use crate::access::Access;
use crate::body::Body;
use crate::connector::{Connector, Lookup};
use crate::error::{Error, ErrorKind};
use crate::url::Target;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

/// Redirects within the own origin that are followed, such as the one that adds a slash.
const MOST_REDIRECTS: usize = 4;
/// Bytes that the headers of an answer may have.
const HEAD_LIMIT: usize = 64 << 10;
/// Headers that are not the operator's to set: they belong to the connection.
const OF_THE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers that whoever speaks MCP over an endpoint writes itself.
const OF_MCP: [&str; 7] = [
    "accept",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
];

/// What an endpoint is made from.
pub struct EndpointConfig {
    /// Its URL.
    pub url: String,
    /// Headers of each request. Their values may be secrets.
    pub headers: Vec<(String, String)>,
    /// Headers that are somebody else's to set, in lower case: naming one of them in `headers` is an error.
    pub reserved: &'static [&'static str],
    /// What it may lead to.
    pub access: Access,
    /// How long a connection may take to come about.
    pub connect_within: Duration,
    /// How long an unused connection is kept.
    pub keep: Duration,
}

impl EndpointConfig {
    /// With the usual times, and nothing reserved but what MCP sets itself.
    pub fn new(url: impl Into<String>, headers: Vec<(String, String)>, access: Access) -> Self {
        Self {
            url: url.into(),
            headers,
            reserved: &OF_MCP,
            access,
            connect_within: Duration::from_secs(10),
            keep: Duration::from_secs(90),
        }
    }
}

/// See the module. Keeps its connections for itself, so that what one endpoint was granted is no way for another.
pub struct Endpoint {
    target: Target,
    headers: HeaderMap,
    client: Client<Connector, Full<Bytes>>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Endpoint")
            .field("target", &self.target)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint that was not asked yet. Connects nowhere.
    ///
    /// # Errors
    /// The URL or a header is none, or the URL leads where it must not.
    pub fn new(config: EndpointConfig) -> Result<Self, Error> {
        Self::build(config, None, None)
    }

    pub(crate) fn build(
        config: EndpointConfig,
        tls: Option<tokio_rustls::TlsConnector>,
        lookup: Option<Lookup>,
    ) -> Result<Self, Error> {
        let target = Target::parse(&config.url)?;
        config.access.check(&target)?;
        let headers = headers(&config.headers, config.reserved)?;
        let connector = Connector::new(target.clone(), config.access, config.connect_within, tls, lookup);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.keep)
            .http1_max_buf_size(HEAD_LIMIT)
            .build(connector);
        Ok(Self { target, headers, client })
    }

    /// Where it leads.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Sends a request to `url`, which must be of this endpoint's origin, with the endpoint's headers beside those of the request. Redirects are
    /// followed within the origin only. Whatever the status, it is an answer.
    ///
    /// # Errors
    /// Nobody was reached, the conversation broke, or it would lead elsewhere.
    pub async fn send(&self, url: &Target, request: &Request<Bytes>) -> Result<Response<Body>, Error> {
        let mut at = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            if !at.same_origin(&self.target) {
                return Err(self.elsewhere(&at));
            }
            let response = self.once(&at, request).await?;
            let moved = matches!(
                response.status(),
                StatusCode::MOVED_PERMANENTLY
                    | StatusCode::FOUND
                    | StatusCode::SEE_OTHER
                    | StatusCode::TEMPORARY_REDIRECT
                    | StatusCode::PERMANENT_REDIRECT
            );
            let location = response.headers().get(header::LOCATION).filter(|_| moved);
            let Some(location) = location.and_then(|location| location.to_str().ok()) else {
                return Ok(response.map(Body::new));
            };
            let next = at.join(location).map_err(|error| {
                Error::refused(format!(
                    "{} redirects to what is no place for it: {}",
                    self.target.origin(),
                    error.text
                ))
            })?;
            // The other statuses turn a POST into a GET, which would be another request.
            let same =
                matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            if next.same_origin(&self.target) && !same {
                let text = format!(
                    "{at} redirects to {next} with status {}, which loses the request",
                    response.status().as_u16()
                );
                return Err(Error::refused(text).with_hint(format!("write `{next}` as the URL")));
            }
            at = next;
        }
        Err(Error::refused(format!("{url} redirects more than {MOST_REDIRECTS} times")))
    }

    /// Sends a request to `url`, which must be of this endpoint's origin, and follows nothing: a redirect is an answer too.
    ///
    /// # Errors
    /// As [`Endpoint::send`].
    pub async fn send_once(&self, url: &Target, request: &Request<Bytes>) -> Result<Response<Body>, Error> {
        if !url.same_origin(&self.target) {
            return Err(self.elsewhere(url));
        }
        self.once(url, request).await.map(|response| response.map(Body::new))
    }

    fn elsewhere(&self, to: &Target) -> Error {
        let text = format!("{} redirects to {}, which is another server", self.target.origin(), to.origin());
        Error::refused(text).with_hint(format!("if that is where the server is, write `{to}` as its URL"))
    }

    async fn once(
        &self,
        at: &Target,
        request: &Request<Bytes>,
    ) -> Result<Response<hyper::body::Incoming>, Error> {
        let uri = Uri::builder()
            .scheme(if at.secure { "https" } else { "http" })
            .authority(at.authority())
            .path_and_query(at.path.as_str())
            .build()
            .map_err(|error| Error::refused(format!("`{at}` is no URL: {error}")))?;
        let mut built = Request::new(Full::new(request.body().clone()));
        *built.method_mut() = request.method().clone();
        *built.uri_mut() = uri;
        *built.headers_mut() = self.headers.clone();
        // The request's own win: what an operator may not set was refused when the endpoint was made.
        for (name, value) in request.headers() {
            built.headers_mut().insert(name.clone(), value.clone());
        }
        self.client.request(built).await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &hyper_util::client::legacy::Error) -> Error {
        // Ours is inside, if the connector said no.
        let mut cause = error.source();
        while let Some(source) = cause {
            if let Some(own) = source.downcast_ref::<Error>() {
                return own.clone();
            }
            match source.source() {
                Some(deeper) => cause = Some(deeper),
                None => {
                    let text = format!("the conversation with {} broke: {source}", self.target.authority());
                    return Error::new(ErrorKind::Broken, text);
                }
            }
        }
        Error::new(
            ErrorKind::Broken,
            format!("the conversation with {} broke: {error}", self.target.authority()),
        )
    }
}

fn headers(given: &[(String, String)], reserved: &[&str]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let parsed: HeaderName =
            name.parse().map_err(|_| Error::refused(format!("`{name}` cannot be the name of a header")))?;
        if OF_THE_CONNECTION.contains(&parsed) || reserved.contains(&parsed.as_str()) {
            let text = format!("the header `{name}` is set by the gateway itself");
            return Err(Error::refused(text).with_hint("take it out of `headers`"));
        }
        // The value is not repeated, it may be a secret; an empty one is a secret that is missing.
        let mut value =
            HeaderValue::from_str(value).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
                Error::refused(format!(
                    "the value of the header `{name}` is empty or cannot stand in a header"
                ))
            })?;
        value.set_sensitive(true);
        headers.append(parsed, value);
    }
    Ok(headers)
}
