//! The folder for compiled code. What lies in it is run as native code, so nobody else may be able to write there, and a file that is
//! not exactly what was written is thrown away and compiled anew.
//!
//! wasmtime's cache trusts its files. Beside each of them this module keeps its SHA-256, written after the compilation that made it;
//! before anything is loaded, files without their sum are removed.

use crate::private;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use wasmtime::{Cache, CacheConfig};

/// See the module.
pub(crate) struct CodeCache {
    cache: Cache,
    code: PathBuf,
    sums: PathBuf,
}

impl CodeCache {
    /// Makes the folder if it is missing.
    ///
    /// # Errors
    /// A sentence: it cannot be made, or belongs to somebody else, or others can write to it.
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        let bad = |why: String| {
            format!("the folder {} for compiled plugins cannot be used: {why}", folder.display())
        };
        let folder = std::path::absolute(folder).map_err(|e| bad(e.to_string()))?;
        let sums = folder.join("sums");
        let code = folder.join("code");
        for part in [&folder, &code, &sums] {
            private::make(part).map_err(|e| bad(e.to_string()))?;
            private::check(part).map_err(&bad)?;
        }
        let mut config = CacheConfig::new();
        // Packing files harder in the background would change them behind their sums.
        config.with_directory(&code).with_optimized_compression_usage_counter_threshold(u64::MAX);
        let cache = Cache::new(config).map_err(|e| bad(format!("{e:#}")))?;
        Ok(Self { cache, code, sums })
    }

    /// For [`wasmtime::Config::cache`].
    pub(crate) fn wasmtime(&self) -> Cache {
        self.cache.clone()
    }

    /// Removes every file that is not what was written. To be called before each load; returns the names of those that are good, for
    /// [`CodeCache::bless`].
    pub(crate) fn verify(&self) -> BTreeSet<PathBuf> {
        let mut good = BTreeSet::new();
        for file in self.files() {
            let known = self.sum_of(&file).and_then(|sum| fs::read_to_string(sum).ok());
            if known.is_some() && known == hash(&file) {
                good.insert(file);
            } else {
                tracing::warn!(file = %file.display(), "compiled code that does not have its checksum was removed");
                let _ = fs::remove_file(&file);
            }
        }
        good
    }

    /// Writes the sums of files that came after [`CodeCache::verify`].
    pub(crate) fn bless(&self, known: &BTreeSet<PathBuf>) {
        for file in self.files() {
            if known.contains(&file) {
                continue;
            }
            let (Some(path), Some(sum)) = (self.sum_of(&file), hash(&file)) else { continue };
            // A sum that could not be written only costs a compilation.
            if let Err(error) = fs::write(path, sum) {
                tracing::debug!(%error, "the checksum of compiled code could not be written");
            }
        }
    }

    fn sum_of(&self, file: &Path) -> Option<PathBuf> {
        file.file_name().map(|name| self.sums.join(name))
    }

    /// Files of code; wasmtime's statistics and unfinished files have an extension.
    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.code.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(_) if path.extension().is_none() => found.push(path),
                    _ => {}
                }
            }
        }
        found
    }
}

fn hash(file: &Path) -> Option<String> {
    let bytes = fs::read(file).ok()?;
    Some(Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("cache");
        assert!(CodeCache::open(&folder).is_ok());
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
        let error = CodeCache::open(&folder).err().unwrap();
        assert!(
            error.ends_with("other users can write to it (mode 770); make it private with mode 700"),
            "{error}"
        );
    }

    #[test]
    fn a_file_without_its_sum_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(dir.path()).unwrap();
        let (mine, foreign) = (cache.code.join("mine"), cache.code.join("foreign"));
        fs::write(&mine, "code").unwrap();
        cache.bless(&BTreeSet::new());
        fs::write(&foreign, "code").unwrap();
        assert_eq!(cache.verify(), BTreeSet::from([mine.clone()]));
        assert!(!foreign.exists());
        fs::write(&mine, "cOde").unwrap();
        assert!(cache.verify().is_empty());
        assert!(!mine.exists());
    }
}
