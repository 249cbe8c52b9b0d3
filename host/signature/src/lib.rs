//! Which images may run: pinned to a digest, and signed with a key of the operator's, as `cosign sign --key` signs
//! (`docker-mcp-gateway.md` 14.1). Signatures are looked up in the image's registry, under the tag `sha256-….sig` of its repository.
//!
//! What cannot be checked is refused by name: an image without a digest, one for which no key is given, one whose registry does not answer, and
//! signatures without a key of their own (keyless), which a later version may learn. The log Rekor is not asked: the key is the operator's, so the
//! question whether it was published does not arise.
//!
//! It also reads from registries what images start and say about themselves ([`Registries::image_configuration`]), by the same logins.
//!
//! It must never know plugins, servers or MCP.

mod image;
mod key;
mod policy;
mod refusal;
mod registry;
mod signed;

pub use image::{ImageQuestion, Unknown};
pub use key::Key;
pub use policy::{Policy, Rule, Trust};
pub use refusal::Refusal;
pub use registry::Registries;
