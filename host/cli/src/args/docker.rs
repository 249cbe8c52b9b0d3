//! Flags that name files, as Docker's MCP Gateway has them (`docker-mcp-gateway.md` 4.1), and the files of editors.

use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Which files say what there is, what runs, and with which values. Lists take commas and can be repeated; a plain name is looked for in
/// `~/.docker/mcp` first and then in the current folder, one that starts with `./`, `../` or `/` is taken as it is.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct FileArgs {
    /// Catalogue file in addition to those of `--catalog` and of the settings
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub additional_catalog: Vec<String>,

    /// File of enabled servers in Docker's format (default without a settings file: `~/.docker/mcp/registry.yaml`)
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub registry: Vec<String>,

    /// File of enabled servers in addition
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub additional_registry: Vec<String>,

    /// File of values for templates, by server, in Docker's format (default without a settings file: `~/.docker/mcp/config.yaml`)
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub config: Vec<String>,

    /// File of values in addition
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub additional_config: Vec<String>,

    /// File of tools to show, by server, in Docker's format (default without a settings file: `~/.docker/mcp/tools.yaml`)
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub tools_config: Vec<String>,

    /// File of tools to show in addition
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub additional_tools_config: Vec<String>,

    /// Where secrets are: `.env` files, folders of mounted secrets and `docker-desktop` (Docker's secrets engine), separated by `:`; the first
    /// that can be read is the only one, and stands before those of the settings
    #[arg(long, value_name = "PLACES", help_heading = "Files")]
    pub secrets: Option<String>,

    /// `mcpServers` JSON as editors write it; its commands run on this machine
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub mcp_servers: Vec<PathBuf>,

    /// Run every server of the catalogues
    #[arg(long, help_heading = "Servers")]
    pub enable_all_servers: bool,
}

impl FileArgs {
    /// Whether a flag is given with which the original leaves its profiles and reads files (section 4.2); `--catalog` and `--servers`
    /// belong to them too and are known to the caller.
    pub(crate) fn asks_for_files(&self) -> bool {
        let lists = [
            &self.additional_catalog,
            &self.registry,
            &self.additional_registry,
            &self.config,
            &self.additional_config,
            &self.tools_config,
            &self.additional_tools_config,
        ];
        self.enable_all_servers
            || lists.iter().any(|list| !list.is_empty())
            || self.secrets.as_deref().is_some_and(|list| !host_resolver::is_default_search(list))
    }
}
