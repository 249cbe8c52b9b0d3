//! Opens the folder of a mount by its handle, following no link on the way.
//!
//! Whoever asks for a mount has checked a path. Between the check and the opening, somebody who may write into one of the folders above
//! (another server, a catalogue's volume) could put a link in the place of a folder. So the path is walked from the root, each part from
//! the handle of the one before, and a link anywhere is a refusal.

use crate::error::Error;
use crate::spec::MountSpec;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// Gives a workload a folder.
///
/// # Errors
/// When the folder is missing, is no folder, or is reached through a link; when the place inside the workload is malformed.
pub(crate) fn mount(builder: &mut WasiCtxBuilder, mount: &MountSpec) -> Result<(), Error> {
    let shown = mount.host.display();
    if !mount.guest.starts_with('/') {
        return Err(Error::specification(format!(
            "the folder `{}` inside the workload is not an absolute path",
            mount.guest
        )));
    }
    let permissions = if mount.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
    let opened = platform::open(&mount.host)?;
    builder
        .preopened_dir(opened.path(), &mount.guest, permissions)
        .map_err(|e| Error::specification(format!("the folder `{shown}` cannot be opened: {e:#}")))?;
    opened.still_there()
}

#[cfg(unix)]
mod platform {
    use crate::error::Error;
    use rustix::fs::{CWD, FileType, Mode, OFlags};
    use rustix::io::Errno;
    use std::os::fd::OwnedFd;
    use std::path::{Component, Path, PathBuf};

    /// A folder that is held open.
    pub(super) struct Opened<'a> {
        asked: &'a Path,
        handle: OwnedFd,
    }

    pub(super) fn open(path: &Path) -> Result<Opened<'_>, Error> {
        let handle = walk(path)?;
        Ok(Opened { asked: path, handle })
    }

    impl Opened<'_> {
        /// A path by which exactly this folder is opened once more: wasmtime-wasi takes paths only.
        pub(super) fn path(&self) -> PathBuf {
            #[cfg(target_os = "linux")]
            {
                use std::os::fd::AsRawFd;
                let by_handle = PathBuf::from(format!("/proc/self/fd/{}", self.handle.as_raw_fd()));
                // A system without that file system has the same promise, a little later: see `still_there`.
                if by_handle.exists() {
                    return by_handle;
                }
            }
            self.asked.to_owned()
        }

        /// Where the folder could not be opened by its handle: whether the path still leads to it without a link.
        pub(super) fn still_there(&self) -> Result<(), Error> {
            let identity =
                |handle: &OwnedFd| rustix::fs::fstat(handle).map(|found| (found.st_dev, found.st_ino));
            if self.path() != self.asked {
                return Ok(());
            }
            if identity(&walk(self.asked)?).ok() == identity(&self.handle).ok() {
                return Ok(());
            }
            Err(Error::specification(format!(
                "the folder `{}` was replaced while it was being opened",
                self.asked.display()
            )))
        }
    }

    fn walk(path: &Path) -> Result<OwnedFd, Error> {
        let shown = path.display();
        let wrong = |why: &str| Err(Error::specification(format!("the folder `{shown}` {why}")));
        if !path.is_absolute() {
            return wrong("is not an absolute path");
        }
        // On the way a folder need only be passed through, which does not take the right to list it.
        #[cfg(target_os = "linux")]
        let pass = OFlags::PATH;
        #[cfg(not(target_os = "linux"))]
        let pass = OFlags::RDONLY;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = |at: &Path, error: Errno| {
            Error::specification(format!(
                "the folder `{shown}` cannot be opened: `{}`: {error}",
                at.display()
            ))
        };
        let mut at = PathBuf::from("/");
        let mut handle =
            rustix::fs::openat(CWD, &at, pass | flags, Mode::empty()).map_err(|e| failed(&at, e))?;
        for part in path.components() {
            let name = match part {
                Component::RootDir | Component::CurDir => continue,
                Component::Normal(name) => name,
                Component::ParentDir | Component::Prefix(_) => return wrong("has `..` in its path"),
            };
            let above = handle;
            at.push(name);
            handle = match rustix::fs::openat(&above, name, pass | flags, Mode::empty()) {
                Ok(handle) => handle,
                Err(Errno::NOENT) if at == path => {
                    return wrong("cannot be opened: there is none");
                }
                Err(error @ (Errno::NOTDIR | Errno::LOOP)) => {
                    return Err(not_a_folder(&above, name, &at, path).unwrap_or_else(|| failed(&at, error)));
                }
                Err(error) => return Err(failed(&at, error)),
            };
        }
        Ok(handle)
    }

    /// Why a part of a path could not be passed.
    fn not_a_folder(above: &OwnedFd, name: &std::ffi::OsStr, at: &Path, path: &Path) -> Option<Error> {
        let found = rustix::fs::statat(above, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let shown = path.display();
        if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
            let text = format!("the folder `{shown}` is reached through the link `{}`", at.display());
            return Some(Error::specification(text).with_hint("name the folder itself, not a link to it"));
        }
        let error = Error::specification(format!("`{}` is not a folder", at.display()));
        Some(error.with_hint("the embedded engine mounts folders; name the folder that holds the file"))
    }
}

