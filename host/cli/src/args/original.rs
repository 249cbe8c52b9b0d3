//! What Docker's gateway takes on its command line and this program does not (`docker-mcp-gateway.md` 3 and 4.1): each is refused with what to do
//! instead, because "unexpected argument" helps nobody who comes from there.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

const PROFILES: &str =
    "profiles come with a later one; name servers by `--catalog FILE` and `--servers NAME`";
const CATALOGS: &str = "catalogues are files that somebody else writes, and are read where they are; name them with `--catalog FILE` or under `catalogs:` of gateway.yaml";
const OCI: &str = "catalogues as OCI artefacts come with a later one; `--catalog FILE` names a file";
const SHOWN: &str =
    "which tools are shown, say `--tools`, `tools.yaml` of `--tools-config`, or an editors' file";
const ENABLED: &str =
    "which servers run, say `--servers NAME`, `registry.yaml` of `--registry`, or `servers:` of gateway.yaml";
const JSON: &str = "for programs there is `--json`";
const FILES: &str =
    "the file can be read and written with any editor; `gateway config check` says what is wrong with it";
const OAUTH: &str = "signing in comes with a later one; give servers elsewhere a token with `headers`";

/// Command (empty: any), word, and what to do instead.
const ABSENT: &[(&str, &str, &str)] = &[
    ("", "--profile", PROFILES),
    ("", "--working-set", PROFILES),
    (
        "",
        "--oci-ref",
        "servers and catalogues as OCI artefacts come with a later one; name servers by `--catalog FILE` and `--servers NAME`",
    ),
    (
        "",
        "--mcp-registry",
        "servers of MCP registries come with a later one; name servers by `--catalog FILE` and `--servers NAME`",
    ),
    (
        "",
        "--debug-dns",
        "with `--block-network` and `--verbose` the log has what was refused to each server, names included",
    ),
    ("", "--log", "standard error is the log; `2>>FILE` keeps it in a file"),
    (
        "",
        "--keep",
        "containers are kept for their session and taken down with it; to look at one, call a tool and use `docker logs` or `docker exec`",
    ),
    ("", "--central", "the servers are the same for all clients; run one gateway for each set of servers"),
    (
        "",
        "--use-configured-catalogs",
        "the catalogues of `~/.docker/mcp/catalog.json` are read whenever Docker's own one is; others are named with `--catalog`",
    ),
    ("run", "--session", "each start is a session with an id of its own, which it prints"),
    ("", "--format", JSON),
    ("", "--yq", "`--json` and a program such as jq or yq show a part"),
    (
        "tools",
        "--gateway-arg",
        "the flags of `gateway run` that say which servers there are stand here as they are",
    ),
    ("tools", "count", "`gateway tools list --json` has an element for each"),
    ("tools", "inspect", "`gateway tools list --json` has each tool with its whole schema"),
    ("tools", "enable", SHOWN),
    ("tools", "disable", SHOWN),
    ("secret", "--provider", "`--place PLACE` says where it is kept"),
    ("secret rm", "--all", "name each of them; `gateway secret list` shows which are declared"),
    ("secret", "export", "no command shows values"),
    ("server", "enable", ENABLED),
    ("server", "add", ENABLED),
    ("server", "disable", ENABLED),
    ("server", "remove", ENABLED),
    ("server", "rm", ENABLED),
    ("server", "reset", ENABLED),
    ("server", "init", "start from one of `examples/servers`, or from the template of an SDK of MCP"),
    ("catalog", "--pull", "nothing is fetched; download the catalogue and name the file"),
    ("catalog", "--no-tools", "`gateway catalog list` names servers without their tools"),
    ("catalog", "--filter", "`gateway catalog list --json` and a program such as jq show some of them"),
    ("catalog", "-f", "`gateway catalog list --json` and a program such as jq show some of them"),
    ("catalog", "create", CATALOGS),
    ("catalog", "remove", CATALOGS),
    ("catalog", "rm", CATALOGS),
    ("catalog", "push", OCI),
    ("catalog", "pull", OCI),
    ("catalog", "tag", OCI),
    (
        "catalog",
        "server",
        "`gateway catalog list` and `gateway catalog show SERVER` show what is in a catalogue",
    ),
    ("catalog", "bootstrap", CATALOGS),
    ("catalog", "import", CATALOGS),
    ("catalog", "export", CATALOGS),
    ("catalog", "update", CATALOGS),
    ("catalog", "fork", CATALOGS),
    ("catalog", "init", CATALOGS),
    ("catalog", "add", CATALOGS),
    ("catalog", "reset", CATALOGS),
    ("catalog", "empty", CATALOGS),
    ("config", "read", FILES),
    ("config", "write", FILES),
    ("config", "reset", FILES),
    ("config", "dump", FILES),
    ("config", "restore", FILES),
    ("", "gateway", "it is the program itself: write `gateway run`"),
    ("", "version", "write `gateway --version`"),
    ("", "profile", PROFILES),
    ("", "template", PROFILES),
    (
        "",
        "client",
        "write the gateway into the editor's own file: `{\"mcpServers\": {\"gateway\": {\"command\": \"gateway\", \"args\": [\"run\"]}}}`",
    ),
    (
        "",
        "feature",
        "what are features there are flags: `--names all` puts the server in front of each tool's name",
    ),
    ("", "oauth", OAUTH),
    (
        "",
        "registry",
        "`gateway catalog lint FILE` checks a catalogue; the format of the community's registry is not read",
    ),
    ("", "policy", "what a server may do is granted in gateway.yaml, under `plugins:` and in its entry"),
];

