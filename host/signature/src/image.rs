//! What an image says about itself: the words that it starts with, its user, its ports. For platforms that must know before they run it.

use crate::refusal::Refusal;
use crate::registry::{How, Missing, Registries};
use bytes::Bytes;
use host_workload_docker::{ImageConfiguration, ImageWords, Login, Reference};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What is asked about an image.
pub struct ImageQuestion<'a> {
    /// The reference, as somebody wrote it.
    pub image: &'a str,
    /// `linux/amd64`, `linux/arm64/v8`; without it, of an image for several platforms that for `linux/amd64`, or the first.
    pub platform: Option<&'a str>,
    /// Instead of the login that Docker has for the registry.
    pub login: Option<&'a Login>,
    /// Whether the registry may be at an address that is not public.
    pub inside: bool,
}

/// Why nothing is known about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// There is none of that name, or none for that platform.
    NotThere(Refusal),
    /// The registry does not tell, or what it tells is wrong.
    Refused(Refusal),
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

/// A platform, in a list or in a configuration.
#[derive(Deserialize, Default)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl Platform {
    /// Whether it is the one that is asked for. Who asks for no variant takes any.
    fn fits(&self, asked: &str) -> bool {
        let mut parts = asked.splitn(3, '/');
        let same = parts.next() == Some(self.os.as_str()) && parts.next() == Some(self.architecture.as_str());
        same && parts.next().is_none_or(|variant| self.variant.as_deref() == Some(variant))
    }

    fn written(&self) -> String {
        let variant = self.variant.as_deref().map(|variant| format!("/{variant}")).unwrap_or_default();
        format!("{}/{}{variant}", self.os, self.architecture)
    }
}

/// The blob (image specification, "Image Configuration").
#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    config: Option<Settings>,
    #[serde(flatten)]
    platform: Platform,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Settings {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    env: Option<Vec<String>>,
    exposed_ports: Option<Map<String, Value>>,
}

impl Settings {
    fn words(&mut self) -> ImageWords {
        ImageWords {
            entrypoint: self.entrypoint.take().unwrap_or_default(),
            arguments: self.cmd.take().unwrap_or_default(),
        }
    }
}

/// An image's manifests, read until its configuration.
struct Found {
    digest: String,
    /// What the list said, where there was one.
    listed: Option<String>,
    configuration: Configuration,
}

impl Registries {
    /// The words that an image starts with on Linux on an architecture (`amd64`).
    ///
    /// # Errors
    /// There is no such image, or its registry does not say.
    pub async fn image_words(&self, image: &str, architecture: &str) -> Result<ImageWords, Refusal> {
        let platform = format!("linux/{architecture}");
        let question = ImageQuestion { image, platform: Some(&platform), login: None, inside: true };
        match self.found(&question).await {
            Ok(found) => Ok(found.configuration.config.unwrap_or_default().words()),
            Err(Unknown::NotThere(refusal) | Unknown::Refused(refusal)) => Err(refusal),
        }
    }

    /// What an image says about itself.
    ///
    /// # Errors
    /// There is no such image, or its registry does not say.
    pub async fn image_configuration(
        &self,
        question: &ImageQuestion<'_>,
    ) -> Result<ImageConfiguration, Unknown> {
        let Found { digest, listed, configuration } = self.found(question).await?;
        let own = &configuration.platform;
        let platform = listed.unwrap_or_else(|| own.written());
        if let Some(asked) = question.platform
            && !own.os.is_empty()
            && !own.fits(asked)
        {
            let text = format!("image `{}` is for {}, and not for {asked}", question.image, own.written());
            return Err(Unknown::NotThere(Refusal::new(text)));
        }
        let mut settings = configuration.config.unwrap_or_default();
        let name = |variable: String| match variable.split_once('=') {
            Some((name, _)) => name.to_owned(),
            None => variable,
        };
        // `8080/tcp`, `8080`; a range is no port that could be told.
        let port = |key: &String| key.split('/').next()?.parse().ok();
        Ok(ImageConfiguration {
            digest,
            platform,
            words: settings.words(),
            user: settings.user.unwrap_or_default(),
            working_directory: settings.working_dir.unwrap_or_default(),
            labels: settings.labels.unwrap_or_default().into_iter().collect(),
            environment_names: settings.env.unwrap_or_default().into_iter().map(name).collect(),
            exposed_ports: settings.exposed_ports.unwrap_or_default().keys().filter_map(port).collect(),
        })
    }

    async fn found(&self, question: &ImageQuestion<'_>) -> Result<Found, Unknown> {
        let &ImageQuestion { image, platform, login, inside } = question;
        let how = How { login, inside };
        let reference: Reference = image.parse().map_err(|error: host_workload_docker::Error| {
            Unknown::Refused(Refusal::new(error.to_string()))
        })?;
        let missing = |missing: Missing| match missing {
            Missing::NotThere => {
                let text = format!("registry `{}` has no image `{image}`", reference.registry());
                Unknown::NotThere(Refusal::new(text))
            }
            Missing::Refused(refusal) => {
                let text = format!("find out what image `{image}` starts: {}", refusal.text);
                Unknown::Refused(Refusal { text, ..refusal })
            }
        };
        let at = reference.digest().or(reference.tag()).unwrap_or("latest");
        let top = self.any_manifest(&reference, at, how).await.map_err(missing)?;
        if let Some(digest) = reference.digest() {
            is_of(&top, digest, image)?;
        }
        let digest = digest_of(&top);
        let mut manifest: Manifest = read(&top, image)?;
        let mut listed = None;
        // A list names one for each platform; none names further lists.
        if manifest.config.is_none() {
            let Some((one, written)) = choose(&manifest.manifests, platform) else {
                let text = match platform {
                    Some(platform) => format!("image `{image}` is not there for {platform}"),
                    None => format!("image `{image}` is there for no platform"),
                };
                return Err(Unknown::NotThere(Refusal::new(text)));
            };
            let bytes = self.any_manifest(&reference, &one, how).await.map_err(missing)?;
            is_of(&bytes, &one, image)?;
            manifest = read(&bytes, image)?;
            listed = Some(written);
        }
        let Some(config) = manifest.config else {
            let text = format!("the registry's answer about image `{image}` names no configuration");
            return Err(Unknown::Refused(Refusal::new(text)));
        };
        let blob = self.blob_as(&reference, &config.digest, how).await.map_err(missing)?;
        is_of(&blob, &config.digest, image)?;
        Ok(Found { digest, listed, configuration: read(&blob, image)? })
    }
}

