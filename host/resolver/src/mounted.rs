//! Secrets that a platform mounts as files: Docker's `/run/secrets`, a Secret of Kubernetes mounted as a volume. One file per secret.

use crate::source::variable_form;
use crate::{SecretError, SecretValue};
use std::io::{ErrorKind, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// The largest secret that is read, in bytes; Kubernetes allows as much for a whole Secret.
const MAX_BYTES: u64 = 1024 * 1024;

/// Looks one name up: the file of exactly that name, else `ACME_NOTES_TOKEN` or `acme_notes_token` for `acme-notes.token`, because
/// not every platform takes dots and dashes. One newline at the end is not part of the value: most tools that write such files add it.
pub(crate) fn get(folder: &Path, name: &str) -> Result<Option<SecretValue>, SecretError> {
    // A name is never a way out of the folder; Kubernetes keeps its own files there under names with dots in front.
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
        return Ok(None);
    }
    let upper = variable_form(name);
    let lower = upper.to_ascii_lowercase();
    for form in [name, &upper, &lower] {
        if let Some(value) = read(&folder.join(form))? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Option<SecretValue>, SecretError> {
    let unreadable = |reason: String| SecretError::Unreadable { path: path.to_owned(), reason };
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file.take(MAX_BYTES + 1),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error.to_string())),
    };
    // As large as it can get, so that growing never leaves a copy behind.
    let length = file.get_ref().metadata().map_or(0, |metadata| metadata.len()).min(MAX_BYTES);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 2));
    file.read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(unreadable("it is larger than 1 MiB".to_owned()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Some(SecretValue::new(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(folder: &Path, name: &str) -> Option<String> {
        get(folder, name).unwrap_or_else(|error| panic!("{error}")).map(|value| value.reveal().to_owned())
    }

    #[test]
    fn a_file_is_a_secret_without_its_last_newline() {
        let folder = tempfile::tempdir().unwrap();
        for (file, bytes) in [
            ("acme.token", "one\n"),
            ("plain", "two"),
            ("twice", "a\n\n"),
            ("windows", "b\r\n"),
            ("empty", ""),
            ("OTHER_KEY", "upper"),
            ("third_key", "lower"),
        ] {
            std::fs::write(folder.path().join(file), bytes).unwrap();
        }
        for (name, expected) in [
            ("acme.token", Some("one")),
            ("plain", Some("two")),
            ("twice", Some("a\n")),
            ("windows", Some("b")),
            ("empty", Some("")),
            ("other.key", Some("upper")),
            ("third-key", Some("lower")),
            ("none", None),
        ] {
            assert_eq!(value(folder.path(), name).as_deref(), expected, "{name}");
        }
        assert_eq!(value(Path::new("/nonexistent"), "a"), None);
    }

    /// As a kubelet lays a Secret out: links into a folder that it swaps.
    #[cfg(unix)]
    #[test]
    fn a_rotated_secret_of_kubernetes_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("..data");
        for (at, text) in [("..one", "old"), ("..two", "new")] {
            std::fs::create_dir(folder.path().join(at)).unwrap();
            std::fs::write(folder.path().join(at).join("token"), text).unwrap();
        }
        std::os::unix::fs::symlink("..data/token", folder.path().join("token")).unwrap();
        for (at, text) in [("..one", "old"), ("..two", "new")] {
            let _ = std::fs::remove_file(&data);
            std::os::unix::fs::symlink(at, &data).unwrap();
            assert_eq!(value(folder.path(), "token").as_deref(), Some(text));
        }
    }

    #[test]
    fn a_name_is_no_way_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        std::fs::write(folder.path().join("in/.hidden"), "x").unwrap();
        for name in ["../secret", "..", ".hidden", "", "/etc/passwd", "a\0b"] {
            assert_eq!(value(&folder.path().join("in"), name), None, "{name:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_named_by_its_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bytes"), b"hunter2\xff").unwrap();
        let error = get(folder.path(), "bytes").err().unwrap().to_string();
        assert!(
            error.ends_with("bytes cannot be read: it is not UTF-8") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
