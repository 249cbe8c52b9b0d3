//! Secrets that a cloud keeps, against servers that answer as the clouds do.

use super::*;
use crate::secrets::{Kind, Store};

/// Value and reference, or why not.
async fn look(store: &Arc<Store>, name: &str) -> Result<Option<(Option<String>, Option<String>)>, String> {
    let (store, name) = (Arc::clone(store), name.to_owned());
    let found = tokio::task::spawn_blocking(move || store.get(&name)).await.unwrap()?;
    Ok(found.map(|found| (found.value.map(|value| value.to_string()), found.reference)))
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn aws_secrets_are_found_or_it_is_said_why_not() {
    let server = Server::start(|request, _| {
        let operation =
            if request.contains("x-amz-target: secretsmanager.GetSecretValue") { "get" } else { "describe" };
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let asked: serde_json::Value = serde_json::from_str(body).unwrap();
        let id = asked["SecretId"].as_str().unwrap();
        let refused = |word: &str| {
            answer(400, "", &format!(r#"{{"__type":"com.amazonaws#{word}","message":"hunter2"}}"#))
        };
        match (operation, id) {
            ("get", "mcp/one") => answer(200, "", r#"{"ARN":"arn:one","SecretString":"hunter2"}"#),
            ("get", "mcp/bytes") => answer(200, "", r#"{"ARN":"arn:bytes","SecretBinary":"aHVudGVyMw=="}"#),
            ("get", "mcp/odd") => answer(200, "", r#"{"ARN":"arn:odd","SecretBinary":"//8="}"#),
            ("get", "all") => {
                answer(200, "", r#"{"ARN":"arn:all","SecretString":"{\"a\":\"hunter4\",\"n\":7}"}"#)
            }
            ("get", "mcp/closed" | "mcp/shut") => refused("AccessDeniedException"),
            ("describe", "mcp/closed") => answer(200, "", r#"{"ARN":"arn:closed"}"#),
            ("describe", _) => refused("AccessDeniedException"),
            ("get", "mcp/slow") => answer(503, "retry-after: 0\r\n", "<html>"),
            _ => refused("ResourceNotFoundException"),
        }
    })
    .await;
    let keys = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "x")];
    let store = |prefix: &str, region: Option<&str>| {
        let (region, prefix) = (region.map(str::to_owned), prefix.to_owned());
        Arc::new(Store::new(
            Kind::Aws { region, endpoint: Some(server.url("/")), prefix },
            around(&keys, None),
        ))
    };
    let one = store("mcp/", Some("eu-1"));
    assert_eq!(one.to_string(), "AWS Secrets Manager below `mcp/`");
    assert_eq!(look(&one, "one").await, Ok(Some((text("hunter2"), text("arn:one")))));
    assert_eq!(look(&one, "bytes").await, Ok(Some((text("hunter3"), text("arn:bytes")))));
    assert_eq!(look(&one, "none").await, Ok(None));
    // There, and only the platform may read it.
    assert_eq!(look(&one, "closed").await, Ok(Some((None, text("arn:closed")))));
    for (name, why) in [
        (
            "shut",
            "the gateway's role may not read `mcp/shut` (AccessDeniedException); allow it `secretsmanager:GetSecretValue` on that secret",
        ),
        ("odd", "`mcp/odd` holds bytes that are no text"),
        ("slow", "`mcp/slow` cannot be read: status 503"),
    ] {
        assert_eq!(look(&one, name).await, Err(why.to_owned()));
    }
    // What is known is not asked for again.
    let before = server.seen().len();
    assert!(look(&one, "one").await.unwrap().is_some());
    assert_eq!((before > 0, server.seen().len()), (true, 0));
    let many = store("all#", Some("eu-1"));
    assert_eq!(look(&many, "a").await, Ok(Some((text("hunter4"), text("arn:all:a::")))));
    assert_eq!(look(&many, "n").await, Ok(Some((text("7"), text("arn:all:n::")))));
    assert_eq!(look(&many, "b").await, Ok(None));
    let nowhere = look(&store("", None), "one").await.unwrap_err();
    assert!(nowhere.starts_with("nothing says in which region"), "{nowhere}");
}

#[tokio::test]
async fn google_secrets_are_found_or_it_is_said_why_not() {
    let server = Server::start(|request, _| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        if path.starts_with("/computeMetadata/") {
            return answer(200, "", r#"{"access_token":"token-of-google","expires_in":3599}"#);
        }
        if !request.contains("authorization: Bearer token-of-google") {
            return answer(401, "", "");
        }
        match path {
            "/v1/projects/acme/secrets/mcp-acme_token/versions/latest:access" => {
                answer(200, "", r#"{"name":"projects/1/secrets/mcp-acme_token/versions/3","payload":{"data":"aHVudGVyMg=="}}"#)
            }
            "/v1/projects/acme/secrets/mcp-shut/versions/latest:access" => answer(403, "", "{}"),
            "/v1/projects/acme/secrets/mcp-off/versions/latest:access" => {
                answer(400, "", r#"{"error":{"status":"FAILED_PRECONDITION","message":"hunter2"}}"#)
            }
            _ => answer(404, "", "{}"),
        }
    })
    .await;
    let host = server.address.to_string();
    let kind = |project: Option<&str>| Kind::Google {
        project: project.map(str::to_owned),
        endpoint: Some(server.url("")),
        prefix: "mcp-".to_owned(),
    };
    let store = Arc::new(Store::new(kind(Some("acme")), around(&[("GCE_METADATA_HOST", &host)], None)));
    let found = look(&store, "acme.token").await;
    assert_eq!(found, Ok(Some((text("hunter2"), text("projects/1/secrets/mcp-acme_token/versions/3")))));
    assert_eq!(look(&store, "none").await, Ok(None));
    for (name, why) in [
        (
            "shut",
            "the gateway's account may not read `projects/acme/secrets/mcp-shut`; give it the role `roles/secretmanager.secretAccessor` on that secret",
        ),
        ("off", "`projects/acme/secrets/mcp-off` cannot be read: status 400 FAILED_PRECONDITION"),
    ] {
        assert_eq!(look(&store, name).await, Err(why.to_owned()));
    }
    let nowhere = Arc::new(Store::new(kind(None), around(&[], None)));
    assert!(look(&nowhere, "x").await.unwrap_err().starts_with("nothing says in which project"));
}
