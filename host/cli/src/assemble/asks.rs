//! What a plugin asks for, and the lines of `gateway.yaml` that would grant it.

use host_config::{PluginSettings, PluginSource};
use host_wasm::{Asks, Grants, LoadError};
use std::path::PathBuf;

/// How the operator named a plugin, so that advice can be in his words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    /// Its name.
    pub(crate) name: String,
    /// `path: ./acme.wasm`, as it would stand in the settings.
    pub(crate) source: String,
    /// Where its entry stands in the settings; none if it has none.
    pub(crate) entry: Option<String>,
    /// Its file, if the operator named one.
    pub(crate) file: Option<PathBuf>,
}

impl Named {
    /// The words for a plugin.
    pub(crate) fn of(plugin: &PluginSettings) -> Self {
        let (source, file) = match &plugin.source {
            PluginSource::File(file) => (format!("path: {}", scalar(&file.written)), Some(file.path.clone())),
            PluginSource::Bundled(name) => (format!("bundled: {}", scalar(name)), None),
        };
        // A place without a line is of an entry that came from no file.
        let entry = (plugin.place.line > 0).then(|| plugin.place.to_string());
        Self { name: plugin.name.clone(), source, entry, file }
    }

    /// Advice for a plugin that imports what it was not granted: everything that is missing, as it is to be pasted.
    pub(crate) fn advice(&self, missing: &[&str], granted: &Grants) -> String {
        let grants = missing.iter().map(|ability| grant(ability)).collect::<Vec<_>>().join(", ");
        let name = &self.name;
        match &self.entry {
            None => format!(
                "if you trust it with that, put this into gateway.yaml: `plugins: {{{name}: {{{}, grants: {{{grants}}}}}}}`",
                self.source
            ),
            Some(place) if *granted == Grants::default() => {
                format!(
                    "if you trust it with that, add this to `plugins.{name}` ({place}): `grants: {{{grants}}}`"
                )
            }
            Some(place) => {
                format!(
                    "if you trust it with that, add this to `plugins.{name}.grants` ({place}): `{grants}`"
                )
            }
        }
    }
}

/// Abilities that are asked for and not granted.
pub(crate) fn missing<'a>(asks: &'a Asks, granted: &Grants) -> Vec<&'a str> {
    asks.abilities.iter().map(String::as_str).filter(|ability| !has(granted, ability)).collect()
}

/// Abilities that are granted, by their names in the settings.
pub(crate) fn granted(grants: &Grants) -> Vec<&'static str> {
    ["embedded", "docker", "kubernetes", "http", "registry"]
        .into_iter()
        .filter(|ability| has(grants, ability))
        .collect()
}

fn has(grants: &Grants, ability: &str) -> bool {
    match ability {
        "embedded" => grants.embedded.is_some(),
        "docker" => grants.docker.is_some(),
        "kubernetes" => grants.kubernetes.is_some(),
        "http" => !grants.http.is_empty(),
        "registry" => grants.registry.is_some(),
        _ => false,
    }
}

/// The shortest grant of an ability. What only the operator can know is a word in capitals.
fn grant(ability: &str) -> String {
    match ability {
        "kubernetes" => "kubernetes: {namespaces: [NAMESPACE], kinds: [v1/Pod]}".to_owned(),
        "http" => "http: [{host: HOST, methods: [GET]}]".to_owned(),
        other => format!("{other}: true"),
    }
}

/// A text inside a YAML flow map, in quotes unless it is plain beyond doubt.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '.' | '/'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_'));
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// What a file or a bundled plugin imports.
///
/// # Errors
/// It cannot be read, or is no plugin.
pub(crate) async fn asks(name: &str, source: &host_wasm::PluginSource) -> Result<Asks, LoadError> {
    host_wasm::asks(name, &source.read(name).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(source: &str, entry: Option<&str>) -> Named {
        Named {
            name: "acme".to_owned(),
            source: source.to_owned(),
            entry: entry.map(str::to_owned),
            file: None,
        }
    }

    #[test]
    fn what_is_missing_can_be_pasted_and_read_back() {
        let advice = named("path: ./acme.wasm", None).advice(&["embedded", "http"], &Grants::default());
        let (_, rest) = advice.split_once('`').unwrap();
        let yaml = rest.strip_suffix('`').unwrap();
        assert_eq!(
            yaml,
            "plugins: {acme: {path: ./acme.wasm, grants: {embedded: true, http: [{host: HOST, methods: [GET]}]}}}"
        );
        let folder = std::path::Path::new("/work");
        let settings =
            host_config::Settings::parse(yaml, "gateway.yaml", folder, &host_config::Context::default());
        assert!(settings.unwrap().plugins[0].grants.embedded.is_some());
    }

    #[test]
    fn an_entry_that_is_there_is_completed() {
        let named = named("path: ./acme.wasm", Some("gateway.yaml:2:3"));
        assert_eq!(
            named.advice(&["embedded"], &Grants::default()),
            "if you trust it with that, add this to `plugins.acme` (gateway.yaml:2:3): `grants: {embedded: true}`"
        );
        let some = Grants { docker: Some(host_wasm::DockerGrant::default()), ..Grants::default() };
        assert_eq!(
            named.advice(&["embedded"], &some),
            "if you trust it with that, add this to `plugins.acme.grants` (gateway.yaml:2:3): `embedded: true`"
        );
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_not_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| host_wasm::PluginSource::File(folder.path().join(name));
        let missing = asks("acme", &file("missing.wasm")).await.err().unwrap();
        assert_eq!(missing.kind, host_wasm::LoadErrorKind::File);
        assert!(missing.text.starts_with("cannot be read from `"), "{missing}");
        let large = std::fs::File::create(folder.path().join("large.wasm")).unwrap();
        large.set_len(65 << 20).unwrap();
        let large = asks("acme", &file("large.wasm")).await.err().unwrap();
        assert_eq!(large.text, "has 65 MiB, and a plugin may have 64");
    }

    #[test]
    fn a_path_that_yaml_would_misread_is_quoted() {
        for (path, written) in [("./a.wasm", "./a.wasm"), ("a b.wasm", "\"a b.wasm\""), ("{x}", "\"{x}\"")] {
            assert_eq!(scalar(path), written);
        }
    }
}
