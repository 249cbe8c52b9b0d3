//! `gateway.yaml`: what Docker's files cannot say.
//!
//! It is ours, so it is strict: whatever is not understood is refused, everything at once, each with
//! its place and the way out. Paths in it are relative to the file.

use std::collections::BTreeSet;
use std::path::Path;

use crate::decode::Fields;
use crate::decode::table::{Form, Table, key};
use crate::editor::{ENTRY, EditorEntry};
use crate::file;
use crate::front::{FRONT, Front, POOL, PoolSettings};
use crate::misfit::Misfit;
use crate::path::{Base, Located};
use crate::placement::{PlacementRule, RULE};
use crate::plugin::{PLUGIN, PluginSettings};
use crate::problem::Problems;
use crate::report::{Mode, Report};
use crate::server::{OWN_SERVER, Server};
use crate::yaml::{self, Document, Position};

/// What the settings are checked against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Names of the plugins that the gateway carries inside itself.
    pub bundled_plugins: &'a [&'a str],
    /// Plugins whose files were given beside the settings, by name. An entry of such a name may leave `path` out.
    pub given_plugins: &'a [(String, Located)],
}

/// A settings file, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The file as the operator named it; empty if there was none.
    pub source: String,
    /// Catalogue files.
    pub catalogs: Vec<Located>,
    /// Where secrets are looked up, in order.
    pub secrets: Vec<SecretSource>,
    /// Plugins, in the order of the file.
    pub plugins: Vec<PluginSettings>,
    /// Which provisioner runs which server; see [`Settings::provisioner_of`].
    pub placement: Vec<PlacementRule>,
    /// Servers, in the order of the file.
    pub servers: Vec<Server>,
    /// How clients reach the gateway.
    pub front: Front,
    /// How long servers are kept.
    pub pool: PoolSettings,
    /// Folder of what outlives a start: the ledger, control sockets, the gateway's id, files of components.
    pub state: Option<Located>,
}

/// Somewhere secrets are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file with a `name=value` on each line.
    EnvFile(Located),
    /// A folder with one file per secret, as Docker and Kubernetes mount them.
    Folder(Located),
    /// The keychain of the operating system.
    Keychain {
        /// The service of its entries; their users are names of secrets.
        service: String,
    },
    /// A credential helper of Docker's.
    Helper {
        /// What stands behind `docker-credential-` in the name of its program.
        name: String,
    },
    /// Docker's secrets engine.
    Engine {
        /// Its socket; absent: where this user has it.
        socket: Option<Located>,
    },
    /// A cloud's own store.
    Cloud(CloudSecrets),
    /// The gateway's own environment.
    Environment {
        /// What the variables' names start with; not empty, so that not everything is a secret.
        prefix: String,
    },
}

/// Where a cloud keeps secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudSecrets {
    /// AWS Secrets Manager.
    Aws {
        /// What stands before a secret's name; with `#` at its end one secret, whose JSON object has the names as keys.
        prefix: String,
        /// The region; none: that of the environment.
        region: Option<String>,
        /// Another address than Amazon's.
        endpoint: Option<String>,
    },
    /// Google Secret Manager.
    Google {
        /// What stands before a secret's name.
        prefix: String,
        /// The project; none: that of the environment.
        project: Option<String>,
        /// Another address than Google's.
        endpoint: Option<String>,
    },
}

pub(crate) static SETTINGS: Table = Table {
    hint: |name| (name == "registry").then_some("servers stand under `servers:` here; rename the key"),
    ..Table::new(
        "gateway.yaml",
        "The whole file. Paths are relative to its folder.",
        &[&[
            key(
                "catalogs",
                Form::List(&Form::Path),
                "Catalogue files. Of servers with one name the last wins.",
            ),
            key(
                "secrets",
                Form::List(&Form::Special(
                    "file, folder:PATH, keychain:SERVICE, docker-credential:NAME, docker-desktop, aws-secrets-manager:PREFIX, google-secret-manager:PREFIX or env:PREFIX_",
                )),
                "Where secrets are looked up, in order: `.env` files, folders with one file per secret (Docker's \
                 `/run/secrets`, a mounted Secret of Kubernetes), the keychain of this machine (`keychain` means the service \
                 `gateway`; the user of an entry is the name of the secret), a credential helper of Docker's (`docker-credential:pass`; \
                 the key is `docker/mcp/` and the name), Docker's secrets engine (`docker-desktop`, or `docker-desktop:SOCKET`), AWS \
                 Secrets Manager (`aws-secrets-manager:prod/mcp/?region=eu-1`; the id is the prefix and the name, and a prefix that ends in `#` is one \
                 secret whose JSON object has the names as keys) and Google Secret Manager (`google-secret-manager:mcp-?project=acme`; what an id \
                 cannot hold becomes `_`), both with the gateway's own credentials, and variables of the gateway's environment.",
            ),
            key(
                "plugins",
                Form::Map(&Form::Group(&PLUGIN)),
                "Plugins by name. One with the name of a bundled plugin replaces it.",
            ),
            key("placement", Form::List(&Form::Group(&RULE)), "Which provisioner runs which server."),
            key(
                "servers",
                Form::Map(&Form::Group(&OWN_SERVER)),
                "Servers by name, beside those of the catalogues.",
            ),
            key(
                "mcpServers",
                Form::Map(&Form::Group(&ENTRY)),
                "Servers as editors write them: commands of this machine, and URLs. What stands in an editor's `mcpServers` can be \
                 pasted here.",
            ),
            key("front", Form::Group(&FRONT), "How clients reach the gateway."),
            key("pool", Form::Group(&POOL), "How long servers are kept."),
            key(
                "state",
                Form::Path,
                "Folder of what outlives a start: ledger, control sockets, the gateway's id, files of components. Without it \
                 `GATEWAY_STATE` or the usual one of this user. Compiled code is elsewhere (`GATEWAY_CACHE`).",
            ),
        ]],
    )
};

