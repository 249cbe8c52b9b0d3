//! Google's tokens: a service account with a key of its own, and the endpoint that exchanges its assertions.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Who the gateway is.
pub(super) const GATEWAY: &str = "gateway@acme.iam.gserviceaccount.com";

/// A file of application default credentials.
#[derive(Debug, Clone)]
pub struct ServiceAccountFile {
    /// Its text.
    pub text: String,
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Good {
    /// For Google's interfaces, with this scope.
    Access(String),
    /// For this audience.
    Identity(String),
}

/// See the module.
pub(super) struct Tokens {
    public: Vec<u8>,
    private: String,
    given: Mutex<HashMap<String, Good>>,
}

impl Tokens {
    /// Makes a key. `None` where there is no program that can.
    pub(super) fn new() -> Option<Self> {
        let output = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let private = String::from_utf8(output.stdout).unwrap();
        let inside: String = private.lines().filter(|line| !line.starts_with("-----")).collect();
        let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(inside).unwrap()).unwrap();
        Some(Self { public: pair.public_key().as_ref().to_vec(), private, given: Mutex::default() })
    }

    /// The file that an operator would download.
    pub(super) fn file(&self, token_uri: &str) -> ServiceAccountFile {
        let file = json!({
            "type": "service_account", "project_id": "acme", "private_key_id": "1", "private_key": self.private,
            "client_email": GATEWAY, "client_id": "1", "token_uri": token_uri,
        });
        ServiceAccountFile { text: file.to_string() }
    }

    /// Exchanges an assertion in a form for a token; the reason where it is not right.
    pub(super) fn exchange(&self, form: &str, token_uri: &str) -> Result<Value, String> {
        let assertion = form
            .split('&')
            .find_map(|pair| pair.strip_prefix("assertion="))
            .ok_or("there is no assertion in the form")?;
        let (signed, signature) = assertion.rsplit_once('.').ok_or("it is no JWT")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|error| error.to_string())?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| "its signature is not that of the key")?;
        let (_, claims) = signed.split_once('.').ok_or("it is no JWT")?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|error| error.to_string())?;
        let claims: Value = serde_json::from_slice(&claims).map_err(|error| error.to_string())?;
        if claims["aud"] != token_uri || claims["iss"] != GATEWAY {
            return Err(format!("it is for {} by {}", claims["aud"], claims["iss"]));
        }
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let number = given.len();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        if let Some(audience) = claims["target_audience"].as_str() {
            // So near its end that nobody may use it twice: each request shows another one.
            let inside = json!({"aud": audience, "email": GATEWAY, "exp": now + 30, "jti": number});
            let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let token = format!(
                "{}.{}.{}",
                encoded(&json!({"alg": "none"})),
                encoded(&inside),
                encoded(&json!(number))
            );
            given.insert(token.clone(), Good::Identity(audience.to_owned()));
            return Ok(json!({"id_token": token}));
        }
        let scope = claims["scope"].as_str().ok_or("it asks for neither a scope nor an audience")?;
        let token = format!("ya29.test-{number}-{now}");
        given.insert(token.clone(), Good::Access(scope.to_owned()));
        Ok(json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}))
    }

    /// What the token of a header is good for.
    pub(super) fn good(&self, header: &str) -> Option<Good> {
        let token = header.strip_prefix("Bearer ")?;
        self.given.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}
