//! Where requests of a plugin get.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_gets_where_it_was_granted_and_nowhere_else() {
    let echo = Echo::start().await;
    let url = echo.url();
    let mut narrow = grant(&echo.address.to_string());
    narrow.methods = vec!["GET".to_owned(), "POST".to_owned()];
    narrow.paths = vec![NamePattern::new("/v1/*")];
    narrow.operations = vec![NamePattern::new("Run*"), NamePattern::new("GetSecretValue")];
    let mut open = grant(&echo.address.to_string());
    open.paths = vec![NamePattern::new("/open*"), NamePattern::new("/moved")];
    // A name that anybody may lead anywhere, and a private address without the word.
    let mut public = grant("*:*");
    public.private = false;
    let bench = Bench::with(vec![narrow, open, public]).await;
    let port = echo.address.port();
    let lines = [
        (format!("GET {url}/open?x=1"), "200 "),
        (format!("POST {url}/v1/x header=x-amz-target:A.RunTask effect=changes"), "200 "),
        (
            format!("POST {url}/v1/x header=x-amz-target:A.StopTask effect=changes"),
            "FailureCategory::Permission: plugin `p` may not send POST /v1/x (StopTask) to",
        ),
        (
            format!("POST {url}/v1/x effect=changes"),
            "FailureCategory::Permission: plugin `p` may not send POST /v1/x to",
        ),
        (
            format!("PUT {url}/v1/x header=x-amz-target:A.RunTask effect=changes"),
            "FailureCategory::Permission: plugin `p` may not send PUT",
        ),
        // Granted, and refused all the same.
        (
            format!("POST {url}/v1/x header=x-amz-target:A.GetSecretValue effect=changes"),
            "FailureCategory::Permission: `GetSecretValue` hands out secrets",
        ),
        (
            format!("GET {url}/open/secrets/s/versions/1%3Aaccess"),
            "FailureCategory::Permission: `access` hands out secrets",
        ),
        // Both are asked for.
        (
            format!("POST {url}/v1/x?Action=GetSecretValue header=x-amz-target:A.RunTask effect=changes"),
            "FailureCategory::Permission: `GetSecretValue`",
        ),
        (format!("GET {url}/open/../v1/x"), "FailureCategory::Config: the path `/open/../v1/x` has steps"),
        (
            format!("GET http://127.0.0.1:{port}@evil.example/"),
            "FailureCategory::Config: the URL holds a user",
        ),
        // Other addresses, and names for them.
        (
            "GET http://169.254.169.254/latest/meta-data/".to_owned(),
            "FailureCategory::Permission: plugin `p` may not send GET",
        ),
        ("GET https://10.0.0.1/".to_owned(), "FailureCategory::Permission: plugin `p` may not send GET"),
        (
            "GET https://metadata.google.internal/".to_owned(),
            "FailureCategory::Permission: `metadata.google.internal` is a name of this machine",
        ),
        (
            format!("GET https://localhost:{port}/"),
            "FailureCategory::Permission: plugin `p` may not send GET",
        ),
        (format!("GET http://a.example:{port}/"), "FailureCategory::Permission: `http://a.example:"),
        // A redirect is an answer, and nobody follows it.
        (format!("GET {url}/moved"), "302 location: http://169.254.169.254/latest/meta-data/"),
        (
            format!("GET {url}/open tls=own"),
            "FailureCategory::Unsupported: this gateway does not carry TLS profiles yet",
        ),
        (
            format!("GET {url}/open header=host:evil.example"),
            "FailureCategory::Permission: the header `host` is set by the connection",
        ),
        (
            format!("GET {url}/open header=x-http-method-override:DELETE"),
            "FailureCategory::Permission: the header `x-http-method-override` is set by",
        ),
        (
            format!("POST {url}/v1/x header=x-amz-target:A.#GetSecretValue effect=changes"),
            "FailureCategory::Permission: `GetSecretValue` hands out secrets",
        ),
        (
            format!("POST {url}/v1/x header=x-amz-target:A.Run|own:token| effect=changes"),
            "FailureCategory::Permission: a secret is no part of an operation's name",
        ),
    ];
    let asked: Vec<String> = lines.iter().map(|(line, _)| line.clone()).collect();
    let said = bench.run(&asked).await;
    let mut wrong = Vec::new();
    for ((line, expected), said) in lines.iter().zip(&said) {
        if !said.starts_with(expected) {
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
    assert_eq!(echo.seen().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_to_a_signed_endpoint_carries_what_was_asked_for() {
    let echo = Echo::start().await;
    let bearer = HttpGrant {
        signer: Some(Signer {
            name: "bearer".to_owned(),
            kind: SignerKind::Bearer { secret: "token".to_owned() },
        }),
        ..grant(&echo.address.to_string())
    };
    let bench = Bench::with(vec![bearer]).await;
    let url = format!("{}/mcp", echo.url());
    let server =
        bench.server(&[format!("connect {url} sign=bearer header=x-helper:|generated:helper| wait")]);
    let provisioned = bench.plugin.provision(&call(), &server).await.unwrap();
    let Connection::Http(endpoint) = provisioned.connection else { panic!("no HTTP") };
    echo.seen();
    for _ in 0..2 {
        let request = ::http::Request::builder().method("POST").uri(&url).body("{}".into()).unwrap();
        endpoint.channel.send(request).await.unwrap();
    }
    let seen = echo.seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert!(seen.contains("authorization: Bearer hunter2") && seen.contains("x-helper: "), "{seen}");
    }
    // Whom the signer may not sign for.
    for (line, text) in [
        (format!("connect {url} sign=google"), "plugin `p` may not have requests to 127.0.0.1"),
        (
            "connect http://127.0.0.1:1/mcp sign=bearer".to_owned(),
            "plugin `p` may not have requests to 127.0.0.1:1",
        ),
        (
            format!("connect {url} header=x-a:|server:token|"),
            "secret `token` may not stand in a header of an endpoint",
        ),
    ] {
        let failure = bench.plugin.provision(&call(), &bench.server(&[line])).await.map(|_| ()).unwrap_err();
        assert!(failure.text.starts_with(text), "{}", failure.text);
    }
}
