//! Endpoints against servers of the test: what is sent, what is refused, what is kept.

use crate::{Access, Endpoint, EndpointConfig, Error, ErrorKind, Target};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

type Answer = Response<Full<Bytes>>;

/// A server of the test: what it saw, and how often somebody connected.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(answer, None).await
    }

    async fn start_with(
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (tells, counts, answer) = (Arc::clone(&seen), Arc::clone(&connections), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counts.fetch_add(1, Ordering::SeqCst);
                let (tells, answer) = (Arc::clone(&tells), Arc::clone(&answer));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (tells, answer) = (Arc::clone(&tells), Arc::clone(&answer));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let mut headers: Vec<_> = head
                            .headers
                            .iter()
                            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                            .filter(|line| !line.starts_with("host:") && !line.starts_with("content-length:"))
                            .collect();
                        headers.sort();
                        let body = String::from_utf8(body.to_vec()).unwrap();
                        tells
                            .lock()
                            .unwrap()
                            .push(format!("{} {} {headers:?} {body}", head.method, head.uri));
                        Ok::<_, Infallible>(answer(head.uri.path()))
                    }
                });
                let tls = tls.clone();
                tokio::spawn(async move {
                    let builder = hyper::server::conn::http1::Builder::new();
                    // A client that goes, or that does not like our certificate, is no matter of the server's.
                    match tls {
                        None => drop(builder.serve_connection(TokioIo::new(stream), service).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(builder.serve_connection(TokioIo::new(stream), service).await);
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen, connections }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn text(text: &'static str) -> Answer {
    Response::new(Full::from(text))
}

fn moved(status: u16, to: &str) -> Answer {
    Response::builder().status(status).header("location", to).body(Full::default()).unwrap()
}

fn config(url: &str) -> EndpointConfig {
    EndpointConfig {
        url: url.to_owned(),
        headers: vec![("Authorization".to_owned(), "Bearer hunter2".to_owned())],
        reserved: &["accept"],
        access: Access::new(|host, _| matches!(host, "127.0.0.1" | "localhost"), "grant `HOST:PORT`"),
        connect_within: Duration::from_secs(20),
        keep: Duration::from_secs(60),
    }
}

fn post(body: &'static str) -> Request<Bytes> {
    let request = Request::builder().method(Method::POST).header("accept", "a/b");
    request.body(Bytes::from_static(body.as_bytes())).unwrap()
}

async fn ask(endpoint: &Endpoint, request: &Request<Bytes>) -> Result<(u16, String), Error> {
    let response = endpoint.send(endpoint.target(), request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().all(1000).await?;
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

#[tokio::test]
async fn requests_carry_the_headers_of_the_endpoint_over_one_connection() {
    let server = Server::start(|_| text("good")).await;
    let endpoint = Endpoint::new(config(&server.url("/mcp?a=1"))).unwrap();
    for body in ["one", "two"] {
        assert_eq!(ask(&endpoint, &post(body)).await, Ok((200, "good".to_owned())));
        let expected = format!("POST /mcp?a=1 [\"accept: a/b\", \"authorization: Bearer hunter2\"] {body}");
        assert_eq!(server.seen(), [expected]);
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert!(!format!("{endpoint:?}").contains("hunter2"), "{endpoint:?}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_cut() {
    let server = Server::start(|_| Response::new(Full::from("x".repeat(1001)))).await;
    let endpoint = Endpoint::new(config(&server.url("/"))).unwrap();
    let error = ask(&endpoint, &post("")).await.unwrap_err();
    assert_eq!(
        (error.kind, error.text.as_str()),
        (ErrorKind::Broken, "the answer is longer than 1000 bytes")
    );
}

#[tokio::test]
async fn redirects_stay_within_the_origin() {
    let other = Server::start(|_| text("stolen")).await;
    let away = other.url("/mcp");
    let server = Server::start(move |path| match path {
        "/mcp" => moved(307, "/mcp/"),
        "/away" => moved(308, &away),
        "/get" => moved(302, "/mcp/"),
        "/round" => moved(307, "/round"),
        "/file" => moved(307, "file:///etc/passwd"),
        _ => text("good"),
    })
    .await;
    let of = |path: &str| Endpoint::new(config(&server.url(path))).unwrap();
    assert_eq!(ask(&of("/mcp"), &post("x")).await, Ok((200, "good".to_owned())));
    assert_eq!(server.seen().len(), 2);
    let error = ask(&of("/away"), &post("x")).await.unwrap_err();
    let expected =
        format!("http://{} redirects to http://{}, which is another server", server.address, other.address);
    assert_eq!((error.kind, error.text), (ErrorKind::Refused, expected));
    assert_eq!(
        error.hint.unwrap(),
        format!("if that is where the server is, write `{}` as its URL", other.url("/mcp"))
    );
    let error = ask(&of("/get"), &post("x")).await.unwrap_err();
    assert!(error.text.ends_with("with status 302, which loses the request"), "{error}");
    let error = ask(&of("/round"), &post("x")).await.unwrap_err();
    assert!(error.text.ends_with("redirects more than 4 times"), "{error}");
    let error = ask(&of("/file"), &post("x")).await.unwrap_err();
    let expected = format!(
        "http://{} redirects to what is no place for it: `file:///etc/passwd` is no http or https URL",
        server.address
    );
    assert_eq!((error.kind, error.text), (ErrorKind::Refused, expected));
    assert_eq!(other.connections.load(Ordering::SeqCst), 0, "somebody followed the redirect");
}

#[tokio::test]
async fn a_request_goes_to_the_own_origin_only() {
    let server = Server::start(|_| text("good")).await;
    let endpoint = Endpoint::new(config(&server.url("/mcp"))).unwrap();
    let other = Target::parse("http://127.0.0.1:1/").unwrap();
    let error = endpoint.send(&other, &post("x")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn addresses_that_were_not_granted_are_not_connected_to() {
    let server = Server::start(|_| text("good")).await;
    let refused = |url: String| {
        let config = EndpointConfig { access: Access::public(), ..config(&url) };
        Endpoint::new(config).unwrap_err().text
    };
    assert_eq!(refused(server.url("/")), format!("`{}` must use https", server.url("/")));
    assert_eq!(refused("https://127.0.0.1/".to_owned()), "`127.0.0.1` is not a public address");
    // The name is granted, where it leads is not: known only when it was looked up.
    let port = server.address.port();
    let access = Access::new(|host, port| host == "localhost" && port == 1, "");
    let config = EndpointConfig { access, ..config(&format!("https://localtest.example:{port}/")) };
    let endpoint = Endpoint::new(config).unwrap();
    let error = ask(&endpoint, &post("x")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn nobody_there_is_told_from_somebody_who_hangs_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = Endpoint::new(config(&format!("http://{address}/"))).unwrap();
    let error = ask(&endpoint, &post("x")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.text.starts_with(&format!("connecting to {address} failed: ")), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let endpoint = Endpoint::new(config(&format!("http://{address}/"))).unwrap();
    let error = ask(&endpoint, &post("x")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Broken);
    assert!(error.text.starts_with(&format!("the conversation with {address} broke: ")), "{error}");
}

#[test]
fn headers_that_are_not_the_operators_are_refused() {
    let with = |name: &str, value: &str| {
        let headers = vec![(name.to_owned(), value.to_owned())];
        Endpoint::new(EndpointConfig { headers, ..config("http://127.0.0.1/") }).unwrap_err().text
    };
    assert_eq!(with("Accept", "x"), "the header `Accept` is set by the gateway itself");
    assert_eq!(with("Host", "x"), "the header `Host` is set by the gateway itself");
    assert_eq!(with("a b", "x"), "`a b` cannot be the name of a header");
    for value in ["", "hunter2\r\nx: y"] {
        assert_eq!(
            with("X-Key", value),
            "the value of the header `X-Key` is empty or cannot stand in a header"
        );
    }
}

fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

#[tokio::test]
async fn tls_wants_a_certificate_that_is_trusted_and_names_the_host() {
    let certificates = vec![CertificateDer::from_pem_file(fixture("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(fixture("server-key.pem")).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_no_client_auth().with_single_cert(certificates, key).unwrap();
    let server = Server::start_with(|_| text("secret"), Some(Arc::new(tls).into())).await;
    let url = |host: &str| format!("https://{host}:{}/", server.address.port());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("authority.pem")).unwrap()).unwrap();
    let trusting = crate::tls::with_roots(roots).unwrap();

    let endpoint = Endpoint::build(config(&url("localhost")), Some(trusting), None).unwrap();
    assert_eq!(ask(&endpoint, &post("x")).await, Ok((200, "secret".to_owned())));
    // An authority that nobody here knows.
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("server.pem")).unwrap()).unwrap();
    let doubting = crate::tls::with_roots(roots).unwrap();
    let endpoint = Endpoint::build(config(&url("localhost")), Some(doubting), None).unwrap();
    let error = ask(&endpoint, &post("x")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(
        error.text.starts_with(&format!("TLS with localhost:{} failed: ", server.address.port())),
        "{error}"
    );
    assert_eq!(server.seen().len(), 1);
}

/// Whoever answers for a name may answer something else the second time.
#[tokio::test]
async fn a_name_that_changes_its_meaning_is_checked_at_each_look_up() {
    let server =
        Server::start(|_| Response::builder().header("connection", "close").body(Full::from("ok")).unwrap())
            .await;
    let port = server.address.port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&asked);
    let lookup = move |_: &str, port: u16| {
        let first = counts.fetch_add(1, Ordering::SeqCst) == 0;
        let address = if first { [127, 0, 0, 1] } else { [169, 254, 169, 254] };
        Some(vec![SocketAddr::from((address, port))])
    };
    let access = Access::of_names(|host, _| matches!(host, "a.example" | "127.0.0.1"), "grant `HOST:PORT`");
    let config = EndpointConfig { access, ..config(&format!("http://a.example:{port}/")) };
    let endpoint = Endpoint::build(config, None, Some(Arc::new(lookup))).unwrap();
    assert_eq!(ask(&endpoint, &post("")).await.unwrap().0, 200);
    let error = ask(&endpoint, &post("")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert_eq!(error.text, "`a.example` leads to 169.254.169.254, which is not a public address");
    assert_eq!((asked.load(Ordering::SeqCst), server.seen().len()), (2, 1));
}
