//! Reading manifests and blobs of a registry (OCI distribution specification, "Pulling"), with the login that Docker has for it. A registry on
//! loopback is spoken to without TLS, as Docker does it.

use crate::refusal::Refusal;
use bytes::Bytes;
use host_web::{Access, Endpoint, EndpointConfig, Target};
use host_workload_docker::{Login, LoginFile, Reference};
use http::{Request, Response, StatusCode, header};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long one request may take.
const WITHIN: Duration = Duration::from_secs(30);
/// Bytes of a manifest or a signed text.
const LIMIT: usize = 4 << 20;
/// Where Docker's own registry answers.
const DOCKERS_OWN: &str = "registry-1.docker.io";
/// Kinds of manifests, and of lists of them for several platforms.
const ANY: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";
/// Kinds of manifests.
const MANIFESTS: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
/// Other servers that a blob may be fetched from.
const MOST_HOPS: usize = 4;

/// Any registry.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    /// Docker's own folder, where logins are; without it every registry is asked without one.
    pub docker_config: Option<PathBuf>,
    /// Logins from elsewhere, which come first.
    pub login_files: Vec<LoginFile>,
}

/// How a registry is asked.
#[derive(Clone, Copy)]
pub(crate) struct How<'a> {
    /// Instead of the login that Docker has.
    pub(crate) login: Option<&'a Login>,
    /// Whether it may be at an address that is not public: the operator's own reference names it.
    pub(crate) inside: bool,
}

/// As for everything that the operator's own files name.
const OWN: How<'static> = How { login: None, inside: true };

/// A request that did not bring what was asked for.
pub(crate) enum Missing {
    /// The registry does not have it.
    NotThere,
    /// It cannot be told.
    Refused(Refusal),
}

impl From<Refusal> for Missing {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a registry asks for before it answers.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    realm: String,
    service: Option<String>,
    scope: Option<String>,
}

impl Registries {
    /// A manifest by its tag.
    pub(crate) async fn manifest(&self, repository: &Reference, tag: &str) -> Result<Bytes, Missing> {
        self.get(repository, &format!("manifests/{tag}"), MANIFESTS, OWN).await
    }

    /// A manifest, or a list of them, by tag or digest.
    pub(crate) async fn any_manifest(
        &self,
        repository: &Reference,
        at: &str,
        how: How<'_>,
    ) -> Result<Bytes, Missing> {
        self.get(repository, &format!("manifests/{at}"), ANY, how).await
    }

    /// A blob by its digest.
    pub(crate) async fn blob(&self, repository: &Reference, digest: &str) -> Result<Bytes, Missing> {
        self.blob_as(repository, digest, OWN).await
    }

    /// The same, asked in this way.
    pub(crate) async fn blob_as(
        &self,
        repository: &Reference,
        digest: &str,
        how: How<'_>,
    ) -> Result<Bytes, Missing> {
        self.get(repository, &format!("blobs/{digest}"), "*/*", how).await
    }

