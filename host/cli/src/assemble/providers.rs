//! Where secrets and settings of servers in a cluster come from: known here, or in a Secret and a ConfigMap that are there. The flags are
//! another way to write the settings of the plugin `kubernetes`, so that there is one place to look.

use crate::args::ProviderArgs;
use crate::assemble::plugins::bundled_settings;
use crate::output::Usage;
use anyhow::Result;
use host_config::PluginSettings;
use serde_json::{Map, Value};

/// The plugin that the flags are about.
pub(crate) const PLUGIN: &str = "kubernetes";
/// What the documents call the Secret and the ConfigMap.
const SECRET: &str = "mcp-gateway-secrets";
const CONFIG: &str = "mcp-gateway-config";

/// What only the cluster knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Providers {
    /// Name of the Secret with the servers' secrets; `None`: they are known here.
    pub(crate) secret: Option<String>,
    /// Name of the ConfigMap with values for templates; `None`: they are known here.
    pub(crate) config: Option<String>,
}

impl Providers {
    /// As the settings of the plugin say.
    pub(crate) fn of(plugins: &[PluginSettings]) -> Self {
        plugins
            .iter()
            .find(|plugin| plugin.name == PLUGIN)
            .map(|plugin| Self::said(&plugin.settings))
            .unwrap_or_default()
    }

    /// What these settings say.
    pub(crate) fn said(settings: &Value) -> Self {
        let text = |key: &str| settings.get(key).and_then(Value::as_str);
        let name = |provider: &str, key: &str, usual: &str| {
            (text(provider) == Some("cluster")).then(|| text(key).unwrap_or(usual).to_owned())
        };
        Self {
            secret: name("secretProvider", "secretName", SECRET),
            config: name("configProvider", "configName", CONFIG),
        }
    }
}

/// Refused where no server would ever take anything from the cluster that the flags are about: the documents' command lines leave `--provisioner`
/// out, and a server that runs elsewhere would silently have other values.
pub(crate) fn used_by<'a>(mut places: impl Iterator<Item = &'a str>) -> Result<()> {
    if places.any(|place| place == PLUGIN) {
        return Ok(());
    }
    Err(Usage(
        "secrets or settings are to come from a cluster (`--cluster-secret-provider cluster`, `--cluster-config-provider cluster`), and no server \
         runs there: say `--provisioner kubernetes`, or place servers there with `placement:`"
            .to_owned(),
    )
    .into())
}

/// Writes the flags into the settings of the plugin.
///
/// # Errors
/// A name without an object that it could be the name of.
pub(crate) fn apply(flags: &ProviderArgs, plugins: &mut Vec<PluginSettings>) -> Result<()> {
    let said = [
        ("secretProvider", flags.cluster_secret_provider.map(|who| who.word().to_owned())),
        ("configProvider", flags.cluster_config_provider.map(|who| who.word().to_owned())),
        ("secretName", flags.cluster_secret_name.clone()),
        ("configName", flags.cluster_config_name.clone()),
    ];
    if said.iter().all(|(_, value)| value.is_none()) {
        return Ok(());
    }
    if !plugins.iter().any(|plugin| plugin.name == PLUGIN) {
        plugins.push(bundled_settings(PLUGIN));
    }
    let Some(plugin) = plugins.iter_mut().find(|plugin| plugin.name == PLUGIN) else { return Ok(()) };
    if !plugin.settings.is_object() {
        plugin.settings = Value::Object(Map::new());
    }
    if let Some(settings) = plugin.settings.as_object_mut() {
        for (key, value) in said {
            if let Some(value) = value {
                settings.insert(key.to_owned(), Value::from(value));
            }
        }
    }
    let named = plugin.settings.get("configName").is_some();
    if named && Providers::said(&plugin.settings).config.is_none() {
        return Err(Usage(
            "`--cluster-config-name` names a ConfigMap of the cluster, and the values of templates are known here: they go into the pods of their \
             servers, and no ConfigMap is made. Say `--cluster-config-provider cluster` to take them from there"
                .to_owned(),
        )
        .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ProviderArg;

    fn applied(flags: &ProviderArgs) -> Result<Providers, String> {
        let mut plugins = Vec::new();
        apply(flags, &mut plugins).map_err(|error| error.to_string())?;
        Ok(Providers::of(&plugins))
    }

    #[test]
    fn flags_of_the_documents_say_what_only_the_cluster_knows() {
        assert_eq!(applied(&ProviderArgs::default()), Ok(Providers::default()));
        let both = ProviderArgs {
            cluster_secret_provider: Some(ProviderArg::Cluster),
            cluster_config_provider: Some(ProviderArg::Cluster),
            cluster_secret_name: Some("mine".to_owned()),
            cluster_config_name: None,
        };
        let expected =
            Providers { secret: Some("mine".to_owned()), config: Some("mcp-gateway-config".to_owned()) };
        assert_eq!(applied(&both), Ok(expected.clone()));
        // Mixed modes are legal.
        let mixed = ProviderArgs { cluster_config_provider: Some(ProviderArg::DockerEngine), ..both };
        assert_eq!(applied(&mixed), Ok(Providers { config: None, ..expected }));
        // A name alone is that of the Secret that this session makes.
        let named = ProviderArgs { cluster_secret_name: Some("mine".to_owned()), ..ProviderArgs::default() };
        assert_eq!(applied(&named), Ok(Providers::default()));
        let useless =
            ProviderArgs { cluster_config_name: Some("mine".to_owned()), ..ProviderArgs::default() };
        assert!(
            applied(&useless)
                .unwrap_err()
                .starts_with("`--cluster-config-name` names a ConfigMap of the cluster")
        );
        let refused = used_by(["docker"].into_iter()).unwrap_err().to_string();
        assert!(refused.contains("say `--provisioner kubernetes`"), "{refused}");
        assert!(used_by(["docker", "kubernetes"].into_iter()).is_ok());
    }
}
