//! The folder of the ledgers, opened once and used by its handle: no link is followed in it, and what somebody else could have put there
//! is not believed.

use host_workload_embedded::private;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// See the module. *Invariant:* it belongs to this user and nobody else can write to it, and so does the state folder above it.
pub(crate) struct Folder {
    path: PathBuf,
    #[cfg(unix)]
    handle: File,
}

impl Folder {
    /// Opens the folder `ledger` in a state folder, making both if `make` is set.
    ///
    /// # Errors
    /// There is none, or it is not private; the text says which and what to do.
    pub(crate) fn open(path: &Path, make: bool) -> io::Result<Self> {
        if make {
            private::make(path)?;
        }
        // A missing one is told apart: then there is nothing to read. The state folder may be a link of the user's own.
        if let Some(above) = path.parent() {
            private::owned(&std::fs::metadata(above)?).map_err(|why| unusable(above, &why))?;
        }
        private::owned(&std::fs::symlink_metadata(path)?).map_err(|why| unusable(path, &why))?;
        Self::opened(path)
    }

    #[cfg(unix)]
    fn opened(path: &Path) -> io::Result<Self> {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        // What was looked at before may have been another one.
        private::owned(&handle.metadata()?).map_err(|why| unusable(path, &why))?;
        Ok(Self { path: path.to_owned(), handle })
    }

    #[cfg(not(unix))]
    fn opened(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned() })
    }

    /// Names of the files in it that can be text.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Opens a file for reading and appending.
    ///
    /// # Errors
    /// There is none; or it is a link, no plain file, or somebody else's.
    pub(crate) fn file(&self, name: &str) -> io::Result<File> {
        let file = self.file_of(name)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is no plain file"));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if found.uid() != rustix::process::geteuid().as_raw() {
                return Err(io::Error::other("it belongs to another user"));
            }
        }
        Ok(file)
    }

    #[cfg(unix)]
    fn file_of(&self, name: &str) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags};
        // Not to wait for whoever has the other end of a pipe.
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.handle, name, flags, Mode::empty()).map(File::from).map_err(|error| {
            match error {
                rustix::io::Errno::LOOP => io::Error::other("it is a link"),
                error => error.into(),
            }
        })
    }

    #[cfg(not(unix))]
    fn file_of(&self, name: &str) -> io::Result<File> {
        let path = self.path.join(name);
        if std::fs::symlink_metadata(&path)?.is_symlink() {
            return Err(io::Error::other("it is a link"));
        }
        File::options().read(true).append(true).open(path)
    }

    /// Makes a file that was not there; what stands in its place is removed first.
    pub(crate) fn fresh(&self, name: &str) -> io::Result<File> {
        match self.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        #[cfg(unix)]
        {
            use rustix::fs::{Mode, OFlags};
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)?;
            Ok(File::from(file))
        }
        #[cfg(not(unix))]
        File::options().write(true).create_new(true).open(self.path.join(name))
    }

    /// Gives a file another name, replacing what has it.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        #[cfg(unix)]
        return Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?);
        #[cfg(not(unix))]
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    /// Takes a file away.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        #[cfg(unix)]
        return Ok(rustix::fs::unlinkat(&self.handle, name, rustix::fs::AtFlags::empty())?);
        #[cfg(not(unix))]
        std::fs::remove_file(self.path.join(name))
    }

    /// Whether a name still leads to this file.
    #[cfg(unix)]
    pub(crate) fn leads_to(&self, name: &str, file: &File) -> bool {
        use rustix::fs::{AtFlags, fstat, statat};
        match (fstat(file), statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)) {
            (Ok(ours), Ok(theirs)) => (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino),
            _ => false,
        }
    }

    /// Whether a name still leads to a file; which one, the system does not say.
    #[cfg(not(unix))]
    pub(crate) fn leads_to(&self, name: &str, _: &File) -> bool {
        self.path.join(name).exists()
    }

    /// Whether there is anything of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        std::fs::symlink_metadata(self.path.join(name)).is_ok()
    }
}

fn unusable(folder: &Path, why: &str) -> io::Error {
    io::Error::other(format!("the folder {} is not this user's alone: {why}", folder.display()))
}
