//! `--verify-signatures` against a real registry, with signatures that these tests make as `cosign sign --key` does. Skipped, with one line that says
//! why, where there is no registry or no engine.

#![expect(clippy::indexing_slicing, reason = "what is not as the story says ends the test there")]

use crate::docker::{engine, on_engine};
use crate::program::scene;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::harness::{Scene, part};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MANIFESTS: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// Asks the registry, and gives status, headers and body.
async fn ask(registry: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(registry).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {registry}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

fn header(head: &str, name: &str) -> String {
    let found = head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
    });
    found.unwrap_or_else(|| panic!("no {name} in {head}"))
}

fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A repository of this test's own, with the echo image in it.
struct Repository {
    registry: String,
    name: String,
    digest: String,
}

impl Repository {
    async fn new(name: &str) -> Option<Self> {
        engine().await?;
        let registry = part("registry", "GATEWAY_TEST_REGISTRY")?;
        let name = format!("it/{name}-{}", std::process::id());
        let accept = format!("Accept: {MANIFESTS}\r\n");
        let (status, head, manifest) = ask(&registry, "GET", "/v2/mcp/null/manifests/1", &accept, b"").await;
        assert_eq!(status, 200, "{head}");
        let kind = header(&head, "content-type");
        let read: Value = serde_json::from_slice(&manifest).unwrap();
        let layers = read["layers"].as_array().unwrap().iter().chain([&read["config"]]);
        for digest in layers.map(|layer| layer["digest"].as_str().unwrap()) {
            let path = format!("/v2/{name}/blobs/uploads/?mount={digest}&from=mcp/null");
            assert_eq!(ask(&registry, "POST", &path, "", b"").await.0, 201, "{digest}");
        }
        let this = Self { registry, name, digest: sha256(&manifest) };
        this.put_manifest("1", &kind, &manifest).await;
        Some(this)
    }

    async fn put_manifest(&self, tag: &str, kind: &str, manifest: &[u8]) {
        let path = format!("/v2/{}/manifests/{tag}", self.name);
        let (status, head, body) =
            ask(&self.registry, "PUT", &path, &format!("Content-Type: {kind}\r\n"), manifest).await;
        assert_eq!(status, 201, "{head} {}", String::from_utf8_lossy(&body));
    }

    async fn put_blob(&self, blob: &[u8]) -> Value {
        let path = format!("/v2/{}/blobs/uploads/", self.name);
        let (status, head, _) = ask(&self.registry, "POST", &path, "", b"").await;
        assert_eq!(status, 202, "{head}");
        let at = header(&head, "location");
        let at = at.split_once(&self.registry).map_or(at.as_str(), |(_, path)| path);
        let digest = sha256(blob);
        let path = format!("{at}{}digest={digest}", if at.contains('?') { '&' } else { '?' });
        let kind = "Content-Type: application/octet-stream\r\n";
        assert_eq!(ask(&self.registry, "PUT", &path, kind, blob).await.0, 201);
        json!({"digest": digest, "size": blob.len()})
    }

    /// As `cosign sign --key` leaves it: a signed text as layer, the signature in an annotation, under the tag of the digest.
    async fn sign(&self, pair: &EcdsaKeyPair, of: &str, further: Value) {
        let payload = json!({
            "critical": {
                "identity": {"docker-reference": format!("{}/{}", self.registry, self.name)},
                "image": {"docker-manifest-digest": of},
                "type": "cosign container image signature",
            },
            "optional": null,
        })
        .to_string();
        let signature = pair.sign(&SystemRandom::new(), payload.as_bytes()).unwrap();
        let mut layer = self.put_blob(payload.as_bytes()).await;
        layer["mediaType"] = json!("application/vnd.dev.cosign.simplesigning.v1+json");
        layer["annotations"] = further;
        layer["annotations"]["dev.cosignproject.cosign/signature"] = json!(STANDARD.encode(signature));
        let mut config = self.put_blob(b"{}").await;
        config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
        let tag = format!("{}.sig", self.digest.replace(':', "-"));
        self.put_manifest(&tag, kind, manifest.to_string().as_bytes()).await;
    }

    fn pinned(&self) -> String {
        format!("{}/{}@{}", self.registry, self.name, self.digest)
    }

    /// A scene with a catalogue of this image.
    fn scene(&self, image: &str) -> Scene {
        let scene = on_engine(scene());
        scene.file("catalog.yaml", format!("registry:\n  echo:\n    image: {image}\n"));
        scene
    }

    async fn remove(self) {
        let reference = self.pinned();
        let removed = tokio::process::Command::new("docker").args(["rmi", &reference]).output().await;
        // It may never have been pulled.
        drop(removed);
        let path = format!("/v2/{}/manifests/{}", self.name, self.digest);
        assert_eq!(ask(&self.registry, "DELETE", &path, "", b"").await.0, 202);
    }
}

