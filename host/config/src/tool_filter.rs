//! Which tools are shown: the `--tools` flag, and each server's own list.

use std::collections::HashSet;

/// The entries of `--tools`. An empty list counts as not given.
///
/// A tool is shown if an entry equals, ignoring letter case, `*`, the tool, `server:tool`, `server:*`,
/// `image:tool` or `image:*`; the image exactly as in the catalogue, digest included. There are no
/// other patterns. The tool is meant by its own name, without any prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolFilter {
    /// In lower case.
    entries: HashSet<String>,
}

impl ToolFilter {
    /// A filter of these entries, taken as they are, spaces included.
    pub fn new<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> ToolFilter {
        ToolFilter { entries: entries.into_iter().map(|entry| entry.as_ref().to_lowercase()).collect() }
    }

    /// Whether there are any entries. If so, the lists of the servers are not looked at.
    pub fn is_given(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Whether a tool is shown.
    ///
    /// `image` is empty for a server without one. `listed` is the server's own list of tools: none means
    /// all of them, and names in it are compared exactly.
    pub fn allows(&self, server: &str, image: &str, tool: &str, listed: Option<&[String]>) -> bool {
        if !self.is_given() {
            return listed.is_none_or(|listed| listed.iter().any(|name| name == tool));
        }
        let (server, image, tool) = (server.to_lowercase(), image.to_lowercase(), tool.to_lowercase());
        let has = |entry: &str| self.entries.contains(entry);
        let owned_by = |owner: &str| has(&format!("{owner}:{tool}")) || has(&format!("{owner}:*"));
        has("*") || has(&tool) || owned_by(&server) || (!image.is_empty() && owned_by(&image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "mcp/s@sha256:00AA";

    /// The table of section 18.4 of the reference: the list in `tools.yaml`, `--tools`, tools `a` and `b`.
    #[test]
    fn the_table_of_the_reference() {
        let image_b = format!("{IMAGE}:b");
        let image_any = format!("{}:*", IMAGE.to_uppercase());
        type Case<'a> = (Option<&'a [&'a str]>, &'a [&'a str], bool, bool);
        let cases: &[Case<'_>] = &[
            (Some(&["a"]), &[], true, false),
            (Some(&["A"]), &[], false, false),
            (Some(&[]), &[], false, false),
            (None, &[], true, true),
            (Some(&["a"]), &["b"], false, true),
            (Some(&["a"]), &["B"], false, true),
            (Some(&["a"]), &["s:b"], false, true),
            (Some(&["a"]), &[&image_b], false, true),
            (Some(&["a"]), &["S:*"], true, true),
            (Some(&["a"]), &["*"], true, true),
            (Some(&["a"]), &[&image_any], true, true),
            (Some(&["a"]), &["zz"], false, false),
            // Below the table: nothing is trimmed and there are no other patterns.
            (None, &[" b"], false, false),
            (None, &["s:*b", "*:b", "s__b"], false, false),
        ];
        for (listed, flag, a, b) in cases {
            let listed: Option<Vec<String>> =
                listed.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            let filter = ToolFilter::new(*flag);
            let allows = |tool| filter.allows("s", IMAGE, tool, listed.as_deref());
            assert_eq!((allows("a"), allows("b")), (*a, *b), "{listed:?} {flag:?}");
        }
    }

    #[test]
    fn a_server_without_image_owns_nothing_by_image() {
        assert!(!ToolFilter::new([":a", ":*"]).allows("s", "", "a", None));
        assert!(ToolFilter::new(["s:a"]).is_given() && !ToolFilter::default().is_given());
    }
}
