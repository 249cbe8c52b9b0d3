//! Folders that only this user may change: what is in them is believed later (ledger, ids, control sockets).

use crate::output::Usage;
use anyhow::{Context, Result};
use host_workload_embedded::private;
use std::path::Path;

/// Makes a folder, private to this user, or checks that one which is there can be trusted.
///
/// # Errors
/// It cannot be made, is somebody else's, or can be written to by others.
pub(crate) fn folder(what: &str, path: &Path) -> Result<()> {
    private::make(path).with_context(|| format!("make {what} {}", path.display()))?;
    // A link of the operator's own is followed: what counts is where it leads.
    let found = std::fs::metadata(path).with_context(|| format!("look at {what} {}", path.display()))?;
    private::owned(&found).map_err(|why| {
        let path = path.display();
        let text = format!("{what} {path} cannot be used: {why}, or name another with `state:` in the settings or GATEWAY_STATE");
        Usage(text).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_folder_is_made_private_and_one_that_others_can_change_is_refused() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("a/state");
        folder("state folder", &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        folder("state folder", &path).unwrap();
        for mode in [0o770, 0o707] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = folder("state folder", &path).unwrap_err();
            assert!(error.is::<Usage>());
            assert!(
                error.to_string().contains(&format!("other users can write to it (mode {mode:o})")),
                "{error}"
            );
        }
        // Only reading by others is how many have it from before.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        folder("state folder", &path).unwrap();
    }
}
