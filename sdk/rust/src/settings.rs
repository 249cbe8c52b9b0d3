//! Typed settings: what the operator's file may say to a plugin, as a Rust type that carries its own JSON Schema.

use crate::{Error, Result};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A type that can be settings. Every type with these traits is; [`settings!`](crate::settings!) writes them.
pub trait Settings: DeserializeOwned + JsonSchema + Default + 'static {}

impl<T: DeserializeOwned + JsonSchema + Default + 'static> Settings for T {}

/// Declares settings: all keys optional, written in camel case as everywhere in the operator's file, unknown ones refused.
///
/// Doc comments become descriptions in the schema. For anything beyond that (required keys, other defaults) derive the traits of
/// [`Settings`] by hand.
///
/// ```
/// gateway_plugin::settings! {
///     /// Settings of the plugin `tenant`.
///     pub struct TenantSettings {
///         /// Ceiling for every server, in MiB.
///         pub memory_mib: Option<u32>,
///     }
/// }
/// let settings: TenantSettings = serde_json::from_str(r#"{"memoryMib": 64}"#).unwrap();
/// assert_eq!(settings.memory_mib, Some(64));
/// assert!(serde_json::from_str::<TenantSettings>(r#"{"memory": 64}"#).is_err());
/// ```
#[macro_export]
macro_rules! settings {
    ($($item:item)+) => {$(
        #[derive(
            ::core::fmt::Debug,
            ::core::clone::Clone,
            ::core::default::Default,
            $crate::serde::Deserialize,
            $crate::schemars::JsonSchema,
        )]
        #[serde(crate = "gateway_plugin::serde", default, deny_unknown_fields, rename_all = "camelCase")]
        #[schemars(crate = "gateway_plugin::schemars")]
        $item
    )+};
}

/// Settings of a plugin, or of a server, that has none: every key is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Reads settings from the JSON object that the host gives.
pub(crate) fn read<T: Settings>(whose: &str, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|e| {
        Error::config(format!("understand the settings of {whose}: {e}"))
            .hint("compare them with the schema that `gateway plugin inspect` prints")
    })
}

/// The schema of a settings type as JSON text. Closed against unknown keys unless the type says otherwise, so that an operator's typing
/// error is found at load and not ignored.
pub(crate) fn schema<T: Settings>() -> String {
    let mut schema: Schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    if let Some(object) = schema.as_object_mut()
        && object.get("type").and_then(Value::as_str) == Some("object")
    {
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    schema.to_value().to_string()
}
