//! Images of one program, made in memory and loaded into the engine: no registry and no build is needed for them.

use crate::engine::DockerEngine;
use crate::error::{Error, ErrorKind};
use bollard::query_parameters::ImportImageOptionsBuilder;
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{Either, Full};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// An image that holds one static program and nothing else.
#[derive(Debug, Clone)]
pub struct ProgramImage {
    /// Repository, without a tag: `gateway-egress`. The tag follows from the program.
    pub repository: String,
    /// The program: a static executable for Linux.
    pub program: Bytes,
    /// What it was built for, as the engine calls it: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Labels of the image, beside the program's digest.
    pub labels: Vec<(String, String)>,
}

/// The label that holds the SHA-256 of the program.
const DIGEST: &str = "gateway-program";

impl ProgramImage {
    fn digest(&self) -> String {
        hex(&self.program)
    }

    /// `gateway-egress:` and the beginning of the program's digest: another program is another image.
    #[must_use]
    pub fn reference(&self) -> String {
        let digest = self.digest();
        format!("{}:{}", self.repository, digest.get(..16).unwrap_or(&digest))
    }

    /// The image as `docker save` would write it (image specification 1.2): layer, configuration, manifest.
    ///
    /// # Errors
    /// The name cannot be the name of a file.
    fn archive(&self) -> Result<Bytes, Error> {
        let name = self.repository.rsplit('/').next().unwrap_or(&self.repository);
        let fail = |error: std::io::Error| Error::specification(format!("make image `{name}`: {error}"));
        let layer = tar(&[(name, 0o755, &self.program)]).map_err(fail)?;
        let mut labels: serde_json::Map<String, serde_json::Value> =
            self.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        labels.insert(DIGEST.to_owned(), json!(self.digest()));
        let architecture = match self.architecture.as_str() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Entrypoint": [format!("/{name}")], "Labels": labels, "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": name}],
        })
        .to_string();
        let config_name = format!("{}.json", hex(config.as_bytes()));
        let manifest =
            json!([{"Config": config_name, "RepoTags": [self.reference()], "Layers": ["layer.tar"]}]);
        let files = [
            (config_name.as_str(), 0o644, config.as_bytes()),
            ("layer.tar", 0o644, layer.as_slice()),
            ("manifest.json", 0o644, manifest.to_string().as_bytes()),
        ]
        .map(|(name, mode, content)| (name, mode, content.to_vec()));
        let files: Vec<(&str, u32, &[u8])> =
            files.iter().map(|(name, mode, content)| (*name, *mode, content.as_slice())).collect();
        Ok(tar(&files).map_err(fail)?.into())
    }
}

impl DockerEngine {
    /// Makes sure that an image of a program is on the engine; its reference. It stays there for the next time.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when the engine's machine cannot run the program, [`ErrorKind::Quota`] when it has no space.
    pub async fn ensure_program(&self, image: &ProgramImage) -> Result<String, Error> {
        let reference = image.reference();
        if let Some(found) = self.image(&reference).await?
            && found.labels.iter().any(|(key, value)| key == DIGEST && *value == image.digest())
        {
            return Ok(reference);
        }
        let what = format!("load image `{reference}`");
        let info = self.info().await?;
        if info.os != "linux" || info.architecture != image.architecture {
            let text = format!(
                "{what}: the engine runs on {}/{}, and the program is for linux/{}",
                info.os, info.architecture, image.architecture
            );
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let body = Either::Left(Full::new(image.archive()?));
        let docker = self.docker().await?;
        let mut steps = docker.import_image(options, body, None).boxed();
        while let Some(step) = steps.next().await {
            step.map_err(|error| Error::of(&what, &error))?;
        }
        Ok(reference)
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a text cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn tar(files: &[(&str, u32, &[u8])]) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(0);
        builder.append_data(&mut header, name, *content)?;
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn an_image_names_its_parts_by_what_is_in_them() {
        let image = ProgramImage {
            repository: "gateway-egress".to_owned(),
            program: Bytes::from_static(b"program"),
            architecture: "x86_64".to_owned(),
            labels: vec![("gateway-image".to_owned(), "egress".to_owned())],
        };
        let digest = hex(b"program");
        assert_eq!(image.reference(), format!("gateway-egress:{}", &digest[..16]));
        let archive = image.archive().unwrap();
        let mut files = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(archive.as_ref()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(name, content);
        }
        let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        let config = manifest[0]["Config"].as_str().unwrap();
        assert_eq!(config, format!("{}.json", hex(&files[config])));
        let config: serde_json::Value = serde_json::from_slice(&files[config]).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", hex(&files["layer.tar"])));
        assert_eq!(config["config"]["Labels"][DIGEST], digest);
        assert_eq!(config["architecture"], "amd64");
        let mut layer = tar::Archive::new(files["layer.tar"].as_slice());
        let entry = layer.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().display().to_string(), "gateway-egress");
        assert_eq!(entry.header().mode().unwrap(), 0o755);
        // The same program makes the same image, so that it is loaded once.
        assert_eq!(image.archive().unwrap(), archive);
    }
}
