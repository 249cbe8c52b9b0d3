//! From an entry of a file to the specification of a server: templates and variables evaluated, folders and volumes told apart.

use crate::assemble::values::Values;
use crate::assemble::{editor, listening};
use crate::environment::Environment;
use anyhow::{Context, Result, anyhow, bail};
use host_config::{
    Access, ComponentSource, Kind, Lifetime, OnUnenforced, RemoteTransport, Server, ServerConfigs,
};
use host_provisioner as p;
use host_resolver::template::is_template;

/// Makes the specification of one server.
///
/// # Errors
/// What this version cannot carry, or a value that has not the form it must have; names the server and the field.
pub(crate) fn server_spec(
    server: &Server,
    configs: &ServerConfigs,
    environment: &Environment,
) -> Result<p::ServerSpec> {
    evaluated(server, &Values::new(server, configs), environment)
}

/// The same with values that only the cluster has.
///
/// # Errors
/// As [`server_spec`], and what a cluster cannot carry.
pub(crate) fn server_spec_on_platform(server: &Server, environment: &Environment) -> Result<p::ServerSpec> {
    evaluated(server, &Values::on_platform(server), environment)
}

fn evaluated(server: &Server, values: &Values<'_>, environment: &Environment) -> Result<p::ServerSpec> {
    let spec = match &server.editor {
        Some(entry) => editor::spec(server, entry, environment),
        None => build(server, values),
    };
    spec.with_context(|| format!("server `{}` ({})", server.name, server.place))
}

fn build(server: &Server, values: &Values<'_>) -> Result<p::ServerSpec> {
    let environment = environment(server, values)?;
    let (arguments, late_arguments) = arguments(server, values, &environment)?;
    let workload = match server.kind() {
        Kind::Component => match &server.component {
            Some(ComponentSource::File(file)) => {
                p::Workload::Component { path: file.path.clone(), arguments }
            }
            Some(ComponentSource::Bundled(name)) => {
                let known = crate::bundled::server_names();
                if !known.contains(&name.as_str()) {
                    bail!("there is no bundled server `{name}` (bundled: `{}`)", known.join("`, `"));
                }
                p::Workload::Bundled { name: name.clone(), arguments }
            }
            None => bail!("it has no component"),
        },
        Kind::Image => p::Workload::Image { reference: server.image.clone(), digest: None, arguments },
        Kind::Remote => remote(server, values, &environment)?,
        Kind::Process => bail!("only an editors' file can name a command"),
        Kind::ToolContainers => tools(server)?,
    };
    if server.oauth.is_some() {
        bail!("`oauth` is not in this version; use a secret instead");
    }
    let mut spec = p::ServerSpec::new(&server.name, workload);
    spec.environment = environment;
    spec.late_arguments = late_arguments;
    spec.secrets = server.secrets.iter().map(|s| s.name.clone()).collect();
    spec.mounts = mounts(server, values)?;
    spec.egress = if server.disable_network {
        p::Egress::None
    } else if server.allow_hosts.is_empty() {
        p::Egress::Unrestricted
    } else {
        p::Egress::Hosts(server.allow_hosts.clone())
    };
    spec.extra_hosts = server.extra_hosts.iter().filter(|host| !host.is_empty()).cloned().collect();
    listening::apply(server, &mut spec)?;
    spec.limits = p::Limits {
        memory_mib: server.memory.map(|bytes| u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX)),
        memory_written: String::new(),
        cpu_millis: server.cpus.map(|cpus| u32::try_from(cpus.millis()).unwrap_or(u32::MAX)),
    };
    spec.user = Some(values.text("user", &server.user)?).filter(|user| !user.is_empty());
    for (field, text) in
        spec.user.iter().map(|user| ("user", user)).chain(spec.extra_hosts.iter().map(|h| ("extraHosts", h)))
    {
        // The original leaves it out and starts the server without.
        if text.starts_with('-') {
            bail!("`{field}` has `{text}`, which looks like a flag");
        }
    }
    spec.lifetime = match server.lifetime {
        Lifetime::Session => p::Lifetime::Session,
        Lifetime::Shared => p::Lifetime::Shared,
    };
    spec.unenforced = match server.on_unenforced {
        OnUnenforced::Refuse => p::Unenforced::Refuse,
        OnUnenforced::Report => p::Unenforced::Report,
    };
    spec.settings = serde_json::Value::Object(server.settings.clone()).to_string();
    spec.start_timeout = server.start_timeout;
    spec.call_timeout = server.call_timeout;
    spec.idle_timeout = server.idle_timeout;
    spec.concurrency = server.concurrency;
    spec.output_limit = server.output_limit.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    for (key, value) in [("title", &server.title), ("description", &server.description)] {
        if !value.is_empty() {
            spec.annotations.push((key.to_owned(), value.clone()));
        }
    }
    Ok(spec)
}

