//! ConfigMaps and Secrets that servers refer to: made or updated from what an operator wrote, with a report of keys and no values.

use super::Place;
use crate::args::WriteArgs;
use crate::exit;
use crate::output::{Usage, name, print, print_json, say};
use anyhow::{Context as _, Result, anyhow};
use host_workload_kubernetes::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Names with their values.
pub(super) type Values = BTreeMap<String, String>;

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

/// Whether a value is still to be written.
pub(super) fn is_placeholder(value: &str) -> bool {
    value.is_empty() || PLACEHOLDERS.contains(&value)
}

/// Lines `NAME=value`, as `.env` files of Docker's gateway are read: split at the first `=`, comments from column one.
pub(super) fn of_file(file: &Path) -> Result<Values> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read `{}`", file.display()))?;
    let mut values = Values::new();
    for (at, line) in (1..).zip(text.lines()) {
        let written = line.trim();
        if written.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line itself may be a secret.
        let (key, value) = written
            .split_once('=')
            .ok_or_else(|| Usage(format!("`{}` line {at} is no `NAME=value`", file.display())))?;
        values.insert(key.trim().to_owned(), value.to_owned());
    }
    Ok(without_placeholders(values))
}

/// A JSON object of texts.
pub(super) fn of_json(text: &str) -> Result<Values> {
    // The error of the parser would repeat the text, and that may be secret.
    let values: Option<Values> =
        serde_json::from_str(text).map_err(|_| Usage("the data is no JSON object of texts".to_owned()))?;
    Ok(without_placeholders(values.unwrap_or_default()))
}

/// The same without what is empty or still a placeholder.
fn without_placeholders(mut values: Values) -> Values {
    values.retain(|key, value| {
        let keep = !is_placeholder(value);
        if !keep {
            say(&format!("warning: skipping {} (empty or placeholder value)", name(key)));
        }
        keep
    });
    values
}

/// The same with keys that the API takes: everything outside `[A-Za-z0-9._-]` becomes `___` (`provisioning.md` 3.12), as servers refer to it.
pub(super) fn keyed(values: Values) -> Result<Values> {
    let mut keyed: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (written, value) in values {
        let key = key(&written);
        if key.is_empty() || key.len() > 253 || key == "." || key.starts_with("..") {
            let text = format!(
                "`{}` cannot be a key: 1 to 253 characters, not `.`, and not beginning with `..`",
                name(&written)
            );
            return Err(Usage(text).into());
        }
        if key != written {
            say(&format!("`{}` becomes the key `{key}`", name(&written)));
        }
        if let Some((other, _)) = keyed.insert(key.clone(), (written.clone(), value)) {
            let text = format!("`{}` and `{}` would be one key, `{key}`", name(&other), name(&written));
            return Err(Usage(text).into());
        }
    }
    Ok(keyed.into_iter().map(|(key, (_, value))| (key, value)).collect())
}

/// The key of a name.
pub(super) fn key(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars().map(|c| if fits(c) { c.to_string() } else { "___".to_owned() }).collect()
}

/// What became of keys.
#[derive(Default)]
struct Report {
    added: Vec<String>,
    changed: Vec<String>,
    unchanged: Vec<String>,
    removed: Vec<String>,
}

pub(super) async fn write(
    what: &str,
    object: &str,
    values: Values,
    place: &Place,
    args: &WriteArgs,
) -> Result<u8> {
    let dry_run = args.cluster.dry_run;
    let kind = Kind::known(&format!("v1/{what}")).context("a kind that every cluster has")?;
    let failed = |error| anyhow!("{error}");
    let before = place.cluster.get(&kind, &place.namespace, object).await.map_err(failed)?;
    if let Some(before) = &before {
        let owner = before.pointer("/metadata/labels").and_then(|labels| labels.get(MANAGED_BY));
        if owner.and_then(Value::as_str) != Some(OWNER) && !args.adopt {
            return Err(anyhow!(
                "{what} `{object}` in namespace `{}` was not made with these commands, and is left as it is; `--adopt` changes it all the same",
                place.namespace
            ));
        }
    }
    let old = before.as_ref().and_then(|before| before.get("data")).and_then(Value::as_object);
    let (data, report) = merged(what, old, &values, args.prune);
    // Everything else of an object that is there stays: labels, annotations, its version, by which another change meanwhile is a conflict.
    let mut document = before.clone().unwrap_or_else(|| json!({ "apiVersion": "v1", "kind": what }));
    if what == "Secret" && before.is_none() {
        set(&mut document, &["type"], Value::from("Opaque"));
    }
    set(&mut document, &["metadata", "name"], Value::from(object));
    set(&mut document, &["metadata", "namespace"], Value::from(place.namespace.as_str()));
    let component = if what == "Secret" { "secret" } else { "config" };
    for (label, value) in [
        (MANAGED_BY, OWNER),
        ("app.kubernetes.io/component", component),
        ("mcp-gateway.docker.com/purpose", "cluster-provider"),
    ] {
        set(&mut document, &["metadata", "labels", label], Value::from(value));
    }
    set(&mut document, &["data"], Value::Object(data));
    match (&before, dry_run) {
        (None, dry_run) => drop(place.cluster.create(&kind, &document, dry_run).await.map_err(failed)?),
        (Some(_), false) => drop(place.cluster.replace(&kind, &document).await.map_err(failed)?),
        (Some(_), true) => {}
    }
    let Report { added, changed, unchanged, removed } = report;
    if args.cluster.json {
        print_json(&json!({
            "kind": what, "name": object, "namespace": place.namespace, "dryRun": dry_run, "created": before.is_none(),
            "added": added, "changed": changed, "unchanged": unchanged, "removed": removed,
        }));
        return Ok(exit::DONE);
    }
    let verb = match (before.is_none(), dry_run) {
        (true, true) => "would create",
        (true, false) => "created",
        (false, true) => "would update",
        (false, false) => "updated",
    };
    print(&format!("{verb} {what} `{object}` in namespace `{}`", place.namespace));
    for (word, keys) in
        [("added", added), ("changed", changed), ("unchanged", unchanged), ("removed", removed)]
    {
        if !keys.is_empty() {
            print(&format!("  {word}: {}", keys.join(", ")));
        }
    }
    Ok(exit::DONE)
}

