//! What a plugin is allowed to do. What is absent is not granted.
//!
//! A grant is a ceiling: it says how far the plugin may go, not what happens. Whoever offers the host
//! function checks each call against it.

mod http;
mod kubernetes;

pub use http::{HttpGrant, PlaceAt, SecretPlace, Signer, Signing, SigningKind};
pub use kubernetes::{KubernetesGrant, ObjectKind};

use crate::decode::table::{Form, Table, key};
use crate::decode::{Fields, flag_of};
use crate::host::HostPattern;
use crate::path::{Base, Located};
use crate::pattern::Pattern;
use crate::quantity::{Cpus, parse_cpus, parse_size};
use crate::report::Report;
use crate::server::{ACCESS, Access, FOLDER_PATH};

/// Everything one plugin is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// To run components inside the gateway.
    pub embedded: Option<EmbeddedGrant>,
    /// To run containers through Docker.
    pub docker: Option<DockerGrant>,
    /// To create objects in a cluster.
    pub kubernetes: Option<KubernetesGrant>,
    /// To send HTTP requests; a request needs one that covers it.
    pub http: Vec<HttpGrant>,
    /// To ask registries about images.
    pub registry: Option<RegistryGrant>,
    /// Hosts and ports of endpoints that it may hand to the gateway, which then connects to them.
    pub connect: Vec<HostPattern>,
    /// Secrets of its own.
    pub secrets: Vec<SecretGrant>,
}

/// To run components inside the gateway: the most that one server may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedGrant {
    /// Memory of one server in bytes.
    pub memory: u64,
    /// Processors of one server; none for no ceiling.
    pub cpu: Option<Cpus>,
    /// Folders, each with all that is below it, beside those that the operator's own file gives to a server.
    pub folders: Vec<FolderGrant>,
    /// Hosts, with ports, that servers may be let out to; empty: their own entries decide alone.
    pub hosts: Vec<HostPattern>,
}

impl Default for EmbeddedGrant {
    /// 256 MiB, no ceiling of processors, no folders, hosts as the servers' entries have them.
    fn default() -> EmbeddedGrant {
        EmbeddedGrant { memory: 256 << 20, cpu: None, folders: Vec::new(), hosts: Vec::new() }
    }
}

/// To run containers through Docker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerGrant {
    /// Images, as written in the catalogue.
    pub images: Vec<Pattern>,
    /// Networks a container may join, beside those the gateway makes for it.
    pub networks: Vec<Pattern>,
    /// Folders of this machine that a container may see, each with all that is below it.
    pub binds: Vec<FolderGrant>,
    /// Whether a container may have rights beyond itself.
    pub privileged: bool,
}

impl Default for DockerGrant {
    /// Every image, no networks, no folders, no rights.
    fn default() -> DockerGrant {
        DockerGrant {
            images: vec![Pattern::any()],
            networks: Vec::new(),
            binds: Vec::new(),
            privileged: false,
        }
    }
}

/// A folder of this machine, with all that is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderGrant {
    /// The folder.
    pub path: Located,
    /// The most that may be done there.
    pub access: Access,
}

/// To ask registries about images: those of the servers that the plugin is given, and more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryGrant {
    /// Registries that may be asked about any image.
    pub hosts: Vec<HostPattern>,
}

/// A secret that belongs to the plugin itself, such as the key of a cloud account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretGrant {
    /// Its name.
    pub name: String,
    /// The only hosts it may be sent to.
    pub hosts: Vec<HostPattern>,
}

pub(crate) static GRANTS: Table = Table::new(
    "plugins.NAME.grants",
    "What the plugin is allowed to do. What is absent is not granted.",
    &[&[
        key("embedded", Form::GroupOrTrue(&EMBEDDED), "Run components inside the gateway."),
        key("docker", Form::GroupOrTrue(&DOCKER), "Run containers through Docker."),
        key("kubernetes", Form::Group(&kubernetes::KUBERNETES), "Create objects in a cluster."),
        key(
            "http",
            Form::List(&Form::Group(&http::HTTP)),
            "Send HTTP requests; a request needs one element that covers it.",
        ),
        key(
            "registry",
            Form::GroupOrTrue(&REGISTRY),
            "Ask registries about images: about those of the servers that the plugin is given, with the logins of this machine.",
        ),
        key(
            "connect",
            Form::List(&Form::Special("host:port")),
            "Endpoints that the plugin may hand to the gateway, which then connects to them. Addresses of private \
             networks and of this machine must be written out.",
        )
        .or("none"),
        key("secrets", Form::List(&Form::Group(&SECRET)), "Secrets that belong to the plugin itself."),
    ]],
);

