//! Joins everything: from files and flags to servers, provisioners, a pool and a front. The one place that names every crate.

pub(crate) mod app;
pub(crate) mod asks;
pub(crate) mod checks;
mod cloud_secrets;
mod clouds;
pub(crate) mod containers;
pub(crate) mod deferred;
pub(crate) mod difference;
pub(crate) mod direct;
pub(crate) mod editor;
pub(crate) mod enabled;
pub(crate) mod files;
pub(crate) mod grants;
pub(crate) mod identity;
pub(crate) mod images;
pub(crate) mod inputs;
pub(crate) mod kubernetes;
pub(crate) mod listening;
pub(crate) mod own_lists;
pub(crate) mod placement;
pub(crate) mod preflight;
pub(crate) mod private;
pub(crate) mod providers;
pub(crate) mod refusing;
pub(crate) mod spec;
pub(crate) mod sweep;
pub(crate) mod templates;
mod tool;
pub(crate) mod tools_asked;
pub(crate) mod values;

pub(crate) use app::App;
pub(crate) use direct::Fixed;
pub(crate) use inputs::Inputs;
