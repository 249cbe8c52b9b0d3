//! Which provisioner runs which server.

use host_config::{Kind, PlacementRule, Server};
use host_provisioner::WorkloadKind;

/// What the command line and the settings say about placement.
#[derive(Debug, Default)]
pub(crate) struct Placement<'a> {
    /// `--provisioner`, in its canonical spelling.
    pub flag: Option<&'a str>,
    /// `placement:` of the settings.
    pub rules: &'a [PlacementRule],
    /// `--plugin`, in order, with what each says that it can run.
    pub plugins: &'a [(String, Vec<WorkloadKind>)],
}

/// Where a server goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// To the provisioner of this name.
    Provisioner(String),
    /// Nowhere: it runs already.
    Nowhere,
}

impl Placement<'_> {
    /// Decides for one server: the flag, else the first rule that fits, else the last `--plugin` that says it can run this
    /// kind, else what the kind says: a component goes to the embedded engine, an image to Docker, a URL nowhere.
    #[must_use]
    pub(crate) fn of(&self, server: &Server) -> Place {
        let Some(kind) = workload_kind(server.kind()) else { return Place::Nowhere };
        if let Some(name) = self.flag {
            return Place::Provisioner(name.to_owned());
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.matches(server)) {
            return Place::Provisioner(rule.provisioner.clone());
        }
        if let Some((name, _)) = self.plugins.iter().rev().find(|(_, runs)| runs.contains(&kind)) {
            return Place::Provisioner(name.clone());
        }
        Place::Provisioner(if kind == WorkloadKind::Component { "embedded" } else { "docker" }.to_owned())
    }
}

/// `k8s` is another spelling of `kubernetes`, and `cloud` and `ecs` of the first cloud (`provisioning.md` 1.6).
#[must_use]
pub(crate) fn canonical(name: &str) -> &str {
    match name {
        "k8s" => "kubernetes",
        "cloud" | "ecs" => "cloud-ecs",
        name => name,
    }
}

fn workload_kind(kind: Kind) -> Option<WorkloadKind> {
    match kind {
        Kind::Component => Some(WorkloadKind::Component),
        Kind::Image | Kind::ToolContainers => Some(WorkloadKind::Image),
        Kind::Remote | Kind::Process => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_config::Catalog;

    fn server(entry: &str) -> Server {
        let (catalog, _) = Catalog::parse(&format!("registry: {{a: {{{entry}}}}}"), "c.yaml").unwrap();
        catalog.get("a").unwrap().clone()
    }

    #[test]
    fn without_a_word_the_kind_decides() {
        let placement = Placement::default();
        assert_eq!(placement.of(&server("image: i")), Place::Provisioner("docker".to_owned()));
        assert_eq!(placement.of(&server("remote: {url: 'https://a.example'}")), Place::Nowhere);
    }

    #[test]
    fn a_plugin_takes_what_it_says_it_can_run_and_a_flag_takes_all() {
        let plugins = [("acme".to_owned(), vec![WorkloadKind::Image])];
        let placement = Placement { plugins: &plugins, ..Placement::default() };
        assert_eq!(placement.of(&server("image: i")), Place::Provisioner("acme".to_owned()));
        let placement = Placement { flag: Some("kubernetes"), plugins: &plugins, ..Placement::default() };
        assert_eq!(placement.of(&server("image: i")), Place::Provisioner("kubernetes".to_owned()));
        for (spelling, name) in
            [("k8s", "kubernetes"), ("cloud", "cloud-ecs"), ("ecs", "cloud-ecs"), ("docker", "docker")]
        {
            assert_eq!(super::canonical(spelling), name);
        }
    }
}
