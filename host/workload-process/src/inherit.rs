//! Which variables of the gateway's own environment a command gets without being given them.
//!
//! The first six are those that the MCP SDKs hand on; the others say which language, clock and folder for temporary files the machine has.
//! Everything else stays behind: the gateway's environment may hold its token, and secrets of other servers.

use std::ffi::OsString;

/// Names of the variables that every command gets, if the gateway has them.
pub const INHERITED: [&str; 11] =
    ["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ"];

/// The variables of this environment that a command gets without being given them, in the order of [`INHERITED`].
pub fn inherited<'a>(mut look_up: impl FnMut(&str) -> Option<&'a str>) -> Vec<(OsString, OsString)> {
    INHERITED
        .iter()
        .filter_map(|name| {
            // A shell function handed on as a variable is code; the SDKs leave it out too.
            let value = look_up(name).filter(|value| !value.starts_with("()"))?;
            Some((OsString::from(name), OsString::from(value)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_on_the_list_and_no_functions() {
        let own = [("PATH", "/bin"), ("HOME", "() { :; }"), ("MCP_GATEWAY_AUTH_TOKEN", "t"), ("TZ", "UTC")];
        let found = inherited(|name| own.iter().find(|(known, _)| *known == name).map(|(_, value)| *value));
        assert_eq!(found, [("PATH".into(), "/bin".into()), ("TZ".into(), "UTC".into())]);
    }
}
