//! Folders that only this user may write to: what lies in them is believed, or run. One check for all who keep such folders.

use std::fs;
use std::io;
use std::path::Path;

/// Makes a folder, and those above it, for this user alone. One that is there stays as it is.
///
/// # Errors
/// The system's.
#[cfg(unix)]
pub fn make(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes a folder, and those above it. One that is there stays as it is.
///
/// # Errors
/// The system's.
#[cfg(not(unix))]
pub fn make(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Whether somebody else may have put something into a folder, or may do so. A link is not followed.
///
/// # Errors
/// A fragment that says why it is not private: `it belongs to another user`.
pub fn check(folder: &Path) -> Result<(), String> {
    owned(&fs::symlink_metadata(folder).map_err(|e| e.to_string())?)
}

/// The same for what was looked at already.
///
/// # Errors
/// As [`check`].
#[cfg(unix)]
pub fn owned(found: &fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    if !found.is_dir() {
        return Err("it is no folder".to_owned());
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".to_owned());
    }
    if found.mode() & 0o022 != 0 {
        return Err(format!(
            "other users can write to it (mode {:o}); make it private with mode 700",
            found.mode() & 0o777
        ));
    }
    Ok(())
}

/// The same for what was looked at already.
///
/// # Errors
/// As [`check`].
#[cfg(not(unix))]
pub fn owned(found: &fs::Metadata) -> Result<(), String> {
    if found.is_dir() { Ok(()) } else { Err("it is no folder".to_owned()) }
}
