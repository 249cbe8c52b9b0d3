//! Tokens of the gateway's own Google identity, by application default credentials: a file named in `GOOGLE_APPLICATION_CREDENTIALS` or that of
//! `gcloud`, else the metadata service of the machine that the gateway runs on.

mod file;
mod metadata;
mod service_account;

use crate::aws::credentials::fetch;
use crate::error::{Error, ErrorKind};
use crate::surroundings::Surroundings;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use file::Identity;
use http::{Method, Request, header};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(120);
/// How long an identity token that does not say so is taken to be good: Google's live for an hour.
const IDENTITY_LIVES: Duration = Duration::from_secs(3_300);
/// How long one answer may take.
const WITHIN: Duration = Duration::from_secs(10);
/// Tokens that are kept.
const MOST: usize = 1_024;

/// What the operator can do.
pub(crate) const HINT: &str = "name a key file in GOOGLE_APPLICATION_CREDENTIALS, run `gcloud auth application-default login`, or run the gateway where it has a \
                               service account";

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    /// Google's own interfaces, with these scopes.
    Access(Vec<String>),
    /// A service that checks who asks.
    Identity(String),
}

/// A token and its end. Has no `Debug` of its own text.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: Arc<Zeroizing<String>>,
    ends: Instant,
}

impl Token {
    /// A token that lives so long, or as long as it says itself: a metadata service hands out tokens that it has had for a while.
    fn new(text: String, lives: Duration) -> Self {
        let lives = said(&text).map_or(lives, |said| said.min(lives));
        Self { text: Arc::new(Zeroizing::new(text)), ends: Instant::now() + lives }
    }
}

/// How long a JWT says that it lives from now on; `None` for every other token.
fn said(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(exp.saturating_sub(now)))
}

/// See the module.
pub(crate) struct GoogleTokens {
    around: Arc<Surroundings>,
    known: Mutex<HashMap<Wanted, Token>>,
}

impl fmt::Debug for GoogleTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleTokens").finish_non_exhaustive()
    }
}

impl GoogleTokens {
    pub(crate) fn new(around: &Arc<Surroundings>) -> Self {
        Self { around: Arc::clone(around), known: Mutex::default() }
    }

    /// A token that is good for the next minutes.
    ///
    /// # Errors
    /// There is no identity, or it gets no such token.
    pub(crate) async fn get(&self, wanted: &Wanted) -> Result<Arc<Zeroizing<String>>, Error> {
        let mut known = self.known.lock().await;
        let now = Instant::now();
        if let Some(token) = known.get(wanted).filter(|token| token.ends > now + MARGIN) {
            return Ok(Arc::clone(&token.text));
        }
        let token = self.ask(wanted).await?;
        if known.len() >= MOST {
            known.retain(|_, token| token.ends > now + MARGIN);
        }
        known.insert(wanted.clone(), token.clone());
        Ok(token.text)
    }

    /// Forgets what was not accepted.
    pub(crate) async fn forget(&self, wanted: &Wanted) {
        self.known.lock().await.remove(wanted);
    }

    async fn ask(&self, wanted: &Wanted) -> Result<Token, Error> {
        match self.file() {
            Some(path) => match file::read(&path).await? {
                Identity::ServiceAccount(account) => account.token(wanted).await,
                Identity::User(user) => user.token(wanted).await,
                Identity::Impersonated(other) => Box::pin(other.token(wanted)).await,
            },
            None => metadata::token(&self.around, wanted).await,
        }
    }

    /// The file of application default credentials, if there is one.
    fn file(&self) -> Option<PathBuf> {
        if let Some(file) = self.around.variable("GOOGLE_APPLICATION_CREDENTIALS") {
            return Some(PathBuf::from(file));
        }
        let folder = match self.around.variable("CLOUDSDK_CONFIG") {
            Some(folder) => PathBuf::from(folder),
            None => self.around.home.as_ref()?.join(".config/gcloud"),
        };
        Some(folder.join("application_default_credentials.json")).filter(|file| file.exists())
    }

    /// The project of the identity, where something says it.
    pub(crate) fn project(&self) -> Option<String> {
        ["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"]
            .iter()
            .find_map(|name| self.around.variable(name))
            .map(str::to_owned)
    }
}

/// What token services answer.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    id_token: Option<String>,
    expires_in: Option<u64>,
}

impl Answer {
    fn token(self, wanted: &Wanted) -> Result<Token, Error> {
        let (text, lives) = match wanted {
            Wanted::Access(_) => (self.access_token, Duration::from_secs(self.expires_in.unwrap_or(300))),
            Wanted::Identity(_) => (self.id_token, IDENTITY_LIVES),
        };
        text.map(|text| Token::new(text, lives))
            .ok_or_else(|| Error::credentials("Google's token service answered without a token", HINT))
    }
}

/// Posts a form to a token service.
async fn exchange(url: &str, form: &[(&str, &str)]) -> Result<Answer, Error> {
    let pairs =
        form.iter().map(|(name, value)| format!("{name}={}", crate::body::percent(value.as_bytes(), true)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(body));
    let answer = ask(url, request).await?;
    serde_json::from_slice(&answer)
        .map_err(|_| Error::credentials(format!("{url} answered with what is no token"), HINT))
}

/// Sends a request for a token.
async fn ask(url: &str, request: Result<Request<Bytes>, http::Error>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let request = request
        .map_err(|error| Error::credentials(format!("`{url}` cannot be asked for tokens: {error}"), HINT))?;
    let response = tokio::time::timeout(WITHIN, fetch(request))
        .await
        .map_err(|_| Error::new(ErrorKind::Timeout, format!("{url} did not answer in time")))??;
    let body = Zeroizing::new(response.body().to_vec());
    if response.status().is_success() {
        return Ok(body);
    }
    // Google's errors say why in two words.
    let said: Option<Refusal> = serde_json::from_slice(&body).ok();
    let why = said.map(|said| said.words()).filter(|why| !why.is_empty());
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let text = format!("{url} gave no token (status {}){why}", response.status().as_u16());
    Err(Error::credentials(text, HINT))
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    error: serde_json::Value,
    #[serde(default)]
    error_description: String,
}

impl Refusal {
    fn words(&self) -> String {
        let error = self.error.as_str().or_else(|| self.error.get("message")?.as_str()).unwrap_or_default();
        let words: Vec<&str> =
            [error, &self.error_description].into_iter().filter(|w| !w.is_empty()).collect();
        words.join(", ").chars().take(200).collect()
    }
}

#[cfg(test)]
mod lives {
    use super::*;

    #[test]
    fn a_token_lives_no_longer_than_it_says() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let jwt = |exp: u64| format!("h.{}.s", URL_SAFE_NO_PAD.encode(format!("{{\"exp\": {exp}}}")));
        assert!(said(&jwt(now + 60)).is_some_and(|said| said <= Duration::from_secs(60)));
        assert_eq!(said(&jwt(now - 60)), Some(Duration::ZERO));
        assert_eq!(said("ya29.a-b"), None);
        let token = Token::new(jwt(now + 60), IDENTITY_LIVES);
        assert!(token.ends <= Instant::now() + Duration::from_secs(60));
    }
}
