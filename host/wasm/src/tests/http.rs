//! `http`: a plugin that means no good, with real servers behind it: where it gets, what it gets to see, and what is noted of it.

use super::*;
use crate::grants::{HostPattern, HttpGrant, NamePattern, PlaceAt, SecretPlace, Signer, SignerKind};
use host_provisioner::{Connection, Value, Variable};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that answers with what it was asked, and remembers it.
struct Echo {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let tells = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let tells = Arc::clone(&tells);
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    let mut piece = [0; 4096];
                    let request = loop {
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        if let Some((head, body)) = text.split_once("\r\n\r\n") {
                            let length = head.lines().find_map(|line| {
                                line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
                            });
                            if body.len() >= length.unwrap_or(0) {
                                break text;
                            }
                        }
                        match stream.read(&mut piece).await {
                            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
                            _ => break text,
                        }
                    };
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    tells.lock().unwrap().push(request.clone());
                    // Nobody may know where it leads to.
                    let (status, more) = match path.as_str() {
                        "/moved" => ("302 Found", "location: http://169.254.169.254/latest/meta-data/\r\n"),
                        "/gone" => ("410 Gone", ""),
                        _ => ("200 OK", ""),
                    };
                    let body = request.replace("\r\n", "~");
                    let answer = format!(
                        "HTTP/1.1 {status}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { address, seen }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn grant(host: &str) -> HttpGrant {
    HttpGrant {
        host: host.parse().unwrap(),
        methods: vec!["*".to_owned()],
        paths: vec![NamePattern::new("/*")],
        operations: Vec::new(),
        reads: Vec::new(),
        secrets: Vec::new(),
        signer: None,
        private: true,
    }
}

/// The keys of the gateway, which no plugin may see.
const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDHUNTER"),
    ("AWS_SECRET_ACCESS_KEY", "hunters-own-key"),
    ("AWS_SESSION_TOKEN", "hunters-own-session"),
];

struct Bench {
    fixture: Fixture,
    plugin: Arc<Plugin>,
}

impl Bench {
    async fn with(grants: Vec<HttpGrant>) -> Self {
        Self::made(grants, None).await
    }

    async fn taped(grants: Vec<HttpGrant>, tape: Tape) -> Self {
        Self::made(grants, Some(tape)).await
    }

    async fn made(grants: Vec<HttpGrant>, tape: Option<Tape>) -> Self {
        let variables = KEYS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let around = host_outbound::Surroundings { variables, home: None };
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let fixture = Fixture::with_client(folder, 1, Arc::new(host_outbound::Client::new(around)));
        if let Some(tape) = tape {
            fixture.host.tape(Arc::new(tape));
        }
        let pattern = |text: &str| text.parse::<HostPattern>().unwrap();
        let plugin = fixture
            .plugin_with(|spec| {
                spec.source =
                    PluginSource::Bytes(std::fs::read(test_artifacts::guest("plugin_http")).unwrap().into());
                spec.grants = Grants {
                    http: grants,
                    // The guest imports it.
                    registry: Some(RegistryGrant::default()),
                    connect: vec![pattern("127.0.0.1:*")],
                    secrets: vec!["token".to_owned()],
                    secret_hosts: BTreeMap::from([("token".to_owned(), vec![pattern("127.0.0.1:*")])]),
                    ..Grants::default()
                };
            })
            .await;
        fixture.resolver.declare("plugin:p", ["token".to_owned()]);
        Self { fixture, plugin }
    }

    /// What came of each line, in a call for a server with a secret in a variable.
    async fn run(&self, lines: &[String]) -> Vec<String> {
        let server = self.server(lines);
        let failure = self.plugin.provision(&call(), &server).await.map(|_| ()).unwrap_err();
        assert_eq!(failure.text, "done", "{failure:?}");
        failure.details
    }

