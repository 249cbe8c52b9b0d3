//! Flags about images, and those of the original that this version refuses by name.

use crate::output::Usage;
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

    /// A profile of the original's
    #[arg(long, hide = true, value_name = "ID")]
    pub profile: Option<String>,

    /// A server as an OCI artefact
    #[arg(long, hide = true, value_name = "REFERENCE")]
    pub oci_ref: Vec<String>,

    /// A server of a registry of MCP servers
    #[arg(long, hide = true, value_name = "URL")]
    pub mcp_registry: Vec<String>,
}

impl ImageArgs {
    /// Says of what a later version brings that this one does not have it.
    ///
    /// # Errors
    /// Such a flag was given.
    pub(crate) fn refuse_later(&self) -> Result<(), Usage> {
        let (flag, what) = if self.profile.is_some() {
            ("--profile", "profiles")
        } else if !self.oci_ref.is_empty() {
            ("--oci-ref", "servers and catalogues as OCI artefacts")
        } else if !self.mcp_registry.is_empty() {
            ("--mcp-registry", "servers of MCP registries")
        } else {
            return Ok(());
        };
        Err(Usage(format!(
            "`{flag}` is not in this version: {what} come with a later one; name servers by `--catalog FILE` and `--servers NAME`"
        )))
    }
}
