//! The operator's policy: which images are trusted by what.

use crate::key::Key;
use crate::refusal::Refusal;
use crate::registry::{Missing, Registries};
use crate::signed::{MOST, Manifest};
use host_workload_docker::Reference;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// By what an image is trusted.
#[derive(Debug, Clone)]
pub enum Trust {
    /// By a signature of this key.
    Key(Key),
    /// By its digest alone.
    Digest,
}

/// One line of the policy.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Registry and repository, completely written out; a `*` at the end stands for anything. Empty: every image.
    pub images: String,
    /// By what they are trusted.
    pub trust: Trust,
}

impl Rule {
    fn fits(&self, name: &str) -> bool {
        match self.images.strip_suffix('*') {
            _ if self.images.is_empty() => true,
            Some(start) => name.starts_with(start),
            None => name == self.images,
        }
    }
}

/// See the module.
pub struct Policy {
    rules: Vec<Rule>,
    registries: Registries,
    /// What has passed. A digest is for ever, so nothing is asked twice.
    passed: Mutex<BTreeSet<String>>,
}

impl Policy {
    /// A policy of these rules.
    #[must_use]
    pub fn new(rules: Vec<Rule>, registries: Registries) -> Self {
        Self { rules, registries, passed: Mutex::default() }
    }

    /// Whether an image may run.
    ///
    /// # Errors
    /// It has no digest, no rule trusts it, its signature is missing or wrong, or its registry cannot be asked.
    pub async fn check(&self, image: &str) -> Result<(), Refusal> {
        let reference: Reference =
            image.parse().map_err(|error: host_workload_docker::Error| Refusal::new(error.to_string()))?;
        let Some(digest) = reference.digest() else {
            let text = format!("image `{image}` cannot be checked: it must be referenced by digest");
            return Err(Refusal::new(text)
                .with_hint(format!("write `{image}@sha256:…`, or leave `--verify-signatures` away")));
        };
        let name = reference.name();
        let rules: Vec<&Rule> = self.rules.iter().filter(|rule| rule.fits(&name)).collect();
        if rules.iter().any(|rule| matches!(rule.trust, Trust::Digest)) {
            return Ok(());
        }
        let keys: Vec<&Key> = rules
            .iter()
            .filter_map(|rule| match &rule.trust {
                Trust::Key(key) => Some(key),
                Trust::Digest => None,
            })
            .collect();
        if keys.is_empty() {
            let text = format!("image `{image}` cannot be checked: no key is given for `{name}`");
            return Err(Refusal::new(text).with_hint(format!(
                "give its publisher's key with `--signature-key {name}=FILE`, or `--signature-key {name}=digest` if the digest is enough for you"
            )));
        }
        let pinned = format!("{name}@{digest}");
        if self.lock().contains(&pinned) {
            return Ok(());
        }
        self.verify(image, &reference, digest, &keys).await?;
        self.lock().insert(pinned);
        Ok(())
    }

    async fn verify(
        &self,
        image: &str,
        reference: &Reference,
        digest: &str,
        keys: &[&Key],
    ) -> Result<(), Refusal> {
        let tag = format!("{}.sig", digest.replacen(':', "-", 1));
        let mut reasons = BTreeSet::new();
        for repository in repositories(reference) {
            let manifest = match self.registries.manifest(&repository, &tag).await {
                Ok(manifest) => manifest,
                Err(Missing::NotThere) => continue,
                Err(Missing::Refused(refusal)) => return Err(named(image, refusal)),
            };
            let manifest: Manifest = serde_json::from_slice(&manifest).unwrap_or_default();
            for layer in manifest.layers.iter().filter(|layer| layer.is_payload()).take(MOST) {
                if layer.is_keyless() {
                    reasons.insert("it is signed without a key (keyless), which this version does not check");
                    continue;
                }
                let payload = match self.registries.blob(&repository, &layer.digest).await {
                    Ok(payload) => payload,
                    Err(Missing::NotThere) => {
                        reasons.insert("the signed text is not in the registry");
                        continue;
                    }
                    Err(Missing::Refused(refusal)) => return Err(named(image, refusal)),
                };
                match layer.verify(&payload, digest, keys) {
                    Ok(()) => return Ok(()),
                    Err(reason) => {
                        reasons.insert(reason);
                    }
                }
            }
        }
        let reasons: Vec<_> = reasons.into_iter().collect();
        let why = if reasons.is_empty() { "it is not signed".to_owned() } else { reasons.join("; ") };
        let names: Vec<_> = keys.iter().map(|key| format!("`{}`", key.name())).collect();
        Err(Refusal::new(format!("image `{image}` is not trusted: {why} (keys: {})", names.join(", "))))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where signatures of an image may lie. Docker keeps those of its own MCP images apart (`docker-mcp-gateway.md` 14.1).
fn repositories(image: &Reference) -> Vec<Reference> {
    let mut all = vec![image.clone()];
    if image.name().starts_with("docker.io/mcp/")
        && let Ok(apart) = "docker.io/mcp/signatures".parse()
    {
        all.push(apart);
    }
    all
}

fn named(image: &str, refusal: Refusal) -> Refusal {
    Refusal { text: format!("image `{image}` cannot be checked: {}", refusal.text), ..refusal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::tests::made;

    fn digest() -> String {
        format!("sha256:{}", "ab".repeat(32))
    }

    #[tokio::test]
    async fn what_cannot_be_checked_is_refused_by_name() {
        let key = || Trust::Key(Key::parse("acme.pub", &made().1).unwrap());
        let rule = |images: &str, trust| Rule { images: images.to_owned(), trust };
        let rules =
            vec![rule("registry.example/acme/*", key()), rule("registry.example/pinned", Trust::Digest)];
        let policy = Policy::new(rules, Registries::default());
        let refused = |image: String| {
            let policy = &policy;
            async move { policy.check(&image).await.unwrap_err() }
        };
        let error = refused("registry.example/acme/notes:2".to_owned()).await;
        let why = "image `registry.example/acme/notes:2` cannot be checked: it must be referenced by digest";
        assert_eq!((error.text.as_str(), error.later), (why, false));
        let image = format!("registry.example/other/notes@{}", digest());
        let error = refused(image.clone()).await;
        let why =
            format!("image `{image}` cannot be checked: no key is given for `registry.example/other/notes`");
        assert_eq!(error.text, why);
        assert!(error.hint.unwrap().contains("`--signature-key registry.example/other/notes=FILE`"));
        assert_eq!(policy.check(&format!("registry.example/pinned:1@{}", digest())).await, Ok(()));
        assert!(policy.check("registry.example/pinned:1").await.is_err(), "a tag may move");
        // Nobody answers there.
        let nobody = Policy::new(vec![rule("", key())], Registries::default());
        let image = format!("127.0.0.1:1/acme/notes@{}", digest());
        let error = nobody.check(&image).await.unwrap_err();
        assert!(error.later, "{error}");
        let start = format!("image `{image}` cannot be checked: registry `127.0.0.1:1` could not be asked: ");
        assert!(error.text.starts_with(&start), "{error}");
    }
}
