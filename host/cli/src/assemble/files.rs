//! The files that flags and settings name, read and put together: catalogues, enabled servers, values, tool lists, editors' files.
//!
//! Names, defaults and the order of precedence are those of Docker's gateway (`docker-mcp-gateway.md` 4.2, 6); what it passes over in
//! silence (a file that is not there, an enabled server that no catalogue knows) is said here.

use crate::args::SourceArgs;
use crate::assemble::places::Places;
use crate::environment::Environment;
use anyhow::Result;
use host_config::{
    Catalog, EditorFile, Problem, Problems, Registry, ServerConfigs, Settings, ToolLists, Warning,
};
use std::path::{Path, PathBuf};

/// What the files say.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// What there is.
    pub(crate) catalog: Catalog,
    /// What is enabled.
    pub(crate) registry: Registry,
    /// Values for templates.
    pub(crate) configs: ServerConfigs,
    /// Tools to show.
    pub(crate) tool_lists: ToolLists,
    /// What editors' files say, in order.
    pub(crate) editors: Vec<EditorFile>,
    /// What has no effect or is probably a mistake.
    pub(crate) warnings: Vec<Warning>,
    /// Every file that was read, with the word for what it is.
    pub(crate) read: Vec<(&'static str, PathBuf)>,
}

impl Files {
    /// Reads everything.
    ///
    /// # Errors
    /// All problems of all files at once, or a name that cannot be one of a file.
    pub(crate) fn load(args: &SourceArgs, settings: &Settings, environment: &Environment) -> Result<Self> {
        let places = Places::new(args, settings, environment);
        let mut reader = Reader::default();

        let registries = if !args.servers.is_empty() || args.files.enable_all_servers {
            // Names on the command line are all that runs, so the file is not even read.
            Vec::new()
        } else {
            let files = places.list(
                "--registry",
                &args.files.registry,
                "registry.yaml",
                &args.files.additional_registry,
            )?;
            reader.all("enabled servers", files, Registry::load)
        };
        let configs =
            places.list("--config", &args.files.config, "config.yaml", &args.files.additional_config)?;
        let configs = reader.all("values", configs, ServerConfigs::load);
        let lists = places.list(
            "--tools-config",
            &args.files.tools_config,
            "tools.yaml",
            &args.files.additional_tools_config,
        )?;
        let lists = reader.all("tool lists", lists, ToolLists::load);
        let mut catalogs: Vec<PathBuf> =
            settings.catalogs.iter().map(|located| located.path.clone()).collect();
        // Without a server to run, nobody asks what there is, unless it was asked for by name.
        let wanted = !registries.is_empty() || !args.servers.is_empty() || args.files.enable_all_servers;
        catalogs.extend(places.catalogs(args, wanted)?);
        let catalogs = reader.all("catalogue", catalogs, Catalog::load);
        let editors = reader.all("editors' file", args.files.mcp_servers.clone(), EditorFile::load);

        let (catalog, more) = Catalog::merge(catalogs);
        reader.warnings.extend(more);
        let (registry, more) = Registry::merge(registries);
        reader.warnings.extend(more);
        let (configs, more) = ServerConfigs::merge(configs);
        reader.warnings.extend(more);
        let (tool_lists, more) = ToolLists::merge(lists);
        reader.warnings.extend(more);
        if let Some(problems) = Problems::join(reader.problems) {
            return Err(problems.into());
        }
        let Reader { warnings, read, .. } = reader;
        Ok(Self { catalog, registry, configs, tool_lists, editors, warnings, read })
    }
}

