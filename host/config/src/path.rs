//! Paths in a file are relative to that file, not to where the program was started.

use std::path::{Path, PathBuf};

use crate::misfit::Misfit;

/// A path as written in a file, and where it leads. Whether anything is there is not checked here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Located {
    /// As written.
    pub written: String,
    /// Absolute, seen from the folder of the file.
    pub path: PathBuf,
}

impl Located {
    /// Resolves a path against a folder.
    ///
    /// # Errors
    /// An empty path, and one that starts with `~`: only a shell knows what that stands for.
    pub fn new(written: &str, folder: &Path) -> Result<Located, Misfit> {
        if written.is_empty() {
            return Err(Misfit::new(written, "not a path"));
        }
        if written.contains('\0') {
            return Err(Misfit::new(&written.replace('\0', "\u{FFFD}"), "not a path"));
        }
        if written == "~" || written.starts_with("~/") || written.starts_with("~\\") {
            return Err(Misfit::new(written, "not expanded here")
                .hint("write the path out; a relative one starts at the folder of this file"));
        }
        let joined = folder.join(written);
        let path = std::path::absolute(&joined).unwrap_or(joined);
        Ok(Located { written: written.to_owned(), path })
    }
}

/// The folder of the file that is being read.
#[derive(Clone, Debug)]
pub(crate) struct Base(PathBuf);

impl Base {
    pub(crate) fn new(folder: &Path) -> Base {
        Base(folder.to_owned())
    }

    /// The folder of a file.
    pub(crate) fn of_file(path: &Path) -> Base {
        Base(path.parent().map(Path::to_owned).unwrap_or_default())
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn locate(&self, written: &str) -> Result<Located, Misfit> {
        Located::new(written, &self.0)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_the_folder_of_the_file() {
        let cases = [
            ("./a.yaml", "/etc/gateway/a.yaml"),
            ("a.yaml", "/etc/gateway/a.yaml"),
            ("../a.yaml", "/etc/gateway/../a.yaml"),
            ("/a.yaml", "/a.yaml"),
            ("a~", "/etc/gateway/a~"),
        ];
        for (written, path) in cases {
            let located = Base::of_file(Path::new("/etc/gateway/gateway.yaml")).locate(written).unwrap();
            assert_eq!(located.path, Path::new(path), "{written}");
            assert_eq!(located.written, written);
        }
        for refused in ["", "~", "~/a", "a\0b"] {
            Base::new(Path::new("/etc")).locate(refused).unwrap_err();
        }
        assert!(Base::of_file(Path::new("gateway.yaml")).locate("a").unwrap().path.is_absolute());
    }
}
