//! Servers of editors' files: placeholders filled from the gateway's environment, paths seen from the workspace.

use crate::assemble::spec::protocol;
use crate::environment::Environment;
use anyhow::{Context, Result, bail};
use host_config::{CommandLine, EditorEntry, EditorPart, EditorText, Reach, Server};
use host_provisioner as p;
use std::path::{Path, PathBuf};

/// The specification of one of them.
///
/// # Errors
/// A placeholder without a value, or a secret where everybody could read it.
pub(super) fn spec(server: &Server, entry: &EditorEntry, environment: &Environment) -> Result<p::ServerSpec> {
    // The folder of a file that was named without one is the current folder.
    let here = if entry.workspace.as_os_str().is_empty() { Path::new(".") } else { &entry.workspace };
    let workspace =
        std::path::absolute(here).with_context(|| format!("find the folder {}", here.display()))?;
    let fill = Fill { environment, workspace };
    let (workload, variables) = match &entry.reach {
        Reach::Command(line) => fill.command(line)?,
        Reach::Remote { url, transport, headers } => {
            let workload = p::Workload::Remote {
                url: fill.plain(url, "url")?,
                protocol: transport.map(protocol),
                headers: fill.variables(headers)?,
                by_operator: true,
            };
            (workload, Vec::new())
        }
    };
    let mut spec = p::ServerSpec::new(&server.name, workload);
    spec.environment = variables;
    spec.secrets = entry.secrets().into_iter().map(str::to_owned).collect();
    Ok(spec)
}

struct Fill<'a> {
    environment: &'a Environment,
    /// Where relative paths start.
    workspace: PathBuf,
}

impl Fill<'_> {
    fn command(&self, line: &CommandLine) -> Result<(p::Workload, Vec<p::Variable>)> {
        let path =
            |text: &EditorText, field| Ok::<_, anyhow::Error>(self.workspace.join(self.plain(text, field)?));
        let arguments = line.args.iter().map(|text| self.plain(text, "args")).collect::<Result<_>>()?;
        let directory: PathBuf = match &line.cwd {
            Some(cwd) => path(cwd, "cwd")?,
            None => self.workspace.clone(),
        };
        let workload = p::Workload::Command {
            program: self.plain(&line.program, "command")?,
            arguments,
            directory: Some(directory),
            environment_file: line.env_file.as_ref().map(|file| path(file, "envFile")).transpose()?,
        };
        Ok((workload, self.variables(&line.env)?))
    }

    fn variables(&self, given: &[(String, EditorText)]) -> Result<Vec<p::Variable>> {
        let variable = |(name, text): &(String, EditorText)| {
            let parts = self.parts(text, name)?.into_iter().map(|part| match part {
                EditorPart::Text(text) => p::Part::Text(text),
                EditorPart::Secret(name) => p::Part::Secret(name),
            });
            Ok(p::Variable { name: name.clone(), value: value(parts.collect()) })
        };
        given.iter().map(variable).collect()
    }

    /// A text that everybody of this machine may see, so that a secret in it is refused.
    fn plain(&self, text: &EditorText, field: &str) -> Result<String> {
        let mut whole = String::new();
        for part in self.parts(text, field)? {
            match part {
                EditorPart::Text(text) => whole.push_str(&text),
                EditorPart::Secret(name) => bail!(
                    "`{field}` holds the secret `{name}`, where every user of this machine can read it; give it to the server with `env` or `headers`"
                ),
            }
        }
        Ok(whole)
    }

    fn parts(&self, text: &EditorText, field: &str) -> Result<Vec<EditorPart>> {
        text.fill(|name| self.environment.get(name).map(str::to_owned)).with_context(|| format!("`{field}`"))
    }
}

fn value(mut parts: Vec<p::Part>) -> p::Value {
    match parts.len() {
        0 => p::Value::Text(String::new()),
        1 => match parts.remove(0) {
            p::Part::Text(text) => p::Value::Text(text),
            p::Part::Secret(name) => p::Value::Secret(name),
            setting @ p::Part::Setting(_) => p::Value::Joined(vec![setting]),
        },
        _ => p::Value::Joined(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::server_spec;
    use super::*;
    use host_config::{EditorFile, ServerConfigs};

    fn specs(text: &str) -> Vec<Result<p::ServerSpec, String>> {
        let (file, _) = EditorFile::parse(text, "mcp.json", Path::new("/home/a/project")).unwrap();
        let environment = Environment::of([("TOKEN", "t"), ("HOME", "/home/a")]);
        file.servers
            .iter()
            .map(|server| {
                server_spec(server, &ServerConfigs::default(), &environment)
                    .map_err(|error| format!("{error:#}"))
            })
            .collect()
    }

    #[test]
    fn a_command_is_evaluated_where_its_file_is() {
        let text = r#"{"mcpServers": {
            "fs": {"command": "npx", "args": ["-y", "${HOME}/x"], "env": {"A": "Bearer ${TOKEN}", "K": "k-${input:key}"}, "cwd": "sub", "envFile": ".env"},
            "api": {"url": "https://a.example/mcp", "headers": {"Authorization": "Bearer ${input:key}"}}
        }}"#;
        let found = specs(text);
        let fs = found[0].as_ref().unwrap();
        let command = p::Workload::Command {
            program: "npx".to_owned(),
            arguments: vec!["-y".to_owned(), "/home/a/x".to_owned()],
            directory: Some("/home/a/project/sub".into()),
            environment_file: Some("/home/a/project/.env".into()),
        };
        assert_eq!(fs.workload, command);
        assert_eq!(fs.environment[0].value, p::Value::Text("Bearer t".to_owned()));
        let joined = vec![p::Part::Text("k-".to_owned()), p::Part::Secret("key".to_owned())];
        assert_eq!(fs.environment[1].value, p::Value::Joined(joined));
        assert_eq!(fs.secrets, ["key"]);
        let api = found[1].as_ref().unwrap();
        assert!(
            matches!(&api.workload, p::Workload::Remote { url, protocol: None, headers, by_operator: true }
                if url == "https://a.example/mcp" && headers.len() == 1),
            "{api:?}"
        );
    }

    #[test]
    fn a_secret_in_an_argument_and_a_variable_without_value_are_refused() {
        for (entry, expected) in [
            (
                r#""command": "x", "args": ["--key=${input:k}"]"#,
                "`args` holds the secret `k`, where every user",
            ),
            (r#""command": "x", "env": {"A": "${NONE}"}"#, "`A`: `${NONE}` has no value"),
            (r#""url": "https://a.example/${input:k}""#, "`url` holds the secret `k`"),
        ] {
            let error = specs(&format!(r#"{{"mcpServers": {{"x": {{{entry}}}}}}}"#)).remove(0).unwrap_err();
            assert!(error.starts_with("server `x` (mcp.json:1:") && error.contains(expected), "{error}");
        }
    }
}