static EMBEDDED: Table = Table::new(
    "plugins.NAME.grants.embedded",
    "The most that the plugin may give to one component.",
    &[&[
        key("memory", Form::Size, "Memory.").or("256MiB"),
        key("cpu", Form::Cpus, "Processors; without it there is no ceiling.").or("none"),
        key(
            "folders",
            Form::List(&Form::Group(&FOLDER)),
            "Folders, each with all that is below it, for servers whose entry asks for them with `volumes`. What the entry has under \
             `folders` needs no grant.",
        )
        .or("none"),
        key(
            "hosts",
            Form::List(&Form::Special("host:port")),
            "Hosts with ports that servers may be let out to; without any, each server's own entry decides alone. `*` stands for one label or \
             one port.",
        )
        .or("none"),
    ]],
);

static DOCKER: Table = Table::new(
    "plugins.NAME.grants.docker",
    "What the plugin may do with Docker, on containers of its own.",
    &[&[
        key(
            "images",
            Form::List(&Form::Special("pattern")),
            "Images, as written in the catalogue. Required; `docker: true` grants every image.",
        ),
        key("networks", Form::List(&Form::Special("pattern")), "Networks a container may join.").or("none"),
        key(
            "binds",
            Form::List(&Form::Group(&FOLDER)),
            "Folders a container may see, each with all that is below it.",
        )
        .or("none"),
        key(
            "privileged",
            Form::Flag,
            "Whether a container may have rights beyond itself: run privileged, with capabilities, in another runtime.",
        )
        .or("false"),
    ]],
);

static FOLDER: Table = Table::new(
    "plugins.NAME.grants.*.folders",
    "A folder of this machine, with all that is below it; the same under `binds`.",
    &[&[FOLDER_PATH, ACCESS]],
);

static REGISTRY: Table = Table::new(
    "plugins.NAME.grants.registry",
    "Which registries the plugin may ask about any image, beside those of its servers.",
    &[&[key(
        "hosts",
        Form::List(&Form::Special("host")),
        "The registries, for example `registry.example`. Required; `registry: true` grants the images of servers alone. What only a `*` covers must \
         be at a public address.",
    )]],
);

static SECRET: Table = Table::new(
    "plugins.NAME.grants.secrets",
    "A secret that belongs to the plugin itself, such as the key of a cloud account.",
    &[&[
        key("name", Form::Text, "Its name. Required."),
        key("hosts", Form::List(&Form::Special("host")), "The only hosts it may be sent to. Required."),
    ]],
);

impl Grants {
    pub(crate) fn decode(fields: Fields<'_>, base: &Base, report: &mut Report) -> Grants {
        let grants = Grants {
            embedded: switch(&fields, "embedded", report, |fields, report| {
                EmbeddedGrant::decode(fields, base, report)
            }),
            docker: switch(&fields, "docker", report, |fields, report| {
                DockerGrant::decode(fields, base, report)
            }),
            kubernetes: KubernetesGrant::decode_in(&fields, report),
            http: fields
                .groups("http", report)
                .into_iter()
                .filter_map(|f| HttpGrant::decode(f, report))
                .collect(),
            registry: switch(&fields, "registry", report, |fields, report| {
                RegistryGrant::decode(fields, report)
            }),
            connect: fields.parsed_list("connect", report, HostPattern::with_port),
            secrets: fields
                .groups("secrets", report)
                .into_iter()
                .map(|fields| SecretGrant::decode(fields, report))
                .collect(),
        };
        grants.check_signing(&fields, report);
        fields.done();
        grants
    }

