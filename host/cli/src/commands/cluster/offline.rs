//! `gateway cluster generate-env|extract-data|show-example`: what servers need, from their entries alone. No cluster is asked.

use super::data::{is_placeholder, key};
use super::needs::Needs;
use crate::args::{CatalogArgs, SourceArgs};
use crate::assemble::Inputs;
use crate::environment::Environment;
use crate::exit;
use crate::output::{Usage, name, print, print_json, say};
use anyhow::{Context as _, Result};
use host_config::{Server, nearest};
use serde_json::{Map, Value, json};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What stands for a value that is still to be written, in the files (`provisioning.md` 4.3) and in examples (4.2).
const FILE_VALUE: &str = "<REPLACE_WITH_YOUR_VALUE>";
const FILE_SECRET: &str = "<REPLACE_WITH_YOUR_SECRET>";
const VALUE: &str = "<REPLACE_WITH_ACTUAL_VALUE>";
const SECRET: &str = "<REPLACE_WITH_ACTUAL_SECRET>";

/// Servers of the catalogues and of the settings, whatever is enabled.
fn servers(catalog: &CatalogArgs, environment: &Environment) -> Result<Vec<Server>> {
    let mut source = SourceArgs {
        settings: catalog.settings.clone(),
        catalog: catalog.catalog.clone(),
        ..SourceArgs::default()
    };
    source.files.enable_all_servers = true;
    Ok(Inputs::load(&source, environment)?.servers)
}

fn find<'s>(servers: &'s [Server], wanted: &str) -> Result<&'s Server> {
    servers.iter().find(|server| server.name == wanted).ok_or_else(|| {
        let near = nearest(wanted, servers.iter().map(|server| server.name.as_str()));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Usage(format!("server '{}' not found in catalog{near}", name(wanted))).into()
    })
}

pub(super) fn generate_env(
    names: &str,
    base: &str,
    force: bool,
    catalog: &CatalogArgs,
    environment: &Environment,
) -> Result<u8> {
    let all = servers(catalog, environment)?;
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    // One unknown name stops before any file is written.
    let chosen = names.iter().map(|wanted| find(&all, wanted)).collect::<Result<Vec<_>>>()?;
    let needs = chosen.into_iter().map(Needs::of).fold(Needs::default(), Needs::and);
    let listed = names.join(", ");
    let config: Vec<&String> = needs.config().map(|(name, _)| name).collect();
    let secrets: Vec<&String> = needs.secrets.keys().collect();
    let files = [
        Layout {
            what: "config",
            mode: 0o644,
            lines: ["Values for templates of the catalogue", "One line each; they go into a ConfigMap"],
            placeholder: FILE_VALUE,
            names: config,
        },
        Layout {
            what: "secret",
            mode: 0o600,
            lines: [
                "Secret values - replace placeholders with actual secrets",
                "One line each; they go into a Secret",
            ],
            placeholder: FILE_SECRET,
            names: secrets,
        },
    ];
    if !force {
        files.iter().try_for_each(|layout| layout.refuse_edited(base))?;
    }
    for layout in &files {
        let file = layout.write(base, &listed)?;
        print(&format!(
            "Generated {} file: {} ({} variables)",
            layout.what,
            file.display(),
            layout.names.len()
        ));
    }
    warn(&needs);
    print(&format!(
        "\nUsage:\n  1. Write the values into {base}-config.env and {base}-secret.env\n  \
         2. gateway cluster populate-configmap {base}-config.env my-mcp-config NAMESPACE\n  \
         3. gateway cluster populate-secret {base}-secret.env my-mcp-secrets NAMESPACE\n  \
         4. {}",
        run_command(&names.join(","))
    ));
    Ok(exit::DONE)
}

fn run_command(servers: &str) -> String {
    format!(
        "gateway run --provisioner kubernetes --namespace NAMESPACE --servers {servers} --cluster-config-provider cluster \
         --cluster-secret-provider cluster --cluster-config-name my-mcp-config --cluster-secret-name my-mcp-secrets"
    )
}

/// What cannot be done for the operator.
fn warn(needs: &Needs) {
    for (place, expression) in &needs.not_carried {
        say(&format!(
            "warning: {place} has {expression}, which a cluster cannot evaluate; write it without a template, or use `--cluster-config-provider docker-engine`"
        ));
    }
    for (name, setting) in needs.config().filter(|(_, setting)| !setting.declared) {
        say(&format!(
            "warning: `{name}` is not declared under `config` of the entry (used by {})",
            list(setting.used.iter())
        ));
    }
}

fn list<'a>(items: impl Iterator<Item = &'a String>) -> String {
    items.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// One of the two files.
struct Layout<'n> {
    what: &'static str,
    mode: u32,
    lines: [&'static str; 2],
    placeholder: &'static str,
    names: Vec<&'n String>,
}

impl Layout<'_> {
    fn file(&self, base: &str) -> PathBuf {
        PathBuf::from(format!("{base}-{}.env", self.what))
    }

    /// A file that somebody has filled in is not written over.
    fn refuse_edited(&self, base: &str) -> Result<()> {
        let file = self.file(base);
        let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
        let edited = text.lines().filter(|line| !line.starts_with('#'));
        let edited = edited
            .filter_map(|line| line.split_once('='))
            .filter(|(_, value)| !is_placeholder(value))
            .count();
        if edited == 0 {
            return Ok(());
        }
        Err(Usage(format!(
            "`{}` holds {edited} values, and is left as it is; `--force` writes over it",
            file.display()
        ))
        .into())
    }

    fn text(&self, servers: &str, now: &str) -> String {
        let mut text = format!(
            "# MCP Gateway {} variables for servers: {servers}\n# Generated by gateway cluster generate-env on {now}\n# \n# {}\n# {}\n",
            self.what, self.lines[0], self.lines[1]
        );
        if self.names.is_empty() {
            text.push_str(&format!(
                "# No {} variables found for these servers\n\n# (Empty - no variables to configure)\n",
                self.what
            ));
            return text;
        }
        text.push('\n');
        for name in &self.names {
            text.push_str(&format!("{name}={}\n", self.placeholder));
        }
        text
    }

    fn write(&self, base: &str, servers: &str) -> Result<PathBuf> {
        let file = self.file(base);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        write(&file, &self.text(servers, &time(now)), self.mode)
            .with_context(|| format!("failed to create {} file: write `{}`", self.what, file.display()))?;
        Ok(file)
    }
}

