//! Flags about images.

use clap::Args;
use clap::builder::ArgAction;

/// Which images may run.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct ImageArgs {
    /// Run only images that are pinned to a digest and signed with a key of `--signature-key`
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set, help_heading = "Provisioners")]
    pub verify_signatures: bool,

    /// Public key of cosign's for images, `registry/repository` with `*` at the end or all; `digest` instead of a file takes images by their
    /// digest alone; may be repeated
    #[arg(long, value_name = "[IMAGES=]FILE", requires = "verify_signatures", help_heading = "Provisioners")]
    pub signature_key: Vec<String>,
}
