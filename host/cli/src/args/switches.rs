//! Switches as Docker's gateway takes them: `--verbose=true`, `--long-lived=false` (Go's `strconv.ParseBool`; `docker-mcp-gateway.md` 4).

use std::ffi::OsString;

/// Flags that are on or off, and off unless they are given.
const SWITCHES: [&str; 8] = [
    "--allow-unauthenticated",
    "--block-network",
    "--container-per-call",
    "--dry-run",
    "--enable-all-servers",
    "--long-lived",
    "--static",
    "--verbose",
];

/// Writes them as they are written here: what is on without its value, what is off not at all. Anything else stays for the parser to refuse.
pub(crate) fn plain(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut ours = true;
    let plain = |argument: OsString| {
        ours &= argument != "--";
        let Some((flag, value)) = argument.to_str().and_then(|text| text.split_once('=')).filter(|_| ours)
        else {
            return Some(argument);
        };
        if !SWITCHES.contains(&flag) {
            return Some(argument);
        }
        match value {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(flag.into()),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => None,
            _ => Some(argument),
        }
    };
    arguments.into_iter().filter_map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn run(text: &str) -> Result<crate::args::RunArgs, clap::Error> {
        let words =
            ["gateway", "run"].into_iter().chain(text.split_whitespace()).map(OsString::from).collect();
        Cli::try_parse_from(plain(words)).map(|cli| match cli.command {
            Command::Run(run) => *run,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn switches_are_taken_as_docker_writes_them() {
        let on = run("--static=true --verbose=1 --dry-run=T --long-lived=False").unwrap();
        assert!(on.source.is_static && on.source.verbose && on.dry_run && !on.source.long_lived);
        let off = run("--static=false --verbose=0 --dry-run=f").unwrap();
        assert!(!off.source.is_static && !off.source.verbose && !off.dry_run);
        assert!(run("--verbose=yes").unwrap_err().to_string().contains("--verbose"));
        assert!(run("-- --verbose=true").is_err());
    }
}
