//! Which servers run: those of the settings and of editors' files, and those of the catalogues that are enabled.

use crate::args::SourceArgs;
use crate::assemble::files::{Files, not_found};
use crate::output::Usage;
use anyhow::Result;
use host_config::{Place, Server, Settings, Warning, nearest};

/// More names than these are not listed in a message.
const LISTED: usize = 12;

/// See the module.
#[derive(Debug)]
pub(crate) struct Enabled {
    /// In order, each name once.
    pub(crate) servers: Vec<Server>,
    /// What was asked for in a file and is not there.
    pub(crate) warnings: Vec<Warning>,
    /// Lists of tools for servers that nobody knows.
    pub(crate) without_effect: Vec<Warning>,
}

impl Enabled {
    /// Decides. `--servers` names all that runs; else it is what the settings and editors' files have, and of the catalogues what
    /// `registry.yaml` enables or `--enable-all-servers` takes. Of two servers with one name that of the settings counts, then the
    /// editors' file named last.
    ///
    /// # Errors
    /// A name in `--servers` that nothing has, or flags that contradict each other.
    pub(crate) fn of(args: &SourceArgs, settings: &Settings, files: &Files) -> Result<Self> {
        if args.files.enable_all_servers && !args.servers.is_empty() {
            return Err(Usage("cannot use --enable-all-servers with --servers flag".to_owned()).into());
        }
        let mut warnings = Vec::new();
        let own = own(settings, files, &mut warnings);
        let known: Vec<&str> =
            own.iter().chain(&files.catalog.servers).map(|server| server.name.as_str()).collect();
        let lists = files.tool_lists.servers.iter();
        let lists =
            lists.filter_map(|(name, list)| no_server(name, "tools", &list.place, known.iter().copied()));
        let without_effect: Vec<Warning> = lists.collect();
        if !args.servers.is_empty() {
            let servers = named(&args.servers, &own, files, &known)?;
            return Ok(Self { servers, warnings, without_effect });
        }
        let mut servers = own.clone();
        let has = |servers: &[Server], name: &str| servers.iter().any(|server| server.name == name);
        if args.files.enable_all_servers {
            let more: Vec<_> =
                files.catalog.servers.iter().filter(|server| !has(&own, &server.name)).cloned().collect();
            servers.extend(more);
        } else {
            for (name, enabled) in &files.registry.servers {
                match files.catalog.get(name) {
                    _ if has(&servers, name.trim()) => {}
                    Some(server) => servers.push(server.clone()),
                    None => warnings.push(not_found(name, &enabled.place, &known)),
                }
            }
        }
        Ok(Self { servers, warnings, without_effect })
    }
}

/// What a file has for a server that nobody knows: most likely its name was mistyped. Nothing where no server is known at all.
pub(crate) fn no_server<'n>(
    name: &str,
    what: &str,
    place: &Place,
    known: impl Iterator<Item = &'n str> + Clone,
) -> Option<Warning> {
    if known.clone().next().is_none() || known.clone().any(|known| known == name) {
        return None;
    }
    Some(Warning {
        file: place.file.as_ref().to_owned(),
        line: place.line,
        column: place.column,
        what: format!("there is no server `{name}`, so these {what} have no effect"),
        hint: nearest(name, known).map(|near| format!("did you mean `{near}`?")),
    })
}

/// The servers that run without being enabled by name: the operator wrote them down one by one.
fn own(settings: &Settings, files: &Files, warnings: &mut Vec<Warning>) -> Vec<Server> {
    let mut own = settings.servers.clone();
    for server in files.editors.iter().flat_map(|file| &file.servers) {
        match own.iter_mut().find(|known| known.name == server.name) {
            Some(known) if *known == *server => {}
            Some(known) => {
                let stays = settings.servers.iter().any(|server| server.name == known.name);
                let (used, unused) = if stays { (&*known, server) } else { (server, &*known) };
                warnings.push(Warning {
                    file: unused.place.file.as_ref().to_owned(),
                    line: unused.place.line,
                    column: unused.place.column,
                    what: format!(
                        "the server `{}` is not used, because {} has one of this name",
                        unused.name, used.place
                    ),
                    hint: Some("rename one of the two to use both".to_owned()),
                });
                if !stays {
                    *known = server.clone();
                }
            }
            None => own.push(server.clone()),
        }
    }
    own
}