    fn server(&self, lines: &[String]) -> Arc<ServerSpec> {
        let mut spec = ServerSpec::clone(&server(&lines.join("\n")));
        let value = Value::Joined(vec![
            host_provisioner::Part::Text("Bearer ".to_owned()),
            host_provisioner::Part::Secret("token".to_owned()),
        ]);
        spec.environment = vec![
            Variable { name: "TOKEN".to_owned(), value: Value::Secret("token".to_owned()) },
            Variable { name: "HEADER".to_owned(), value },
        ];
        spec.secrets = vec!["token".to_owned()];
        self.fixture.resolver.declare(spec.id.as_str(), ["token".to_owned()]);
        Arc::new(spec)
    }
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_created_is_noted_before_and_taken_down_after() {
    let echo = Echo::start().await;
    let url = echo.url();
    let bench = Bench::with(vec![grant(&echo.address.to_string())]).await;
    let said = bench
        .run(&[
            // Nothing would say how to undo it.
            format!("POST {url}/things effect=creates:early"),
            format!("checkpoint {url}/gone"),
            format!("POST {url}/things effect=creates:one repeat"),
            format!("POST {url}/things effect=creates:two repeat"),
            format!("DELETE {url}/things/two effect=removes:two"),
        ])
        .await;
    assert!(
        said[0]
            .starts_with("FailureCategory::Permission: a request that creates must come after a checkpoint"),
        "{}",
        said[0]
    );
    assert_eq!(said[1], "noted");
    // The call failed, so a fresh instance takes down what is left: `one`, at the place of the checkpoint.
    eventually("the release", || {
        echo.seen.lock().unwrap().iter().any(|seen| seen.starts_with("DELETE /gone/one "))
    })
    .await;
    eventually("the ledger to be empty", || bench.fixture.host.ledger.open().is_empty()).await;
    assert!(!echo.seen().iter().any(|seen| seen.starts_with("DELETE /gone/two ")));
    // A call that only looks creates and changes nothing.
    let lines = [
        format!("POST {url}/ effect=creates:x"),
        format!("POST {url}/ effect=changes"),
        format!("GET {url}/"),
    ];
    let failure = bench.plugin.validate(&call(), &bench.server(&lines)).await.unwrap_err();
    assert!(
        failure.details[0]
            .starts_with("FailureCategory::Permission: nothing is created over `http` in `validate`"),
        "{failure:?}"
    );
    assert!(
        failure.details[1]
            .starts_with("FailureCategory::Permission: nothing is changed over `http` in `validate`"),
        "{failure:?}"
    );
    assert!(failure.details[2].starts_with("200 "), "{failure:?}");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_on_a_tape_plays_without_anybody_there() {
    let lines = |url: &str| {
        [
            format!("checkpoint {url}/gone"),
            format!(r#"POST {url}/things effect=creates:one body={{"a":"b"}}"#),
            format!("GET {url}/moved"),
            "GET https://10.0.0.1/".to_owned(),
        ]
    };
    let (url, sections, details, patterns) = {
        let echo = Echo::start().await;
        let patterns = vec![grant(&echo.address.to_string())];
        let bench = Bench::taped(patterns.clone(), Tape::blank()).await;
        let details = bench.run(&lines(&echo.url())).await;
        assert!(bench.fixture.host.shutdown(LONG).await.is_empty());
        (echo.url(), bench.fixture.host.taped().unwrap().sections(), details, patterns)
    };
    let phases: Vec<&str> = sections.iter().map(|section| section.phase.as_str()).collect();
    assert!(phases.contains(&"provision") && phases.contains(&"release"), "{phases:?}");
    // Through JSON, as a file would have it. Nobody listens any more.
    let text = serde_json::to_string(&sections).unwrap();
    let bench = Bench::taped(patterns.clone(), Tape::of(serde_json::from_str(&text).unwrap())).await;
    assert_eq!(bench.run(&lines(&url)).await, details);
    assert!(bench.fixture.host.shutdown(LONG).await.is_empty());
    assert_eq!(bench.fixture.host.taped().unwrap().left(), Vec::<String>::new());
    // Who asks for something else is stopped.
    let bench = Bench::taped(patterns, Tape::of(sections)).await;
    let server = bench.server(&["GET https://other.example/".to_owned()]);
    let failure = bench.plugin.provision(&call(), &server).await.map(|_| ()).unwrap_err();
    assert!(failure.text.contains("for something else than on the tape"), "{}", failure.text);
}
