//! The folder of notes: the one place that touches files.
//!
//! *Invariant:* only regular files directly in the folder, with safe names, are read, written or deleted. Symbolic links
//! are as if they were not there, so nothing outside can be reached even where no sandbox says so.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::{Timestamp, Unit};

use crate::name::Name;

/// The largest note that is read or written, in bytes.
pub(crate) const LARGEST: usize = 1024 * 1024;
/// How many notes a folder may hold before it is refused as something else than a folder of notes.
const MOST_NOTES: usize = 20_000;
/// How much of a note is read to find its title.
const HEAD: u64 = 4096;
/// The longest excerpt of a found line, in characters.
const LONGEST_EXCERPT: usize = 200;
/// How many lines of one note a search shows.
const MOST_EXCERPTS: usize = 3;

/// A folder of notes.
pub(crate) struct Store {
    folder: PathBuf,
}

/// What a list says about a note.
pub(crate) struct Entry {
    pub(crate) name: Name,
    pub(crate) title: String,
    pub(crate) size: u64,
    /// When it was last changed, as ISO 8601, where the file system knows.
    pub(crate) modified: Option<String>,
}

/// A note that a search found.
pub(crate) struct Found {
    pub(crate) name: Name,
    pub(crate) title: String,
    /// Line numbers from 1, and the lines shortened.
    pub(crate) excerpts: Vec<(usize, String)>,
    score: usize,
}

/// What a search gave.
pub(crate) struct Search {
    /// The best first.
    pub(crate) found: Vec<Found>,
    pub(crate) searched: usize,
    /// Notes that could not be read, and why.
    pub(crate) skipped: Vec<(Name, String)>,
}

