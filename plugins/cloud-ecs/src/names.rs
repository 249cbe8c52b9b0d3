//! Names, kinds and tags of what is made.

use crate::settings::{EcsSettings, Place};
use gateway_plugin::types::ObjectRef;
use gateway_plugin::{Context, label};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A task.
pub const TASK: &str = "AWS::ECS::Task";
/// A task definition, by its family.
pub const DEFINITION: &str = "AWS::ECS::TaskDefinition";
/// A secret, by its name.
pub const SECRET: &str = "AWS::SecretsManager::Secret";
/// A log group, by its name.
pub const LOG_GROUP: &str = "AWS::Logs::LogGroup";

/// What the names of families and secrets begin with; the policy of the plugin's page is limited by it.
pub const PREFIX: &str = "mcp-";
/// What the names of log groups begin with.
pub const LOGS: &str = "/gateway/";

/// What one call makes is called so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Family of the task definition, and beginning of the secrets' names: `mcp-ID-REQUEST`.
    pub base: String,
    /// Client token of the task, and who has started it.
    pub token: String,
    /// Tags of everything.
    pub tags: BTreeMap<String, String>,
}

/// The family of a server in a request.
#[must_use]
pub fn base(id: &str, request: &str) -> String {
    format!("{PREFIX}{id}-{request}")
}

impl Names {
    /// Of what is really made.
    #[must_use]
    pub fn of(context: &Context, settings: &EcsSettings, id: &str) -> Self {
        let labels = context.labels.iter().map(|label| (label.key.clone(), label.value.clone()));
        Self {
            base: base(id, &context.request),
            token: context.request.clone(),
            tags: tags(settings, labels),
        }
    }

    /// Of what is only shown: what every call has anew stands in brackets, so that a plan says the same twice.
    #[must_use]
    pub fn shown(context: &Context, settings: &EcsSettings, id: &str) -> Self {
        let labels = context.labels.iter().map(|label| (label.key.clone(), format!("<{}>", label.key)));
        Self { base: base(id, "<request>"), token: "<request>".to_owned(), tags: tags(settings, labels) }
    }

    /// Name of the secret for a variable. Secrets Manager takes letters, digits and `/_+=.@-`.
    #[must_use]
    pub fn secret(&self, at: usize, variable: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '.' };
        let variable: String = variable.chars().map(plain).take(200).collect();
        format!("{}/{at}/{variable}", self.base)
    }
}

fn tags(settings: &EcsSettings, labels: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut tags = settings.tags.clone();
    tags.insert("managed-by".to_owned(), "mcp-gateway".to_owned());
    // Whose it is, is never the operator's to say.
    tags.extend(labels);
    tags
}

/// Tags as ECS wants them.
#[must_use]
pub fn ecs_tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// Tags as Secrets Manager wants them.
#[must_use]
pub fn secret_tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// Tags as the log service wants them.
#[must_use]
pub fn log_tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>().into()
}

/// The log group of a session. Its name says whose it is, so that a sweep need not ask for its tags.
#[must_use]
pub fn log_group(context: &Context) -> String {
    let plugin = context.labels.iter().find(|label| label.key == label::PLUGIN);
    let plugin = plugin.map_or("cloud-ecs", |label| label.value.as_str());
    format!("{LOGS}{}/{}/{plugin}", context.gateway, context.session)
}

/// The task of a request. It has no name before it runs, so it is known by its client token.
#[must_use]
pub fn task(place: &Place, token: &str) -> ObjectRef {
    ObjectRef::new(TASK, place.cluster_scope(), token)
}

/// A task definition.
#[must_use]
pub fn definition(place: &Place, family: &str) -> ObjectRef {
    ObjectRef::new(DEFINITION, &place.region, family)
}

/// A secret.
#[must_use]
pub fn secret(place: &Place, name: &str) -> ObjectRef {
    ObjectRef::new(SECRET, &place.region, name)
}

#[cfg(test)]
mod tests {
    use super::{Names, log_group};
    use crate::settings::EcsSettings;
    use gateway_plugin::fake;

    #[test]
    fn names_follow_from_the_request_and_tags_from_the_call() {
        let mut settings = EcsSettings::default();
        settings.tags.insert("cost-center".to_owned(), "42".to_owned());
        settings.tags.insert("gateway-id".to_owned(), "somebody else's".to_owned());
        let names = Names::of(&fake::context(), &settings, "notes");
        assert_eq!(names.base, "mcp-notes-r234567890123456");
        assert_eq!(names.secret(0, "ACME TOKEN"), "mcp-notes-r234567890123456/0/ACME.TOKEN");
        assert_eq!(names.tags["gateway-id"], "g234567890123456", "the call's own labels win");
        assert_eq!(names.tags["cost-center"], "42");
        assert_eq!(Names::shown(&fake::context(), &settings, "notes").base, "mcp-notes-<request>");
        assert_eq!(log_group(&fake::context()), "/gateway/g234567890123456/s234567890123456/fake");
    }
}