/// The one of a list that is asked for, by its digest, and its platform.
fn choose(list: &[Platformed], asked: Option<&str>) -> Option<(String, String)> {
    let of = |fits: &dyn Fn(&Platform) -> bool| {
        list.iter().find_map(|one| {
            let platform = one.platform.as_ref().filter(|platform| fits(platform))?;
            Some((one.digest.clone(), platform.written()))
        })
    };
    match asked {
        Some(asked) => of(&|platform| platform.fits(asked)),
        // What is attached to an image (signatures, lists of parts) is for no platform that there is.
        None => {
            of(&|platform| platform.fits("linux/amd64")).or_else(|| of(&|platform| platform.os != "unknown"))
        }
    }
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], image: &str) -> Result<T, Unknown> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = format!("the registry's answer about image `{image}` is none: {error}");
        Unknown::Refused(Refusal::new(text))
    })
}

fn digest_of(bytes: &Bytes) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// What was asked for by its digest has it. A digest that cannot be computed here is none.
fn is_of(bytes: &Bytes, asked: &str, image: &str) -> Result<(), Unknown> {
    let text = if !asked.starts_with("sha256:") {
        format!(
            "image `{image}` names a part by a digest that is none of sha256, and no other can be checked"
        )
    } else if digest_of(bytes) != asked {
        format!("the registry's answer about image `{image}` does not have the digest that was asked for")
    } else {
        return Ok(());
    };
    Err(Unknown::Refused(Refusal::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(platforms: &[(&str, &str, Option<&str>)]) -> Vec<Platformed> {
        let one = |(at, (os, architecture, variant)): (usize, &(&str, &str, Option<&str>))| Platformed {
            digest: at.to_string(),
            platform: Some(Platform {
                os: (*os).to_owned(),
                architecture: (*architecture).to_owned(),
                variant: variant.map(str::to_owned),
            }),
        };
        platforms.iter().enumerate().map(one).collect()
    }

    #[test]
    fn of_a_list_the_platform_that_is_asked_for_is_taken() {
        let all = list(&[
            ("unknown", "unknown", None),
            ("linux", "arm64", Some("v8")),
            ("linux", "arm", Some("v6")),
            ("linux", "arm", Some("v7")),
            ("linux", "amd64", None),
        ]);
        for (asked, found) in [
            (Some("linux/amd64"), Some(("4", "linux/amd64"))),
            (Some("linux/arm64"), Some(("1", "linux/arm64/v8"))),
            (Some("linux/arm/v7"), Some(("3", "linux/arm/v7"))),
            (Some("linux/s390x"), None),
            (Some("linux"), None),
            (None, Some(("4", "linux/amd64"))),
        ] {
            let chosen = choose(&all, asked);
            assert_eq!(chosen.as_ref().map(|(digest, written)| (digest.as_str(), written.as_str())), found);
        }
        let other = choose(&list(&[("unknown", "unknown", None), ("linux", "arm64", None)]), None);
        assert_eq!(other.unwrap().1, "linux/arm64");
    }

    #[test]
    fn what_was_asked_for_by_a_digest_has_that_digest() {
        let bytes = Bytes::from_static(b"{}");
        let own = digest_of(&bytes);
        assert_eq!(is_of(&bytes, &own, "a"), Ok(()));
        let none = "image `a` names a part by a digest that is none of sha256, and no other can be checked";
        for (asked, text) in [
            (own.replace("sha256", "sha512"), none),
            (own.replace("sha256:", ""), none),
            (String::new(), none),
            (
                own.replace('4', "5"),
                "the registry's answer about image `a` does not have the digest that was asked for",
            ),
        ] {
            let expected = Err(Unknown::Refused(Refusal::new(text)));
            assert_eq!(is_of(&bytes, &asked, "a"), expected, "{asked}");
        }
    }

    #[test]
    fn a_configuration_is_read_with_what_it_leaves_out() {
        let text = br#"{"architecture": "arm64", "os": "linux", "variant": "v8", "rootfs": {},
            "config": {"Cmd": ["--a"], "Env": ["PATH=/bin", "X"], "ExposedPorts": {"8080/tcp": {}, "9": {}, "1-2/udp": {}}, "Labels": null}}"#;
        let read: Configuration = serde_json::from_slice(text).unwrap();
        assert_eq!(read.platform.written(), "linux/arm64/v8");
        let mut settings = read.config.unwrap();
        assert_eq!(
            settings.words(),
            ImageWords { entrypoint: Vec::new(), arguments: vec!["--a".to_owned()] }
        );
        assert_eq!(settings.exposed_ports.unwrap().len(), 3);
        let empty: Configuration = serde_json::from_slice(b"{}").unwrap();
        assert!(empty.config.is_none());
    }
}
