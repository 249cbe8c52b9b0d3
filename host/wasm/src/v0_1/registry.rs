//! `registry`: what images say about themselves, asked of their registries by the host, with the logins that it has. Which images a plugin may ask
//! about is decided here; who speaks to registries is somebody else's business.

use crate::image_words::{ImageLogin, ImageQuestion, ImageUnknown, ImageUnknownWhy};
use crate::limits::{LIST, TEXT};
use crate::sanitize::{LINE, line};
use crate::state::{CallState, Scope};
use crate::v0_1::bounds::Bounded;
use crate::v0_1::imported::registry::{Host, ImageConfig};
use crate::v0_1::types::{Failure, FailureCategory, Label, Part, RegistryLogin, SecretOwner, Value};
use host_provisioner::Workload;
use host_web::Target;
use host_workload_docker::{ImageConfiguration, Reference};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Bytes of a name in a refusal.
const SHOWN: usize = 200;
/// How long one question may take, with all its requests.
const WITHIN: Duration = Duration::from_secs(60);
/// Time that is kept for telling a plugin that there was no answer.
const NOTICE: Duration = Duration::from_millis(250);

impl Host for CallState {
    async fn image(
        &mut self,
        reference: String,
        platform: Option<String>,
        login: Option<RegistryLogin>,
    ) -> wasmtime::Result<Result<ImageConfig, Failure>> {
        self.enter("registry.image")?;
        reference.bounded()?;
        platform.bounded()?;
        login.bounded()?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        let within = self.remaining().saturating_sub(NOTICE).min(WITHIN);
        Ok(self.scope.image(&reference, platform.as_deref(), login, within).await)
    }
}

impl Bounded for RegistryLogin {
    fn bounded(&self) -> Result<(), crate::limits::Met> {
        self.registry.bounded()?;
        self.username.bounded()?;
        self.password.bounded()
    }
}

impl Scope {
    async fn image(
        &self,
        written: &str,
        platform: Option<&str>,
        login: Option<RegistryLogin>,
        within: Duration,
    ) -> Result<ImageConfig, Failure> {
        let reference: Reference =
            written.parse().map_err(|_| self.refuse(FailureCategory::Config, not_an_image(written)))?;
        let inside = self.may_ask(&reference)?;
        if let Some(odd) = platform.filter(|platform| !is_platform(platform)) {
            let text = format!("`{}` is no platform such as `linux/amd64`", line(odd, SHOWN));
            return Err(self.refuse(FailureCategory::Config, text));
        }
        let login = match login {
            Some(login) => Some(self.registry_login(&reference, &login).await?),
            None => None,
        };
        let Some(catalog) = self.host.image_catalog() else {
            let text = format!("find out what image `{}` says: nobody here knows", line(written, SHOWN));
            return Err(self.refuse(FailureCategory::Unsupported, text));
        };
        let began = Instant::now();
        let question = ImageQuestion { reference: written, platform, login, inside };
        let answer = tokio::select! {
            biased;
            () = self.call.cancelled.cancelled() => {
                Err(self.refuse(FailureCategory::Cancelled, "nobody waits for the answer any more"))
            }
            answer = tokio::time::timeout(within, catalog.configuration(question)) => match answer {
                Ok(answer) => answer.map_err(|unknown| self.image_unknown(unknown)),
                Err(_) => {
                    let text = format!("registry `{}` does not answer in time", line(reference.registry(), SHOWN));
                    Err(self.refuse(FailureCategory::Retryable, text))
                }
            },
        };
        let answer = answer.and_then(|found| self.image_config(written, found));
        self.audit_image(&reference, began.elapsed(), &answer);
        answer
    }

    /// Whether the plugin may ask about this image, and if so, whether its registry may be inside this network: the operator wrote it.
    fn may_ask(&self, reference: &Reference) -> Result<bool, Failure> {
        let name = reference.name();
        let own = self.server.as_ref().map(|server| &server.spec);
        let prepared = self.prepared.iter().flat_map(|all| all.iter());
        let is_own = own.into_iter().chain(prepared).any(|spec| match &spec.workload {
            Workload::Image { reference, .. } => {
                reference.parse::<Reference>().is_ok_and(|reference| reference.name() == name)
            }
            _ => false,
        });
        if is_own {
            return Ok(true);
        }
        let registry = reference.registry();
        let grant = self.plugin.grants.registry.as_ref();
        grant.and_then(|grant| grant.covers(registry)).ok_or_else(|| {
            let plugin = &self.plugin.name;
            let (shown, registry) = (line(&name, SHOWN), line(registry, SHOWN));
            let text = format!(
                "plugin `{plugin}` may not ask about image `{shown}`, which is no image of the server of this call"
            );
            let hint = format!(
                "if you trust it with that, grant it the registry: `plugins.{plugin}.grants.registry.hosts: [\"{registry}\"]`"
            );
            self.refuse_with(FailureCategory::Permission, text, hint)
        })
    }

