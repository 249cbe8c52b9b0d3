//! `volumes` of an entry, as `docker run -v` reads them (`docker-mcp-gateway.md` 12). Which folders may be mounted is the host's to say.

use host_provisioner::{Access, Mount, MountSource};
use std::path::PathBuf;

/// Words after the second colon that change nothing outside the container.
const OPTIONS: [&str; 3] = ["z", "Z", "nocopy"];

/// One volume: `TARGET`, `SOURCE:TARGET` or `SOURCE:TARGET:MODE`.
///
/// # Errors
/// It is none of them, or its mode has a word that is not known here.
pub fn mount(text: &str) -> Result<Mount, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err(format!("`volumes` has `{text}`, which looks like a flag"));
    }
    let parts: Vec<&str> = text.split(':').map(str::trim).collect();
    let (source, target, mode) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, mode] => (Some(*source), *target, *mode),
        _ => return Err(format!("`volumes` has `{text}`, which is not `source:target[:mode]`")),
    };
    if source.is_some_and(str::is_empty) || target.is_empty() {
        return Err(format!("`volumes` has `{text}`: source and target are required"));
    }
    if !target.starts_with('/') {
        return Err(format!(
            "`volumes` has `{text}`, which is not `source:target[:mode]` with an absolute target"
        ));
    }
    let (asked, options) = access(text, mode)?;
    // A folder of this machine is for reading unless the entry asks for more in words.
    let (source, usual) = match source {
        None => (MountSource::Empty, Access::ReadWrite),
        Some(path) if path.starts_with('/') || path.starts_with('.') => {
            (MountSource::Folder(PathBuf::from(path)), Access::ReadOnly)
        }
        Some(name) if is_name(name) => (MountSource::Volume(name.to_owned()), Access::ReadWrite),
        Some(other) => {
            return Err(format!(
                "`volumes` has `{text}`: `{other}` is neither the name of a volume nor an absolute path"
            ));
        }
    };
    let access = asked.unwrap_or(usual);
    let mode = match (mode, access, &source) {
        // What the line of the original would say is what it says here.
        ("", Access::ReadOnly, _) => ":ro".to_owned(),
        ("", ..) => String::new(),
        (mode, ..) => format!(":{mode}"),
    };
    let written = match parts.as_slice() {
        [target] => (*target).to_owned(),
        [source, target, ..] => format!("{source}:{target}{mode}"),
        [] => String::new(),
    };
    Ok(Mount { source, target: target.to_owned(), access, options, written, by_operator: false })
}

/// `ro` wins over `rw`, whatever comes first: what is asked to be read-only is.
fn access(text: &str, mode: &str) -> Result<(Option<Access>, Vec<String>), String> {
    let (mut access, mut options) = (None, Vec::new());
    for word in mode.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "ro" | "readonly" => access = Some(Access::ReadOnly),
            "rw" => access = access.or(Some(Access::ReadWrite)),
            word if OPTIONS.contains(&word) => options.push(word.to_owned()),
            other => {
                return Err(format!(
                    "`volumes` has `{text}` with the option `{other}`, which this version cannot honour"
                ));
            }
        }
    }
    Ok((access, options))
}

/// `[A-Za-z0-9][A-Za-z0-9_.-]*`, as engines name volumes.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the line says, and what is mounted.
    fn read(text: &str) -> (String, Access, Vec<String>) {
        let mount = mount(text).unwrap();
        (mount.written, mount.access, mount.options)
    }

    #[test]
    fn volumes_are_those_of_the_original() {
        use Access::{ReadOnly, ReadWrite};
        for (text, written, access) in [
            ("cache:/cache", "cache:/cache", ReadWrite),
            ("cache:/c:rw", "cache:/c:rw", ReadWrite),
            ("cache:/c:ro", "cache:/c:ro", ReadOnly),
            ("/anon", "/anon", ReadWrite),
            ("/tmp/a:/a", "/tmp/a:/a:ro", ReadOnly),
            ("/tmp/a:/a:ro", "/tmp/a:/a:ro", ReadOnly),
            ("/tmp/a:/a:readonly", "/tmp/a:/a:readonly", ReadOnly),
            ("/tmp/a:/a:rw,ro", "/tmp/a:/a:rw,ro", ReadOnly),
            ("/tmp/a:/a:rw", "/tmp/a:/a:rw", ReadWrite),
            (" /tmp/a : /b : ro ", "/tmp/a:/b:ro", ReadOnly),
        ] {
            assert_eq!(read(text), (written.to_owned(), access, Vec::new()), "{text}");
        }
        let labelled = read("/tmp/a:/a:ro,z");
        assert_eq!(labelled, ("/tmp/a:/a:ro,z".to_owned(), ReadOnly, vec!["z".to_owned()]));
    }

    #[test]
    fn what_is_no_volume_is_refused_by_name() {
        for (text, why) in [
            ("a:", "source and target are required"),
            (":/data", "source and target are required"),
            ("a::ro", "source and target are required"),
            ("a:/b:ro:z", "not `source:target[:mode]`"),
            ("/tmp/a:b", "absolute target"),
            ("a", "absolute target"),
            ("--privileged", "looks like a flag"),
            ("[]:/x", "neither the name of a volume nor an absolute path"),
            ("a:/b:rshared", "the option `rshared`"),
        ] {
            let error = mount(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
