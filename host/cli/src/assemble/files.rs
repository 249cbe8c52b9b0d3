//! The files that flags and settings name, read and put together: catalogues, enabled servers, values, tool lists, editors' files.
//!
//! Names, defaults and the order of precedence are those of Docker's gateway (`docker-mcp-gateway.md` 4.2, 6); what it passes over in
//! silence (a file that is not there, an enabled server that no catalogue knows) is said here.

use crate::args::SourceArgs;
use crate::environment::Environment;
use crate::output::Usage;
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

/// The folder that Docker's gateway keeps below the home folder.
const DOCKER: &str = ".docker/mcp";

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

/// Where files are looked for.
struct Places {
    /// `~/.docker/mcp`.
    docker: Option<PathBuf>,
    /// Whether Docker's own files are read where no flag names others.
    defaults: bool,
}

impl Places {
    fn new(args: &SourceArgs, settings: &Settings, environment: &Environment) -> Self {
        let docker = environment.get("HOME").map(|home| Path::new(home).join(DOCKER));
        // With a settings file nothing is read that neither it nor a flag names. In a container the original has no defaults either.
        let in_container = environment.get(crate::environment::IN_CONTAINER) == Some("1");
        let asked = args.files.asks_for_files() || !args.catalog.is_empty() || !args.servers.is_empty();
        let defaults =
            settings.source.is_empty() && !in_container && (asked || args.files.mcp_servers.is_empty());
        Self { docker, defaults }
    }

    /// The files of one kind: those of the flag, else Docker's own if it is there, then the additional ones; each once.
    fn list(
        &self,
        flag: &str,
        given: &[String],
        default: &str,
        additional: &[String],
    ) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for name in given.iter().chain(additional).filter(|name| !name.is_empty()) {
            files.push(locate(flag, name, self.docker.as_deref())?);
        }
        if given.is_empty() && self.defaults {
            files.splice(0..0, self.default(default));
        }
        Ok(unique(files))
    }

    fn catalogs(&self, args: &SourceArgs, wanted: bool) -> Result<Vec<PathBuf>> {
        let folder = self.docker.as_ref().map(|docker| docker.join("catalogs"));
        let mut files = Vec::new();
        for name in args.catalog.iter().chain(&args.files.additional_catalog).filter(|name| !name.is_empty())
        {
            if name.starts_with("http://") || name.starts_with("https://") {
                let text = format!(
                    "`--catalog {name}`: catalogues are not fetched in this version; download it and name the file"
                );
                return Err(Usage(text).into());
            }
            // A catalogue that Docker's gateway knows by its name is a file of that name.
            let named = folder.as_ref().map(|folder| folder.join(format!("{name}.yaml")));
            match named.filter(|file| !name.contains(['/', '.']) && file.exists()) {
                Some(file) => files.push(file),
                None => files.push(locate("--catalog", name, folder.as_deref())?),
            }
        }
        let by_default = args.catalog.is_empty() && self.defaults && wanted;
        if by_default {
            files.splice(0..0, self.default("catalogs/docker-mcp.yaml"));
        }
        // Beside Docker's own catalogue, and only beside that one, stand those that were configured (section 4.3).
        if by_default
            || matches!(args.catalog.as_slice(), [one] if one == "docker-mcp.yaml" || one == "docker-mcp")
        {
            let at = files.len().min(1);
            files.splice(at..at, self.configured()?);
        }
        Ok(unique(files))
    }

    /// The catalogues of `catalog.json`, by name; the original takes them in no order.
    fn configured(&self) -> Result<Vec<PathBuf>> {
        let Some(file) = self.default("catalog.json") else { return Ok(Vec::new()) };
        let wrong = |line: usize, column: usize, what: String| {
            Problems::from(Problem { file: file.display().to_string(), line, column, what, hint: None })
        };
        let text =
            std::fs::read_to_string(&file).map_err(|error| wrong(0, 0, format!("not readable: {error}")))?;
        let json: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| wrong(error.line(), error.column(), format!("not valid JSON: {error}")))?;
        let catalogs = match json.get("catalogs") {
            None | Some(serde_json::Value::Null) => return Ok(Vec::new()),
            Some(catalogs) => catalogs.as_object(),
        };
        let catalogs = catalogs.ok_or_else(|| wrong(0, 0, "`catalogs` must be a map".to_owned()))?;
        let mut names: Vec<&String> = catalogs.keys().filter(|name| *name != "docker-mcp").collect();
        names.sort_unstable();
        Ok(names.into_iter().filter_map(|name| self.default(&format!("catalogs/{name}.yaml"))).collect())
    }

    fn default(&self, name: &str) -> Option<PathBuf> {
        self.docker.as_ref().map(|docker| docker.join(name)).filter(|file| file.exists())
    }
}

/// Finds a file by the name it was given (section 6.1): a plain name in Docker's folder, or else in the current one, which the original
/// never does; any other name as it is.
fn locate(flag: &str, name: &str, folder: Option<&Path>) -> Result<PathBuf> {
    if name == "~" || name.starts_with("~/") {
        let text = format!(
            "`{flag} {name}`: `~` is not expanded here; write the path out, or without quotes so that the shell does it"
        );
        return Err(Usage(text).into());
    }
    let path = Path::new(name);
    let as_it_is = path.is_absolute() || name.starts_with("./") || name.starts_with("../");
    let Some(folder) = folder.filter(|_| !as_it_is) else { return Ok(path.to_owned()) };
    let in_folder = folder.join(name);
    // A file that is nowhere is named where it was looked for first.
    if in_folder.exists() || (!path.exists() && folder.exists()) {
        Ok(in_folder)
    } else {
        Ok(path.to_owned())
    }
}

fn unique(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut unique: Vec<PathBuf> = Vec::with_capacity(files.len());
    for file in files {
        if !unique.contains(&file) {
            unique.push(file);
        }
    }
    unique
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

    /// Section 6.1, and what differs: a name that is not in Docker's folder is looked for in the current one.
    #[test]
    fn plain_names_start_in_docker_s_folder() {
        let (home, _) = home(&[("x.yaml", ""), ("a/b.yaml", "")]);
        let folder = home.path().join(DOCKER);
        for (name, expected) in [
            ("x.yaml", folder.join("x.yaml")),
            ("a/b.yaml", folder.join("a/b.yaml")),
            ("none.yaml", folder.join("none.yaml")),
            ("./x.yaml", PathBuf::from("./x.yaml")),
            ("../x.yaml", PathBuf::from("../x.yaml")),
            ("/x.yaml", PathBuf::from("/x.yaml")),
            // Every test runs in the folder of its package.
            ("Cargo.toml", PathBuf::from("Cargo.toml")),
        ] {
            assert_eq!(locate("--registry", name, Some(&folder)).unwrap(), expected, "{name}");
        }
        assert_eq!(
            locate("--registry", "none.yaml", Some(Path::new("/nonexistent"))).unwrap(),
            Path::new("none.yaml")
        );
        let error = locate("--registry", "~/x.yaml", None).unwrap_err().to_string();
        assert!(error.starts_with("`--registry ~/x.yaml`: `~` is not expanded here"), "{error}");
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
