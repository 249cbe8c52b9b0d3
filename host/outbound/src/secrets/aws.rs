//! AWS Secrets Manager.

use super::{ANSWER, Found, Outcome, WITHIN};
use crate::Signer;
use crate::answer::Answer;
use crate::client::{Client, Outgoing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use host_web::{Access, Target};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// What `GetSecretValue` and `DescribeSecret` answer.
#[derive(Deserialize)]
struct Secret {
    #[serde(rename = "ARN")]
    arn: Option<String>,
    #[serde(rename = "SecretString", default, deserialize_with = "crate::wiped_or_none")]
    text: Option<Zeroizing<String>>,
    #[serde(rename = "SecretBinary", default, deserialize_with = "crate::wiped_or_none")]
    binary: Option<Zeroizing<String>>,
}

pub(super) async fn get(
    client: &Client,
    region: Option<&str>,
    endpoint: Option<&str>,
    prefix: &str,
    name: &str,
) -> Outcome {
    let region = region.map(str::to_owned).or_else(|| client.region()).ok_or_else(|| {
        "nothing says in which region (write `aws-secrets-manager:?region=REGION`, or set AWS_REGION)"
            .to_owned()
    })?;
    // With `#` it is one secret, and the name is a key in it.
    let (id, key) = match prefix.strip_suffix('#') {
        Some(id) => (id.to_owned(), Some(name)),
        None => (format!("{prefix}{name}"), None),
    };
    let answer = ask(client, &region, endpoint, "GetSecretValue", &id).await?;
    let secret: Secret = match why_not(&answer) {
        None => serde_json::from_slice(&answer.body).map_err(|_| "its answer is malformed".to_owned())?,
        Some(why) if why.ends_with("ResourceNotFoundException") => return Ok(None),
        Some(why) if why.ends_with("AccessDeniedException") => {
            // The platform may be able to read what we may not.
            let described = ask(client, &region, endpoint, "DescribeSecret", &id).await?;
            let there: Option<Secret> =
                if described.status == 200 { serde_json::from_slice(&described.body).ok() } else { None };
            return match there.and_then(|secret| secret.arn) {
                Some(arn) => Ok(Some(Found { value: None, reference: Some(reference(&arn, key)) })),
                None => Err(format!(
                    "the gateway's role may not read `{id}` (AccessDeniedException); allow it `secretsmanager:GetSecretValue` on that secret"
                )),
            };
        }
        Some(why) => return Err(format!("`{id}` cannot be read: {why}")),
    };
    let text = match (secret.text, secret.binary) {
        (Some(text), _) => text,
        (None, Some(binary)) => STANDARD
            .decode(binary.as_bytes())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(Zeroizing::new)
            .ok_or_else(|| format!("`{id}` holds bytes that are no text"))?,
        (None, None) => return Err(format!("`{id}` has no value yet")),
    };
    let value = match key {
        None => text,
        Some(key) => {
            let map: Value = serde_json::from_str(&text)
                .map_err(|_| format!("`{id}` holds no JSON object with names of secrets"))?;
            match map.get(key) {
                None => return Ok(None),
                Some(Value::String(text)) => Zeroizing::new(text.clone()),
                Some(other) => Zeroizing::new(other.to_string()),
            }
        }
    };
    Ok(Some(Found { value: Some(Arc::new(value)), reference: secret.arn.map(|arn| reference(&arn, key)) }))
}

/// As task definitions write it.
fn reference(arn: &str, key: Option<&str>) -> String {
    match key {
        None => arn.to_owned(),
        Some(key) => format!("{arn}:{key}::"),
    }
}

async fn ask(
    client: &Client,
    region: &str,
    endpoint: Option<&str>,
    operation: &str,
    id: &str,
) -> Result<Answer, String> {
    let usual = || {
        let end = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://secretsmanager.{region}.amazonaws.com{end}/")
    };
    let url = endpoint.map_or_else(usual, str::to_owned);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    let target = HeaderValue::from_str(&format!("secretsmanager.{operation}"));
    headers.insert(HeaderName::from_static("x-amz-target"), target.map_err(|error| error.to_string())?);
    let outgoing = Outgoing {
        who: "secrets".to_owned(),
        method: Method::POST,
        target: Target::parse(&url).map_err(|error| error.text)?,
        headers,
        body: Bytes::from(json!({"SecretId": id}).to_string()),
        signer: Some(Signer::Aws { service: "secretsmanager".to_owned(), region: Some(region.to_owned()) }),
        // An address that the operator wrote is his to choose.
        access: if endpoint.is_some() { Access::new(|_, _| true, "") } else { Access::public() },
        repeatable: true,
        within: WITHIN,
        limit: ANSWER,
    };
    client.send(&outgoing, &Mutex::default()).await.map_err(|error| error.to_string())
}

/// The error of an answer, in AWS's word.
fn why_not(answer: &Answer) -> Option<String> {
    if (200..300).contains(&answer.status) {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let word = body.get("__type").and_then(Value::as_str).or_else(|| answer.header("x-amzn-errortype"));
    let word = word.unwrap_or_default().rsplit('#').next().unwrap_or_default();
    let word = word.split(':').next().unwrap_or_default();
    if word.is_empty() {
        Some(format!("status {}", answer.status))
    } else {
        Some(word.chars().take(80).collect())
    }
}
