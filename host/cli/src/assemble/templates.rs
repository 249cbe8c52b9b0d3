//! Templates of entries that are taken as the original takes them and are nearly always a mistake: a pipe that does not exist, which is passed
//! over, braces that are never closed, which are text (`provisioning.md` 1.7). Whoever runs such a server hears it.

use host_config::{Server, Warning};
use host_resolver::template;

/// A text of an entry in which templates are looked for, with the name of its field.
pub(crate) struct Templated<'s> {
    /// `command`, `tools.container.user`.
    pub(crate) field: &'static str,
    /// The text.
    pub(crate) text: &'s str,
    /// Whether it is evaluated: `env` and `user` are not without both pairs of braces.
    pub(crate) evaluated: bool,
}

/// All such texts of the server itself.
pub(crate) fn of_server(server: &Server) -> Vec<Templated<'_>> {
    let always = |field, text| Templated { field, text, evaluated: true };
    let asked = |field, text| Templated { field, text, evaluated: template::is_template(text) };
    let mut all: Vec<Templated<'_>> = server.command.iter().map(|word| always("command", word)).collect();
    all.extend(server.volumes.iter().map(|volume| always("volumes", volume)));
    all.extend(server.env.iter().map(|variable| asked("env", &variable.value)));
    all.push(asked("user", &server.user));
    all
}

/// All such texts of its tools that are containers.
fn of_tools(server: &Server) -> Vec<Templated<'_>> {
    let always = |field, text| Templated { field, text, evaluated: true };
    let mut all = Vec::new();
    for container in server.tools.iter().filter_map(|tool| tool.container.as_ref()) {
        all.extend(container.command.iter().map(|word| always("tools.container.command", word)));
        all.extend(container.volumes.iter().map(|volume| always("tools.container.volumes", volume)));
        all.push(always("tools.container.user", &container.user));
    }
    all
}

/// What is probably a mistake in the templates of a server, each thing once.
pub(crate) fn complaints(server: &Server) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for templated in of_server(server).into_iter().chain(of_tools(server)) {
        for complaint in template::complaints(templated.text) {
            let text = format!("`{}`: {complaint}", templated.field);
            if !found.contains(&text) {
                found.push(text);
            }
        }
    }
    found
}

/// The same for whoever runs these servers. Editors' files have no templates.
pub(crate) fn warnings(servers: &[Server]) -> Vec<Warning> {
    let warning = |server: &Server, complaint: String| Warning {
        file: server.place.file.as_ref().to_owned(),
        line: server.place.line,
        column: server.place.column,
        what: format!("server `{}`: {complaint}", server.name),
        hint: None,
    };
    let ours = servers.iter().filter(|server| server.editor.is_none());
    ours.flat_map(|server| complaints(server).into_iter().map(|text| warning(server, text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_config::Catalog;

    #[test]
    fn what_does_nothing_in_a_template_is_told_once_with_its_place() {
        let text = "
registry:
  fine:
    image: i
    env: [{name: A, value: '{\"a\": {\"b\": 1}}'}]
    command: ['{{fine.a|or:x}}', '{\"a\": 1}']
  odd:
    image: i
    command: ['{{odd.a|upper}}', '{{odd.b|upper}}', 'a {{odd.c']
    env: [{name: A, value: '{{odd.url}'}]
    tools: [{name: t, container: {image: i, command: ['{{x| or:y}}']}}]
";
        let (catalog, _) = Catalog::parse(text, "c.yaml").unwrap();
        let told: Vec<String> = warnings(&catalog.servers).iter().map(ToString::to_string).collect();
        let pipes =
            "there are `or:`, `default:`, `first`, `last`, `into`, `volume`, `volume-target` and `mount_as:`";
        let unclosed = "`{{` without `}}` is taken as text; close it, or write the value itself";
        assert_eq!(
            told,
            [
                format!("c.yaml:7:3: server `odd`: `command`: `|upper` is no pipe and does nothing; {pipes}"),
                format!("c.yaml:7:3: server `odd`: `command`: {unclosed}"),
                format!("c.yaml:7:3: server `odd`: `env`: {unclosed}"),
                "c.yaml:7:3: server `odd`: `tools.container.command`: `| or:y` does nothing, because of the space before its name; write `|or:y`".to_owned(),
            ]
        );
    }
}
