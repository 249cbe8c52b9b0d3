//! Which images may run at all, whatever a plugin was granted. How it is decided is somebody else's business.

use crate::state::Scope;
use crate::v0_1::types::{Failure, FailureCategory};
use async_trait::async_trait;
use host_provisioner::sanitize;

/// Why an image may not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTrusted {
    /// Names the image, and what is missing.
    pub text: String,
    /// What the operator can do.
    pub hint: Option<String>,
    /// Whether it may be otherwise in a moment: its registry did not answer.
    pub later: bool,
}

impl NotTrusted {
    /// The text in one line.
    pub(crate) fn line(&self) -> String {
        sanitize::line(&self.text, sanitize::LINE)
    }
}

/// Decides about images.
#[async_trait]
pub trait ImagePolicy: Send + Sync {
    /// Whether this image may be pulled and run. `reference` is written as its server's entry has it, or with the digest that was approved.
    ///
    /// # Errors
    /// It may not, or it cannot be found out.
    async fn check(&self, reference: &str) -> Result<(), NotTrusted>;
}

impl Scope {
    /// The policy allows this image; without a policy, every image.
    pub(crate) async fn image_trusted(&self, reference: &str, digest: Option<&str>) -> Result<(), Failure> {
        let Some(policy) = self.host.image_policy() else { return Ok(()) };
        let pinned = match digest {
            Some(digest) if !reference.contains('@') => format!("{reference}@{digest}"),
            _ => reference.to_owned(),
        };
        policy.check(&pinned).await.map_err(|refused| self.not_trusted(refused))
    }

    /// What somebody says about an image, as the contract has it.
    pub(crate) fn not_trusted(&self, refused: NotTrusted) -> Failure {
        let category = if refused.later { FailureCategory::Retryable } else { FailureCategory::Permission };
        let failure = self.refuse(category, refused.line());
        Failure { hint: refused.hint, ..failure }
    }
}
