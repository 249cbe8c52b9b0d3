//! Keys of the labels that come with a call (`Context::labels`): what carries them belongs to this gateway. The gateway writes them, and a
//! plugin that looks for its own objects filters by them.

/// The gateway: the same after a restart, another on another machine.
pub const GATEWAY: &str = "gateway-id";

/// This run of the gateway. What has another session is of a run that has ended, or of a second one beside this.
pub const SESSION: &str = "gateway-session";

/// The plugin, by the operator's name for it.
pub const PLUGIN: &str = "gateway-plugin";

/// The request that an object was made for; a lease has the same.
pub const REQUEST: &str = "gateway-request";

/// The server by its id. Only calls about one server have it; an id that begins with a digit has `s-` before it.
pub const SERVER: &str = "gateway-server";
