//! Exit codes, documented in the help.

/// Done.
pub(crate) const DONE: u8 = 0;
/// Something failed that is nobody's typing: a server, a plugin, a port, the platform.
pub(crate) const FAILED: u8 = 1;
/// The command line or a file is wrong; nothing was started.
pub(crate) const USAGE: u8 = 2;
/// It worked, and the answer is no: a tool's own error, a plugin that does not pass its check.
pub(crate) const SAID_NO: u8 = 3;
/// Done in part: some servers did not come up, and the answer is without them. If none came up, it is [`FAILED`].
pub(crate) const PARTLY: u8 = 4;
/// Interrupted by a second signal.
pub(crate) const INTERRUPTED: u8 = 130;
