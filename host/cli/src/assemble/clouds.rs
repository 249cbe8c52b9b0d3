//! What the bundled plugins for clouds may do: the file `grants.yaml` beside each, written as an operator would write it.

use host_config as c;
use std::path::Path;

/// Each with what stands in its file.
const WRITTEN: [(&str, &str); 2] = [
    ("cloud-ecs", include_str!("../../../../plugins/cloud-ecs/grants.yaml")),
    ("cloud-run", include_str!("../../../../plugins/cloud-run/grants.yaml")),
];

/// The grants of a bundled plugin for a cloud; `None` for every other plugin.
///
/// # Errors
/// The file is wrong, which a test rules out.
pub(crate) fn grants(name: &str) -> Option<Result<c::Grants, String>> {
    let (name, text) = WRITTEN.iter().find(|(known, _)| *known == name)?;
    let indented: String = text.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!("plugins:\n  {name}:\n    bundled: {name}\n    grants:\n{indented}");
    let context = c::Context { bundled_plugins: &[name], given_plugins: &[] };
    Some(match c::Settings::parse(&text, "grants.yaml", Path::new("/"), &context) {
        Ok(settings) => match settings.plugins.into_iter().next() {
            Some(plugin) => Ok(plugin.grants),
            None => Err(format!("the grants of `{name}` are empty")),
        },
        Err(problems) => Err(format!("the grants of `{name}`: {problems}")),
    })
}

#[cfg(test)]
mod tests {
    use super::{WRITTEN, grants};

    #[test]
    fn every_file_is_right_and_grants_requests_only() {
        for (name, _) in WRITTEN {
            let grants = grants(name).unwrap().unwrap_or_else(|error| panic!("{error}"));
            assert!(!grants.http.is_empty(), "{name}");
            assert!(grants.docker.is_none() && grants.kubernetes.is_none() && grants.embedded.is_none());
            assert!(grants.http.iter().all(|grant| grant.sign.is_some() && !grant.private), "{name}");
        }
        assert!(grants("docker").is_none());
    }
}
