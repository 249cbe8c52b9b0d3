//! What dead runs have left, whoever finds it: first by the ledger, which knows how it was made, then by the labels on the platform, which also
//! show what no ledger noted. What belongs to a run that lives, or of which that cannot be told, is never touched.

use crate::assemble::App;
use crate::assemble::direct;
use crate::output::name;
use host_provisioner::{Call, Class, Provisioner, RequestId, SweepReport};
use host_wasm::LeftBehind;
use std::time::Duration;

/// How long one plugin may take to look through its platform.
const WITHIN: Duration = Duration::from_secs(60);
/// How long one lease of a dead run may take to be released.
const RELEASE_WITHIN: Duration = Duration::from_secs(60);

/// Whose platforms are looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of the plugins that this run uses anyway.
    Loaded,
    /// Those of every plugin that has servers here, and of the bundled ones.
    All,
}

impl App {
    /// Takes everything down that dead runs have left; lines for the operator, and whether nothing resisted.
    pub(crate) async fn sweep(&self, whose: Whose) -> (Vec<String>, bool) {
        let mut lines = self.work_off_ledger().await;
        let mut clean = lines.iter().all(|line| !line.starts_with("warning"));
        for (plugin, deferred) in &self.provisioners {
            // What runs in a gateway's own process ends with it.
            if plugin == "embedded" || (whose == Whose::Loaded && deferred.loaded().is_none()) {
                continue;
            }
            let call = Call::new(RequestId::from_bits(getrandom::u64().unwrap_or_default()), WITHIN);
            match deferred.sweep(&call).await {
                Ok(SweepReport { removed, failed }) => {
                    lines.extend(removed.iter().map(|object| {
                        format!(
                            "removed {} `{}`, which a dead session left",
                            name(&object.kind),
                            name(&object.name)
                        )
                    }));
                    clean &= failed.is_empty();
                    lines.extend(failed.iter().map(|failure| format!("warning: {}", failure.one_line())));
                }
                // Without a platform there is nothing on it, and nobody here asked for one.
                Err(failure) if failure.class == Class::Unsupported && !self.serves(plugin) => {}
                // Nor is it a fault that a platform which nobody here uses does not answer.
                Err(failure) if !self.serves(plugin) => {
                    lines.push(format!("plugin `{plugin}` was passed over: {}", failure.one_line()));
                }
                Err(failure) => {
                    clean = false;
                    lines.push(format!(
                        "warning: plugin `{plugin}` could not look for what is left: {}",
                        failure.one_line()
                    ));
                }
            }
        }
        (lines, clean)
    }

    /// Takes down what dead runs have left; lines for the operator.
    pub(crate) async fn work_off_ledger(&self) -> Vec<String> {
        let mut lines = direct::work_off(&self.inputs.state).await;
        let leases = self.host.abandoned().await;
        if leases.is_empty() {
            return lines;
        }
        for lease in &leases {
            // The plugin that made it has to be there to take it down.
            if let Some(deferred) = self.provisioners.get(&lease.plugin)
                && let Err(error) = deferred.plugin().await
            {
                lines.push(format!("warning: {error}"));
            }
        }
        let left = self.host.work_off(RELEASE_WITHIN).await;
        // What a session's servers shared goes without a word.
        for lease in leases.iter().filter(|lease| !lease.server_name.is_empty()) {
            if left.iter().all(|behind| behind.lease.request != lease.request) {
                lines.push(format!(
                    "took down server `{}`, which session {} left",
                    name(&lease.server_name),
                    name(&lease.session)
                ));
            }
        }
        lines.extend(left.iter().map(left_behind));
        lines
    }

    /// Whether a server of this run is placed on this plugin.
    fn serves(&self, plugin: &str) -> bool {
        self.placed.iter().any(|placed| placed.provisioner.name() == plugin)
    }
}

/// What could not be taken down, for a person.
pub(crate) fn left_behind(behind: &LeftBehind) -> String {
    format!("warning: {behind}")
}