/// Tools that are containers. An entry without any serves nobody, which its author should know.
fn tools(server: &Server) -> Result<p::Workload> {
    let found = server.tool_containers();
    if found.is_empty() {
        bail!("it has neither an image nor a URL nor a component, and no `tools` that are containers");
    }
    let tools = found.into_iter().map(super::tool::spec).collect::<Result<_>>()?;
    Ok(p::Workload::Tools { tools })
}

/// An endpoint elsewhere. `$NAME` in its headers stands for the server's own secrets and variables, as in the original.
fn remote(server: &Server, values: &Values<'_>, environment: &[p::Variable]) -> Result<p::Workload> {
    if server.remote.as_ref().is_some_and(|remote| remote.transport_type.is_empty())
        && server.sse_endpoint.is_empty()
    {
        bail!("`remote` has no `transport_type`; write `streamable-http` or `sse`");
    }
    let endpoint = server.endpoint().map_err(|misfit| anyhow!("`remote`: {misfit}"))?;
    let endpoint = endpoint.context("it has no URL")?;
    if !server.command.is_empty() {
        bail!("`command` is for servers that are started here");
    }
    let headers = endpoint.headers.iter().map(|(name, value)| {
        // A template or variables, never both (`docker-mcp-gateway.md` 10.6).
        let value = if is_template(value) {
            p::Value::Text(values.text("remote.headers", value)?)
        } else {
            host_resolver::expand(value, environment)
        };
        Ok(p::Variable { name: name.clone(), value })
    });
    Ok(p::Workload::Remote {
        url: endpoint.url.to_owned(),
        protocol: Some(protocol(endpoint.transport)),
        headers: headers.collect::<Result<_>>()?,
        by_operator: server.by_operator,
    })
}

/// The same word in the trait's words.
pub(super) fn protocol(transport: RemoteTransport) -> p::HttpProtocol {
    match transport {
        RemoteTransport::Streaming => p::HttpProtocol::Streamable,
        RemoteTransport::Sse => p::HttpProtocol::Sse,
    }
}

/// Secrets first, then variables in the order of the entry; an empty value leaves the variable out (`provisioning.md` 2.1).
fn environment(server: &Server, values: &Values<'_>) -> Result<Vec<p::Variable>> {
    let mut variables: Vec<p::Variable> = server
        .secrets
        .iter()
        .filter(|s| !s.env.is_empty())
        .map(|s| p::Variable { name: s.env.clone(), value: p::Value::Secret(s.name.clone()) })
        .collect();
    for entry in &server.env {
        // A template or variables, never both (`docker-mcp-gateway.md` 10.6).
        let value = if is_template(&entry.value) {
            values.value("env", &entry.value)?
        } else {
            host_resolver::expand(&entry.value, &variables)
        };
        if value != p::Value::Text(String::new()) {
            variables.push(p::Variable { name: entry.name.clone(), value });
        }
    }
    Ok(variables)
}

