//! Who asks, for the time of one request.

use crate::error::RpcError;
use crate::session::Session;
use bytes::Bytes;
use host_message::{Era, JsonKind, Level, Params};
use host_pool::Owner;
use std::sync::Arc;

/// How a client is connected, as far as that decides how its requests end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Standard streams: one connection for all requests.
    Streams,
    /// HTTP: one exchange for each request.
    Http,
}

/// A client with a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) era: Era,
    pub(crate) link: Link,
    /// `None` for a modern client over HTTP, whose requests stand alone.
    pub(crate) session: Option<Arc<Session>>,
}

static SHARED: Owner = Owner::Shared;

impl Caller {
    /// Whose servers it uses. Who has no session shares them.
    pub(crate) fn owner(&self) -> &Owner {
        self.session.as_ref().map_or(&SHARED, |session| &session.owner)
    }

    /// Whether the end of its exchange takes the request back. A modern client says so by closing it; a legacy one may have lost
    /// its connection and wants the work done all the same (`mcp-ecosystem.md` 2, "cancellation").
    pub(crate) fn cancels_by_closing(&self) -> bool {
        self.link == Link::Http && self.era.is_modern()
    }

    /// The client's token for progress, raw, if it wants any.
    pub(crate) fn progress_token(params: &Params) -> Result<Option<Bytes>, RpcError> {
        match params.meta_progress_token() {
            Some(member) if member.kind() != JsonKind::Null => {
                params.token(member)?;
                Ok(Some(params.slice(member.value_range())))
            }
            _ => Ok(None),
        }
    }
}

/// The log messages that a modern request asks for.
pub(crate) fn log_level(params: &Params) -> Result<Option<Level>, RpcError> {
    let Some(member) = params.meta_log_level().filter(|member| member.kind() != JsonKind::Null) else {
        return Ok(None);
    };
    let text = params.text(member)?;
    let level = Level::parse(&text);
    level.map(Some).ok_or_else(|| {
        RpcError::invalid_params(format!("`{}` is no level of log messages", crate::error::shown(&text)))
    })
}
