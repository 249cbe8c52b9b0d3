//! A service account's own key: an assertion that is signed with it is exchanged for tokens (RFC 7523).

use super::{HINT, Token, Wanted, exchange};
use crate::error::Error;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// What an assertion is for.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long an assertion is good for, in seconds. Google takes an hour at most.
const LIVES: u64 = 3_600;

/// A key file.
#[derive(Deserialize)]
pub(super) struct ServiceAccount {
    client_email: String,
    #[serde(deserialize_with = "crate::wiped")]
    private_key: Zeroizing<String>,
    #[serde(default)]
    private_key_id: String,
    #[serde(default = "usual")]
    token_uri: String,
}

fn usual() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

impl ServiceAccount {
    pub(super) async fn token(&self, wanted: &Wanted) -> Result<Token, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let assertion = self.assertion(wanted, now)?;
        exchange(&self.token_uri, &[("grant_type", JWT_BEARER), ("assertion", &assertion)])
            .await?
            .token(wanted)
    }

    fn assertion(&self, wanted: &Wanted, now: u64) -> Result<Zeroizing<String>, Error> {
        let mut claims = json!({
            "iss": self.client_email,
            "sub": self.client_email,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + LIVES,
        });
        let (name, value) = match wanted {
            Wanted::Access(scopes) => ("scope", scopes.join(" ")),
            Wanted::Identity(audience) => ("target_audience", audience.clone()),
        };
        if let Some(claims) = claims.as_object_mut() {
            claims.insert(name.to_owned(), Value::from(value));
        }
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.private_key_id});
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let wrong = || {
            let text = format!("the private key of `{}` cannot be used", self.client_email);
            Error::credentials(text, HINT)
        };
        let key = RsaKeyPair::from_pkcs8(&der(&self.private_key).ok_or_else(wrong)?).map_err(|_| wrong())?;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| wrong())?;
        Ok(Zeroizing::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// The key inside `-----BEGIN PRIVATE KEY-----`.
fn der(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (inside, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let letters: Zeroizing<String> = Zeroizing::new(inside.chars().filter(|c| !c.is_whitespace()).collect());
    STANDARD.decode(letters.as_bytes()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    /// Made for this test with `openssl genpkey -algorithm RSA`; it opens nothing.
    const KEY: &str = include_str!("../../fixtures/service-account-key.pem");

    fn account() -> ServiceAccount {
        let file = json!({
            "client_email": "a@p.example", "private_key": KEY, "private_key_id": "k1", "token_uri": "https://t.example/token",
        });
        serde_json::from_value(file).unwrap()
    }

    #[test]
    fn an_assertion_says_who_asks_for_what_and_is_signed() {
        let wanted = Wanted::Identity("https://a.example".to_owned());
        let assertion = account().assertion(&wanted, 1_000).unwrap();
        let parts: Vec<&str> = assertion.split('.').collect();
        let read =
            |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        assert_eq!(read(parts[0]), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
        assert_eq!(
            read(parts[1]),
            json!({
                "iss": "a@p.example", "sub": "a@p.example", "aud": "https://t.example/token",
                "iat": 1_000, "exp": 4_600, "target_audience": "https://a.example",
            })
        );
        let key = RsaKeyPair::from_pkcs8(&der(KEY).unwrap()).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref());
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        public.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &signature).unwrap();
        let access = account().assertion(&Wanted::Access(vec!["x".to_owned(), "y".to_owned()]), 0).unwrap();
        assert_eq!(read(access.split('.').nth(1).unwrap())["scope"], "x y");
    }

    #[test]
    fn a_key_that_is_none_is_named_and_not_repeated() {
        let mut account = account();
        account.private_key = Zeroizing::new("hunter2".to_owned());
        let error = account.assertion(&Wanted::Identity(String::new()), 0).unwrap_err();
        assert_eq!(error.text, "the private key of `a@p.example` cannot be used");
    }
}
