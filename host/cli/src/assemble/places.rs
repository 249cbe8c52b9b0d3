//! Where files are looked for: by the names that flags give, and where Docker's gateway keeps its own (`docker-mcp-gateway.md` 4.2, 4.3, 6.1).

use crate::args::SourceArgs;
use crate::environment::Environment;
use crate::output::Usage;
use anyhow::Result;
use host_config::{Problem, Problems, Settings};
use std::path::{Path, PathBuf};

/// The folder that Docker's gateway keeps below the home folder.
pub(super) const DOCKER: &str = ".docker/mcp";

/// Where files are looked for.
pub(super) struct Places {
    /// `~/.docker/mcp`.
    docker: Option<PathBuf>,
    /// Whether Docker's own files are read where no flag names others.
    defaults: bool,
}

impl Places {
    /// Decides what is read without being named.
    pub(super) fn new(args: &SourceArgs, settings: &Settings, environment: &Environment) -> Self {
        let docker = environment.get("HOME").map(|home| Path::new(home).join(DOCKER));
        // With a settings file nothing is read that neither it nor a flag names. In a container the original has no defaults either.
        let in_container = environment.get(crate::environment::IN_CONTAINER) == Some("1");
        let asked = args.files.asks_for_files() || !args.catalog.is_empty() || !args.servers.is_empty();
        let defaults =
            settings.source.is_empty() && !in_container && (asked || args.files.mcp_servers.is_empty());
        Self { docker, defaults }
    }

    /// The files of one kind: those of the flag, else Docker's own if it is there, then the additional ones; each once.
    ///
    /// # Errors
    /// A name that cannot be one of a file.
    pub(super) fn list(
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

    /// The catalogues, those of Docker's own configuration among them; `wanted` says whether anybody asks for those that nobody named.
    ///
    /// # Errors
    /// A name that cannot be one of a file, or Docker's configuration is not usable.
    pub(super) fn catalogs(&self, args: &SourceArgs, wanted: bool) -> Result<Vec<PathBuf>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 6.1, and what differs: a name that is not in Docker's folder is looked for in the current one.
    #[test]
    fn plain_names_start_in_docker_s_folder() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::create_dir(folder.join("a")).unwrap();
        for name in ["x.yaml", "a/b.yaml"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
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
            assert_eq!(locate("--registry", name, Some(folder)).unwrap(), expected, "{name}");
        }
        assert_eq!(
            locate("--registry", "none.yaml", Some(Path::new("/nonexistent"))).unwrap(),
            Path::new("none.yaml")
        );
        let error = locate("--registry", "~/x.yaml", None).unwrap_err().to_string();
        assert!(error.starts_with("`--registry ~/x.yaml`: `~` is not expanded here"), "{error}");
    }
}
