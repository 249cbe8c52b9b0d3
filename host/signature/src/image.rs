//! What an image says about itself: the words that it starts with. For platforms that must know them before they run it.

use crate::refusal::Refusal;
use crate::registry::{Missing, Registries};
use bytes::Bytes;
use host_workload_docker::Reference;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Words of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageWords {
    /// What it starts.
    pub entrypoint: Vec<String>,
    /// What it gives to that, where nobody says otherwise.
    pub arguments: Vec<String>,
}

/// A manifest, or a list of manifests.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    config: Option<Described>,
    #[serde(default)]
    manifests: Vec<Platformed>,
}

#[derive(Deserialize)]
struct Described {
    digest: String,
}

#[derive(Deserialize)]
struct Platformed {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// The blob (image specification, "Image Configuration").
#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    config: Option<Words>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Words {
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    cmd: Option<Vec<String>>,
}

impl Registries {
    /// The words that an image starts with on Linux on an architecture (`amd64`).
    ///
    /// # Errors
    /// There is no such image, or its registry does not say.
    pub async fn image_words(&self, image: &str, architecture: &str) -> Result<ImageWords, Refusal> {
        let reference: Reference =
            image.parse().map_err(|error: host_workload_docker::Error| Refusal::new(error.to_string()))?;
        let missing = |missing: Missing| match missing {
            Missing::NotThere => {
                Refusal::new(format!("registry `{}` has no image `{image}`", reference.registry()))
            }
            Missing::Refused(refusal) => {
                Refusal { text: format!("find out what image `{image}` starts: {}", refusal.text), ..refusal }
            }
        };
        let at = reference.digest().or(reference.tag()).unwrap_or("latest");
        let mut bytes = self.any_manifest(&reference, at).await.map_err(missing)?;
        // A list names one for each platform; none names further lists.
        for asked in [at.to_owned(), String::new()] {
            is_of(&bytes, &asked, image)?;
            let manifest: Manifest = read(&bytes, image)?;
            if let Some(config) = manifest.config {
                let blob = self.blob(&reference, &config.digest).await.map_err(missing)?;
                is_of(&blob, &config.digest, image)?;
                let configuration: Configuration = read(&blob, image)?;
                let words = configuration.config.unwrap_or(Words { entrypoint: None, cmd: None });
                return Ok(ImageWords {
                    entrypoint: words.entrypoint.unwrap_or_default(),
                    arguments: words.cmd.unwrap_or_default(),
                });
            }
            let fits = |one: &&Platformed| {
                one.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == architecture)
            };
            let Some(one) = manifest.manifests.iter().find(fits) else { break };
            bytes = self.any_manifest(&reference, &one.digest).await.map_err(missing)?;
            is_of(&bytes, &one.digest, image)?;
        }
        Err(Refusal::new(format!("image `{image}` is not there for linux/{architecture}")))
    }
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], image: &str) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| {
        Refusal::new(format!("the registry's answer about image `{image}` is none: {error}"))
    })
}

/// What was asked for by its digest has it.
fn is_of(bytes: &Bytes, digest: &str, image: &str) -> Result<(), Refusal> {
    let Some(hex) = digest.strip_prefix("sha256:") else { return Ok(()) };
    let own: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if own == hex {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "the registry's answer about image `{image}` does not have the digest that was asked for"
    )))
}