fn write(file: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut open = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(file)?;
    if mode == 0o600 {
        // One that was there keeps its mode otherwise.
        open.set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    open.write_all(text.as_bytes())
}

/// `2026-01-31 12:00:00` (UTC) of seconds since 1970, in the proleptic Gregorian calendar.
fn time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * m + 2) / 5 + 1, if m < 10 { m + 3 } else { m - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
}

pub(super) fn extract_data(
    wanted: &str,
    json: bool,
    catalog: &CatalogArgs,
    environment: &Environment,
) -> Result<u8> {
    let all = servers(catalog, environment)?;
    let server = find(&all, wanted)?;
    let needs = Needs::of(server);
    if json {
        print_json(&json!({
            "server": server.name,
            "config": needs.config().map(|(name, setting)| json!({
                "name": name, "key": key(name), "usedBy": setting.used, "declared": setting.declared, "required": setting.required,
            })).collect::<Vec<_>>(),
            "secrets": needs.secrets.iter().map(|(name, used)| json!({"name": name, "key": key(name), "usedBy": used})).collect::<Vec<_>>(),
            "static": needs.fixed.iter().map(|(name, value)| json!({"env": name, "value": value})).collect::<Vec<_>>(),
            "notCarried": needs.not_carried.iter().map(|(place, what)| json!({"field": place, "expression": what})).collect::<Vec<_>>(),
        }));
        return Ok(exit::DONE);
    }
    print(&format!("Data of server `{}` ({})", name(&server.name), server.place));
    print("\nConfigMap (values for templates):");
    let nothing = |count: usize| {
        if count == 0 {
            print("  (none)");
        }
    };
    for (name, setting) in needs.config() {
        let how = match (setting.required, setting.declared) {
            (true, _) => "required",
            (false, true) => "optional",
            (false, false) => "not declared",
        };
        let used = if setting.used.is_empty() { "nothing".to_owned() } else { list(setting.used.iter()) };
        print(&format!("  {} <- {used} ({how})", key(name)));
    }
    nothing(needs.config().count());
    print("\nSecret:");
    for (name, used) in &needs.secrets {
        let used = if used.is_empty() { "nothing".to_owned() } else { list(used.iter()) };
        print(&format!("  {} <- {used} (secret)", key(name)));
    }
    nothing(needs.secrets.len());
    print("\nPart of the entry, in neither:");
    for (name, value) in &needs.fixed {
        print(&format!("  {name}={}", crate::output::name(value)));
    }
    nothing(needs.fixed.len());
    print(&format!("\nCommands:\n{}", commands(&needs, &server.name)));
    warn(&needs);
    Ok(exit::DONE)
}

pub(super) fn show_example(wanted: &str, catalog: &CatalogArgs, environment: &Environment) -> Result<u8> {
    let all = servers(catalog, environment)?;
    let server = find(&all, wanted)?;
    let needs = Needs::of(server);
    print(&format!(
        "Example data for server '{}':\n\n{}",
        name(&server.name),
        commands(&needs, &server.name)
    ));
    Ok(exit::DONE)
}

/// Commands that make both objects, with placeholders, and the one that uses them.
fn commands(needs: &Needs, server: &str) -> String {
    let object = |names: Vec<&String>, placeholder: &str| {
        let map: Map<String, Value> =
            names.into_iter().map(|name| (key(name), Value::from(placeholder))).collect();
        Value::Object(map).to_string()
    };
    let config = object(needs.config().map(|(name, _)| name).collect(), VALUE);
    let secret = object(needs.secrets.keys().collect(), SECRET);
    format!(
        "  gateway cluster create-configmap my-mcp-config '{config}' NAMESPACE\n  gateway cluster create-secret my-mcp-secrets '{secret}' NAMESPACE\n  {}",
        run_command(server)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_layout_of_the_documents() {
        let names = ["a.x".to_owned(), "b.y".to_owned()];
        let full = Layout {
            what: "config",
            mode: 0o644,
            lines: ["one", "two"],
            placeholder: FILE_VALUE,
            names: names.iter().collect(),
        };
        assert_eq!(
            full.text("a, b", "NOW"),
            "# MCP Gateway config variables for servers: a, b\n# Generated by gateway cluster generate-env on NOW\n# \n# one\n# two\n\n\
             a.x=<REPLACE_WITH_YOUR_VALUE>\nb.y=<REPLACE_WITH_YOUR_VALUE>\n"
        );
        let empty = Layout {
            what: "secret",
            mode: 0o600,
            lines: ["one", "two"],
            placeholder: FILE_SECRET,
            names: Vec::new(),
        };
        assert!(empty.text("a", "NOW").ends_with(
            "# two\n# No secret variables found for these servers\n\n# (Empty - no variables to configure)\n"
        ));
    }

    #[test]
    fn times_are_written_as_people_read_them() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (1_709_208_000, "2024-02-29 12:00:00"),
            (1_735_689_599, "2024-12-31 23:59:59"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }
}
