//! Values that may hold a secret: how a plugin makes them and shows them. A secret is only ever its name.

use crate::types::{Part, SecretName, SecretOwner, Value, Variable};
use crate::{Error, Result};

/// A value that is just text.
#[must_use]
pub fn text(text: impl Into<String>) -> Value {
    vec![Part::Text(text.into())]
}

/// The secret of this name that the server of the call declares. It can be used only in the server's own values, unchanged.
#[must_use]
pub fn server_secret(name: impl Into<String>) -> SecretName {
    SecretName { owner: SecretOwner::Server, server_id: None, name: name.into() }
}

/// A secret of the plugin itself (a cloud's key), named in its grant with the hosts it may be sent to.
#[must_use]
pub fn plugin_secret(name: impl Into<String>) -> SecretName {
    SecretName { owner: SecretOwner::Plugin, server_id: None, name: name.into() }
}

/// A value that is this secret. The host fills it in at the last moment, outside the plugin.
#[must_use]
pub fn secret(name: SecretName) -> Value {
    vec![Part::Secret(name)]
}

/// An environment variable that is just text.
#[must_use]
pub fn variable(name: impl Into<String>, value: impl Into<String>) -> Variable {
    Variable { name: name.into(), value: text(value) }
}

/// The text of a value that is known completely; absent if it holds a secret, bytes, a setting that only the platform knows, or a part of a
/// later version.
///
/// A setting that the host does not know is unknown even when it has a default: the platform may hold another value.
#[must_use]
pub fn plain(value: &[Part]) -> Option<String> {
    let mut plain = String::new();
    for part in value {
        match part {
            Part::Text(text) => plain.push_str(text),
            Part::Setting(setting) => plain.push_str(setting.text.as_deref()?),
            // What this version cannot read is not known; `plain` is not where it is refused.
            Part::Bytes(_) | Part::Secret(_) | Part::Other(_) => return None,
        }
    }
    Some(plain)
}

/// The value for a document that a person reads: secrets and settings as `{{name}}`, bytes as their number.
#[must_use]
pub fn display(value: &[Part]) -> String {
    value
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Bytes(bytes) => format!("{{{{{} bytes}}}}", bytes.len()),
            Part::Secret(secret) => format!("{{{{secret {}}}}}", secret.name),
            Part::Setting(setting) => match &setting.text {
                Some(text) => text.clone(),
                None => format!("{{{{setting {}}}}}", setting.key),
            },
            Part::Other(_) => "{{a part of a later version}}".to_owned(),
        })
        .collect()
}

/// Refuses a value that holds a part of a later version of the contract, which nobody here can place. `what` names the value: `variable `A``.
///
/// # Errors
///
/// `unsupported`, as the contract asks.
pub fn refuse_unknown(what: &str, value: &[Part]) -> Result<()> {
    match value.iter().find(|part| matches!(part, Part::Other(_))) {
        Some(_) => {
            Err(Error::unsupported(format!("give {what} its value: it holds what this plugin does not know"))
                .hint("a newer version of the plugin may know it"))
        }
        None => Ok(()),
    }
}

/// The secrets in a value, in order.
pub fn secrets(value: &[Part]) -> impl Iterator<Item = &SecretName> {
    value.iter().filter_map(|part| match part {
        Part::Secret(secret) => Some(secret),
        Part::Text(_) | Part::Bytes(_) | Part::Setting(_) | Part::Other(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SettingRef;

    #[test]
    fn a_secret_shows_as_its_name_and_makes_a_value_unknown() {
        let value = vec![Part::Text("Bearer ".into()), Part::Secret(server_secret("api.token"))];
        assert_eq!(display(&value), "Bearer {{secret api.token}}");
        assert_eq!(plain(&value), None);
        assert_eq!(secrets(&value).collect::<Vec<_>>(), [&server_secret("api.token")]);
    }

    #[test]
    fn a_setting_is_text_only_where_the_host_knows_it() {
        let known =
            vec![Part::Setting(SettingRef { key: "zone".into(), text: Some("eu".into()), default: None })];
        let unknown =
            vec![Part::Setting(SettingRef { key: "zone".into(), text: None, default: Some("us".into()) })];
        assert_eq!((plain(&known).as_deref(), display(&known).as_str()), (Some("eu"), "eu"));
        assert_eq!((plain(&unknown), display(&unknown).as_str()), (None, "{{setting zone}}"));
        assert_eq!(display(&[Part::Bytes(vec![0; 3])]), "{{3 bytes}}");
        let later = [Part::Text("a".into()), Part::Other("{}".into())];
        assert_eq!((plain(&later), display(&later).as_str()), (None, "a{{a part of a later version}}"));
    }
}
