//! Names and numbers of the protocol: methods, keys of `_meta`, error codes.
//!
//! Source: the published revisions 2024-11-05 to 2026-07-28; `reference/mcp-ecosystem.md`, sections 2 and 4.

/// Method names.
#[expect(missing_docs, reason = "the names are those of the protocol")]
pub mod method {
    pub const INITIALIZE: &str = "initialize";
    pub const INITIALIZED: &str = "notifications/initialized";
    pub const DISCOVER: &str = "server/discover";
    pub const PING: &str = "ping";
    pub const TOOLS_LIST: &str = "tools/list";
    pub const TOOLS_CALL: &str = "tools/call";
    pub const PROMPTS_LIST: &str = "prompts/list";
    pub const PROMPTS_GET: &str = "prompts/get";
    pub const RESOURCES_LIST: &str = "resources/list";
    pub const RESOURCE_TEMPLATES_LIST: &str = "resources/templates/list";
    pub const RESOURCES_READ: &str = "resources/read";
    pub const RESOURCES_SUBSCRIBE: &str = "resources/subscribe";
    pub const RESOURCES_UNSUBSCRIBE: &str = "resources/unsubscribe";
    pub const SUBSCRIPTIONS_LISTEN: &str = "subscriptions/listen";
    pub const SUBSCRIPTIONS_ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
    pub const COMPLETE: &str = "completion/complete";
    pub const SET_LEVEL: &str = "logging/setLevel";
    pub const CREATE_MESSAGE: &str = "sampling/createMessage";
    pub const ELICIT: &str = "elicitation/create";
    pub const ROOTS_LIST: &str = "roots/list";
    pub const TASKS_GET: &str = "tasks/get";
    pub const TASKS_UPDATE: &str = "tasks/update";
    pub const TASKS_RESULT: &str = "tasks/result";
    pub const TASKS_LIST: &str = "tasks/list";
    pub const TASKS_CANCEL: &str = "tasks/cancel";
    pub const CANCELLED: &str = "notifications/cancelled";
    pub const PROGRESS: &str = "notifications/progress";
    pub const MESSAGE: &str = "notifications/message";
    pub const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
    pub const PROMPTS_CHANGED: &str = "notifications/prompts/list_changed";
    pub const RESOURCES_CHANGED: &str = "notifications/resources/list_changed";
    pub const RESOURCE_UPDATED: &str = "notifications/resources/updated";
    pub const ROOTS_CHANGED: &str = "notifications/roots/list_changed";
    pub const ELICITATION_COMPLETE: &str = "notifications/elicitation/complete";
}

/// Keys of `_meta`. Those of the protocol are per hop: a gateway writes its own.
pub mod meta {
    /// The caller's token for progress, string or integer. Both eras.
    pub const PROGRESS_TOKEN: &str = "progressToken";
    /// Revision of this request. Modern, required.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// Name and version of the client. Modern.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// Capabilities of the client. Modern, required.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Log messages wanted for this request. Modern.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Id of the `subscriptions/listen` request a notification belongs to. Modern.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// Name and version of the server, in results. Modern.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
}

/// Error codes.
pub mod code {
    /// The bytes are no JSON.
    pub const PARSE: i64 = -32700;
    /// JSON, but no message.
    pub const INVALID_REQUEST: i64 = -32600;
    /// The method is unknown.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters are wrong; in the modern era also an unknown resource.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The receiver failed.
    pub const INTERNAL: i64 = -32603;
    /// A resource is unknown. Legacy only.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// Header and body disagree. Modern.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The client did not declare a capability that is needed. Modern.
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// The revision is not supported. Modern; `data.supported` lists those that are.
    pub const UNSUPPORTED_VERSION: i64 = -32022;
    /// The user must visit a URL first. 2025-11-25 only.
    pub const URL_ELICITATION: i64 = -32042;

    /// Whether only a server of the modern era answers with this code.
    #[must_use]
    pub const fn is_modern(code: i64) -> bool {
        matches!(code, HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION)
    }
}
