//! `settings`: what the operator wrote for this plugin.

use crate::state::CallState;
use crate::v0_1::imported::settings::Host;
use host_provisioner::Phase;

impl Host for CallState {
    fn get(&mut self) -> wasmtime::Result<String> {
        self.enter("settings.get")?;
        // A description must not depend on settings, because they are checked with it.
        Ok(if self.scope.phase == Phase::Describe {
            "{}".to_owned()
        } else {
            self.scope.plugin.settings.clone()
        })
    }
}