/// Words after the image: templates first, of which a list gives several words, then variables. An empty word stays one. A secret in them
/// would be public on every platform, so it is refused. All of them in the second list if one of them is known on the platform only.
fn arguments(
    server: &Server,
    values: &Values<'_>,
    environment: &[p::Variable],
) -> Result<(Vec<String>, Vec<p::Value>)> {
    let mut arguments = Vec::with_capacity(server.command.len());
    for written in &server.command {
        for word in values.values("command", written)? {
            let word = host_resolver::joined(parts(word).into_iter().flat_map(|part| match part {
                p::Part::Text(text) => parts(host_resolver::expand(&text, environment)),
                other => vec![other],
            }));
            if parts(word.clone()).iter().any(|part| matches!(part, p::Part::Secret(_))) {
                bail!(
                    "`command` puts a secret into the argument `{written}`, where everybody can read it; use `env`"
                );
            }
            arguments.push(word);
        }
    }
    let plain = |word: &p::Value| match word {
        p::Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    match arguments.iter().map(plain).collect() {
        Some(words) => Ok((words, Vec::new())),
        None => Ok((Vec::new(), arguments)),
    }
}

fn parts(value: p::Value) -> Vec<p::Part> {
    match value {
        p::Value::Text(text) => vec![p::Part::Text(text)],
        p::Value::Secret(name) => vec![p::Part::Secret(name)],
        p::Value::Joined(parts) => parts,
    }
}

/// Folders that the operator granted, then volumes, which may only ask.
fn mounts(server: &Server, values: &Values<'_>) -> Result<Vec<p::Mount>> {
    let mut mounts: Vec<p::Mount> = server
        .folders
        .iter()
        .map(|folder| p::Mount {
            // Its real form, found before anything runs that could put a link in its place. One that is missing is named at the start.
            source: p::MountSource::Folder(
                folder.path.path.canonicalize().unwrap_or_else(|_| folder.path.path.clone()),
            ),
            target: folder.mount.clone(),
            access: match folder.access {
                Access::ReadOnly => p::Access::ReadOnly,
                Access::ReadWrite => p::Access::ReadWrite,
            },
            options: Vec::new(),
            written: String::new(),
            by_operator: true,
        })
        .collect();
    for volume in &server.volumes {
        for volume in values.words("volumes", volume)?.iter().filter(|volume| !volume.is_empty()) {
            mounts.push(host_resolver::volume::mount(volume).map_err(|text| anyhow!(text))?);
        }
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_config::Catalog;

    fn spec(entry: &str) -> Result<p::ServerSpec> {
        spec_with("", entry)
    }

    fn spec_with(config: &str, entry: &str) -> Result<p::ServerSpec> {
        let text = format!("registry:\n  acme:\n    {}", entry.replace('\n', "\n    "));
        let (catalog, _) = Catalog::parse(&text, "c.yaml").unwrap();
        let (configs, _) = ServerConfigs::parse(config, "config.yaml").unwrap();
        server_spec(catalog.get("acme").unwrap(), &configs, &Environment::default())
    }

    #[test]
    fn secrets_come_first_and_stay_names() {
        let s = spec("image: a/b\nsecrets: [{name: acme.token, env: TOKEN}]\nenv: [{name: H, value: 'Bearer $TOKEN'}, {name: E, value: ''}]")
            .unwrap();
        let names: Vec<_> = s.environment.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["TOKEN", "H"]);
        let joined = p::Value::Joined(vec![
            p::Part::Text("Bearer ".to_owned()),
            p::Part::Secret("acme.token".to_owned()),
        ]);
        assert_eq!(s.environment[1].value, joined);
    }

    #[test]
    fn limits_of_an_entry_reach_whoever_keeps_them() {
        let entry = "component: ./a.wasm, startTimeout: 1s, callTimeout: 2s, idleTimeout: 3s, concurrency: 4, outputLimit: 5KiB";
        let text = format!("servers:\n  a: {{{entry}}}\n  b: {{component: ./a.wasm}}\n");
        let settings =
            host_config::Settings::parse(&text, "g.yaml", std::path::Path::new("/w"), &Default::default())
                .unwrap();
        let specs = settings
            .servers
            .iter()
            .map(|server| server_spec(server, &ServerConfigs::default(), &Environment::default()).unwrap());
        let limits = specs.map(|spec| {
            let seconds = |time: Option<std::time::Duration>| time.map(|time| time.as_secs());
            let times = [spec.start_timeout, spec.call_timeout, spec.idle_timeout].map(seconds);
            (times, spec.concurrency, spec.output_limit)
        });
        let limits: Vec<_> = limits.collect();
        let none = ([None; 3], None, None);
        assert_eq!(limits, [([Some(1), Some(2), Some(3)], Some(4), Some(5 << 10)), none]);
    }

    #[test]
    fn a_folder_is_for_reading_unless_the_entry_says_more() {
        let access =
            |volume: &str| spec(&format!("image: a\nvolumes: ['{volume}']")).unwrap().mounts[0].access;
        for (volume, expected) in [
            ("/tmp/a:/a", p::Access::ReadOnly),
            ("/tmp/a:/a:ro", p::Access::ReadOnly),
            ("/tmp/a:/a:rw", p::Access::ReadWrite),
            ("/tmp/a:/a:rw,ro", p::Access::ReadOnly),
            ("cache:/a", p::Access::ReadWrite),
            ("cache:/a:ro", p::Access::ReadOnly),
        ] {
            assert_eq!(access(volume), expected, "{volume}");
        }
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        let cases = [
            ("remote: {url: 'https://x.example/mcp', transport_type: pigeon}", "`remote`: "),
            (
                "remote: {url: 'https://x.example/mcp', transport_type: sse}\ncommand: [x]",
                "`command` is for servers that are started here",
            ),
            (
                "image: a\nsecrets: [{name: t, env: T}]\ncommand: ['--key=$T']",
                "`command` puts a secret into the argument `--key=$T`",
            ),
            (
                "image: a\nvolumes: ['{{acme.paths|volume}}']",
                "`volumes` has the template `{{acme.paths|volume}}`, and `acme.paths` has no value",
            ),
            ("image: a\nvolumes: ['a:/b:slave']", "the option `slave`"),
            ("image: a\nvolumes: ['a']", "with an absolute target"),
            ("image: a\nuser: '-x'", "`user` has `-x`, which looks like a flag"),
            (
                "image: a\nextraHosts: ['', '--privileged']",
                "`extraHosts` has `--privileged`, which looks like a flag",
            ),
        ];
        for (entry, expected) in cases {
            let error = format!("{:#}", spec(entry).unwrap_err());
            assert!(error.starts_with("server `acme` (c.yaml:"), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }

    /// The entry of `docker-mcp-gateway.md` 7.2 with values for it.
    #[test]
    fn templates_become_variables_words_mounts_and_the_user() {
        let s = spec_with(
            "acme: {base_url: 'https://notes.example', paths: [/srv/a, /srv/b], uid: 1000, extra: [--fast, '', $TOKENS]}",
            "image: a/b\nsecrets: [{name: acme.token, env: TOKEN}]\nenv: [{name: URL, value: '{{acme.base_url}}/api'}, {name: JSON, value: '{\"a\": 1}'}, {name: NONE, value: '{{acme.none|or:}}'}]\ncommand: [--root, /data, '{{acme.extra|into}}', '{{acme.uid}}', '{\"url\":\"{{acme.base_url}}\"}']\nvolumes: ['{{acme.paths|volume|into}}', 'cache:/cache', '{{acme.none|or:[]|volume|into}}', '{{acme.none|mount_as:/x}}']\nuser: '{{acme.uid}}'",
        )
        .unwrap();
        let text = |value: &p::Value| match value {
            p::Value::Text(text) => text.clone(),
            _ => "secret".to_owned(),
        };
        let variables: Vec<_> =
            s.environment.iter().map(|v| format!("{}={}", v.name, text(&v.value))).collect();
        assert_eq!(variables, ["TOKEN=secret", "URL=https://notes.example/api", "JSON={\"a\": 1}"]);
        let p::Workload::Image { arguments, .. } = &s.workload else { panic!("{:?}", s.workload) };
        let words = ["--root", "/data", "--fast", "", "", "1000", "{\"url\":\"https://notes.example\"}"];
        assert_eq!(arguments, &words);
        let targets: Vec<_> = s.mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/srv/a", "/srv/b", "/cache"]);
        assert_eq!(s.user.as_deref(), Some("1000"));
    }
}
