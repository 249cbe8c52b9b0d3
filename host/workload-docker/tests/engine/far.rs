//! An engine that is reached over TCP, with and without encryption, and whose connections break.

use crate::bench::{PATIENCE, with_engine};
use host_workload_docker::{DockerEngine, End, Endpoint, EngineConfig, ErrorKind, Surroundings, TlsFiles};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// A TCP port in front of the engine's socket, as a network would be.
struct Network {
    engine: Arc<DockerEngine>,
    up: Arc<AtomicBool>,
    cut: Arc<tokio::sync::Notify>,
}

impl Network {
    async fn before(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (up, cut) = (Arc::new(AtomicBool::new(true)), Arc::new(tokio::sync::Notify::new()));
        let (is_up, is_cut) = (Arc::clone(&up), Arc::clone(&cut));
        tokio::spawn(async move {
            let mut open = JoinSet::new();
            loop {
                tokio::select! {
                    () = is_cut.notified() => open.abort_all(),
                    accepted = listener.accept() => {
                        let (mut near, _) = accepted.unwrap();
                        if !is_up.load(Ordering::SeqCst) {
                            continue;
                        }
                        let socket = socket.clone();
                        open.spawn(async move {
                            let mut far = UnixStream::connect(&socket).await.unwrap();
                            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                        });
                    }
                }
            }
        });
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port, tls: None };
        let config = EngineConfig { endpoint, config_dir: None, own_container: None };
        Self { engine: DockerEngine::new(config), up, cut }
    }

    /// Breaks every connection, and lets no other through.
    fn goes_down(&self) {
        self.up.store(false, Ordering::SeqCst);
        self.cut.notify_one();
    }
}

#[test]
fn an_engine_over_tcp_is_attached_to_just_as_well() {
    with_engine(|bench| async move {
        let Endpoint::Unix(socket) = bench.engine.endpoint().clone() else { return };
        let network = Network::before(socket).await;
        assert!(network.engine.info().await.unwrap().local);
        let mut attached = network.engine.start_attached(&bench.spec("cat", &["cat"])).await.unwrap();
        for n in 0..100_u8 {
            attached.stdin.write_all(&[n; 100]).await.unwrap();
            let mut back = [0; 100];
            timeout(PATIENCE, attached.stdout.read_exact(&mut back)).await.unwrap().unwrap();
            assert_eq!(back, [n; 100]);
        }
        attached.stdin.shutdown().await.unwrap();
        assert_eq!(timeout(PATIENCE, attached.stdout.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
        assert_eq!(timeout(PATIENCE, attached.watched.ended()).await.unwrap().exit_code, Some(0));
        bench.gone(&bench.name("cat")).await;
    });
}

#[test]
fn what_ends_while_the_engine_cannot_be_heard_is_noticed_afterwards() {
    with_engine(|bench| async move {
        let Endpoint::Unix(socket) = bench.engine.endpoint().clone() else { return };
        let network = Network::before(socket).await;
        let spec = bench.shell("deaf", "while :; do sleep 1; done");
        // Without standard input, so that the container does not end with the connection.
        let id = network.engine.create(&spec).await.unwrap();
        let mut watched = network.engine.watch(&id).await.unwrap();
        network.engine.start(&id).await.unwrap();
        network.goes_down();
        let error = network.engine.inspect(&id).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
        bench.engine.stop(&id, Duration::ZERO).await.unwrap();
        bench.gone(&spec.name).await;
        assert_eq!(watched.end(), None);
        network.up.store(true, Ordering::SeqCst);
        let end = timeout(PATIENCE, watched.ended()).await.unwrap();
        assert_eq!(end, End { exit_code: None, out_of_memory: false });
        assert_eq!(network.engine.inspect(&id).await.unwrap(), None);
    });
}

/// Certificates of an engine at 127.0.0.1 and of one client, signed by `ca.pem`; `stranger.pem` has signed nothing.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A port in front of the engine's socket that lets in who shows a certificate of the authority, as `dockerd --tlsverify` does.
async fn encrypted(socket: PathBuf) -> u16 {
    let certificate = |name: &str| CertificateDer::from_pem_file(fixture(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let provider = Arc::new(default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("server-key.pem")).unwrap();
    let config = config.with_client_cert_verifier(clients.build().unwrap());
    let acceptor =
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate("server.pem")], key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            tokio::spawn(async move {
                let mut near = match acceptor.accept(near).into_fallible().await {
                    Ok(near) => near,
                    // What the client sends meanwhile is read, so that the reason reaches it.
                    Err((_, mut refused)) => {
                        let _ = tokio::io::copy(&mut refused, &mut tokio::io::sink()).await;
                        return;
                    }
                };
                let mut far = UnixStream::connect(&socket).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    port
}

fn at(endpoint: Endpoint) -> Arc<DockerEngine> {
    DockerEngine::new(EngineConfig { endpoint, config_dir: None, own_container: None })
}

#[test]
fn an_engine_behind_tls_is_attached_to_by_who_has_a_certificate() {
    with_engine(|bench| async move {
        let Endpoint::Unix(socket) = bench.engine.endpoint().clone() else { return };
        let port = encrypted(socket).await;
        // As Docker's variables say it.
        let around = Surroundings {
            host: Some(format!("tcp://127.0.0.1:{port}")),
            tls_verify: true,
            cert_path: Some(fixture("")),
            ..Surroundings::default()
        };
        let engine = at(Endpoint::find(&around).unwrap());
        assert!(engine.info().await.unwrap().local);
        let mut attached = engine.start_attached(&bench.spec("cat", &["cat"])).await.unwrap();
        for n in 0..100_u8 {
            attached.stdin.write_all(&[n; 100]).await.unwrap();
            let mut back = [0; 100];
            timeout(PATIENCE, attached.stdout.read_exact(&mut back)).await.unwrap().unwrap();
            assert_eq!(back, [n; 100]);
        }
        attached.stdin.shutdown().await.unwrap();
        assert_eq!(timeout(PATIENCE, attached.watched.ended()).await.unwrap().exit_code, Some(0));
        bench.gone(&bench.name("cat")).await;

        let files = |authority: &str, client: bool| TlsFiles {
            authority: fixture(authority),
            client: client.then(|| (fixture("cert.pem"), fixture("key.pem"))),
        };
        for (host, files, why) in [
            ("127.0.0.1", files("stranger.pem", true), "UnknownIssuer"),
            ("localhost", files("ca.pem", true), "not valid for name"),
            ("127.0.0.1", files("ca.pem", false), "CertificateRequired"),
        ] {
            let engine = at(Endpoint::Tcp { host: host.to_owned(), port, tls: Some(files) });
            let error = timeout(PATIENCE, engine.info()).await.unwrap().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
            assert!(error.to_string().contains(why), "{why}: {error}");
        }
    });
}
