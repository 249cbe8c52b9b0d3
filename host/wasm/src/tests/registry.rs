//! `registry`, and TCP ports with a first line: what a plugin may ask about, with which login, and what nobody shows it.

use super::*;
use crate::grants::HostPattern;
use host_provisioner::Connection;
use host_workload_docker::{ImageConfiguration, ImageWords, LoginFile};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

/// Remembers what it was asked, and answers by the name of the image.
#[derive(Default)]
struct Catalog(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl ImageCatalog for Catalog {
    async fn words(&self, _: &str, _: &str, _: &[LoginFile]) -> Result<ImageWords, NotTrusted> {
        panic!("nobody puts anything in front of a program here");
    }

    async fn configuration(&self, question: ImageQuestion<'_>) -> Result<ImageConfiguration, ImageUnknown> {
        let login = question
            .login
            .as_ref()
            .map(|login| format!(" as {} with {}", login.username.as_str(), login.password.as_str()));
        let ImageQuestion { reference, platform, inside, .. } = question;
        let asked = format!("{reference} {platform:?} inside: {inside}{}", login.unwrap_or_default());
        self.0.lock().unwrap().push(asked);
        let unknown = |why| Err(ImageUnknown { why, text: format!("about {reference}"), hint: None });
        match reference {
            missing if missing.contains("missing") => unknown(ImageUnknownWhy::Missing),
            denied if denied.contains("denied") => unknown(ImageUnknownWhy::Denied),
            later if later.contains("later") => unknown(ImageUnknownWhy::Later),
            silent if silent.contains("silent") => std::future::pending().await,
            long if long.contains("long") => {
                Ok(ImageConfiguration { user: "x".repeat(1 << 17), ..ImageConfiguration::default() })
            }
            _ => Ok(ImageConfiguration {
                digest: "sha256:1f".to_owned(),
                platform: "linux/amd64".to_owned(),
                words: ImageWords { entrypoint: vec!["/notes".to_owned()], arguments: Vec::new() },
                exposed_ports: vec![8080],
                ..ImageConfiguration::default()
            }),
        }
    }
}

struct Bench {
    _fixture: Fixture,
    plugin: Arc<Plugin>,
    catalog: Arc<Catalog>,
}

impl Bench {
    async fn with(registry: Option<RegistryGrant>) -> Self {
        let fixture = Fixture::new();
        let catalog = Arc::new(Catalog::default());
        fixture.host.carry_bridge(None, Arc::clone(&catalog) as Arc<dyn ImageCatalog>);
        let pattern = |text: &str| text.parse::<HostPattern>().unwrap();
        let grants = Grants {
            registry,
            // The guest imports it.
            http: vec![HttpGrant::any()],
            connect: ["127.0.0.1:*", "localhost:*"].map(pattern).into(),
            ..Grants::default()
        };
        let plugin = http_guest::loaded(&fixture, "registry.example:443", grants).await;
        Self { _fixture: fixture, plugin, catalog }
    }

    /// What came of each line, in a call for a server of this image.
    async fn run(&self, image: &str, lines: &[&str]) -> Vec<String> {
        http_guest::told(&self.plugin, &of_image(image, lines)).await
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.catalog.0.lock().unwrap())
    }
}

