//! The search list of `--secrets`: colon-separated places, of which the first that can be read is the only one (`docker-mcp-gateway.md`
//! 6.8, `provisioning.md` 1.13).
//!
//! Entries are used as given, relative to the working directory, never merged and not trimmed. Where the original drops every error and
//! later passes `<UNKNOWN>` on, this says at the start which places it passed over and why, and refuses if none is left.

use crate::{Source, env_file, secrets_engine};
use std::path::Path;

/// What a search list led to.
pub struct Searched {
    /// The first place that could be read.
    pub source: Source,
    /// Places before it and why they were passed over; no text of a file is in them.
    pub passed_over: Vec<String>,
}

/// No place of the list can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no place of `{list}` can be read: {}", reasons.join("; "))]
pub struct NothingReadable {
    /// The list as given.
    pub list: String,
    /// Each place and why.
    pub reasons: Vec<String>,
}

/// The word for Docker Desktop's store.
const DOCKER_DESKTOP: &str = "docker-desktop";

/// Whether the list is one that the original takes for its default, so that it does not ask for any file.
#[must_use]
pub fn is_default_search(list: &str) -> bool {
    list == DOCKER_DESKTOP || list.strip_prefix(DOCKER_DESKTOP).is_some_and(|rest| rest.starts_with(':'))
}

/// Goes through the list. `engine` is the socket of Docker's secrets engine, where this machine has a place for one.
///
/// # Errors
/// None of its places can be read; says why for each.
pub fn search(list: &str, engine: Option<&Path>) -> Result<Searched, NothingReadable> {
    let mut reasons = Vec::new();
    for entry in entries(list) {
        match open(entry, engine) {
            Ok(source) => return Ok(Searched { source, passed_over: reasons }),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(NothingReadable { list: list.to_owned(), reasons })
}

fn open(entry: &str, engine: Option<&Path>) -> Result<Source, String> {
    if entry.is_empty() {
        return Err("an empty entry".to_owned());
    }
    if entry == DOCKER_DESKTOP {
        let Some(socket) = engine else {
            return Err("`docker-desktop` (this user has no place for Docker's secrets engine)".to_owned());
        };
        // The original takes it in any case, and every secret is then an address that nobody resolves.
        return match secrets_engine::reach(socket) {
            Ok(()) => Ok(Source::engine(socket)),
            Err(why) => {
                Err(format!("`docker-desktop` (no secrets engine of Docker at {}: {why})", socket.display()))
            }
        };
    }
    let path = Path::new(entry);
    if path.is_dir() {
        return Ok(Source::folder(path));
    }
    match env_file::check(path) {
        // A pipe (`<(command)` of a shell) can be read once.
        Ok(Some(text)) if !path.is_file() => Ok(Source::kept(path, text)),
        Ok(Some(_)) => Ok(Source::env_file(path)),
        Ok(None) => Err(format!("`{entry}` (no such file)")),
        Err(error) => Err(error.to_string()),
    }
}

/// The entries of a list. A single letter before `:\` or `:/` is a drive and not an entry, which the original splits wrongly.
fn entries(list: &str) -> Vec<&str> {
    let mut entries = Vec::new();
    let mut start = 0;
    for (at, _) in list.match_indices(':') {
        let word = list.get(start..at).unwrap_or_default();
        let is_drive = word.len() == 1
            && word.bytes().all(|b| b.is_ascii_alphabetic())
            && list.get(at + 1..).is_some_and(|rest| rest.starts_with('\\'));
        if !is_drive {
            entries.push(word);
            start = at + 1;
        }
    }
    entries.push(list.get(start..).unwrap_or_default());
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_colons_and_not_in_drives() {
        assert_eq!(entries("a:b"), ["a", "b"]);
        assert_eq!(entries(":a:"), ["", "a", ""]);
        assert_eq!(entries(r"C:\a.env:D:\b.env"), [r"C:\a.env", r"D:\b.env"]);
        assert_eq!(entries("c:/x"), ["c", "/x"]);
    }

    /// The second table of section 6.8; where the original has no secrets and no message, this refuses.
    #[test]
    fn the_first_readable_place_is_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (good, other) = (file("good.env", "a=good\n"), file("other.env", "a=other\nb=other\n"));
        let (bad, empty) = (file("bad.env", "hunter2\n"), file("empty.env", ""));
        let none = folder.path().join("none").display().to_string();
        let found = |list: &str, name: &str| match search(list, None) {
            Ok(searched) => searched
                .source
                .get(name)
                .unwrap_or_else(|error| panic!("{error}"))
                .map(|v| v.reveal().to_owned()),
            Err(refused) => panic!("{refused}"),
        };
        for list in [
            good.clone(),
            format!("{none}:{good}"),
            format!("{bad}:{good}"),
            format!(":{good}"),
            format!("{good}:"),
            format!("{good}:{other}"),
            format!("docker-desktop:{good}"),
            format!("{good}:docker-desktop"),
            format!("Docker-Desktop:{good}"),
        ] {
            assert_eq!(found(&list, "a").as_deref(), Some("good"), "{list}");
            assert_eq!(found(&list, "b"), None, "{list}");
        }
        assert_eq!(found(&format!("{empty}:{good}"), "a"), None);
        for list in [bad.as_str(), &none, "", "docker-desktop", &format!("{none}:docker-desktop")] {
            let refused = search(list, None).err().unwrap().to_string();
            assert!(refused.starts_with(&format!("no place of `{list}` can be read: ")), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        let passed = search(&format!("{none}:{bad}:{good}"), None)
            .unwrap_or_else(|error| panic!("{error}"))
            .passed_over;
        assert_eq!(passed.len(), 2);
        assert!(
            passed[0].ends_with("none` (no such file)") && passed[1].ends_with("line 1 has no `=`"),
            "{passed:?}"
        );
    }

    #[test]
    fn a_folder_is_a_place_too() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "x\n").unwrap();
        let searched =
            search(&folder.path().display().to_string(), None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            searched
                .source
                .get("a")
                .unwrap_or_else(|e| panic!("{e}"))
                .map(|v| v.reveal().to_owned())
                .as_deref(),
            Some("x")
        );
    }

    #[cfg(unix)]
    #[test]
    fn what_can_be_read_only_once_is_kept() {
        let (reader, writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut &writer, b"a=piped\n").unwrap();
        drop(writer);
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let searched = search(&path, None).unwrap_or_else(|error| panic!("{error}"));
        for _ in 0..2 {
            let found = searched.source.get("a").unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(found.map(|value| value.reveal().to_owned()).as_deref(), Some("piped"));
        }
    }

    #[test]
    fn the_default_of_the_original_asks_for_no_file() {
        for (list, is) in
            [("docker-desktop", true), ("docker-desktop:/x", true), ("docker-desktopx", false), ("/x", false)]
        {
            assert_eq!(is_default_search(list), is, "{list}");
        }
    }
}
