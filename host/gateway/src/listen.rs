//! `subscriptions/listen`: how a modern client learns that lists have changed (`mcp-ecosystem.md` 2).

use crate::announce::{Announcer, Kinds, Listener};
use crate::error::RpcError;
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Envelope, JsonKind, RawId, find_member, members, meta, method, notification, response};
use std::sync::Arc;

/// One open stream.
pub(crate) struct Subscription {
    pub(crate) listener: Arc<Listener>,
    id: RawId,
    granted: Kinds,
}

/// Names of the kinds in the filter.
const FILTER: [(&str, Kinds); 3] = [
    ("toolsListChanged", Kinds::TOOLS),
    ("promptsListChanged", Kinds::PROMPTS),
    ("resourcesListChanged", Kinds::RESOURCES),
];

impl Subscription {
    /// Grants what is asked for and can be delivered. Updates of single resources cannot yet, and so are not in the acknowledgement.
    pub(crate) fn begin(envelope: &Envelope, announcer: &Announcer) -> Result<Self, RpcError> {
        let id = envelope.id().ok_or_else(|| RpcError::invalid_request("a request has an id"))?;
        let wrong = || RpcError::invalid_params("`notifications` must be an object");
        let params = envelope.params().ok_or_else(wrong)?;
        let filter =
            find_member(params.raw(), "notifications").filter(|member| member.kind() == JsonKind::Object);
        let filter = filter.ok_or_else(wrong)?.value(params.raw());
        let mut granted = Kinds::NONE;
        for member in members(filter).map_while(Result::ok) {
            for (name, kind) in FILTER {
                if member.key_is(filter, name) && member.value(filter) == b"true" {
                    granted = granted.with(kind);
                }
            }
        }
        Ok(Self { listener: announcer.listen(granted), id, granted })
    }

    /// The first message.
    pub(crate) fn acknowledgement(&self) -> Bytes {
        let mut params = self.meta();
        params.put_slice(b",\"notifications\":{");
        let mut first = true;
        for (name, _) in FILTER.into_iter().filter(|(_, kind)| self.granted.has(*kind)) {
            if !first {
                params.put_u8(b',');
            }
            first = false;
            params.put_slice(format!("\"{name}\":true").as_bytes());
        }
        params.put_slice(b"}}");
        notification(method::SUBSCRIPTIONS_ACKNOWLEDGED, Some(&params))
    }

    /// A change.
    pub(crate) fn change(&self, method: &str) -> Bytes {
        let mut params = self.meta();
        params.put_u8(b'}');
        notification(method, Some(&params))
    }

    /// The answer to the request, after which there is nothing more.
    pub(crate) fn end(&self) -> Bytes {
        let mut result = BytesMut::from(&b"{\"resultType\":\"complete\","[..]);
        // Without the brace that begins it.
        result.put_slice(self.meta().get(1..).unwrap_or_default());
        result.put_u8(b'}');
        response(self.id.as_bytes(), &result)
    }

    /// `{"_meta":{…}`.
    fn meta(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(160);
        out.put_slice(b"{\"_meta\":{\"");
        out.put_slice(meta::SUBSCRIPTION_ID.as_bytes());
        out.put_slice(b"\":");
        out.put_slice(self.id.as_bytes());
        out.put_u8(b'}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(params: &str) -> Result<Subscription, RpcError> {
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"subscriptions/listen\",\"params\":{params}}}"
        );
        Subscription::begin(&Envelope::parse(Bytes::from(text)).unwrap(), &Announcer::default())
    }

    #[test]
    fn messages() {
        let filter = "{\"notifications\":{\"toolsListChanged\":true,\"promptsListChanged\":false,\
                      \"resourcesListChanged\":true,\"resourceSubscriptions\":[\"a:b\"]}}";
        let subscription = begin(filter).unwrap();
        let meta = "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":\"a\"}";
        assert_eq!(
            subscription.acknowledgement(),
            format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{{{meta},\
                 \"notifications\":{{\"toolsListChanged\":true,\"resourcesListChanged\":true}}}}}}"
            )
        );
        assert_eq!(
            subscription.change("notifications/tools/list_changed"),
            format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\",\"params\":{{{meta}}}}}"
            )
        );
        assert_eq!(
            subscription.end(),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{{\"resultType\":\"complete\",{meta}}}}}")
        );
    }

    #[test]
    fn a_filter_is_needed() {
        assert_eq!(begin("{}").err().unwrap().code, -32602);
        assert_eq!(begin("{\"notifications\":true}").err().unwrap().code, -32602);
        assert!(begin("{\"notifications\":{}}").is_ok());
    }
}
