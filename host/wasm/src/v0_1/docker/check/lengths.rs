//! Lengths of what a plugin hands over about a container.

use crate::v0_1::bounds::{self, Bounded};
use crate::v0_1::imported::docker::ContainerSpec;

impl Bounded for ContainerSpec {
    fn bounded(&self) -> Result<(), crate::limits::Met> {
        for text in [&self.name, &self.image] {
            text.bounded()?;
        }
        for texts in [
            &self.arguments,
            &self.networks,
            &self.network_aliases,
            &self.links,
            &self.dns,
            &self.extra_hosts,
            &self.capabilities_add,
            &self.capabilities_drop,
            &self.tmpfs,
        ] {
            texts.bounded()?;
        }
        self.entrypoint.bounded()?;
        for text in [&self.working_directory, &self.user, &self.stop_signal] {
            text.bounded()?;
        }
        self.labels.bounded()?;
        self.options.bounded()?;
        bounds::list(&self.publish)?;
        bounds::list(&self.environment)?;
        for variable in &self.environment {
            variable.name.bounded()?;
            variable.value.bounded()?;
        }
        bounds::list(&self.files)?;
        for file in &self.files {
            file.path.bounded()?;
            file.content.bounded()?;
        }
        bounds::list(&self.mounts)?;
        for mount in &self.mounts {
            mount.target.bounded()?;
            mount.options.bounded()?;
        }
        Ok(())
    }
}