fn of_image(image: &str, lines: &[&str]) -> Arc<ServerSpec> {
    let workload = Workload::Image { reference: image.to_owned(), digest: None, arguments: Vec::new() };
    Arc::new(ServerSpec::new(lines.join("\n"), workload))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_asks_about_its_servers_images_and_about_registries_that_were_granted() {
    let hosts = ["*.corp.example:443", "registry.example:443"].map(|host| host.parse().unwrap()).into();
    let bench = Bench::with(Some(RegistryGrant { hosts })).await;
    let lines = [
        // Its own, however it is written, at any tag, wherever it is.
        "image 10.1.2.3:5000/acme/notes",
        "image 10.1.2.3:5000/acme/notes:2 platform=linux/arm64",
        "image 10.1.2.3:5000/acme/other",
        "image 10.1.2.3:6000/acme/notes",
        "image docker.io/library/notes",
        // Granted: written out, and by a pattern, which leads to no private address.
        "image registry.example/any",
        "image hub.corp.example/any",
        "image registry.example:5000/any",
        "image ?",
        "image registry.example/any platform=amd64",
        // A login goes where its secret is bound to, and is made of nothing else.
        "image registry.example/any login=registry.example,reader,|own:token|",
        "image hub.corp.example/any login=hub.corp.example,reader,|own:token|",
        "image hub.corp.example/any login=registry.example,reader,|own:token|",
        "image registry.example/any login=registry.example,reader,|server:token|",
        "image registry.example/any login=registry.example,reader,|generated:token|",
        "image registry.example/any login=registry.example,,secret",
    ];
    let told = bench.run("10.1.2.3:5000/acme/notes:1", &lines).await;
    let own = "FailureCategory::Permission: plugin `p` may not ask about image `";
    let expected = [
        "ImageConfig { digest: \"sha256:1f\"",
        "ImageConfig {",
        own,
        own,
        "FailureCategory::Permission: plugin `p` may not ask about image `docker.io/library/notes`, which is no image of the server of this call (if you \
         trust it with that, grant it the registry: `plugins.p.grants.registry.hosts: [\"docker.io\"]`)",
        "ImageConfig {",
        "ImageConfig {",
        own,
        "FailureCategory::Config: `?` is no reference to an image",
        "FailureCategory::Config: `amd64` is no platform",
        "ImageConfig {",
        "FailureCategory::Permission: secret `token` may not be sent to hub.corp.example:443",
        "FailureCategory::Config: the login is for registry `registry.example`, and the image is in `hub.corp.example`",
        "FailureCategory::Permission: a login is made of text",
        "FailureCategory::Permission: a login is made of text",
        "FailureCategory::Config: a login needs the name of a user",
    ];
    assert_eq!(told.len(), expected.len());
    for (line, (told, expected)) in lines.iter().zip(told.iter().zip(expected)) {
        assert!(told.starts_with(expected), "{line}: {told}");
    }
    assert_eq!(
        bench.asked(),
        [
            "10.1.2.3:5000/acme/notes None inside: true",
            "10.1.2.3:5000/acme/notes:2 Some(\"linux/arm64\") inside: true",
            "registry.example/any None inside: true",
            "hub.corp.example/any None inside: false",
            "registry.example/any None inside: true as reader with hunter2",
        ]
    );
    assert!(told.iter().all(|told| !told.contains("hunter2")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_registry_does_not_tell_is_told_apart() {
    let hosts = vec!["registry.example:443".parse().unwrap()];
    let bench = Bench::with(Some(RegistryGrant { hosts })).await;
    for (image, expected) in [
        ("missing", "FailureCategory::Image: about registry.example/missing"),
        ("denied", "FailureCategory::Permission: about registry.example/denied"),
        ("later", "FailureCategory::Retryable: about registry.example/later"),
        ("long", "FailureCategory::Image: image `registry.example/long` says more about itself than fits"),
    ] {
        let told = bench.run("notes", &[&format!("image registry.example/{image}")]).await;
        assert_eq!(told, [expected]);
    }
    // Nobody waits any more, and nobody answers.
    let call = call();
    let server = of_image("notes", &["image registry.example/silent"]);
    let asked = bench.plugin.provision(&call, &server);
    let cancel = async {
        while !bench.catalog.0.lock().unwrap().iter().any(|asked| asked.contains("silent")) {
            tokio::task::yield_now().await;
        }
        call.cancelled.cancel();
    };
    let (failure, ()) = tokio::join!(asked, cancel);
    assert!(failure.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_is_greeted_with_what_nobody_shows_the_plugin() {
    let bench = Bench::with(Some(RegistryGrant::default())).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let line = format!("greet {host} {port} Token_|generated:bridge|");
        let provisioned = bench.plugin.provision(&call(), &of_image("notes", &[&line])).await.unwrap();
        let Connection::Dialled(endpoint) = provisioned.connection else { panic!("{host}: not dialled") };
        let mut tokens = Vec::new();
        // On each connection anew, and before anything else.
        for message in ["one", "two"] {
            let mut streams = endpoint.dial.dial().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut streams.stdin, format!("{message}\n").as_bytes())
                .await
                .unwrap();
            let mut lines = BufReader::new(listener.accept().await.unwrap().0).lines();
            tokens.push(lines.next_line().await.unwrap().unwrap());
            assert_eq!(lines.next_line().await.unwrap().unwrap(), message);
        }
        assert_eq!(tokens[0], tokens[1]);
        assert!(tokens[0].starts_with("Token_") && tokens[0].len() == 6 + 43, "{}", tokens[0]);
    }
    for (line, text) in [
        (format!("greet 127.0.0.1 {port} |server:token|"), "secret `token` may not stand in the first line"),
        (format!("greet 127.0.0.1 {port} |own:token|"), "secret `token` may not be sent to 127.0.0.1"),
        (format!("greet 127.0.0.1 {port} |generated:|"), "no secret `` was generated"),
        (format!("greet 10.0.0.1 {port} x"), "plugin `p` may not connect servers at 10.0.0.1"),
        (
            format!("greet 127.0.0.1 {port} |"),
            "the first line of a connection is one line of 1 to 4096 bytes",
        ),
        (
            format!("greet 127.0.0.1 {port} {}", "x".repeat(4097)),
            "the first line of a connection is one line of 1 to 4096 bytes",
        ),
    ] {
        let failure = bench.plugin.provision(&call(), &of_image("notes", &[&line])).await.map(|_| ());
        let failure = failure.unwrap_err();
        assert!(failure.text.starts_with(text), "{line}: {}", failure.text);
    }
}