    /// A login that the plugin gives: text, and secrets of its own that are bound to the registry.
    async fn registry_login(
        &self,
        reference: &Reference,
        login: &RegistryLogin,
    ) -> Result<ImageLogin, Failure> {
        let registry = reference.registry();
        if login.registry != registry {
            let text = format!(
                "the login is for registry `{}`, and the image is in `{}`",
                line(&login.registry, SHOWN),
                line(registry, SHOWN)
            );
            return Err(self.refuse(FailureCategory::Config, text));
        }
        let target = Target::parse(&format!("https://{registry}/"))
            .map_err(|error| self.refuse(FailureCategory::Config, line(&error.text, LINE)))?;
        let username = self.word_of_login(&login.username, &target).await?;
        let password = self.word_of_login(&login.password, &target).await?;
        if username.is_empty() || username.contains(':') {
            let text = "a login needs the name of a user, without a colon";
            return Err(self.refuse(FailureCategory::Config, text));
        }
        Ok(ImageLogin { username, password })
    }

    async fn word_of_login(&self, value: &Value, target: &Target) -> Result<Zeroizing<String>, Failure> {
        let mut word = Zeroizing::new(String::new());
        for part in value {
            match part {
                Part::Text(text) => word.push_str(text),
                Part::Secret(name) if name.owner == SecretOwner::Plugin => {
                    self.secret_may_go(&name.name, target)?;
                    word.push_str(&self.own_secret(&name.name).await?);
                }
                _ => {
                    let text = "a login is made of text and of secrets that are granted to the plugin";
                    let hint = format!("name the secret in `plugins.{}.grants.secrets`", self.plugin.name);
                    return Err(self.refuse_with(FailureCategory::Permission, text, hint));
                }
            }
        }
        Ok(word)
    }

    fn image_unknown(&self, unknown: ImageUnknown) -> Failure {
        let category = match unknown.why {
            ImageUnknownWhy::Missing => FailureCategory::Image,
            ImageUnknownWhy::Denied => FailureCategory::Permission,
            ImageUnknownWhy::Later => FailureCategory::Retryable,
        };
        let failure = self.refuse(category, line(&unknown.text, LINE));
        Failure { hint: unknown.hint.map(|hint| line(&hint, LINE)), ..failure }
    }

    /// What the contract says about the lengths of texts and lists holds for registries too.
    fn image_config(&self, written: &str, found: ImageConfiguration) -> Result<ImageConfig, Failure> {
        let texts = [&found.digest, &found.platform, &found.user, &found.working_directory];
        let labels = found.labels.iter().flat_map(|(key, value)| [key, value]);
        let lists = [&found.words.entrypoint, &found.words.arguments, &found.environment_names];
        let counts = [found.labels.len(), found.exposed_ports.len()];
        let too_long =
            texts.into_iter().chain(labels).chain(lists.into_iter().flatten()).any(|text| text.len() > TEXT)
                || lists.iter().map(|list| list.len()).chain(counts).any(|count| count > LIST);
        if too_long {
            let text = format!("image `{}` says more about itself than fits", line(written, SHOWN));
            return Err(self.refuse(FailureCategory::Image, text));
        }
        Ok(ImageConfig {
            digest: found.digest,
            platform: found.platform,
            entrypoint: found.words.entrypoint,
            arguments: found.words.arguments,
            user: found.user,
            working_directory: found.working_directory,
            labels: found.labels.into_iter().map(|(key, value)| Label { key, value }).collect(),
            environment_names: found.environment_names,
            exposed_ports: found.exposed_ports,
        })
    }

    /// The line of every question: who asked about what, and what came of it.
    fn audit_image(&self, reference: &Reference, took: Duration, answer: &Result<ImageConfig, Failure>) {
        let (digest, text) = match answer {
            Ok(found) => (found.digest.as_str(), ""),
            Err(failure) => ("", failure.text.as_str()),
        };
        let image = line(&reference.to_string(), SHOWN);
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (plugin, phase) = (&self.plugin.name, self.phase.as_str());
        // A question changes nothing; one that was refused is shown by default.
        if answer.is_ok() {
            tracing::debug!(target: "audit", plugin, phase, image, digest, milliseconds, "registry request");
        } else {
            tracing::info!(target: "audit", plugin, phase, image, milliseconds, text, "registry request");
        }
    }
}

fn not_an_image(written: &str) -> String {
    format!("`{}` is no reference to an image", line(written, SHOWN))
}

/// `linux/amd64`, `linux/arm/v7`.
fn is_platform(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let word = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    matches!(parts.len(), 2 | 3) && parts.iter().all(word)
}

#[cfg(test)]
mod tests {
    use super::is_platform;

    #[test]
    fn platforms_have_two_or_three_words() {
        for text in ["linux/amd64", "linux/arm/v7", "windows/amd64"] {
            assert!(is_platform(text), "{text}");
        }
        for text in ["", "linux", "linux/", "/amd64", "linux/amd64/v2/x", "linux/a b"] {
            assert!(!is_platform(text), "{text}");
        }
    }
}
