//! Google Secret Manager.

use super::{ANSWER, Found, Outcome, WITHIN};
use crate::Signer;
use crate::client::{Client, Outgoing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use host_web::{Access, Target};
use http::Method;
use http::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// What it is good for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where it is.
const ENDPOINT: &str = "https://secretmanager.googleapis.com";

#[derive(Deserialize)]
struct Version {
    name: Option<String>,
    payload: Option<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default, deserialize_with = "crate::wiped_or_none")]
    data: Option<Zeroizing<String>>,
}

pub(super) async fn get(
    client: &Client,
    project: Option<&str>,
    endpoint: Option<&str>,
    prefix: &str,
    name: &str,
) -> Outcome {
    let project = project.map(str::to_owned).or_else(|| client.project()).ok_or_else(|| {
        "nothing says in which project (write `google-secret-manager:?project=PROJECT`, or set GOOGLE_CLOUD_PROJECT)"
            .to_owned()
    })?;
    let id = id_of(&format!("{prefix}{name}"));
    let resource = format!("projects/{project}/secrets/{id}");
    let url = format!(
        "{}/v1/{resource}/versions/latest:access",
        endpoint.unwrap_or(ENDPOINT).trim_end_matches('/')
    );
    let outgoing = Outgoing {
        who: "secrets".to_owned(),
        method: Method::GET,
        target: Target::parse(&url).map_err(|error| error.text)?,
        headers: HeaderMap::new(),
        body: Bytes::new(),
        signer: Some(Signer::GoogleAccess { scopes: vec![SCOPE.to_owned()] }),
        access: if endpoint.is_some() { Access::new(|_, _| true, "") } else { Access::public() },
        repeatable: true,
        within: WITHIN,
        limit: ANSWER,
    };
    let answer = client.send(&outgoing, &Mutex::default()).await.map_err(|error| error.to_string())?;
    match answer.status {
        200 => {}
        404 => return Ok(None),
        403 => {
            return Err(format!(
                "the gateway's account may not read `{resource}`; give it the role `roles/secretmanager.secretAccessor` on that secret"
            ));
        }
        status => {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let word = body.pointer("/error/status").and_then(Value::as_str).unwrap_or_default();
            let word: String = word.chars().take(80).collect();
            return Err(format!("`{resource}` cannot be read: status {status} {word}").trim_end().to_owned());
        }
    }
    let version: Version =
        serde_json::from_slice(&answer.body).map_err(|_| "its answer is malformed".to_owned())?;
    let data = version.payload.and_then(|payload| payload.data).unwrap_or_default();
    let bytes = STANDARD.decode(data.as_bytes()).map_err(|_| "its answer is malformed".to_owned())?;
    let text = String::from_utf8(bytes).map_err(|_| format!("`{resource}` holds bytes that are no text"))?;
    Ok(Some(Found {
        value: Some(Arc::new(Zeroizing::new(text))),
        reference: version.name.or(Some(resource)),
    }))
}

/// Letters, digits, `-` and `_` are all that an id there has; what else a name has becomes `_`.
fn id_of(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect()
}
