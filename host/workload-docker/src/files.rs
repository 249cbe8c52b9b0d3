//! Files that are placed in a container before it starts, as one archive.

use crate::error::Error;
use crate::spec::FileSpec;
use std::path::{Component, Path};
use zeroize::Zeroizing;

/// Whom the placed files belong to: the user that the container runs as, so that a file that only its owner may read can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Owner {
    pub(crate) user: u64,
    pub(crate) group: u64,
}

/// `user[:group]` as an image or an operator writes it, by number or by name.
pub(crate) struct UserName<'a> {
    user: &'a str,
    group: Option<&'a str>,
}

impl<'a> UserName<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        match text.split_once(':') {
            Some((user, group)) => Self { user, group: Some(group).filter(|group| !group.is_empty()) },
            None => Self { user: text, group: None },
        }
    }

    /// Without looking anything up; nobody is root.
    pub(crate) fn by_number(&self) -> Option<Owner> {
        let user = if self.user.is_empty() { 0 } else { self.user.parse().ok()? };
        match self.group {
            Some(group) => Some(Owner { user, group: group.parse().ok()? }),
            None if user == 0 => Some(Owner::default()),
            // The user's own group stands in the list of users.
            None => None,
        }
    }

    /// With the container's own lists. A number that is in none of them is a user all the same.
    pub(crate) fn by_files(&self, passwd: &str, group: &str) -> Option<Owner> {
        let is_number = self.user.bytes().all(|b| b.is_ascii_digit());
        let fields = |line: &'_ str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let known = passwd.lines().map(fields).find(|fields| {
            fields.first().is_some_and(|name| name == self.user)
                || (is_number && fields.get(2).is_some_and(|id| id == self.user))
        });
        let number = |at: usize| known.as_ref().and_then(|fields| fields.get(at)?.parse::<u64>().ok());
        let user = number(2).or_else(|| self.user.parse().ok())?;
        let group = match self.group {
            None => number(3).unwrap_or(0),
            Some(name) => match name.parse() {
                Ok(id) => id,
                Err(_) => group
                    .lines()
                    .map(fields)
                    .find(|fields| fields.first().is_some_and(|group| group == name))
                    .and_then(|fields| fields.get(2)?.parse().ok())?,
            },
        };
        Some(Owner { user, group })
    }
}

/// The first file of an archive as text; empty if there is none.
pub(crate) fn first_text(archive: &[u8]) -> String {
    let mut archive = tar::Archive::new(archive);
    let mut bytes = Vec::new();
    if let Ok(mut entries) = archive.entries()
        && let Some(Ok(mut entry)) = entries.next()
    {
        // What cannot be read is no list of users.
        let _ = std::io::Read::read_to_end(&mut entry, &mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The archive, relative to `/`.
pub(crate) fn archive(files: &[FileSpec], owner: Owner) -> Result<Zeroizing<Vec<u8>>, Error> {
    let size: usize = files.iter().map(|file| file.content.expose().len() + 2048).sum();
    // Large enough from the beginning, so that no copy of a secret is left behind by growing.
    let mut builder = tar::Builder::new(Vec::with_capacity(size + 2048));
    for file in files {
        let fail = |why: &str| Error::specification(format!("place file `{}`: {why}", file.path));
        let path = relative(&file.path).ok_or_else(|| fail("the path is not absolute, or has `..` in it"))?;
        let content = file.content.expose();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(file.mode & 0o7777);
        header.set_uid(owner.user);
        header.set_gid(owner.group);
        header.set_mtime(0);
        builder.append_data(&mut header, path, content).map_err(|error| fail(&error.to_string()))?;
    }
    let archive =
        builder.into_inner().map_err(|error| Error::specification(format!("place files: {error}")))?;
    Ok(Zeroizing::new(archive))
}

/// `/etc/acme.json` → `etc/acme.json`.
fn relative(path: &str) -> Option<&Path> {
    let rest = Path::new(path).strip_prefix("/").ok()?;
    let plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && rest.file_name().is_some() && !path.contains('\0') && !path.ends_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::{Owner, UserName, archive, first_text};
    use crate::secret::SecretBytes;
    use crate::spec::FileSpec;
    use std::io::Read;

    fn file(path: &str) -> FileSpec {
        FileSpec { path: path.to_owned(), content: SecretBytes::new("hello"), mode: 0o440 }
    }

    #[test]
    fn files_keep_their_place_content_and_mode() {
        let long = format!("/{}/x", "d".repeat(150));
        let bytes = archive(&[file("/etc/a.json"), file(&long)], Owner { user: 1001, group: 7 }).unwrap();
        let mut read = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in read.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let header = entry.header();
            let numbers = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
            seen.push((format!("/{}", entry.path().unwrap().display()), text, numbers));
        }
        let row = |path: &str| (path.to_owned(), "hello".to_owned(), (0o440, 1001, 7));
        assert_eq!(seen, [row("/etc/a.json"), row(&long)]);
    }

    #[test]
    fn a_file_stays_where_its_path_says() {
        for path in ["a", "/../a", "/a/../../b", "/", "/a/", ""] {
            let error = archive(&[file(path)], Owner::default()).unwrap_err();
            assert_eq!(
                error.text,
                format!("place file `{path}`: the path is not absolute, or has `..` in it")
            );
        }
    }

    #[test]
    fn a_user_is_looked_up_where_it_is_known() {
        let by_number = |text| UserName::of(text).by_number().map(|owner| (owner.user, owner.group));
        assert_eq!(by_number(""), Some((0, 0)));
        assert_eq!(by_number("0"), Some((0, 0)));
        assert_eq!(by_number("5:6"), Some((5, 6)));
        for text in ["5", "acme", "5:staff", "acme:6"] {
            assert_eq!(by_number(text), None, "{text}");
        }
        let passwd = "root:x:0:0::/:\nacme:x:1000:1001::/:\n";
        let group = "root:x:0:\nstaff:x:50:acme\n";
        let by_files =
            |text| UserName::of(text).by_files(passwd, group).map(|owner| (owner.user, owner.group));
        assert_eq!(by_files("acme"), Some((1000, 1001)));
        assert_eq!(by_files("1000"), Some((1000, 1001)));
        assert_eq!(by_files("7"), Some((7, 0)));
        assert_eq!(by_files("acme:staff"), Some((1000, 50)));
        assert_eq!(by_files("7:staff"), Some((7, 50)));
        assert_eq!(by_files("nobody"), None);
        assert_eq!(by_files("acme:nobody"), None);
        let bytes = archive(&[file("/etc/passwd")], Owner::default()).unwrap();
        assert_eq!((first_text(&bytes).as_str(), first_text(b"").as_str()), ("hello", ""));
    }
}
