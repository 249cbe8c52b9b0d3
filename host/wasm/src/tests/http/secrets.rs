//! What a plugin never gets to see, and where secrets may stand.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_found_in_any_answer() {
    let echo = Echo::start().await;
    let url = echo.url();
    let signer = |name: &str, kind: SignerKind| HttpGrant {
        signer: Some(Signer { name: name.to_owned(), kind }),
        ..grant(&echo.address.to_string())
    };
    let bench = Bench::with(vec![
        signer("aws", SignerKind::Aws { service: Some("ecs".to_owned()), region: None }),
        signer("bearer", SignerKind::Bearer { secret: "token".to_owned() }),
    ])
    .await;
    let said = bench
        .run(&[
            format!("POST {url}/a effect=changes sign=aws service=ecs region=eu-1 body={{}}"),
            format!("POST {url}/a effect=changes sign=bearer"),
            format!("POST {url}/a effect=changes header=x-own:Bearer_|own:token|"),
            format!("POST {url}/a effect=changes sign=aws service=s3 region=eu-1"),
            format!("POST {url}/a effect=changes sign=google"),
            format!("POST {url}/a effect=changes sign=aws"),
            format!("POST {url}/a effect=changes sign=aws service=ecs region=eu-1 header=X-Amz-Date:x"),
            format!("GET {url}/a"),
        ])
        .await;
    let seen = echo.seen();
    assert!(
        seen[0].contains("Credential=AKIDHUNTER/") && seen[0].contains("hunters-own-session"),
        "{}",
        seen[0]
    );
    assert!(seen[0].contains("/eu-1/ecs/aws4_request"), "{}", seen[0]);
    assert!(seen[1].contains("authorization: Bearer hunter2"), "{}", seen[1]);
    assert!(seen[2].contains("x-own: Bearer hunter2"), "{}", seen[2]);
    for said in &said {
        for secret in ["AKIDHUNTER", "hunters-own", "hunter2"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    assert!(said[0].contains("Credential=[removed]/"), "{}", said[0]);
    assert!(
        said[0].ends_with("Signature=[removed]") || said[0].contains("Signature=[removed]~"),
        "{}",
        said[0]
    );
    assert!(said[1].contains("Bearer [removed]") && said[2].contains("x-own: Bearer [removed]"), "{said:?}");
    assert!(
        said[3].starts_with("FailureCategory::Permission: the signer may sign for service `ecs` only"),
        "{}",
        said[3]
    );
    assert!(
        said[4].starts_with("FailureCategory::Permission: plugin `p` may not have requests to 127.0.0.1"),
        "{}",
        said[4]
    );
    // The grant says the service; nothing says the region.
    assert!(said[5].starts_with("FailureCategory::Permission: nothing says in which region"), "{}", said[5]);
    assert!(
        said[6].contains("the header `X-Amz-Date` is set by the connection or the signer"),
        "{}",
        said[6]
    );
    assert_eq!(seen.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_servers_secret_stands_where_the_grant_says_and_nowhere_else() {
    let echo = Echo::start().await;
    let url = echo.url();
    let place = |at: PlaceAt| SecretPlace { at, operation: Some(NamePattern::new("CreateSecret")) };
    let granted = HttpGrant {
        secrets: vec![
            place(PlaceAt::Json("/SecretString".to_owned())),
            place(PlaceAt::Form("Value".to_owned())),
            place(PlaceAt::Header("x-value".to_owned())),
        ],
        reads: vec![NamePattern::new("Describe*")],
        ..grant(&echo.address.to_string())
    };
    let bench = Bench::with(vec![granted]).await;
    let create = "header=x-amz-target:s.CreateSecret effect=changes";
    let lines = [
        (format!(r#"POST {url}/ {create} body={{"SecretString":"|server:token|"}}"#), "200 "),
        (format!(r#"POST {url}/ {create} body={{"SecretString":"|Bearer_server:token|"}}"#), "200 "),
        (format!(r#"POST {url}/ {create} body={{"SecretString":"|generated:own|"}}"#), "200 "),
        (
            format!(
                "POST {url}/ effect=changes encode=percent body=Action=CreateSecret&Value=|server:token|"
            ),
            "200 ",
        ),
        (format!("POST {url}/ {create} header=x-value:|server:token|"), "200 "),
        // Elsewhere.
        (
            format!(r#"POST {url}/ {create} body={{"Name":"|server:token|"}}"#),
            "FailureCategory::Permission: secret `token` may not stand at `/Name`",
        ),
        (
            format!(r#"POST {url}/ {create} body={{"SecretString":{{"a":"|server:token|"}}}}"#),
            "FailureCategory::Permission: secret `token` may not stand at `/SecretString/a`",
        ),
        (
            format!(
                r#"POST {url}/ header=x-amz-target:s.TagResource effect=changes body={{"SecretString":"|server:token|"}}"#
            ),
            "FailureCategory::Permission: secret `token` may not stand at",
        ),
        (
            format!(r#"POST {url}/ effect=changes body={{"SecretString":"|server:token|"}}"#),
            "FailureCategory::Permission: secret `token` may not stand at",
        ),
        (
            format!(r#"POST {url}/ {create} encode=none body={{"SecretString":"|server:token|"}}"#),
            "FailureCategory::Permission: a server's secret is encoded so that",
        ),
        (
            format!(
                r#"POST {url}/ {create} body={{"SecretString":"x","SecretString":"|server:token|","SecretString":"y"}}"#
            ),
            "FailureCategory::Permission: a server's secret stands only inside one text",
        ),
        (
            format!("POST {url}/ {create} header=x-other:|server:token|"),
            "FailureCategory::Permission: secret `token` may not stand at the header `x-other`",
        ),
        (
            format!(
                r#"POST {url}/ header=x-amz-target:s.DescribeSecret body={{"SecretString":"|server:token|"}}"#
            ),
            "FailureCategory::Permission: a request that only reads carries no secret",
        ),
        // Not the server's own, or not in the form that its entry has it.
        (
            format!(r#"POST {url}/ {create} body={{"SecretString":"|server:other|"}}"#),
            "FailureCategory::Permission: secret `other` stands in no variable",
        ),
        // A POST that says it only reads.
        (
            format!("POST {url}/ header=x-amz-target:s.CreateSecret"),
            "FailureCategory::Permission: `CreateSecret` is not granted as something that only reads",
        ),
        (format!("POST {url}/ header=x-amz-target:s.DescribeSecret"), "200 "),
    ];
    let asked: Vec<String> = lines.iter().map(|(line, _)| line.clone()).collect();
    let said = bench.run(&asked).await;
    let mut wrong = Vec::new();
    for ((line, expected), said) in lines.iter().zip(&said) {
        if !said.starts_with(expected) || said.contains("hunter2") {
            wrong.push(format!("{line}\n  expected {expected}\n  but      {said}"));
        }
    }
    assert!(
        wrong.is_empty() && said.len() == lines.len(),
        "{} of {}\n{}",
        said.len(),
        lines.len(),
        wrong.join("\n")
    );
    let seen = echo.seen();
    assert!(seen[0].ends_with(r#"{"SecretString":"hunter2"}"#), "{}", seen[0]);
    assert!(seen[1].ends_with(r#"{"SecretString":"Bearer hunter2"}"#), "{}", seen[1]);
    assert!(seen[3].ends_with("Action=CreateSecret&Value=hunter2"), "{}", seen[3]);
    assert!(seen[4].contains("x-value: hunter2"), "{}", seen[4]);
    assert_eq!(seen.len(), 6);
}
