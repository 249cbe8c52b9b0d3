//! ConfigMaps and Secrets that servers refer to: made or updated from what an operator wrote, with a report of keys and no values.

use super::Place;
use crate::args::ClusterArgs;
use crate::exit;
use crate::output::{Usage, name, print, print_json, say};
use anyhow::{Context as _, Result, anyhow};
use host_workload_kubernetes::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Whose these objects are: an operator's, made with these commands. What a gateway makes for itself has another value.
const OWNER: &str = "mcp-gateway-provisioning";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// What stands where a value is still to be written (`provisioning.md` 4.2, 4.3).
const PLACEHOLDERS: [&str; 4] = [
    "<REPLACE_WITH_YOUR_VALUE>",
    "<REPLACE_WITH_YOUR_SECRET>",
    "<REPLACE_WITH_ACTUAL_VALUE>",
    "<REPLACE_WITH_ACTUAL_SECRET>",
];

/// Lines `NAME=value`; empty ones and those that begin with `#` are passed over.
pub(super) fn of_file(file: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read `{}`", file.display()))?;
    let mut values = BTreeMap::new();
    for (at, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| Usage(format!("`{}` line {at} is no `NAME=value`", file.display())))?;
        values.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(values)
}

/// A JSON object of texts.
pub(super) fn of_json(text: &str) -> Result<BTreeMap<String, String>> {
    // The error of the parser would repeat the text, and that may be secret.
    serde_json::from_str(text).map_err(|_| Usage("the data is no JSON object of texts".to_owned()).into())
}

/// The same without what is empty or still a placeholder.
pub(super) fn without_placeholders(mut values: BTreeMap<String, String>) -> BTreeMap<String, String> {
    values.retain(|key, value| {
        let keep = !value.is_empty() && !PLACEHOLDERS.contains(&value.as_str());
        if !keep {
            say(&format!("warning: skipping {} (empty or placeholder value)", name(key)));
        }
        keep
    });
    values
}

pub(super) async fn write(
    what: &str,
    object: &str,
    values: BTreeMap<String, String>,
    place: &Place,
    args: &ClusterArgs,
) -> Result<u8> {
    if let Some(bad) = values.keys().find(|key| !is_key(key)) {
        let text = format!("`{}` cannot be a key: only letters, digits, `-`, `_` and `.`", name(bad));
        return Err(Usage(text).into());
    }
    let kind = Kind::known(&format!("v1/{what}")).context("a kind that every cluster has")?;
    let failed = |error| anyhow!("{error}");
    let before = place.cluster.get(&kind, &place.namespace, object).await.map_err(failed)?;
    if let Some(before) = &before {
        let owner = before.pointer("/metadata/labels").and_then(|labels| labels.get(MANAGED_BY));
        if owner.and_then(Value::as_str) != Some(OWNER) {
            return Err(anyhow!(
                "{what} `{object}` in namespace `{}` was not made with this command, and is left as it is",
                place.namespace
            ));
        }
    }
    let old = before.as_ref().and_then(|before| before.get("data")).and_then(Value::as_object);
    let encoded = |value: &str| if what == "Secret" { base64(value) } else { value.to_owned() };
    let mut data: Map<String, Value> = old.cloned().unwrap_or_default();
    let (mut added, mut changed, mut same) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in &values {
        let value = Value::from(encoded(value));
        match data.insert(key.clone(), value.clone()) {
            None => added.push(key.clone()),
            Some(before) if before == value => same.push(key.clone()),
            Some(_) => changed.push(key.clone()),
        }
    }
    let mut document = json!({
        "apiVersion": "v1",
        "kind": what,
        "metadata": { "name": object, "namespace": place.namespace, "labels": { MANAGED_BY: OWNER } },
        "data": data,
    });
    if let Some(version) = before.as_ref().and_then(|before| before.pointer("/metadata/resourceVersion")) {
        if let Some(metadata) = document.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), version.clone());
        }
    }
    match (&before, args.dry_run) {
        (None, dry_run) => drop(place.cluster.create(&kind, &document, dry_run).await.map_err(failed)?),
        (Some(_), false) => drop(place.cluster.replace(&kind, &document).await.map_err(failed)?),
        (Some(_), true) => {}
    }
    if args.json {
        print_json(&json!({
            "kind": what, "name": object, "namespace": place.namespace, "dryRun": args.dry_run,
            "created": before.is_none(), "added": added, "changed": changed, "unchanged": same,
        }));
        return Ok(exit::DONE);
    }
    let verb = match (before.is_none(), args.dry_run) {
        (true, true) => "would create",
        (true, false) => "created",
        (false, true) => "would update",
        (false, false) => "updated",
    };
    print(&format!("{verb} {what} `{object}` in namespace `{}`", place.namespace));
    for (word, keys) in [("added", added), ("changed", changed), ("unchanged", same)] {
        if !keys.is_empty() {
            print(&format!("  {word}: {}", keys.join(", ")));
        }
    }
    Ok(exit::DONE)
}

fn is_key(key: &str) -> bool {
    (1..=253).contains(&key.len())
        && key != "."
        && !key.starts_with("..")
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn base64(value: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(value)
}
