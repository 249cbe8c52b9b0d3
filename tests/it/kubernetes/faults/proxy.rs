//! A way to the API server that can be cut and closed, so that one gateway loses it and nobody else does.

use crate::kubernetes::World;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// See the module.
pub(super) struct Proxy {
    /// The configuration of who goes through it.
    pub(super) kubeconfig: String,
    shared: Arc<Mutex<Shared>>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    open: bool,
    connections: JoinSet<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(super) async fn new(world: &World) -> Self {
        let text = world.kubectl(&["config", "view", "--raw", "--flatten", "--minify", "-o", "json"]).await;
        let mut config: Value = serde_json::from_str(&text).unwrap();
        let cluster = &mut config["clusters"][0]["cluster"];
        let server = cluster["server"].as_str().unwrap().strip_prefix("https://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        cluster["server"] = json!(format!("https://{}", listener.local_addr().unwrap()));
        // The certificate is that of the other end.
        cluster["tls-server-name"] = json!(server.rsplit_once(':').unwrap().0);
        let shared = Arc::new(Mutex::new(Shared { open: true, connections: JoinSet::new() }));
        let task = tokio::spawn(accept(listener, server, Arc::clone(&shared)));
        Self { kubeconfig: config.to_string(), shared, task }
    }

    /// Ends every connection; others can be made.
    pub(super) fn cut(&self) {
        self.shared.lock().unwrap().connections.abort_all();
    }

    /// Ends every connection, and each that is made from now on.
    pub(super) fn close(&self) {
        self.shared.lock().unwrap().open = false;
        self.cut();
    }

    /// Lets connections through again.
    pub(super) fn open(&self) {
        self.shared.lock().unwrap().open = true;
    }
}

async fn accept(listener: TcpListener, server: String, shared: Arc<Mutex<Shared>>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let server = server.clone();
        let mut shared = shared.lock().unwrap();
        if !shared.open {
            continue;
        }
        shared.connections.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(server).await {
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
