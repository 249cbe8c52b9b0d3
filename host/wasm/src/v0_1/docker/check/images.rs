//! Which images a plugin may use, and which one gets a server's secrets.

use super::{Checked, SHOWN};
use crate::grants::DockerGrant;
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::bounds::Bounded;
use crate::v0_1::docker::{Docker, engine};
use crate::v0_1::imported::docker::{ContainerSpec, ImageRequest};
use crate::v0_1::types::{Failure, FailureCategory, PullPolicy};
use host_provisioner::Workload;
use host_workload_docker::Reference;

impl Docker<'_> {
    /// The image is granted; one that gets secrets is the server's own, at the approved digest.
    pub(super) async fn image_fits(
        &self,
        spec: &ContainerSpec,
        server: &ServerScope,
        grant: &DockerGrant,
        secrets: bool,
    ) -> Checked {
        let own = match &server.spec.workload {
            Workload::Image { reference, digest, .. } => Some((reference, digest)),
            Workload::Component { .. }
            | Workload::Bundled { .. }
            | Workload::Command { .. }
            | Workload::Remote { .. }
            | Workload::Tools { .. }
            | Workload::Listening { .. } => None,
        };
        let is_own = match own {
            None => false,
            Some((reference, digest)) if spec.image.starts_with("sha256:") => {
                let request = engine::ImageRequest {
                    digest: digest.clone(),
                    pull: engine::PullPolicy::Never,
                    ..engine::ImageRequest::new(reference)
                };
                let found = self.docker()?.ensure_image(&request, |_| {}).await;
                found.is_ok_and(|image| image.id == spec.image || image.digest.as_ref() == Some(&spec.image))
            }
            Some((reference, digest)) => same_image(&spec.image, reference, digest.as_deref()),
        };
        if secrets && !is_own {
            let text = format!(
                "image `{}` may not get secrets of server `{}`: it is not the server's own",
                line(&spec.image, SHOWN),
                line(&server.spec.name, SHOWN)
            );
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        let written = own.filter(|_| is_own).map_or(spec.image.as_str(), |(reference, _)| reference.as_str());
        self.image_granted(written, grant)?;
        // An id says nothing about where an image comes from; the entry's own reference led to it.
        let named = if spec.image.starts_with("sha256:") { written } else { &spec.image };
        self.image_trusted(named, own.filter(|_| is_own).and_then(|(_, digest)| digest.as_deref())).await
    }

    pub(super) fn image_granted(&self, image: &str, grant: &DockerGrant) -> Checked {
        if grant.images.iter().any(|pattern| pattern.matches(image)) {
            return Ok(());
        }
        let plugin = &self.plugin.name;
        let image = line(image, SHOWN);
        let text = format!("plugin `{plugin}` may not use image `{image}`");
        let hint =
            format!("if you trust it with that, add `{image}` to `plugins.{plugin}.grants.docker.images`");
        Err(self.refuse_with(FailureCategory::Permission, text, hint))
    }

    /// A request for an image that is granted, with credentials that the host fills in.
    pub(in crate::v0_1::docker) fn image_request(
        &self,
        image: ImageRequest,
    ) -> Result<engine::ImageRequest, Failure> {
        let Some(grant) = &self.plugin.grants.docker else {
            return Err(self.refuse(FailureCategory::Permission, "`docker` is not granted"));
        };
        self.image_granted(&image.reference, grant)?;
        if image.login.is_some() {
            let text = "this gateway logs in to registries with the machine's own credentials only";
            let hint = "log in with `docker login`";
            return Err(self.refuse_with(FailureCategory::Unsupported, text, hint));
        }
        Ok(engine::ImageRequest {
            reference: image.reference,
            digest: image.digest,
            platform: image.platform,
            pull: match image.pull {
                PullPolicy::Never => engine::PullPolicy::Never,
                PullPolicy::Missing => engine::PullPolicy::Missing,
                PullPolicy::Always => engine::PullPolicy::Always,
            },
            login: None,
        })
    }
}

/// Whether `asked` is the server's image: the same name, and the approved digest if there is one, else the same tag or digest.
fn same_image(asked: &str, own: &str, digest: Option<&str>) -> bool {
    // `name:tag@digest` is how a tag and its approved digest are written together.
    let (Ok(asked), Ok(own)) = (asked.parse::<Reference>(), own.parse::<Reference>()) else { return false };
    let approved = digest.or(own.digest());
    asked.name() == own.name()
        && match approved {
            Some(digest) => asked.digest() == Some(digest),
            None => asked.digest().is_none() && asked.tag() == own.tag(),
        }
}

impl Bounded for ImageRequest {
    fn bounded(&self) -> Result<(), crate::limits::Met> {
        self.reference.bounded()?;
        self.digest.bounded()?;
        self.platform.bounded()
    }
}

#[cfg(test)]
mod tests {
    use super::same_image;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn another_tag_or_digest_is_another_image() {
        let pinned = |image: &str| format!("{image}@{A}");
        for (asked, own, digest, same) in [
            ("acme/notes:2", "acme/notes:2", None, true),
            ("docker.io/acme/notes:2", "acme/notes:2", None, true),
            ("acme/notes", "acme/notes:latest", None, true),
            ("acme/notes:3", "acme/notes:2", None, false),
            ("evil/notes:2", "acme/notes:2", None, false),
            (&pinned("acme/notes:2"), "acme/notes:2", Some(A), true),
            (&pinned("acme/notes"), "acme/notes:2", Some(A), true),
            (&pinned("acme/notes"), "acme/notes:2", Some(B), false),
            ("acme/notes:2", "acme/notes:2", Some(A), false),
            (&pinned("acme/notes"), "acme/notes:2", None, false),
            (&pinned("acme/notes"), &pinned("acme/notes:2"), None, true),
            ("a b", "a b", None, false),
        ] {
            assert_eq!(same_image(asked, own, digest), same, "{asked} {own} {digest:?}");
        }
    }
}