    async fn get(
        &self,
        repository: &Reference,
        what: &str,
        accept: &str,
        how: How<'_>,
    ) -> Result<Bytes, Missing> {
        let registry = repository.registry();
        let name = repository.name();
        let path = name.strip_prefix(registry).unwrap_or_default().trim_start_matches('/');
        let url = format!("{}/v2/{path}/{what}", origin(registry));
        let first = self.ask(registry, &url, accept, None, how).await?;
        let response = if first.status() == StatusCode::UNAUTHORIZED {
            let said = first.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            let challenge = said.and_then(challenge);
            drop(first);
            let authorization = self.authorization(registry, path, challenge, how).await?;
            self.ask(registry, &url, accept, Some(&authorization), how).await?
        } else {
            first
        };
        let broken = |error: host_web::Error| unanswered(registry, &error.to_string());
        match response.status() {
            StatusCode::OK => {
                let body = tokio::time::timeout(WITHIN, response.into_body().all(LIMIT)).await;
                let body = body.map_err(|_| unanswered(registry, "no answer in time"))?;
                Ok(body.map_err(broken)?)
            }
            StatusCode::NOT_FOUND => Err(Missing::NotThere),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let text =
                    format!("registry `{registry}` does not show `{name}` (status {})", status.as_u16());
                Err(Refusal::denied(text).with_hint(format!("log in with `docker login {registry}`")).into())
            }
            status => Err(unanswered(registry, &format!("status {}", status.as_u16())).into()),
        }
    }

    /// Asks once, and follows redirects: within the registry with its header, elsewhere without.
    async fn ask(
        &self,
        registry: &str,
        url: &str,
        accept: &str,
        authorization: Option<&str>,
        how: How<'_>,
    ) -> Result<Response<host_web::Body>, Refusal> {
        let failed = |error: host_web::Error| unanswered(registry, &error.to_string());
        let mut at = Target::parse(url).map_err(failed)?;
        let home = at.clone();
        let inside = match how.inside {
            true => reached_inside(registry, &home).map_err(failed)?,
            false => None,
        };
        for _ in 0..=MOST_HOPS {
            let own = at.same_origin(&home);
            let headers =
                authorization.filter(|_| own).map(|value| ("authorization".to_owned(), value.to_owned()));
            let headers = headers.into_iter().collect();
            let endpoint = endpoint(at.to_string(), headers, inside.as_ref()).map_err(failed)?;
            let mut request = Request::new(Bytes::new());
            if let Ok(accept) = accept.parse() {
                request.headers_mut().insert(header::ACCEPT, accept);
            }
            let answer = tokio::time::timeout(WITHIN, endpoint.send_once(&at, &request)).await;
            let answer = answer.map_err(|_| unanswered(registry, "no answer in time"))?.map_err(failed)?;
            let location =
                answer.headers().get(header::LOCATION).filter(|_| answer.status().is_redirection());
            let Some(location) = location.and_then(|location| location.to_str().ok()) else {
                return Ok(answer);
            };
            at = at.join(location).map_err(failed)?;
        }
        Err(unanswered(registry, "it redirects too often"))
    }

    async fn login(&self, registry: &str) -> Result<Option<Login>, Refusal> {
        let failed = |error: host_workload_docker::Error| {
            Refusal::new(format!("find the login for `{registry}`: {error}"))
        };
        for file in &self.login_files {
            if let Some(login) = file.login(registry).map_err(failed)? {
                return Ok(Some(login));
            }
        }
        match &self.docker_config {
            Some(folder) => Login::of_registry(folder, registry).await.map_err(failed),
            None => Ok(None),
        }
    }

    /// What to show after a refusal: a token of the place that the registry names, else the login itself.
    async fn authorization(
        &self,
        registry: &str,
        repository: &str,
        challenge: Option<Challenge>,
        how: How<'_>,
    ) -> Result<String, Refusal> {
        let login = match how.login {
            Some(given) => Some(given.clone()),
            None => self.login(registry).await?,
        };
        let basic = login.as_ref().and_then(Login::basic);
        let Some(challenge) = challenge else {
            return basic.ok_or_else(|| {
                Refusal::denied(format!("registry `{registry}` wants a login"))
                    .with_hint(format!("log in with `docker login {registry}`"))
            });
        };
        let scope = challenge.scope.unwrap_or_else(|| format!("repository:{repository}:pull"));
        let mut url = format!("{}?scope={}", challenge.realm, encoded(&scope));
        if let Some(service) = &challenge.service {
            url.push_str(&format!("&service={}", encoded(service)));
        }
        let answer = self.ask(registry, &url, "application/json", basic.as_deref(), how).await?;
        let status = answer.status();
        let body = answer.into_body().all(LIMIT).await.unwrap_or_default();
        let token: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = ["token", "access_token"].iter().find_map(|key| token.get(key)?.as_str());
        match token {
            Some(token) if status == StatusCode::OK => Ok(format!("Bearer {token}")),
            _ => Err(Refusal::denied(format!(
                "registry `{registry}` gives no token for `{repository}` (status {})",
                status.as_u16()
            ))
            .with_hint(format!("log in with `docker login {registry}`"))),
        }
    }
}

fn unanswered(registry: &str, why: &str) -> Refusal {
    Refusal::later(format!("registry `{registry}` could not be asked: {why}"))
}

/// Only public servers over TLS, and this one wherever it is.
fn endpoint(
    url: String,
    headers: Vec<(String, String)>,
    inside: Option<&Target>,
) -> Result<Endpoint, host_web::Error> {
    let access = match inside.map(|inside| (inside.host.clone(), inside.port)) {
        Some((host, port)) => Access::new(move |at: &str, on: u16| at == host && on == port, ""),
        None => Access::public(),
    };
    Endpoint::new(EndpointConfig { reserved: &[], ..EndpointConfig::new(url, headers, access) })
}

