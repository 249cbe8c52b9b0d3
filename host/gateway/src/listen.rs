//! `subscriptions/listen`: how a modern client learns that lists have changed and resources were updated (`mcp-ecosystem.md` 2).

use crate::announce::{Announcer, Kinds, Listener};
use crate::error::RpcError;
use crate::front::Front;
use crate::subscriptions::{Subscriptions, about};
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{
    Envelope, JsonKind, RawId, decode_string, elements, find_member, members, meta, method, notification,
    response, write_string,
};
use host_pool::Owner;
use std::sync::Arc;

/// One open stream.
pub(crate) struct Subscription {
    pub(crate) listener: Arc<Listener>,
    id: RawId,
    granted: Kinds,
    /// Resources whose updates are wanted; later those that are told.
    uris: Vec<String>,
    /// Goes after the listener, so that its subscriptions are seen to be nobody's any more.
    sweep: Option<Sweep>,
}

/// Looks, when it is dropped, whose subscriptions nobody wants any more.
struct Sweep(Arc<Subscriptions>);

impl Drop for Sweep {
    fn drop(&mut self) {
        self.0.sweep();
    }
}

/// Resources that one stream may listen to.
const MOST_URIS: usize = 1000;

/// Names of the kinds in the filter.
const FILTER: [(&str, Kinds); 3] = [
    ("toolsListChanged", Kinds::TOOLS),
    ("promptsListChanged", Kinds::PROMPTS),
    ("resourcesListChanged", Kinds::RESOURCES),
];

impl Subscription {
    /// Reads what is asked for.
    pub(crate) fn begin(envelope: &Envelope, announcer: &Announcer) -> Result<Self, RpcError> {
        let id = envelope.id().ok_or_else(|| RpcError::invalid_request("a request has an id"))?;
        let wrong = || RpcError::invalid_params("`notifications` must be an object");
        let params = envelope.params().ok_or_else(wrong)?;
        let filter =
            find_member(params.raw(), "notifications").filter(|member| member.kind() == JsonKind::Object);
        let filter = filter.ok_or_else(wrong)?.value(params.raw());
        let mut granted = Kinds::NONE;
        let mut uris = Vec::new();
        for member in members(filter).map_while(Result::ok) {
            for (name, kind) in FILTER {
                if member.key_is(filter, name) && member.value(filter) == b"true" {
                    granted = granted.with(kind);
                }
            }
            if member.key_is(filter, "resourceSubscriptions") {
                let list = member.value(filter);
                for (range, _) in elements(list).map_while(Result::ok) {
                    let uri = decode_string(list.get(range).unwrap_or_default());
                    let uri = uri
                        .ok_or_else(|| RpcError::invalid_params("`resourceSubscriptions` must hold texts"))?;
                    uris.push(uri.into_owned());
                }
            }
        }
        if uris.len() > MOST_URIS {
            return Err(RpcError::invalid_params(format!("more than {MOST_URIS} resources are asked for")));
        }
        Ok(Self { listener: announcer.listen(granted), id, granted, uris, sweep: None })
    }

    /// Subscribes to the resources, and keeps of them those that their servers agreed to: only these are in the acknowledgement.
    pub(crate) async fn listen(mut self, front: &Arc<Front>, owner: &Owner) -> Self {
        let asked = std::mem::take(&mut self.uris);
        if !self.granted.is_empty() && *owner == Owner::Shared {
            front.pool().keep_listers();
        }
        if !asked.is_empty() {
            self.sweep = Some(Sweep(Arc::clone(front.subscriptions())));
            front.directory().wait().await;
        }
        let each = asked.into_iter().map(|uri| async {
            let server = front.directory().view().resource(&uri).cloned()?;
            match front.subscriptions().subscribe(&server, owner, &uri, &self.listener).await {
                Ok(()) => Some(uri),
                Err(error) => {
                    tracing::debug!(%server, error = %error.text, "a resource cannot be subscribed to");
                    None
                }
            }
        });
        self.uris = futures_util::future::join_all(each).await.into_iter().flatten().collect();
        self
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
        if !self.uris.is_empty() {
            let comma = if first { "" } else { "," };
            params.put_slice(format!("{comma}\"resourceSubscriptions\":[").as_bytes());
            for (at, uri) in self.uris.iter().enumerate() {
                if at > 0 {
                    params.put_u8(b',');
                }
                write_string(&mut params, uri);
            }
            params.put_u8(b']');
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

    /// An update of one resource.
    pub(crate) fn updated(&self, uri: &str) -> Bytes {
        let mut meta = self.meta();
        meta.put_u8(b',');
        // Without the brace that begins it.
        let params = about(uri, meta.get(1..).unwrap_or_default());
        notification(method::RESOURCE_UPDATED, Some(&params))
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
        let mut subscription = begin(filter).unwrap();
        assert_eq!(std::mem::take(&mut subscription.uris), ["a:b"], "nobody has agreed to it");
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
            subscription.updated("a:b"),
            format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{{{meta},\"uri\":\"a:b\"}}}}"
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
        assert_eq!(begin("{\"notifications\":{\"resourceSubscriptions\":[7]}}").err().unwrap().code, -32602);
        assert_eq!(begin("{\"notifications\":true}").err().unwrap().code, -32602);
        assert!(begin("{\"notifications\":{}}").is_ok());
    }
}
