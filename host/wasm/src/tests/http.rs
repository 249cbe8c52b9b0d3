//! `http`: a plugin that means no good, with real servers behind it: where it gets, what it gets to see, and what is noted of it.

mod noted;
mod reach;
mod secrets;

use super::*;
use crate::grants::{HttpGrant, NamePattern, PlaceAt, SecretPlace, Signer, SignerKind};
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
        let grants = Grants {
            http: grants,
            // The guest imports it.
            registry: Some(RegistryGrant::default()),
            connect: vec!["127.0.0.1:*".parse().unwrap()],
            ..Grants::default()
        };
        let plugin = http_guest::loaded(&fixture, "127.0.0.1:*", grants).await;
        Self { fixture, plugin }
    }

    /// What came of each line, in a call for a server with a secret in a variable.
    async fn run(&self, lines: &[String]) -> Vec<String> {
        http_guest::told(&self.plugin, &self.server(lines)).await
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
