//! What images start with and say about themselves, for platforms where another program is put in front of theirs. Who knows it is somebody else's
//! business.

use crate::image_policy::NotTrusted;
use async_trait::async_trait;
use host_workload_docker::{ImageConfiguration, ImageWords, LoginFile};
use std::fmt;
use zeroize::Zeroizing;

/// A login for one registry.
pub struct ImageLogin {
    /// The user.
    pub username: Zeroizing<String>,
    /// The password.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for ImageLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImageLogin")
    }
}

/// What is asked about an image.
#[derive(Debug)]
pub struct ImageQuestion<'a> {
    /// The reference.
    pub reference: &'a str,
    /// `linux/amd64`; without it, of an image for several platforms that for `linux/amd64`, or the first.
    pub platform: Option<&'a str>,
    /// Instead of the logins of this machine.
    pub login: Option<ImageLogin>,
    /// Whether its registry may be at an address that is not public.
    pub inside: bool,
}

/// Why nothing is known about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUnknown {
    /// What it means.
    pub why: ImageUnknownWhy,
    /// Names the image, and what stands in the way.
    pub text: String,
    /// What the operator can do.
    pub hint: Option<String>,
}

/// What it means that nothing is known about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageUnknownWhy {
    /// There is none, or none for that platform; or what its registry tells is wrong.
    Missing,
    /// Its registry wants to see another login.
    Denied,
    /// It may be otherwise in a moment.
    Later,
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

    /// What an image says about itself.
    ///
    /// # Errors
    /// There is no such image, or it cannot be found out.
    async fn configuration(&self, question: ImageQuestion<'_>) -> Result<ImageConfiguration, ImageUnknown>;
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
