//! Images under the operator's policy: before they are pulled, and again before they run.

use super::Checked;
use crate::v0_1::docker::Docker;
use crate::v0_1::types::{Failure, FailureCategory};

impl Docker<'_> {
    /// The policy allows this image; without a policy, every image.
    pub(in crate::v0_1::docker) async fn image_trusted(
        &self,
        reference: &str,
        digest: Option<&str>,
    ) -> Checked {
        let Some(policy) = self.host.image_policy() else { return Ok(()) };
        let pinned = match digest {
            Some(digest) if !reference.contains('@') => format!("{reference}@{digest}"),
            _ => reference.to_owned(),
        };
        let Err(refused) = policy.check(&pinned).await else { return Ok(()) };
        let category = if refused.later { FailureCategory::Retryable } else { FailureCategory::Permission };
        let failure = self.refuse(category, refused.line());
        Err(Failure { hint: refused.hint, ..failure })
    }
}
