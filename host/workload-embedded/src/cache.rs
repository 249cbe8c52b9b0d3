//! The folder for compiled code. What lies in it is run as native code, so only this user may be able to write there.

use crate::error::Error;
use crate::private;
use std::path::Path;
use wasmtime::{Cache, CacheConfig};

/// Makes the folder if it is missing and opens the cache in it.
///
/// # Errors
///
/// When the folder cannot be made, or when anybody else could have put files there.
pub(crate) fn open(folder: &Path) -> Result<Cache, Error> {
    let folder = std::path::absolute(folder).map_err(|e| unusable(folder, &e.to_string()))?;
    private::make(&folder).map_err(|e| unusable(&folder, &e.to_string()))?;
    check(&folder)?;
    let mut config = CacheConfig::new();
    // Files are small and read once per start; packing them harder in the background would only take time from the servers.
    config.with_directory(&folder).with_optimized_compression_usage_counter_threshold(1 << 30);
    Cache::new(config).map_err(|e| unusable(&folder, &format!("{e:#}")))
}

/// Refuses a folder that somebody else owns or can write to. A missing one is fine.
pub(crate) fn check(folder: &Path) -> Result<(), Error> {
    match std::fs::symlink_metadata(folder) {
        Ok(found) => private::owned(&found).map_err(|why| unusable(folder, &why)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(unusable(folder, &e.to_string())),
    }
}

fn unusable(folder: &Path, why: &str) -> Error {
    Error::engine(format!("the folder `{}` for compiled code cannot be used: {why}", folder.display()))
        .with_hint("name a folder that only this user can write to, or none")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_folder_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        open(&folder).unwrap();
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o770)).unwrap();
        let error = open(folder.path()).unwrap_err();
        assert!(error.text.contains("other users can write to it (mode 770)"), "{error}");
    }

    #[test]
    fn a_link_is_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(parent.path(), &link).unwrap();
        let error = check(&link).unwrap_err();
        assert!(error.text.contains("it is no folder"), "{error}");
    }
}