    /// A request that is signed with a secret sends it, so the secret must be granted for that host.
    fn check_signing(&self, fields: &Fields<'_>, report: &mut Report) {
        for grant in &self.http {
            let Some(Signing::Bearer { secret }) = grant.sign.as_ref().map(|signer| &signer.signing) else {
                continue;
            };
            if !self.secrets.iter().any(|granted| granted.name == *secret) {
                let what =
                    format!("`{}` is signed with the secret `{secret}`, which is not granted", grant.host);
                let hint = format!(
                    "add `{{name: {secret}, hosts: [\"{}\"]}}` to `secrets` of these grants",
                    grant.host
                );
                report.problem_with_hint(fields.at_key("http"), what, hint);
            }
        }
    }
}

/// A grant that can be a map, `true` for its defaults, or `false`.
fn switch<T: Default>(
    fields: &Fields<'_>,
    name: &'static str,
    report: &mut Report,
    decode: impl FnOnce(Fields<'_>, &mut Report) -> T,
) -> Option<T> {
    if flag_of(fields.node(name)?) == Some(true) {
        return Some(T::default());
    }
    refusable(fields, name, report).map(|fields| decode(fields, report))
}

/// A grant that can be a map, or `false` to say that it is not given.
fn refusable<'d>(fields: &Fields<'d>, name: &'static str, report: &mut Report) -> Option<Fields<'d>> {
    if flag_of(fields.node(name)?) == Some(false) {
        return None;
    }
    fields.group(name, report)
}

/// Reports a list that has to be there and has nothing in it.
fn require<T>(fields: &Fields<'_>, name: &'static str, list: &[T], example: &str, report: &mut Report) {
    // If the list is there but nothing in it was understood, that has been said.
    let empty = fields.node(name).is_none_or(|node| node.items().is_some_and(|items| items.len() == 0));
    if list.is_empty() && empty {
        let hint = format!("what is not named is not granted; for example `{name}: {example}`");
        report.problem_with_hint(fields.at_key(name), format!("`{name}` names nothing"), hint);
    }
}

impl EmbeddedGrant {
    fn decode(fields: Fields<'_>, base: &Base, report: &mut Report) -> EmbeddedGrant {
        let defaults = EmbeddedGrant::default();
        let grant = EmbeddedGrant {
            memory: fields.parsed("memory", report, parse_size).unwrap_or(defaults.memory),
            cpu: fields.parsed("cpu", report, parse_cpus),
            folders: folders(&fields, "folders", base, report),
            hosts: fields.parsed_list("hosts", report, HostPattern::with_port),
        };
        fields.done();
        grant
    }
}

impl DockerGrant {
    fn decode(fields: Fields<'_>, base: &Base, report: &mut Report) -> DockerGrant {
        let grant = DockerGrant {
            images: fields.parsed_list("images", report, str::parse),
            networks: fields.parsed_list("networks", report, str::parse),
            binds: folders(&fields, "binds", base, report),
            privileged: fields.flag("privileged", report).unwrap_or_default(),
        };
        require(&fields, "images", &grant.images, "[\"mcp/*\"]", report);
        fields.done();
        grant
    }
}

impl RegistryGrant {
    fn decode(fields: Fields<'_>, report: &mut Report) -> RegistryGrant {
        let grant = RegistryGrant { hosts: fields.parsed_list("hosts", report, str::parse) };
        require(&fields, "hosts", &grant.hosts, "[registry.example]", report);
        fields.done();
        grant
    }
}

impl SecretGrant {
    fn decode(fields: Fields<'_>, report: &mut Report) -> SecretGrant {
        let grant = SecretGrant {
            name: fields.text("name", report),
            hosts: fields.parsed_list("hosts", report, str::parse),
        };
        if grant.name.is_empty() {
            let hint = "`name` is what it is looked up by, for example `name: acme.key`";
            report.problem_with_hint(fields.at(), "a secret without a `name`", hint);
        }
        require(&fields, "hosts", &grant.hosts, "[api.example]", report);
        fields.done();
        grant
    }
}

fn folders(fields: &Fields<'_>, name: &'static str, base: &Base, report: &mut Report) -> Vec<FolderGrant> {
    let mut folders = Vec::new();
    for fields in fields.groups(name, report) {
        let path = fields.path("path", base, report);
        let access = fields.choice("access", report).unwrap_or_default();
        if !fields.has("path") {
            report.problem_with_hint(fields.at(), "a folder without a `path`", "for example `path: ./data`");
        }
        fields.done();
        folders.extend(path.map(|path| FolderGrant { path, access }));
    }
    folders
}