impl Store {
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The names of all notes, in order.
    pub(crate) fn names(&self) -> Result<BTreeSet<Name>, String> {
        let entries = fs::read_dir(&self.folder).map_err(|cause| self.explain("open", &cause))?;
        let mut names = BTreeSet::new();
        for entry in entries {
            let entry = entry.map_err(|cause| self.explain("list", &cause))?;
            let file = entry.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".md")).and_then(Name::new);
            let Some(name) = name else { continue };
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                names.insert(name);
            }
            if names.len() > MOST_NOTES {
                return Err(format!("folder {} has more than {MOST_NOTES} notes", self.folder.display()));
            }
        }
        Ok(names)
    }

    /// What a list says about a note. A note that vanished meanwhile or cannot be read is listed by its name.
    pub(crate) fn entry(&self, name: Name) -> Entry {
        let metadata = self.regular(&name).ok();
        let head = metadata.as_ref().and_then(|_| {
            let mut head = Vec::new();
            File::open(self.path(&name)).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
            title(&String::from_utf8_lossy(&head))
        });
        Entry {
            title: head.unwrap_or_else(|| name.to_string()),
            size: metadata.as_ref().map(fs::Metadata::len).unwrap_or_default(),
            modified: metadata.and_then(|metadata| metadata.modified().ok()).and_then(iso),
            name,
        }
    }

    /// The text of a note, or `None` where there is no such note.
    pub(crate) fn read(&self, name: &Name) -> Result<Option<String>, String> {
        match self.regular(name) {
            Ok(_) => {}
            Err(cause) if cause.kind() == ErrorKind::NotFound => return self.present().map(|()| None),
            Err(cause) => return Err(self.explain("read", &cause)),
        }
        let mut text = Vec::new();
        File::open(self.path(name))
            .and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut text))
            .map_err(|cause| self.explain("read", &cause))?;
        if text.len() > LARGEST {
            return Err(format!("note `{name}` is larger than {LARGEST} bytes"));
        }
        String::from_utf8(text).map(Some).map_err(|_| format!("note `{name}` is not UTF-8 text"))
    }

    /// Makes a note that was not there before; `false` where there was one.
    pub(crate) fn create(&self, name: &Name, text: &str) -> Result<bool, String> {
        let temporary = self.write_aside(text)?;
        let target = self.path(name);
        // A hard link is the one step that both appears whole and refuses to replace, whoever else is writing. Where
        // there are none, looking first must do.
        let outcome = match fs::hard_link(&temporary, &target) {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(_) if fs::symlink_metadata(&target).is_ok() => Ok(false),
            Err(_) => fs::rename(&temporary, &target).map(|()| true),
        };
        // Gone already after a rename; a leftover is hidden and harmless.
        let _ = fs::remove_file(&temporary);
        outcome.map_err(|cause| self.explain("write to", &cause))
    }

    /// Replaces the text of a note that [`Store::read`] has found.
    pub(crate) fn replace(&self, name: &Name, text: &str) -> Result<(), String> {
        let temporary = self.write_aside(text)?;
        fs::rename(&temporary, self.path(name)).map_err(|cause| {
            let _ = fs::remove_file(&temporary);
            self.explain("write to", &cause)
        })
    }

    /// Deletes a note; `false` where there is none.
    pub(crate) fn delete(&self, name: &Name) -> Result<bool, String> {
        match self.regular(name).and_then(|_| fs::remove_file(self.path(name))) {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == ErrorKind::NotFound => self.present().map(|()| false),
            Err(cause) => Err(self.explain("delete from", &cause)),
        }
    }

    /// The notes that have all words of a query, ignoring case, those with words in the title first. `progress` is told
    /// how many of how many notes were searched.
    pub(crate) fn search(
        &self,
        query: &str,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Search, String> {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let names = self.names()?;
        let total = names.len();
        let mut search = Search { found: Vec::new(), searched: 0, skipped: Vec::new() };
        for (done, name) in names.into_iter().enumerate() {
            match self.read(&name) {
                Ok(Some(text)) => {
                    search.searched += 1;
                    search.found.extend(find(name, &text, &words));
                }
                Ok(None) => {}
                Err(cause) => search.skipped.push((name, cause)),
            }
            progress(done + 1, total);
        }
        search.found.sort_by(|left, right| {
            (Reverse(left.score), &left.name).cmp(&(Reverse(right.score), &right.name))
        });
        Ok(search)
    }

    /// Writes a hidden file beside the notes, whole and on disk, so that one step can put it in its place.
    fn write_aside(&self, text: &str) -> Result<PathBuf, String> {
        let unique = RandomState::new().hash_one(SystemTime::now());
        let temporary = self.folder.join(format!(".note-{unique:016x}.tmp"));
        let written =
            OpenOptions::new().write(true).create_new(true).open(&temporary).and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            });
        written.map(|()| temporary.clone()).map_err(|cause| {
            let _ = fs::remove_file(&temporary);
            self.explain("write to", &cause)
        })
    }

    /// The metadata of a note that is a regular file; anything else is as if it were not there.
    fn regular(&self, name: &Name) -> io::Result<fs::Metadata> {
        let metadata = fs::symlink_metadata(self.path(name))?;
        if metadata.is_file() { Ok(metadata) } else { Err(ErrorKind::NotFound.into()) }
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(name.file())
    }

    /// Whether the folder itself is there, for when a note is not.
    fn present(&self) -> Result<(), String> {
        fs::metadata(&self.folder).map(|_| ()).map_err(|cause| self.explain("open", &cause))
    }

    /// What went wrong with the folder, and what somebody can do about it.
    fn explain(&self, action: &str, cause: &io::Error) -> String {
        let folder = self.folder.display();
        let missing = || fs::metadata(&self.folder).is_err();
        let writing = action != "read" && action != "open" && action != "list";
        match cause.kind() {
            ErrorKind::ReadOnlyFilesystem => {
                format!("folder {folder} is read-only: grant it with access readWrite")
            }
            ErrorKind::PermissionDenied if writing && !missing() => {
                format!("folder {folder} is read-only: grant it with access readWrite")
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("folder {folder} is full"),
            ErrorKind::NotADirectory => format!("{folder} is not a folder"),
            _ if missing() => format!("folder {folder} is missing: grant a folder and mount it there"),
            _ => format!("cannot {action} folder {folder}: {cause}"),
        }
    }
}

