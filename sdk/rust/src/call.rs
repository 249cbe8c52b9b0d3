//! The call that is running: for whom, with which settings, and what it may ask of the gateway.

use crate::Result;
use crate::host::Host;
use crate::provisioner::Provisioner;
use crate::settings;
use crate::types::{Context, Server, ToolContainer};

/// What every function of a plugin gets.
#[derive(Debug)]
pub struct Call<P: Provisioner> {
    /// Who calls, for whom, and for how long.
    pub context: Context,
    /// The plugin's settings, checked.
    pub settings: P::Settings,
    /// What the plugin may ask of the gateway.
    pub host: Host,
}

impl<P: Provisioner> Call<P> {
    pub(crate) fn new(host: Host, context: Context) -> Result<Self> {
        let settings = settings::read(&format!("plugin `{}`", P::INFO.name), &host.settings())?;
        Ok(Self { context, settings, host })
    }

    /// Settings of this server for this plugin.
    ///
    /// # Errors
    ///
    /// `config` if they do not fit the type, naming the key.
    pub fn server_settings(&self, server: &Server) -> Result<P::ServerSettings> {
        settings::read(&format!("server `{}`", server.id), &server.settings)
    }

    /// Settings of the catalog entry of this tool for this plugin.
    ///
    /// # Errors
    ///
    /// As [`Call::server_settings`].
    pub fn tool_settings(&self, container: &ToolContainer) -> Result<P::ServerSettings> {
        settings::read(&format!("tool `{}`", container.id), &container.settings)
    }

    /// A name for what this call creates for the server `id`: the same when the request is repeated, different for every other one.
    /// Fits everywhere: `[a-z0-9-]`, at most 60 characters.
    #[must_use]
    pub fn object_name(&self, id: &str) -> String {
        format!("mcp-{id}-{}", self.context.request)
    }
}
