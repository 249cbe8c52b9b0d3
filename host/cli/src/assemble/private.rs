//! Folders that only this user may change: what is in them is believed later (ledger, ids, control sockets).

use crate::output::Usage;
use anyhow::{Context, Result};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// Makes a folder, private to this user, or checks that one which is there can be trusted.
///
/// # Errors
/// It cannot be made, is somebody else's, or can be written to by others.
pub(crate) fn folder(what: &str, path: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("make {what} {}", path.display()))?;
    let found = std::fs::metadata(path).with_context(|| format!("look at {what} {}", path.display()))?;
    let user = rustix::process::geteuid().as_raw();
    if found.uid() != user {
        return Err(Usage(format!(
            "{what} {} belongs to user {}, and this is user {user}; name one of your own with `state:` in the settings or GATEWAY_STATE",
            path.display(),
            found.uid()
        ))
        .into());
    }
    if found.mode() & 0o022 != 0 {
        return Err(Usage(format!(
            "{what} {0} can be changed by other users (mode {1:o}); `chmod go-w {0}` if nobody else has been in it",
            path.display(),
            found.mode() & 0o777
        ))
        .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

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
                error.to_string().contains(&format!("can be changed by other users (mode {mode:o})")),
                "{error}"
            );
        }
        // Only reading by others is how many have it from before.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        folder("state folder", &path).unwrap();
    }
}
