//! A server and who brings it up, or why nobody does.

use crate::assemble::deferred::Deferred;
use crate::assemble::direct::DirectWays;
use crate::assemble::placement::{Place, Placement};
use crate::assemble::refusing::Refusing;
use anyhow::Result;
use host_config::Server;
use host_provisioner::{Class, Failure, Phase, Provisioner, ServerSpec, Workload};
use host_resolver::Resolver;
use host_toolbox::Toolbox;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What stands for the provisioner of a server that needs none, because it runs already.
pub(crate) const NO_PROVISIONER: &str = "none";

/// A server and where it goes.
#[derive(Clone)]
pub(crate) struct Placed {
    /// The entry.
    pub(crate) server: Server,
    /// What it became.
    pub(crate) spec: Arc<ServerSpec>,
    /// Who brings it up.
    pub(crate) provisioner: Arc<dyn Provisioner>,
    /// The same as a plugin; absent where the provisioner only refuses.
    pub(crate) plugin: Option<Arc<Deferred>>,
    /// Why the provisioner refuses it, where it does.
    pub(crate) refusal: Option<String>,
}

/// Decides who brings a server up, and says which secrets it may have. What cannot be brought up is refused when somebody wants it.
pub(crate) fn place(
    server: &Server,
    spec: Result<ServerSpec>,
    placement: &Placement<'_>,
    provisioners: &BTreeMap<String, Arc<Deferred>>,
    direct: &DirectWays,
    resolver: &Resolver,
) -> Placed {
    let place = placement.of(server);
    let refuse = |failure: Failure, spec: ServerSpec| {
        // It is refused under the name of the provisioner where it belongs, so that a list shows it there.
        let name = match &place {
            Place::Provisioner(name) => name.as_str(),
            Place::Nowhere => NO_PROVISIONER,
        };
        Placed {
            server: server.clone(),
            spec: Arc::new(spec),
            refusal: Some(failure.text.clone()),
            provisioner: Refusing::new(name, failure),
            plugin: None,
        }
    };
    let empty = || {
        ServerSpec::new(
            &server.name,
            Workload::Image { reference: String::new(), digest: None, arguments: Vec::new() },
        )
    };
    let config = |text: String| Failure::new(Phase::Validate, Class::Config, text);
    let spec = match spec {
        Ok(spec) => spec,
        Err(error) => return refuse(config(format!("{error:#}")), empty()),
    };
    if let Some(provisioner) = direct.of(&spec) {
        resolver.declare(spec.id.as_str(), spec.secrets.iter().cloned());
        let spec = Arc::new(spec);
        return Placed { server: server.clone(), spec, provisioner, plugin: None, refusal: None };
    }
    let Place::Provisioner(name) = &place else {
        return refuse(config("nothing says how it is brought up".to_owned()), spec);
    };
    let Some(deferred) = provisioners.get(name) else {
        let text = format!(
            "server `{}` ({}) belongs to the provisioner `{name}`, which is not in this version",
            server.name,
            server.kind()
        );
        let hint = format!(
            "give a plugin of that name with `--plugin`, or another with `placement:` (known: {})",
            known(provisioners)
        );
        return refuse(config(text).with_hint(hint), spec);
    };
    resolver.declare(spec.id.as_str(), spec.secrets.iter().cloned());
    let spec = Arc::new(spec);
    if matches!(spec.workload, Workload::Tools { .. }) {
        // What speaks MCP for them is in this program; the plugin runs each call.
        let provisioner = Toolbox::new(Arc::clone(deferred) as Arc<dyn Provisioner>);
        return Placed { server: server.clone(), spec, provisioner, plugin: None, refusal: None };
    }
    Placed {
        server: server.clone(),
        spec,
        provisioner: Arc::clone(deferred) as Arc<dyn Provisioner>,
        plugin: Some(Arc::clone(deferred)),
        refusal: None,
    }
}

fn known(provisioners: &BTreeMap<String, Arc<Deferred>>) -> String {
    provisioners.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