/// The title of a note: its first heading of the first level.
fn title(text: &str) -> Option<String> {
    let heading = text.lines().find_map(|line| line.strip_prefix("# "))?;
    let heading: String = heading.trim().chars().filter(|letter| !letter.is_control()).take(200).collect();
    (!heading.is_empty()).then_some(heading)
}

fn find(name: Name, text: &str, words: &[String]) -> Option<Found> {
    let title = title(text).unwrap_or_else(|| name.to_string());
    let (low_title, low_text) = (format!("{title} {name}").to_lowercase(), text.to_lowercase());
    if !words.iter().all(|word| low_title.contains(word) || low_text.contains(word)) {
        return None;
    }
    let in_title = words.iter().filter(|word| low_title.contains(*word)).count();
    let in_text: usize = words.iter().map(|word| low_text.matches(word.as_str()).take(100).count()).sum();
    let hit = |line: &str| words.iter().any(|word| line.to_lowercase().contains(word));
    let excerpts = text
        .lines()
        .enumerate()
        .filter(|(_, line)| hit(line))
        .take(MOST_EXCERPTS)
        .map(|(at, line)| (at + 1, excerpt(line, words)))
        .collect();
    Some(Found { name, title, excerpts, score: in_title * 1000 + in_text })
}

/// The part of a long line around the first word found.
fn excerpt(line: &str, words: &[String]) -> String {
    let line = line.trim();
    let length = line.chars().count();
    if length <= LONGEST_EXCERPT {
        return line.to_owned();
    }
    // Positions in the small-letter line are near enough; some letters change their length.
    let low = line.to_lowercase();
    let at = words.iter().filter_map(|word| low.find(word)).min().unwrap_or_default();
    let before = low.get(..at).map_or(0, |before| before.chars().count());
    let start = before.saturating_sub(LONGEST_EXCERPT / 4).min(length - LONGEST_EXCERPT);
    let shown: String = line.chars().skip(start).take(LONGEST_EXCERPT).collect();
    format!("…{}…", shown.trim())
}

fn iso(time: SystemTime) -> Option<String> {
    Some(Timestamp::try_from(time).ok()?.round(Unit::Second).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_what_to_do() {
        let store = Store::new(std::env::temp_dir());
        let folder = std::env::temp_dir().display().to_string();
        let explain = |action: &str, kind: ErrorKind| store.explain(action, &kind.into());
        let read_only = format!("folder {folder} is read-only: grant it with access readWrite");
        assert_eq!(explain("write to", ErrorKind::ReadOnlyFilesystem), read_only);
        assert_eq!(explain("delete from", ErrorKind::PermissionDenied), read_only);
        assert_eq!(
            explain("read", ErrorKind::PermissionDenied),
            format!("cannot read folder {folder}: permission denied")
        );
        assert_eq!(explain("write to", ErrorKind::StorageFull), format!("folder {folder} is full"));
        let nowhere = Store::new("/nowhere/at/all");
        let missing = "folder /nowhere/at/all is missing: grant a folder and mount it there";
        assert_eq!(nowhere.names().unwrap_err(), missing);
        assert_eq!(nowhere.create(&Name::from_title("x"), "x").unwrap_err(), missing);
        assert_eq!(nowhere.read(&Name::from_title("x")).unwrap_err(), missing);
        assert_eq!(nowhere.delete(&Name::from_title("x")).unwrap_err(), missing);
    }

    #[test]
    fn a_long_line_is_shown_around_the_word() {
        let line = format!("{} needle {}", "a".repeat(500), "b".repeat(500));
        let shown = excerpt(&line, &["needle".into()]);
        assert!(shown.contains("needle") && shown.chars().count() <= LONGEST_EXCERPT + 2, "{shown}");
        assert_eq!(excerpt("  short needle ", &["needle".into()]), "short needle");
        // Letters that become longer in lower case do not upset the positions.
        excerpt(&"İ".repeat(300), &["i".into()]);
    }
}