/// Reads file after file, and stops for none.
#[derive(Default)]
struct Reader {
    problems: Vec<Problems>,
    warnings: Vec<Warning>,
    read: Vec<(&'static str, PathBuf)>,
}

impl Reader {
    fn all<T>(
        &mut self,
        what: &'static str,
        files: Vec<PathBuf>,
        load: impl Fn(&Path) -> Result<(T, Vec<Warning>), Problems>,
    ) -> Vec<T> {
        let mut all = Vec::new();
        for file in files {
            match load(&file) {
                Ok((value, warnings)) => {
                    self.warnings.extend(warnings);
                    all.push(value);
                }
                Err(problems) => self.problems.push(problems),
            }
            self.read.push((what, file));
        }
        all
    }
}

/// An enabled server that no catalogue has; a [`Warning`] because the others run all the same.
pub(crate) fn not_found(name: &str, place: &host_config::Place, known: &[&str]) -> Warning {
    let near = host_config::nearest(name, known.iter().copied());
    Problem {
        file: place.file.as_ref().to_owned(),
        line: place.line,
        column: place.column,
        what: format!("MCP server not found: {name}"),
        hint: near.map(|near| format!("did you mean `{near}`?")),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::FileArgs;
    use crate::assemble::places::DOCKER;

    /// A home folder with these files below `~/.docker/mcp`, and its environment.
    fn home(files: &[(&str, &str)]) -> (tempfile::TempDir, Environment) {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(DOCKER).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let environment = Environment::of([("HOME", home.path().to_str().unwrap())]);
        (home, environment)
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn load(args: FileArgs, environment: &Environment) -> Files {
        let args = SourceArgs { files: args, ..SourceArgs::default() };
        Files::load(&args, &Settings::default(), environment).unwrap()
    }

    const DEFAULTS: &[(&str, &str)] = &[
        ("registry.yaml", "registry: {a: {}}"),
        ("config.yaml", "a: {x: 1}"),
        ("tools.yaml", "a: [t]"),
        ("catalogs/docker-mcp.yaml", "registry: {a: {image: i}, b: {image: j}}"),
        ("catalogs/mine.yaml", "registry: {b: {image: k}}"),
        ("more.yaml", "registry: {b: {}}"),
    ];

    #[test]
    fn docker_s_own_files_are_the_default() {
        let (_home, environment) = home(DEFAULTS);
        let files = load(FileArgs::default(), &environment);
        assert_eq!(files.registry.servers.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(files.catalog.servers.len(), 2);
        assert!(files.configs.servers.contains_key("a") && files.tool_lists.of("a").is_some());
    }

    #[test]
    fn a_flag_replaces_the_default_and_an_additional_one_does_not() {
        let (_home, environment) = home(DEFAULTS);
        let files = load(FileArgs { registry: words(&["more.yaml"]), ..FileArgs::default() }, &environment);
        assert_eq!(files.registry.servers.keys().collect::<Vec<_>>(), ["b"]);
        let more = FileArgs { additional_registry: words(&["more.yaml", ""]), ..FileArgs::default() };
        let files = load(more, &environment);
        assert_eq!(files.registry.servers.keys().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn configured_catalogues_stand_beside_docker_s_own() {
        let (_home, environment) = home(&[
            DEFAULTS[0],
            DEFAULTS[3],
            DEFAULTS[4],
            ("catalog.json", r#"{"catalogs": {"mine": {"url": "x"}, "docker-mcp": {}, "gone": {}}}"#),
            ("catalogs/z.yaml", "registry: {z: {image: z}}"),
        ]);
        let files = load(FileArgs::default(), &environment);
        assert_eq!(files.catalog.get("b").unwrap().image, "k");
        // Naming a catalogue leaves them out.
        let args = SourceArgs { catalog: words(&["z"]), ..SourceArgs::default() };
        let files = Files::load(&args, &Settings::default(), &environment).unwrap();
        assert!(files.catalog.get("z").is_some() && files.catalog.get("b").is_none());
    }

    #[test]
    fn later_catalogues_win_and_say_so() {
        let (_home, environment) = home(DEFAULTS);
        let more = FileArgs { additional_catalog: words(&["mine"]), ..FileArgs::default() };
        let files = load(more, &environment);
        assert_eq!(files.catalog.get("b").unwrap().image, "k");
        let warnings: Vec<_> = files.warnings.iter().map(|warning| warning.what.as_str()).collect();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("overlapping key 'b' found in catalog '"), "{warnings:?}");
    }

    #[test]
    fn names_on_the_command_line_leave_the_registry_unread() {
        let (_home, environment) = home(&[("registry.yaml", "registry: [nonsense]"), DEFAULTS[3]]);
        let args = SourceArgs { servers: words(&["a"]), ..SourceArgs::default() };
        let files = Files::load(&args, &Settings::default(), &environment).unwrap();
        assert!(files.registry.servers.is_empty() && files.catalog.get("a").is_some());
    }

    #[test]
    fn nothing_is_read_beside_a_settings_file_or_in_a_container() {
        let (home, environment) = home(DEFAULTS);
        let settings = Settings { source: "gateway.yaml".to_owned(), ..Settings::default() };
        let files = Files::load(&SourceArgs::default(), &settings, &environment).unwrap();
        assert_eq!(files.read, []);
        let container =
            Environment::of([("HOME", home.path().to_str().unwrap()), ("DOCKER_MCP_IN_CONTAINER", "1")]);
        assert_eq!(load(FileArgs::default(), &container).read, []);
    }

    #[test]
    fn problems_of_all_files_come_at_once() {
        let (_home, environment) =
            home(&[("registry.yaml", "registry: [a]"), ("config.yaml", "a: x"), ("tools.yaml", "a: {}")]);
        let error = Files::load(&SourceArgs::default(), &Settings::default(), &environment).unwrap_err();
        let problems = error.downcast_ref::<Problems>().unwrap();
        let files: Vec<_> =
            problems.iter().map(|problem| Path::new(&problem.file).file_name().unwrap().to_owned()).collect();
        assert_eq!(files, ["registry.yaml", "config.yaml", "tools.yaml"]);
    }

    #[test]
    fn catalogues_are_not_fetched() {
        let args = SourceArgs { catalog: words(&["https://acme.example/c.yaml"]), ..SourceArgs::default() };
        let error =
            Files::load(&args, &Settings::default(), &Environment::default()).unwrap_err().to_string();
        assert!(
            error.starts_with("`--catalog https://acme.example/c.yaml`: catalogues are not fetched"),
            "{error}"
        );
    }
}