/// The servers of `--servers`, in its order, each once.
fn named(names: &[String], own: &[Server], files: &Files, known: &[&str]) -> Result<Vec<Server>> {
    let mut servers: Vec<Server> = Vec::new();
    let mut unknown = Vec::new();
    for name in names.iter().map(|name| name.trim()) {
        if servers.iter().any(|server| server.name == name) {
            continue;
        }
        match own.iter().find(|server| server.name == name).or_else(|| files.catalog.get(name)) {
            Some(server) => servers.push(server.clone()),
            None => unknown.push(match nearest(name, known.iter().copied()) {
                Some(near) => format!("`{name}` (did you mean `{near}`?)"),
                None => format!("`{name}`"),
            }),
        }
    }
    if unknown.is_empty() {
        return Ok(servers);
    }
    let mut sorted = known.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let there = match sorted.len() {
        0 => "there are none; name files with `--settings`, `--catalog` or `--mcp-servers`".to_owned(),
        1..=LISTED => format!("there are `{}`", sorted.join("`, `")),
        many => format!("there are {many}, see `gateway catalog list`"),
    };
    Err(Usage(format!("MCP server not found: {}; {there}", unknown.join(", "))).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::FileArgs;
    use host_config::{Catalog, Context, EditorFile, Registry, ToolLists};
    use std::path::Path;

    const CATALOG: &str = "registry: {web: {image: w}, notes: {image: n}, clock: {image: c}}";

    fn files(registry: &str, editors: &[(&str, &str)]) -> Files {
        Files {
            catalog: Catalog::parse(CATALOG, "catalog.yaml").unwrap().0,
            registry: Registry::parse(registry, "registry.yaml").unwrap().0,
            editors: editors
                .iter()
                .map(|(name, text)| EditorFile::parse(text, name, Path::new("/w")).unwrap().0)
                .collect(),
            ..Files::default()
        }
    }

    fn settings(text: &str) -> Settings {
        Settings::parse(text, "gateway.yaml", Path::new("/w"), &Context::default()).unwrap()
    }

    fn decided(args: &SourceArgs, settings: &Settings, files: &Files) -> (Vec<String>, Vec<String>) {
        let enabled = Enabled::of(args, settings, files).unwrap();
        let names = enabled.servers.into_iter().map(|server| server.name).collect();
        (names, enabled.warnings.iter().map(ToString::to_string).collect())
    }

    fn asked(servers: &[&str]) -> SourceArgs {
        SourceArgs {
            servers: servers.iter().map(|name| (*name).to_owned()).collect(),
            ..SourceArgs::default()
        }
    }

    #[test]
    fn a_registry_enables_and_names_on_the_command_line_replace_it() {
        let files = files("registry: {notes: , web: }", &[]);
        let own = settings("servers: {time: {bundled: time}}");
        assert_eq!(decided(&asked(&[]), &own, &files).0, ["time", "notes", "web"]);
        assert_eq!(decided(&asked(&["clock", " time ", "clock"]), &own, &files).0, ["clock", "time"]);
        let all = FileArgs { enable_all_servers: true, ..FileArgs::default() };
        let all = SourceArgs { files: all, ..SourceArgs::default() };
        assert_eq!(decided(&all, &own, &files).0, ["time", "web", "notes", "clock"]);
    }

    #[test]
    fn an_enabled_server_that_no_catalogue_has_is_said() {
        let files = files("registry:\n  note:\n  zzzzz:\n", &[]);
        let (names, warnings) = decided(&asked(&[]), &Settings::default(), &files);
        assert!(names.is_empty());
        assert_eq!(
            warnings,
            [
                "registry.yaml:2:3: MCP server not found: note\n  hint: did you mean `notes`?",
                "registry.yaml:3:3: MCP server not found: zzzzz"
            ]
        );
    }

    #[test]
    fn tools_of_a_server_that_nobody_knows_are_said() {
        let mut files = files("registry: {web: }", &[]);
        let lists = "web: [x]\nclock: [now]\nnote: [create]\nzzzzz: [y]\n";
        files.tool_lists = ToolLists::parse(lists, "tools.yaml").unwrap().0;
        let said = |files: &Files| -> Vec<String> {
            let enabled = Enabled::of(&asked(&[]), &Settings::default(), files).unwrap();
            enabled.without_effect.iter().map(ToString::to_string).collect()
        };
        // One that is there and does not run is nobody's mistake.
        assert_eq!(
            said(&files),
            [
                "tools.yaml:3:1: there is no server `note`, so these tools have no effect\n  hint: did you mean `notes`?",
                "tools.yaml:4:1: there is no server `zzzzz`, so these tools have no effect",
            ]
        );
        files.catalog = Catalog::default();
        assert_eq!(said(&files), [""; 0], "without any server there is nothing to compare with");
    }

    #[test]
    fn of_one_name_the_settings_count_and_then_the_last_file() {
        let one =
            r#"{"mcpServers": {"a": {"command": "a"}, "b": {"command": "one"}, "c": {"command": "same"}}}"#;
        let two = r#"{"mcpServers": {"b": {"command": "two"}, "c": {"command": "same"}}}"#;
        let files = files("", &[("one.json", one), ("two.json", two)]);
        let own = settings("servers: {a: {bundled: time}}");
        let (names, warnings) = decided(&asked(&[]), &own, &files);
        assert_eq!(names, ["a", "b", "c"]);
        let what: Vec<_> = warnings.iter().map(|warning| warning.lines().next().unwrap()).collect();
        assert_eq!(
            what,
            [
                "one.json:1:17: the server `a` is not used, because gateway.yaml:1:11 has one of this name",
                "one.json:1:40: the server `b` is not used, because two.json:1:17 has one of this name"
            ]
        );
        let servers = Enabled::of(&asked(&[]), &own, &files).unwrap().servers;
        assert!(servers[0].editor.is_none() && servers[1].place.file.as_ref() == "two.json");
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest() {
        let refused = |names: &[&str], files: &Files| {
            Enabled::of(&asked(names), &Settings::default(), files).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&["note", "web", "qqqqqq"], &files("", &[])),
            "MCP server not found: `note` (did you mean `notes`?), `qqqqqq`; there are `clock`, `notes`, `web`"
        );
        assert_eq!(
            refused(&["a"], &Files::default()),
            "MCP server not found: `a`; there are none; name files with `--settings`, `--catalog` or `--mcp-servers`"
        );
        let mut many = files("", &[]);
        many.catalog.servers.extend((0..20).map(|n| Server::named(&format!("server-{n}"))));
        assert_eq!(
            refused(&["qqqqqq"], &many),
            "MCP server not found: `qqqqqq`; there are 23, see `gateway catalog list`"
        );
        let both = FileArgs { enable_all_servers: true, ..FileArgs::default() };
        let both = SourceArgs { files: both, ..asked(&["web"]) };
        let error = Enabled::of(&both, &Settings::default(), &many).unwrap_err().to_string();
        assert_eq!(error, "cannot use --enable-all-servers with --servers flag");
    }
}
