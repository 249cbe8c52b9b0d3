//! What a server says it can do: raw, with the few flags that routing needs.

use bytes::Bytes;
use host_message::{JsonKind, find_member, members};

/// Capabilities of a server, as they came. A key with any value but `false` and `null` counts as there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the protocol")]
pub struct RawCapabilities {
    raw: Bytes,
    /// Has tools.
    pub tools: bool,
    /// Has prompts.
    pub prompts: bool,
    /// Has resources.
    pub resources: bool,
    /// Completes arguments.
    pub completions: bool,
    /// Sends log messages.
    pub logging: bool,
    /// Says when its tools change.
    pub tools_changed: bool,
    /// Says when its prompts change.
    pub prompts_changed: bool,
    /// Says when its resources change.
    pub resources_changed: bool,
    /// Says when a resource was updated.
    pub resources_subscribe: bool,
}

impl RawCapabilities {
    /// Reads a capabilities object; another value gives a server that can do nothing.
    pub(crate) fn scan(raw: &[u8]) -> Self {
        let mut found = Self {
            raw: Bytes::copy_from_slice(raw),
            tools: false,
            prompts: false,
            resources: false,
            completions: false,
            logging: false,
            tools_changed: false,
            prompts_changed: false,
            resources_changed: false,
            resources_subscribe: false,
        };
        for member in members(raw).map_while(Result::ok) {
            let value = member.value(raw);
            if matches!(value, b"false" | b"null") {
                continue;
            }
            let Some(key) = member.key(raw) else { continue };
            match key.as_ref() {
                "tools" => (found.tools, found.tools_changed) = (true, flag(value, "listChanged")),
                "prompts" => (found.prompts, found.prompts_changed) = (true, flag(value, "listChanged")),
                "resources" => {
                    found.resources = true;
                    found.resources_changed = flag(value, "listChanged");
                    found.resources_subscribe = flag(value, "subscribe");
                }
                "completions" => found.completions = true,
                "logging" => found.logging = true,
                _ => {}
            }
        }
        found
    }

    /// The whole object as the server sent it; `{}` if it sent none.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}

fn flag(raw: &[u8], name: &str) -> bool {
    find_member(raw, name)
        .is_some_and(|member| member.kind() == JsonKind::Bool && member.value(raw) == b"true")
}