fn merged(
    what: &str,
    old: Option<&Map<String, Value>>,
    values: &Values,
    prune: bool,
) -> (Map<String, Value>, Report) {
    let mut data = old.cloned().unwrap_or_default();
    let mut report = Report::default();
    if prune {
        data.retain(|key, _| {
            let stays = values.contains_key(key);
            if !stays {
                report.removed.push(name(key));
            }
            stays
        });
    }
    for (key, value) in values {
        let value = Value::from(if what == "Secret" { base64(value) } else { value.clone() });
        let into = match data.insert(key.clone(), value.clone()) {
            None => &mut report.added,
            Some(before) if before == value => &mut report.unchanged,
            Some(_) => &mut report.changed,
        };
        into.push(key.clone());
    }
    (data, report)
}

fn set(document: &mut Value, path: &[&str], value: Value) {
    let mut at = document;
    for step in path {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Some(map) = at.as_object_mut() else { return };
        at = map.entry(*step).or_insert(Value::Null);
    }
    *at = value;
}

fn base64(value: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn files_are_read_as_env_files_are_and_placeholders_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.env");
        std::fs::write(&file, "# MCP\n\na.b=c=d \nempty=\nx=<REPLACE_WITH_YOUR_VALUE>\ny=<REPLACE_WITH_ACTUAL_SECRET>\nq=\"v\"\n").unwrap();
        assert_eq!(of_file(&file).unwrap(), values(&[("a.b", "c=d"), ("q", "\"v\"")]));
        std::fs::write(&file, "a=b\nhunter2\n").unwrap();
        let error = of_file(&file).unwrap_err().to_string();
        assert!(error.ends_with("line 2 is no `NAME=value`") && !error.contains("hunter2"), "{error}");
        for (json, fits) in
            [("{}", true), ("null", true), ("{\"A\":\"1\"}", true), ("{\"A\":1}", false), ("[]", false)]
        {
            assert_eq!(of_json(json).is_ok(), fits, "{json}");
        }
    }

    #[test]
    fn names_become_keys_and_never_meet() {
        let given = values(&[("github/token", "1"), ("a.b-c_d", "2"), ("a b", "3")]);
        assert_eq!(
            keyed(given).unwrap(),
            values(&[("github___token", "1"), ("a.b-c_d", "2"), ("a___b", "3")])
        );
        let error = keyed(values(&[("a/b", "1"), ("a:b", "2")])).unwrap_err().to_string();
        assert_eq!(error, "`a/b` and `a:b` would be one key, `a___b`");
        for bad in ["", ".", "..x"] {
            assert!(keyed(values(&[(bad, "1")])).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_that_are_not_given_stay_unless_they_are_pruned() {
        let old = json!({ "a": "MQ==", "b": "Mg==", "c": "Mw==" });
        let (data, report) =
            merged("Secret", old.as_object(), &values(&[("a", "1"), ("b", "x"), ("d", "4")]), false);
        assert_eq!(data.len(), 4);
        assert_eq!(
            (report.added, report.changed, report.unchanged),
            (vec!["d".to_owned()], vec!["b".to_owned()], vec!["a".to_owned()])
        );
        let (data, report) = merged("ConfigMap", old.as_object(), &values(&[("a", "MQ==")]), true);
        assert_eq!((data.len(), report.removed.join(" ")), (1, "b c".to_owned()));
    }
}
