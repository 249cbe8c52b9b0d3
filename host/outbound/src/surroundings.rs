//! What the gateway was started in, as far as credentials are looked for there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Variables and the home folder. Its `Debug` has names only: values may be keys.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// The variables of the environment.
    pub variables: BTreeMap<String, String>,
    /// The home folder of this user.
    pub home: Option<PathBuf>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.variables.keys().collect();
        f.debug_struct("Surroundings").field("variables", &names).field("home", &self.home).finish()
    }
}

impl Surroundings {
    /// One variable; empty counts as absent.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The region of AWS: `AWS_REGION`, else `AWS_DEFAULT_REGION`, else that of the profile in `~/.aws/config`.
    #[must_use]
    pub fn region(&self) -> Option<String> {
        let variable = self.variable("AWS_REGION").or_else(|| self.variable("AWS_DEFAULT_REGION"));
        variable.map(str::to_owned).or_else(|| self.region_of_profile())
    }

    fn region_of_profile(&self) -> Option<String> {
        let file = match self.variable("AWS_CONFIG_FILE") {
            Some(file) => PathBuf::from(file),
            None => self.home.as_ref()?.join(".aws/config"),
        };
        let text = std::fs::read_to_string(file).ok()?;
        let profile = self.variable("AWS_PROFILE").unwrap_or("default");
        let mut inside = false;
        for line in text.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                let name = section.trim();
                inside = name.strip_prefix("profile ").map_or(name, str::trim) == profile;
            } else if let Some((key, value)) = line.split_once('=').filter(|_| inside)
                && key.trim() == "region"
            {
                return Some(value.trim().to_owned());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_found_where_aws_programs_find_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".aws")).unwrap();
        let text = "[default]\nregion = eu-1\n[profile work]\noutput=json\n region=eu-2\n";
        std::fs::write(folder.path().join(".aws/config"), text).unwrap();
        let around = |variables: &[(&str, &str)]| Surroundings {
            variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            home: Some(folder.path().to_owned()),
        };
        assert_eq!(around(&[]).region().as_deref(), Some("eu-1"));
        assert_eq!(around(&[("AWS_PROFILE", "work")]).region().as_deref(), Some("eu-2"));
        assert_eq!(around(&[("AWS_PROFILE", "none")]).region(), None);
        assert_eq!(
            around(&[("AWS_DEFAULT_REGION", "us-1"), ("AWS_REGION", "")]).region().as_deref(),
            Some("us-1")
        );
        let shown = format!("{:?}", around(&[("AWS_SECRET_ACCESS_KEY", "hunter2")]));
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("hunter2"), "{shown}");
    }
}