#[cfg(not(unix))]
mod platform {
    use crate::error::Error;
    use std::path::Path;

    /// A folder that was there when it was looked at.
    pub(super) struct Opened<'a>(&'a Path);

    pub(super) fn open(path: &Path) -> Result<Opened<'_>, Error> {
        let opened = Opened(path);
        opened.still_there()?;
        Ok(opened)
    }

    impl Opened<'_> {
        pub(super) fn path(&self) -> &Path {
            self.0
        }

        pub(super) fn still_there(&self) -> Result<(), Error> {
            let shown = self.0.display();
            let found = std::fs::symlink_metadata(self.0)
                .map_err(|e| Error::specification(format!("the folder `{shown}` cannot be opened: {e}")))?;
            if found.is_dir() {
                return Ok(());
            }
            Err(Error::specification(format!("`{shown}` is not a folder"))
                .with_hint("the embedded engine mounts folders; name the folder that holds the file"))
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::path::Path;

    fn refused(path: &Path) -> String {
        let spec = MountSpec { host: path.to_owned(), guest: "/data".to_owned(), read_only: true };
        mount(&mut WasiCtxBuilder::new(), &spec).unwrap_err().to_string()
    }

    #[test]
    fn a_link_anywhere_in_the_path_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/inner")).unwrap();
        std::fs::write(root.join("file"), "x").unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        let open = |path: &str| {
            let spec = MountSpec { host: root.join(path), guest: "/data".to_owned(), read_only: true };
            mount(&mut WasiCtxBuilder::new(), &spec)
        };
        assert!(open("real/inner").is_ok());
        let link = root.join("link").display().to_string();
        for path in ["link", "link/inner"] {
            let text = format!(
                "the folder `{}` is reached through the link `{link}` (name the folder itself, not a link to it)",
                root.join(path).display()
            );
            assert_eq!(refused(&root.join(path)), text);
        }
        assert_eq!(
            refused(&root.join("file")),
            format!(
                "`{}` is not a folder (the embedded engine mounts folders; name the folder that holds the file)",
                root.join("file").display()
            )
        );
        let none = root.join("none");
        assert_eq!(
            refused(&none),
            format!("the folder `{}` cannot be opened: there is none", none.display())
        );
        assert_eq!(refused(Path::new("here")), "the folder `here` is not an absolute path");
        let up = root.join("real/../real");
        assert_eq!(refused(&up), format!("the folder `{}` has `..` in its path", up.display()));
    }

    /// What is opened is what was walked to, whatever the path leads to by then.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_path_that_is_replaced_after_the_walk_gives_nothing_new() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["granted", "secret"] {
            std::fs::create_dir(root.join(name)).unwrap();
            std::fs::write(root.join(name).join(name), "x").unwrap();
        }
        let path = root.join("granted");
        let opened = platform::open(&path).unwrap();
        std::fs::rename(&path, root.join("moved")).unwrap();
        std::os::unix::fs::symlink(root.join("secret"), &path).unwrap();
        let seen: Vec<_> =
            std::fs::read_dir(opened.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(seen, ["granted"]);
    }
}