impl Settings {
    /// Reads a settings file. Only the file itself has to exist; what it names is not looked at.
    ///
    /// # Errors
    /// Everything that is wrong with the file, at once.
    pub fn load(path: &Path, context: &Context<'_>) -> Result<Settings, Problems> {
        let text = file::read(path)?;
        Settings::read(&text, &path.display().to_string(), &Base::of_file(path), context)
    }

    /// Reads the text of a settings file. `file_name` is for messages, paths are relative to
    /// `base_dir`.
    ///
    /// # Errors
    /// Everything that is wrong with the text, at once.
    pub fn parse(
        text: &str,
        file_name: &str,
        base_dir: &Path,
        context: &Context<'_>,
    ) -> Result<Settings, Problems> {
        Settings::read(text, file_name, &Base::new(base_dir), context)
    }

    /// Reads nothing but `state`: whoever looks for a gateway that runs needs no more, and what else may have become wrong with the
    /// file since it was started is not in his way.
    ///
    /// # Errors
    /// The file cannot be read, is no YAML, or `state` is no path.
    pub fn state_of(path: &Path) -> Result<Option<Located>, Problems> {
        let text = file::read(path)?;
        let base = Base::of_file(path);
        let mut report = Report::new(&path.display().to_string(), Mode::Own);
        let state = yaml::read(&text, &mut report, |document, report| {
            let mut not_asked = Report::new("", Mode::Own);
            let root = document.root();
            let fields = root.and_then(|root| Fields::open(root, &SETTINGS, "the file", &mut not_asked));
            Some(fields.and_then(|fields| fields.path("state", &base, report)))
        });
        report.finish(state).map(|(state, _)| state)
    }

    fn read(text: &str, file_name: &str, base: &Base, context: &Context<'_>) -> Result<Settings, Problems> {
        let mut report = Report::new(file_name, Mode::Own);
        let settings = yaml::read(text, &mut report, |document, report| {
            Settings::decode(document, file_name, base, context, report)
        });
        report.finish(settings).map(|(settings, _)| settings)
    }

    fn decode(
        document: &Document<'_>,
        file_name: &str,
        base: &Base,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Option<Settings> {
        let fields = match document.root() {
            Some(root) => Fields::open(root, &SETTINGS, "the file", report)?,
            None => Fields::empty(&SETTINGS, Position { line: 1, column: 1 }),
        };
        let mut settings = Settings {
            source: file_name.to_owned(),
            catalogs: fields.paths("catalogs", base, report),
            secrets: fields.parsed_list("secrets", report, |text| SecretSource::parse(text, base)),
            front: Front::decode(fields.group_or_empty("front", report), report),
            pool: PoolSettings::decode(fields.group_or_empty("pool", report), report),
            state: fields.path("state", base, report),
            ..Settings::default()
        };
        let plugins = fields.named_groups("plugins", report);
        // A plugin that was refused still exists as far as placement is concerned.
        let names: Vec<String> = plugins.iter().map(|(name, ..)| name.clone()).collect();
        for (name, at, fields) in plugins {
            settings.plugins.extend(PluginSettings::decode(name, at, fields, base, context, report));
        }
        let provisioners: BTreeSet<&str> =
            names.iter().map(String::as_str).chain(context.bundled_plugins.iter().copied()).collect();
        for fields in fields.groups("placement", report) {
            settings.placement.push(PlacementRule::decode(fields, &provisioners, report));
        }
        for (name, at, fields) in fields.named_groups("servers", report) {
            settings.servers.push(Server::decode_own(name, at, fields, base, report));
        }
        for (name, at, fields) in fields.named_groups("mcpServers", report) {
            let entry = EditorEntry::decode(&name, fields, base.folder(), report);
            if settings.servers.iter().any(|server| server.name == name) {
                let what = format!("the server `{name}` stands under `servers` too");
                report.problem_with_hint(at, what, "keep one of the two, or rename one");
            } else if let Some((entry, false)) = entry {
                settings.servers.push(Server::of_editor(name, report.place(at), entry));
            }
        }
        fields.done();
        Some(settings)
    }

    /// The provisioner of the first placement rule that fits a server; none if no rule does.
    pub fn provisioner_of(&self, server: &Server) -> Option<&str> {
        self.placement.iter().find(|rule| rule.matches(server)).map(|rule| rule.provisioner.as_str())
    }
}

impl SecretSource {
    /// Reads what a person writes on a command line; paths are relative to the current folder.
    ///
    /// # Errors
    /// It is no place.
    pub fn of_command_line(text: &str, folder: &Path) -> Result<SecretSource, Misfit> {
        SecretSource::parse(text, &Base::new(folder))
    }