/// What to say about a command line that the parser refused, if it refused what Docker's gateway has.
pub(crate) fn instead(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let context = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => return None,
    };
    let Some(ContextValue::String(refused)) = error.get(context) else { return None };
    if error.kind() == ErrorKind::UnknownArgument && !refused.starts_with('-') {
        return None;
    }
    let words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    let command: Vec<&str> = words.take_while(|word| !word.starts_with('-')).collect();
    let of = |at: &str| at.split_whitespace().zip(&command).all(|(wanted, given)| wanted == *given);
    let (_, word, instead) = ABSENT.iter().find(|(at, word, _)| word == refused && of(at))?;
    Some(format!("`{word}` is not in this version: {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, plain_switches};
    use clap::Parser;

    /// What comes of a command line: nothing where it is taken, else what is said about it.
    fn refused(line: &str) -> Option<String> {
        let words = ["gateway"].into_iter().chain(line.split_whitespace());
        let words = plain_switches(words.map(OsString::from).collect());
        let error = Cli::try_parse_from(&words).err()?;
        Some(instead(&error, &words).unwrap_or_else(|| panic!("`{line}`: {error}")))
    }

    /// Every flag of section 4.1, those that were removed too.
    #[test]
    fn each_flag_of_run_is_taken_or_refused_with_a_way_out() {
        for flag in [
            "--servers a,b",
            "--enable-all-servers",
            "--catalog c.yaml",
            "--additional-catalog c.yaml",
            "--registry r.yaml",
            "--additional-registry r.yaml",
            "--config c.yaml",
            "--additional-config c.yaml",
            "--tools-config t.yaml",
            "--additional-tools-config t.yaml",
            "--secrets docker-desktop:/run/secrets/mcp_secret:/.env",
            "--tools a,b:c",
            "--interceptor before:exec:true",
            "--transport streaming --port 8080 --host 0.0.0.0",
            "--transport SSE --allow-unauthenticated=true",
            "--log-calls=false",
            "--block-secrets=false",
            "--block-network",
            "--verify-signatures=false",
            "--dry-run",
            "--verbose",
            "--long-lived",
            "--watch=false",
            "--cpus 2",
            "--memory 1Gb",
            "--static",
        ] {
            assert_eq!(refused(&format!("run {flag}")), None, "{flag}");
        }
        for (flag, instead) in [
            ("--profile work", "`--profile` is not in this version: profiles come with a later one; name"),
            ("--working-set work", "`--working-set` is not in this version: profiles come with"),
            ("--oci-ref a.example/b:1", "`--oci-ref` is not in this version: servers and catalogues as OCI"),
            ("--mcp-registry=https://a.example", "`--mcp-registry` is not in this version: servers of MCP"),
            ("--debug-dns", "`--debug-dns` is not in this version: with `--block-network` and `--verbose`"),
            ("--debug-dns=true", "`--debug-dns` is not in this version: with `--block-network`"),
            ("--log gateway.log", "`--log` is not in this version: standard error is the log"),
            ("--keep", "`--keep` is not in this version: containers are kept for their session"),
            ("--central", "`--central` is not in this version: the servers are the same for all clients"),
            (
                "--use-configured-catalogs",
                "`--use-configured-catalogs` is not in this version: the catalogues",
            ),
            ("--session x", "`--session` is not in this version: each start is a session"),
        ] {
            let said = refused(&format!("run --verbose {flag}")).unwrap();
            assert!(said.starts_with(instead), "{flag}: {said}");
        }
    }

    /// Every command of sections 3.1 and 3.2 with its flags, but for those of profiles, which are refused as a whole.
    #[test]
    fn each_other_command_is_taken_or_refused_with_a_way_out() {
        for line in [
            "catalog list",
            "catalog ls",
            "catalogs ls",
            "catalog-next ls",
            "catalog show a",
            "secret set a.b",
            "secret ls --json",
            "secret rm a b",
            "server ls --json",
            "server inspect a",
            "tools ls --verbose",
            "tools list --verbose=true",
            "tools call a b=c",
        ] {
            assert_eq!(refused(line), None, "{line}");
        }
        for line in [
            "gateway run",
            "version",
            "profile create --name a",
            "profile list",
            "profile server add a --server docker://b",
            "template use a",
            "catalog create a.example/b:1 --server docker://c",
            "catalog list --format json",
            "catalog show a --pull missing",
            "catalog show a --no-tools",
            "catalog show a --yq .b",
            "catalog remove a",
            "catalog push a",
            "catalog pull a",
            "catalog tag a b",
            "catalog server ls a -f name=b",
            "catalog list --filter name=b",
            "catalog bootstrap a",
            "catalog import a --dry-run",
            "catalog export a b",
            "catalog rm a",
            "catalog update",
            "catalog fork a b",
            "catalog init",
            "catalog add a b c --force",
            "catalog reset",
            "catalog empty",
            "client ls --global",
            "client connect cursor -q --profile a",
            "client disconnect cursor",
            "client manual-instructions",
            "feature enable tool-name-prefix",
            "oauth authorize a --scopes b",
            "registry convert --file a",
            "policy set a",
            "secret set a --provider b",
            "secret rm --all",
            "secret export",
            "server init a --language go",
            "server enable a",
            "server add a",
            "server disable a",
            "server remove a",
            "server rm a",
            "server reset",
            "tools count",
            "tools inspect a",
            "tools enable a --server b",
            "tools disable a",
            "tools list --format json",
            "tools list --gateway-arg=--servers=a",
            "config read",
            "config write a",
            "config reset",
            "config dump",
            "config restore a",
        ] {
            let said = refused(line).unwrap_or_else(|| panic!("`{line}` is taken"));
            assert!(said.contains("` is not in this version: ") && said.len() > 50, "{line}: {said}");
        }
    }

    #[test]
    fn what_the_original_does_not_have_either_is_the_parsers_to_refuse() {
        for line in ["run --fly", "fly", "run extra", "secret rm", "run --cpus x"] {
            let words: Vec<OsString> =
                ["gateway"].into_iter().chain(line.split(' ')).map(Into::into).collect();
            let error = Cli::try_parse_from(&words).unwrap_err();
            assert_eq!(instead(&error, &words), None, "{line}");
        }
    }
}
