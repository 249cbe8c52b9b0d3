//! What images start with, for platforms where another program is put in front of theirs. Who knows it is somebody else's business.

use crate::image_policy::NotTrusted;
use async_trait::async_trait;
use host_workload_docker::LoginFile;

/// Words of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageWords {
    /// What it starts.
    pub entrypoint: Vec<String>,
    /// What it gives to that, where nobody says otherwise.
    pub arguments: Vec<String>,
}

/// Finds out what images start with.
#[async_trait]
pub trait ImageCatalog: Send + Sync {
    /// The words of this image on Linux on an architecture, as registries call it (`amd64`). `logins` are those that the platform pulls with; those of
    /// this machine come after them.
    ///
    /// # Errors
    /// There is no such image, or it cannot be found out.
    async fn words(
        &self,
        reference: &str,
        architecture: &str,
        logins: &[LoginFile],
    ) -> Result<ImageWords, NotTrusted>;
}

/// A program that is put in front of others: `gateway-bridge`, static, for Linux.
#[derive(Debug, Clone)]
pub struct BridgeProgram {
    /// The file.
    pub bytes: bytes::Bytes,
    /// What it was built for, as Rust calls it: `x86_64`, `aarch64`.
    pub architecture: String,
}

impl BridgeProgram {
    /// What it was built for, as registries and clusters call it.
    pub(crate) fn platform(&self) -> &str {
        match self.architecture.as_str() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
    }
}