    fn parse(text: &str, base: &Base) -> Result<SecretSource, Misfit> {
        if let Some(service) = text.strip_prefix("keychain") {
            return match service.strip_prefix(':') {
                None if service.is_empty() => Ok(SecretSource::Keychain { service: "gateway".to_owned() }),
                Some(service) if !service.trim().is_empty() => {
                    Ok(SecretSource::Keychain { service: service.to_owned() })
                }
                Some(_) => {
                    Err(Misfit::new(text, "without a service").hint("write `keychain` or `keychain:SERVICE`"))
                }
                // A file whose name only begins like it.
                None => base.locate(text).map(SecretSource::EnvFile),
            };
        }
        if let Some(name) = text.strip_prefix("docker-credential:") {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if name.is_empty() || name.starts_with('-') || !name.bytes().all(fits) {
                return Err(Misfit::new(text, "not the name of a credential helper")
                    .hint("write `docker-credential:pass` for the program `docker-credential-pass`"));
            }
            return Ok(SecretSource::Helper { name: name.to_owned() });
        }
        if text == "docker-desktop" {
            return Ok(SecretSource::Engine { socket: None });
        }
        if let Some(socket) = text.strip_prefix("docker-desktop:") {
            return base.locate(socket).map(|socket| SecretSource::Engine { socket: Some(socket) });
        }
        for (word, aws) in [("aws-secrets-manager", true), ("google-secret-manager", false)] {
            match text.strip_prefix(word) {
                Some("") => return CloudSecrets::parse(text, "", aws).map(SecretSource::Cloud),
                Some(rest) if rest.starts_with(':') => {
                    return CloudSecrets::parse(text, rest.trim_start_matches(':'), aws)
                        .map(SecretSource::Cloud);
                }
                // A file whose name only begins like it.
                _ => {}
            }
        }
        if let Some(folder) = text.strip_prefix("folder:") {
            return base.locate(folder).map(SecretSource::Folder);
        }
        match text.strip_prefix("env:") {
            Some("") => {
                Err(Misfit::new(text, "the whole environment")
                    .hint("say how the variables start: `env:ACME_`"))
            }
            Some(prefix) if prefix.contains(['=', '\0', ' ']) => {
                Err(Misfit::new(text, "not the start of a variable's name").hint("write it like `env:ACME_`"))
            }
            Some(prefix) => Ok(SecretSource::Environment { prefix: prefix.to_owned() }),
            None => base.locate(text).map(SecretSource::EnvFile),
        }
    }
}

impl CloudSecrets {
    /// `PREFIX?region=REGION&endpoint=URL`, each part of which may be absent.
    fn parse(text: &str, rest: &str, aws: bool) -> Result<CloudSecrets, Misfit> {
        let place = if aws { "region" } else { "project" };
        let word = if aws { "aws-secrets-manager" } else { "google-secret-manager" };
        let misfit = |why: &str| {
            Misfit::new(text, why.to_owned()).hint(format!("write it like `{word}:mcp/?{place}=NAME`"))
        };
        let (prefix, query) = rest.split_once('?').unwrap_or((rest, ""));
        let fits = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-#".contains(c);
        if !prefix.chars().all(fits) || prefix.trim_end_matches('#').contains('#') {
            return Err(misfit("not the start of a secret's name"));
        }
        let (mut named, mut endpoint) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((key, value)) if key == place && !value.is_empty() => named = Some(value.to_owned()),
                Some(("endpoint", value))
                    if value.starts_with("https://") || value.starts_with("http://") =>
                {
                    endpoint = Some(value.to_owned());
                }
                _ => return Err(misfit("with a part that means nothing here")),
            }
        }
        let prefix = prefix.to_owned();
        Ok(if aws {
            CloudSecrets::Aws { prefix, region: named, endpoint }
        } else {
            CloudSecrets::Google { prefix, project: named, endpoint }
        })
    }
}

#[cfg(test)]
mod tests;
