//! Sockets in a folder: whoever may see one may speak to the program behind it, whatever the mount says about writing.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// How far down a folder is looked through: programs put their sockets into it, or into a folder of their own there.
const DEPTH: usize = 2;
/// Files that are looked at in one folder. A folder of data may hold any number.
const MOST: usize = 10_000;

/// A socket that a container would see which mounts this.
pub(super) fn socket_in(path: &Path) -> Option<PathBuf> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    if meta.file_type().is_socket() {
        return Some(path.to_owned());
    }
    below(path, DEPTH, &mut MOST.clone())
}

fn below(folder: &Path, depth: usize, left: &mut usize) -> Option<PathBuf> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        *left = left.checked_sub(1)?;
        match entry.file_type() {
            Ok(kind) if kind.is_socket() => return Some(entry.path()),
            Ok(kind) if kind.is_dir() => folders.push(entry.path()),
            _ => {}
        }
    }
    if depth <= 1 {
        return None;
    }
    folders.iter().find_map(|folder| below(folder, depth - 1, left))
}

#[cfg(test)]
mod tests {
    use super::socket_in;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_socket_is_found_where_programs_put_them() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        std::fs::create_dir_all(base.join("own/deep")).unwrap();
        std::fs::write(base.join("own/file"), "").unwrap();
        assert_eq!(socket_in(base), None);
        assert_eq!(socket_in(&base.join("missing")), None);
        let deep = UnixListener::bind(base.join("own/deep/s")).unwrap();
        assert_eq!(socket_in(base), None);
        assert_eq!(socket_in(&base.join("own")), Some(base.join("own/deep/s")));
        assert_eq!(socket_in(&base.join("own/deep/s")), Some(base.join("own/deep/s")));
        drop(deep);
        let _own = UnixListener::bind(base.join("own/s")).unwrap();
        assert_eq!(socket_in(base), Some(base.join("own/s")));
    }
}