/// Where a request may lead that is not public: to the registry itself, and where it sends for a token if that is its own neighbour. It could name
/// any server of this network otherwise.
fn reached_inside(registry: &str, home: &Target) -> Result<Option<Target>, host_web::Error> {
    let own = Target::parse(&origin(registry))?;
    // A domain of one label is everybody's.
    let domain = |host: &str| {
        let (_, domain) = host.split_once('.')?;
        domain.contains('.').then(|| domain.to_owned())
    };
    let is_address = |host: &str| host.parse::<IpAddr>().is_ok();
    let neighbour = home.host == own.host
        || (!is_address(&home.host)
            && !is_address(&own.host)
            && domain(&home.host).is_some_and(|theirs| domain(&own.host) == Some(theirs)));
    let as_safe = home.secure || !own.secure;
    Ok((home.same_origin(&own) || (neighbour && as_safe)).then(|| home.clone()))
}

/// Scheme and authority of a registry.
fn origin(registry: &str) -> String {
    if registry == "docker.io" {
        return format!("https://{DOCKERS_OWN}");
    }
    let host = match registry.rsplit_once(':') {
        Some((host, _)) if !host.is_empty() => host,
        _ => registry,
    };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let plain = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    format!("{}://{registry}", if plain { "http" } else { "https" })
}

/// `Bearer realm="…",service="…",scope="…"`; none for other schemes.
fn challenge(text: &str) -> Option<Challenge> {
    let (scheme, rest) = text.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let value = |key: &str| {
        let mut rest = rest;
        while let Some((name, after)) = rest.split_once('=') {
            let name = name.trim_matches([',', ' ']);
            let (found, next) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            if name.eq_ignore_ascii_case(key) {
                return Some(found.to_owned());
            }
            rest = next;
        }
        None
    };
    Some(Challenge { realm: value("realm")?, service: value("service"), scope: value("scope") })
}

/// A value of a query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let text = "Bearer realm=\"https://auth.example/token\",service=\"registry.example\",scope=\"repository:a/b:pull,push\"";
        let read = challenge(text).unwrap();
        assert_eq!(read.realm, "https://auth.example/token");
        assert_eq!(read.service.as_deref(), Some("registry.example"));
        assert_eq!(read.scope.as_deref(), Some("repository:a/b:pull,push"));
        assert_eq!(challenge("bearer realm=\"r\"").map(|c| (c.realm, c.scope)), Some(("r".to_owned(), None)));
        assert_eq!(challenge("Basic realm=\"r\""), None);
        assert_eq!(challenge("Bearer"), None);
        assert_eq!(encoded("repository:a/b:pull"), "repository%3Aa%2Fb%3Apull");
    }

    #[test]
    fn a_registry_sends_for_tokens_to_its_neighbours_only() {
        let inside = |registry: &str, url: &str| {
            reached_inside(registry, &Target::parse(url).unwrap()).unwrap().is_some()
        };
        for (registry, url, reached) in [
            ("registry.corp.example", "https://registry.corp.example/v2/", true),
            ("registry.corp.example", "https://login.corp.example/token", true),
            ("registry.corp.example:5000", "https://registry.corp.example/token", true),
            ("registry.corp.example", "http://login.corp.example/token", false),
            ("registry.corp.example", "https://login.other.example/token", false),
            ("registry.corp.example", "http://169.254.169.254/latest", false),
            ("registry.corp.example", "https://10.0.0.1/token", false),
            ("10.0.0.2:5000", "https://10.0.0.1/token", false),
            ("127.0.0.1:5000", "http://127.0.0.1:5001/token", true),
            ("registry.example", "https://other.example/token", false),
            ("registry:5000", "https://internal/token", false),
        ] {
            assert_eq!(inside(registry, url), reached, "{registry} {url}");
        }
    }

    #[test]
    fn only_loopback_goes_without_tls() {
        for (registry, url) in [
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("127.9.8.7", "http://127.9.8.7"),
            ("localhost:5000", "http://localhost:5000"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("registry.example", "https://registry.example"),
            ("registry.example:5000", "https://registry.example:5000"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000"),
            ("localhost.example", "https://localhost.example"),
        ] {
            assert_eq!(origin(registry), url);
        }
        assert_eq!(origin("docker.io"), format!("https://{DOCKERS_OWN}"));
    }
}
