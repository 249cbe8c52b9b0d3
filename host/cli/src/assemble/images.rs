//! The policy for images, as the flags say, and what registries know about them.

use crate::args::ImageArgs;
use crate::environment::Environment;
use crate::output::Usage;
use anyhow::Result;
use async_trait::async_trait;
use host_signature::{Key, Policy, Refusal, Registries, Rule, Trust, Unknown};
use host_wasm::{ImageCatalog, ImagePolicy, ImageQuestion, ImageUnknown, ImageUnknownWhy, NotTrusted};
use host_workload_docker::{ImageConfiguration, ImageWords, Login, LoginFile, SecretText};
use std::sync::Arc;

struct Signed(Policy);

#[async_trait]
impl ImagePolicy for Signed {
    async fn check(&self, reference: &str) -> Result<(), NotTrusted> {
        self.0.check(reference).await.map_err(not_trusted)
    }
}

fn not_trusted(refusal: Refusal) -> NotTrusted {
    NotTrusted { text: refusal.text, hint: refusal.hint, later: refusal.later }
}

/// What registries say about images.
struct Asked(Registries);

#[async_trait]
impl ImageCatalog for Asked {
    async fn words(
        &self,
        reference: &str,
        architecture: &str,
        logins: &[LoginFile],
    ) -> Result<ImageWords, NotTrusted> {
        let registries = Registries { login_files: logins.to_vec(), ..self.0.clone() };
        registries.image_words(reference, architecture).await.map_err(not_trusted)
    }

    async fn configuration(&self, question: ImageQuestion<'_>) -> Result<ImageConfiguration, ImageUnknown> {
        let login = question.login.as_ref().map(|login| Login {
            username: login.username.to_string(),
            password: SecretText::new(login.password.as_str()),
        });
        let asked = host_signature::ImageQuestion {
            image: question.reference,
            platform: question.platform,
            login: login.as_ref(),
            inside: question.inside,
        };
        self.0.image_configuration(&asked).await.map_err(unknown)
    }
}

fn unknown(unknown: Unknown) -> ImageUnknown {
    let (why, refusal) = match unknown {
        Unknown::NotThere(refusal) => (ImageUnknownWhy::Missing, refusal),
        Unknown::Refused(refusal) if refusal.later => (ImageUnknownWhy::Later, refusal),
        Unknown::Refused(refusal) if refusal.denied => (ImageUnknownWhy::Denied, refusal),
        Unknown::Refused(refusal) => (ImageUnknownWhy::Missing, refusal),
    };
    ImageUnknown { why, text: refusal.text, hint: refusal.hint }
}

/// Who knows what images start.
pub(crate) fn catalog(environment: &Environment) -> Arc<dyn ImageCatalog> {
    Arc::new(Asked(registries(environment)))
}

/// The policy; `None` where every image may run.
///
/// # Errors
/// A key cannot be read.
pub(crate) fn policy(args: &ImageArgs, environment: &Environment) -> Result<Option<Arc<dyn ImagePolicy>>> {
    if !args.verify_signatures {
        return Ok(None);
    }
    let rules = args.signature_key.iter().map(|text| rule(text)).collect::<Result<Vec<_>, Usage>>()?;
    Ok(Some(Arc::new(Signed(Policy::new(rules, registries(environment))))))
}

/// Registries with the logins of this machine.
fn registries(environment: &Environment) -> Registries {
    Registries { docker_config: environment.docker().config_dir, login_files: Vec::new() }
}

/// `[IMAGES=]FILE`.
fn rule(text: &str) -> Result<Rule, Usage> {
    let (images, file) = text.split_once('=').unwrap_or(("", text));
    let images = complete(images);
    if file == "digest" {
        return Ok(Rule { images, trust: Trust::Digest });
    }
    let pem = std::fs::read_to_string(file)
        .map_err(|error| Usage(format!("`--signature-key {text}`: read `{file}`: {error}")))?;
    let key = Key::parse(file, &pem).map_err(|why| Usage(format!("`--signature-key {text}`: {why}")))?;
    Ok(Rule { images, trust: Trust::Key(key) })
}

/// `mcp/*` is `docker.io/mcp/*`, as references are written out.
fn complete(images: &str) -> String {
    let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
    match images.split_once('/') {
        _ if images.is_empty() || images == "*" => images.to_owned(),
        Some((first, _)) if is_host(first) => images.to_owned(),
        Some(_) => format!("docker.io/{images}"),
        None => format!("docker.io/library/{images}"),
    }
}

#[cfg(test)]
mod tests {
    use super::complete;

    #[test]
    fn patterns_are_written_out_as_references_are() {
        for (written, whole) in [
            ("", ""),
            ("*", "*"),
            ("mcp/*", "docker.io/mcp/*"),
            ("notes", "docker.io/library/notes"),
            ("registry.example/a/*", "registry.example/a/*"),
            ("localhost/a", "localhost/a"),
        ] {
            assert_eq!(complete(written), whole);
        }
    }
}
