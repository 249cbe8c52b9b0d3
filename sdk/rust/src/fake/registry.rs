//! The fake registry: it has every image but those that the test took away.

use super::FakeHost;
use crate::Result;
use crate::kubernetes::ImageConfig;
use crate::types::RegistryLogin;

impl FakeHost {
    pub(crate) fn registry_image(
        &self,
        reference: &str,
        platform: Option<&str>,
        login: Option<&RegistryLogin>,
    ) -> Result<ImageConfig> {
        let with = if login.is_some() { " with login" } else { "" };
        self.call(format!("registry.image {reference} {}{with}", platform.unwrap_or("any")), |world| {
            Ok(ImageConfig {
                digest: world.resolve_reference(reference)?,
                platform: platform.unwrap_or("linux/amd64").to_owned(),
                entrypoint: vec!["/server".to_owned()],
                arguments: Vec::new(),
                user: String::new(),
                working_directory: String::new(),
                labels: Vec::new(),
                environment_names: Vec::new(),
                exposed_ports: Vec::new(),
            })
        })
    }
}
