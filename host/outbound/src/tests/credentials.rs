//! Where credentials are from.

use super::*;

fn aws() -> Signer {
    Signer::Aws { service: "ecs".to_owned(), region: Some("eu-1".to_owned()) }
}

const KEYS: &str = r#"{"AccessKeyId":"AKIDOFSERVICE","SecretAccessKey":"secret","Token":"token-of-session","Expiration":"2199-01-01T00:00:00Z"}"#;

#[tokio::test]
async fn aws_keys_are_found_in_variables_and_profiles() {
    let server = Server::start(|_, _| answer(200, "", "")).await;
    let variables = [("AWS_ACCESS_KEY_ID", "AKIDOFVARIABLE"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
    let client = Client::new(around(&variables, None));
    let shown = authorization(&client, &server, aws()).await.unwrap();
    assert!(shown.starts_with("AWS4-HMAC-SHA256 Credential=AKIDOFVARIABLE/"), "{shown}");
    assert!(
        shown.contains("/eu-1/ecs/aws4_request, SignedHeaders=") && !shown.contains("hunter2"),
        "{shown}"
    );
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let file = "[work]\naws_access_key_id = AKIDOFPROFILE\naws_secret_access_key = x\n";
    std::fs::write(home.path().join(".aws/credentials"), file).unwrap();
    let variables = [("AWS_PROFILE", "work"), ("AWS_EC2_METADATA_DISABLED", "true")];
    let client = Client::new(around(&variables, Some(home.path().to_owned())));
    let shown = authorization(&client, &server, aws()).await.unwrap();
    assert!(shown.starts_with("AWS4-HMAC-SHA256 Credential=AKIDOFPROFILE/"), "{shown}");
}

#[tokio::test]
async fn aws_keys_are_found_where_the_gateway_runs() {
    let services = |request: &str, _: usize| {
        let first = request.lines().next().unwrap_or_default();
        match first.split(' ').nth(1).unwrap_or_default() {
            "/container" if request.contains("authorization: token-of-file") => answer(200, "", KEYS),
            "/latest/api/token" => answer(200, "", "token-of-machine"),
            "/latest/meta-data/iam/security-credentials/" => answer(200, "", "role"),
            "/latest/meta-data/iam/security-credentials/role" => answer(
                200,
                "",
                &KEYS.replacen(
                    '{',
                    r#"{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC","#,
                    1,
                ),
            ),
            "/signed" => answer(200, "", ""),
            _ => answer(404, "", ""),
        }
    };
    let server = Server::start(services).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "token-of-file\n").unwrap();
    let (container, machine) = (server.url("/container"), server.url(""));
    for variables in [
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
        ],
        vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.as_str())],
    ] {
        let client = Client::new(around(&variables, None));
        let shown = authorization(&client, &server, aws()).await.unwrap();
        assert!(shown.starts_with("AWS4-HMAC-SHA256 Credential=AKIDOFSERVICE/"), "{shown}");
        assert!(shown.contains("x-amz-security-token"), "{shown}");
    }
}

#[tokio::test]
async fn without_credentials_the_operator_is_told_where_they_could_be() {
    let server = Server::start(|_, _| answer(200, "", "")).await;
    let nowhere = around(&[("AWS_EC2_METADATA_DISABLED", "true")], None);
    let error = authorization(&Client::new(nowhere), &server, aws()).await.unwrap_err();
    assert!(error.starts_with("the gateway has no AWS credentials"), "{error}");
    assert!(error.contains("AWS_PROFILE"), "{error}");
    let google = Signer::GoogleAccess { scopes: Vec::new() };
    let nowhere = around(&[("GCE_METADATA_HOST", "127.0.0.1:1")], None);
    let error = authorization(&Client::new(nowhere), &server, google).await.unwrap_err();
    assert!(error.starts_with("the gateway has no Google credentials"), "{error}");
    assert!(error.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{error}");
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn google_tokens_are_made_of_a_key_and_asked_of_the_machine() {
    let services = |request: &str, _: usize| {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        match path.split('?').next().unwrap_or_default() {
            "/token" if request.contains("grant_type=urn%3Aietf") && request.contains("assertion=ey") => {
                answer(
                    200,
                    "",
                    r#"{"id_token":"identity-of-key","access_token":"access-of-key","expires_in":3599}"#,
                )
            }
            "/computeMetadata/v1/instance/service-accounts/default/identity"
                if path.contains("audience=https%3A%2F%2Fa.example")
                    && request.contains("metadata-flavor: Google") =>
            {
                answer(200, "", "identity-of-machine\n")
            }
            "/signed" => answer(200, "", ""),
            _ => answer(404, "", r#"{"error":"not_found"}"#),
        }
    };
    let server = Server::start(services).await;
    let identity = || Signer::GoogleIdentity {
        audience: "https://a.example".to_owned(),
        header: "authorization".to_owned(),
    };
    let host = server.address.to_string();
    let machine = Client::new(around(&[("GCE_METADATA_HOST", &host)], None));
    assert_eq!(authorization(&machine, &server, identity()).await.unwrap(), "Bearer identity-of-machine");
    // A token that is good is not asked for again.
    authorization(&machine, &server, identity()).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.json");
    let key = serde_json::json!({
        "type": "service_account", "client_email": "a@p.example", "private_key_id": "k",
        "private_key": include_str!("../../fixtures/service-account-key.pem"), "token_uri": server.url("/token"),
    });
    std::fs::write(&file, key.to_string()).unwrap();
    let client = Client::new(around(&[("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap())], None));
    assert_eq!(authorization(&client, &server, identity()).await.unwrap(), "Bearer identity-of-key");
    let access = Signer::GoogleAccess { scopes: vec!["x".to_owned()] };
    assert_eq!(authorization(&client, &server, access).await.unwrap(), "Bearer access-of-key");
}