/// A key pair that was made just now, and the file of its public half.
fn key() -> (EcdsaKeyPair, String) {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap();
    // RFC 5480: an elliptic curve key on P-256, then the point.
    let start = STANDARD.decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=").unwrap();
    let spki = [&start[..], pair.public_key().as_ref()].concat();
    (pair, format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki)))
}

async fn called(scene: &Scene, flags: &[&str]) -> gateway_tests::harness::Finished {
    let call = ["tools", "call", "echo", "message=signed", "--catalog", "catalog.yaml", "--servers", "echo"];
    scene.run(call.iter().chain(flags)).await
}

const VERIFY: [&str; 3] = ["--verify-signatures", "--signature-key", "cosign.pub"];

#[tokio::test]
async fn a_signed_image_runs_and_no_other() {
    let Some(repository) = Repository::new("signed").await else { return };
    let (pair, pem) = key();
    let scene = repository.scene(&repository.pinned());
    scene.file("cosign.pub", &pem);
    let refused = async |scene: &Scene, why: &str| {
        let done = called(scene, &VERIFY).await.expect_code(1);
        let image = repository.pinned();
        assert!(done.stderr.contains(&format!("image `{image}` is not trusted: {why}")), "{}", done.stderr);
    };
    refused(&scene, "it is not signed (keys: `cosign.pub`)").await;
    repository.sign(&key().0, &repository.digest, json!({})).await;
    refused(&scene, "it is signed with another key").await;
    repository.sign(&pair, &sha256(b"another image"), json!({})).await;
    refused(&scene, "the signature is of another image").await;
    let certificate = json!({"dev.sigstore.cosign/certificate": "-----BEGIN CERTIFICATE-----"});
    repository.sign(&pair, &repository.digest, certificate).await;
    refused(&scene, "it is signed without a key (keyless), which this version does not check").await;
    repository.sign(&pair, &repository.digest, json!({})).await;
    let done = called(&scene, &VERIFY).await.expect_code(0);
    assert!(done.stdout.contains("signed"), "{}", done.seen());
    // By digest alone, where that is enough for the operator.
    let images = format!("{}/{}=digest", repository.registry, repository.name);
    called(&scene, &["--verify-signatures", "--signature-key", &images]).await.expect_code(0);
    repository.remove().await;
}

#[tokio::test]
async fn what_cannot_be_checked_is_refused_by_name_also_in_a_dry_run() {
    let Some(repository) = Repository::new("unchecked").await else { return };
    let tagged = format!("{}/{}:1", repository.registry, repository.name);
    let scene = repository.scene(&tagged);
    scene.file("cosign.pub", key().1);
    let why = format!("image `{tagged}` cannot be checked: it must be referenced by digest");
    let done = called(&scene, &VERIFY).await.expect_code(1);
    assert!(done.stderr.contains(&why), "{}", done.stderr);
    let dry = ["run", "--dry-run", "--catalog", "catalog.yaml", "--servers", "echo"];
    let done = scene.run(dry.iter().chain(&VERIFY)).await;
    assert!(done.code != Some(0) && done.seen().contains(&why), "{}", done.seen());
    let scene = repository.scene(&repository.pinned());
    let name = format!("{}/{}", repository.registry, repository.name);
    let done = called(&scene, &["--verify-signatures"]).await.expect_code(1);
    let why = format!("image `{}` cannot be checked: no key is given for `{name}`", repository.pinned());
    assert!(done.stderr.contains(&why), "{}", done.stderr);
    // Wrong keys end the start.
    scene.file("cosign.pub", "no key");
    let done = called(&scene, &VERIFY).await.expect_code(2);
    assert!(done.stderr.contains("`cosign.pub` is no public key"), "{}", done.stderr);
    repository.remove().await;
}

/// Nothing of a container is made for an image that is refused.
#[tokio::test]
async fn a_refused_image_is_not_pulled() {
    let Some(repository) = Repository::new("pulled").await else { return };
    let scene = repository.scene(&repository.pinned());
    scene.file("cosign.pub", key().1);
    called(&scene, &VERIFY).await.expect_code(1);
    let engine: Arc<host_workload_docker::DockerEngine> = engine().await.unwrap();
    assert_eq!(engine.image(&repository.pinned()).await.unwrap(), None);
    repository.remove().await;
}

#[tokio::test]
async fn what_a_later_version_brings_is_refused_by_name() {
    let scene = crate::program::echo_scene();
    for (flag, value, what) in [
        ("--profile", "work", "profiles"),
        ("--oci-ref", "registry.example/acme:1", "servers and catalogues as OCI artefacts"),
        ("--mcp-registry", "https://registry.example/v0", "servers of MCP registries"),
    ] {
        let done = scene.run(["run", "--dry-run", flag, value]).await.expect_code(2);
        let why = format!("`{flag}` is not in this version: {what} come with a later one");
        assert!(done.stderr.contains(&why), "{}", done.stderr);
    }
}
