//! The folder for compiled code. What lies in it is run as native code, so nobody else may be able to write there, and a file that is
//! not exactly what was written is thrown away and compiled anew.
//!
//! wasmtime's cache trusts its files. Beside each of them this module keeps its SHA-256, written after the compilation that made it;
//! before anything is loaded, files without their sum are removed. Between a file and its sum somebody else may look, another thread or
//! another gateway, so whoever compiles holds a lock together with the others who do, and only who is alone removes what has no sum yet.

use host_workload_embedded::private;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::{Cache, CacheConfig};

/// See the module.
pub(crate) struct CodeCache {
    cache: Cache,
    code: PathBuf,
    sums: PathBuf,
    lock: PathBuf,
}

/// The files that are good before a compilation. As long as it lives, nobody removes the file that the compilation writes.
pub(crate) struct Verified {
    good: BTreeSet<PathBuf>,
    /// Somebody else has made them and will write their sums, or has died, and then they go when somebody is alone.
    others: BTreeSet<PathBuf>,
    /// Shared; absent where the file system has no locks, and then a file may have to be compiled again.
    _compiling: Option<File>,
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
        let lock = folder.join("lock");
        Ok(Self { cache, code, sums, lock })
    }

    /// For [`wasmtime::Config::cache`].
    pub(crate) fn wasmtime(&self) -> Cache {
        self.cache.clone()
    }

    /// Removes every file that is not what was written. To be called before each load, and kept until [`CodeCache::bless`].
    pub(crate) fn verify(&self) -> Verified {
        let lock = File::options().create(true).truncate(false).write(true).open(&self.lock).ok();
        // Not asked again when it is held: that only means that somebody compiles, which may take a minute.
        let alone = lock.as_ref().is_none_or(|lock| lock.try_lock().is_ok());
        let (mut good, mut others) = (BTreeSet::new(), BTreeSet::new());
        for file in self.files() {
            let known = self.sum_of(&file).and_then(|sum| fs::read_to_string(sum).ok());
            if known.is_some() && known == hash(&file) {
                good.insert(file);
            } else if known.is_some() || alone {
                tracing::warn!(file = %file.display(), "compiled code that does not have its checksum was removed");
                let _ = fs::remove_file(&file);
            } else {
                others.insert(file);
            }
        }
        // Who is alone is so for as long as it takes to read the files, so this does not wait for a compilation.
        let compiling = lock.filter(|lock| lock.lock_shared().is_ok());
        Verified { good, others, _compiling: compiling }
    }

    /// Writes the sums of files that came after [`CodeCache::verify`].
    pub(crate) fn bless(&self, known: &Verified) {
        for file in self.files() {
            if known.good.contains(&file) || known.others.contains(&file) {
                continue;
            }
            let (Some(path), Some(sum)) = (self.sum_of(&file), hash(&file)) else { continue };
            // A sum that could not be written only costs a compilation.
            if let Err(error) = write_whole(&path, &sum) {
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

/// Under another name first: half a sum would make its file look changed.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let fresh = path.with_extension(format!("{}-{number}.new", std::process::id()));
    fs::write(&fresh, text)?;
    fs::rename(&fresh, path)
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
        cache.bless(&Verified { good: BTreeSet::new(), others: BTreeSet::new(), _compiling: None });
        fs::write(&foreign, "code").unwrap();
        assert_eq!(cache.verify().good, BTreeSet::from([mine.clone()]));
        assert!(!foreign.exists());
        fs::write(&mine, "cOde").unwrap();
        assert!(cache.verify().good.is_empty());
        assert!(!mine.exists());
    }

    #[test]
    fn what_another_gateway_has_just_compiled_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (CodeCache::open(dir.path()).unwrap(), CodeCache::open(dir.path()).unwrap());
        let compiling = one.verify();
        let fresh = one.code.join("fresh");
        fs::write(&fresh, "code").unwrap();
        // Between the file and its sum: the other one neither takes it for good nor away.
        let beside = other.verify();
        other.bless(&beside);
        assert!(beside.good.is_empty() && fresh.exists() && !one.sum_of(&fresh).unwrap().exists());
        one.bless(&compiling);
        drop((compiling, beside));
        assert_eq!(other.verify().good, BTreeSet::from([fresh]));
    }
}
