//! Files of application default credentials: a service account's key, a user's refresh token, or another account that these may act as.

use super::service_account::ServiceAccount;
use super::{Answer, HINT, Token, Wanted, ask, exchange};
use crate::error::Error;
use bytes::Bytes;
use http::{Method, Request, header};
use serde::Deserialize;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// Where users' tokens are renewed.
const TOKEN: &str = "https://oauth2.googleapis.com/token";
/// What is needed to act as another account.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Who the gateway is.
pub(super) enum Identity {
    ServiceAccount(ServiceAccount),
    User(User),
    Impersonated(Impersonated),
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type", default)]
    kind: String,
}

/// Reads a file.
///
/// # Errors
/// It cannot be read, or is of a kind that is not known here.
pub(super) async fn read(path: &Path) -> Result<Identity, Error> {
    let shown = path.display();
    let text = tokio::fs::read(path).await.map_err(|error| {
        Error::credentials(format!("Google credentials {shown} cannot be read: {error}"), HINT)
    })?;
    parse(&Zeroizing::new(text), &shown.to_string())
}

fn parse(text: &[u8], shown: &str) -> Result<Identity, Error> {
    // Errors of the parser could repeat a piece of a key.
    let wrong = || Error::credentials(format!("{shown} is no file of Google credentials"), HINT);
    let Kind { kind } = serde_json::from_slice(text).map_err(|_| wrong())?;
    match kind.as_str() {
        "service_account" => serde_json::from_slice(text).map(Identity::ServiceAccount).map_err(|_| wrong()),
        "authorized_user" => serde_json::from_slice(text).map(Identity::User).map_err(|_| wrong()),
        "impersonated_service_account" => {
            let file: ImpersonatedFile = serde_json::from_slice(text).map_err(|_| wrong())?;
            let source =
                serde_json::to_vec(&file.source_credentials).map(Zeroizing::new).map_err(|_| wrong())?;
            let source = parse(&source, shown)?;
            Ok(Identity::Impersonated(Impersonated {
                url: file.service_account_impersonation_url,
                delegates: file.delegates,
                source: Box::new(source),
            }))
        }
        other => {
            let other: String = other.chars().take(60).collect();
            let text = format!(
                "{shown} holds Google credentials of the type `{other}`, which this gateway does not use"
            );
            Err(Error::credentials(
                text,
                "use a service account's key, a user's login, or a machine with a service account",
            ))
        }
    }
}

/// `gcloud auth application-default login`.
#[derive(Deserialize)]
pub(super) struct User {
    client_id: String,
    #[serde(deserialize_with = "crate::wiped")]
    client_secret: Zeroizing<String>,
    #[serde(deserialize_with = "crate::wiped")]
    refresh_token: Zeroizing<String>,
}

impl User {
    pub(super) async fn token(&self, wanted: &Wanted) -> Result<Token, Error> {
        if let Wanted::Identity(audience) = wanted {
            let text = format!("a user's login gets no identity token for `{audience}`");
            return Err(Error::credentials(
                text,
                "use a service account, or impersonate one (`gcloud auth application-default login --impersonate-service-account`)",
            ));
        }
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.as_str()),
            ("refresh_token", self.refresh_token.as_str()),
        ];
        exchange(TOKEN, &form).await?.token(wanted)
    }
}

#[derive(Deserialize)]
struct ImpersonatedFile {
    service_account_impersonation_url: String,
    #[serde(default)]
    delegates: Vec<String>,
    source_credentials: serde_json::Value,
}

/// Another account that this identity may act as.
pub(super) struct Impersonated {
    /// Ends in `:generateAccessToken`.
    url: String,
    delegates: Vec<String>,
    source: Box<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    access_token: Option<String>,
    expire_time: Option<String>,
    token: Option<String>,
}

impl Impersonated {
    pub(super) async fn token(&self, wanted: &Wanted) -> Result<Token, Error> {
        let source = Wanted::Access(vec![CLOUD_PLATFORM.to_owned()]);
        let own = match self.source.as_ref() {
            Identity::ServiceAccount(account) => account.token(&source).await?,
            Identity::User(user) => user.token(&source).await?,
            Identity::Impersonated(other) => Box::pin(other.token(&source)).await?,
        };
        let (url, body) = match wanted {
            Wanted::Access(scopes) => {
                (self.url.clone(), json!({"scope": scopes, "delegates": self.delegates}))
            }
            Wanted::Identity(audience) => (
                self.url.replace(":generateAccessToken", ":generateIdToken"),
                json!({"audience": audience, "includeEmail": true, "delegates": self.delegates}),
            ),
        };
        let request = Request::builder()
            .method(Method::POST)
            .uri(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", own.text.as_str()))
            .body(Bytes::from(body.to_string()));
        let answer = ask(&url, request).await?;
        let generated: Generated = serde_json::from_slice(&answer)
            .map_err(|_| Error::credentials(format!("{url} answered with what is no token"), HINT))?;
        let lives = generated.expire_time.as_deref().and_then(until);
        let answer = Answer {
            access_token: generated.access_token,
            id_token: generated.token,
            expires_in: Some(lives.unwrap_or(Duration::from_secs(300)).as_secs()),
        };
        answer.token(wanted)
    }
}

/// How long until a moment like `2026-10-21T07:28:00Z`.
fn until(text: &str) -> Option<Duration> {
    let end = reqsign_core::time::Timestamp::parse_datetime_utc(text)
        .or_else(|_| text.parse::<reqsign_core::time::Timestamp>())
        .ok()?;
    end.as_system_time().duration_since(SystemTime::now()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_who_the_gateway_is_or_why_not() {
        let user =
            r#"{"type":"authorized_user","client_id":"i","client_secret":"hunter2","refresh_token":"r"}"#;
        assert!(matches!(parse(user.as_bytes(), "f"), Ok(Identity::User(_))));
        let other = format!(
            r#"{{"type":"impersonated_service_account","service_account_impersonation_url":"https://x/a:generateAccessToken","source_credentials":{user}}}"#
        );
        assert!(matches!(parse(other.as_bytes(), "f"), Ok(Identity::Impersonated(_))));
        for (text, why) in [
            ("hunter2", "f is no file of Google credentials"),
            (r#"{"type":"service_account","private_key":"hunter2"}"#, "f is no file of Google credentials"),
            (
                r#"{"type":"external_account"}"#,
                "f holds Google credentials of the type `external_account`, which this gateway does not use",
            ),
        ] {
            let error = parse(text.as_bytes(), "f").err().unwrap();
            assert_eq!(error.text, why);
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn a_users_login_gets_no_identity_token_and_the_reason_is_told() {
        let user = r#"{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r"}"#;
        let Ok(Identity::User(user)) = parse(user.as_bytes(), "f") else { panic!("no user") };
        let error = user.token(&Wanted::Identity("https://a".to_owned())).await.err().unwrap();
        assert_eq!(error.text, "a user's login gets no identity token for `https://a`");
        assert!(error.hint.unwrap().starts_with("use a service account"));
    }
}
