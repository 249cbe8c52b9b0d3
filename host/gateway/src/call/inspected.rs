//! One call under the eyes of the operator's inspector.

use super::Call;
use crate::answer::Answer;
use crate::checks::Inspector;
use crate::error::{BLOCKED, RpcError};
use host_message::{Envelope, Kind, find_member};
use std::sync::Arc;
use std::time::Instant;

/// A call that was let through, until its answer.
pub(super) struct Inspected {
    inspector: Arc<dyn Inspector>,
    tool: String,
    since: Instant,
}

impl Inspected {
    /// Shows a call to the inspector. The error is the answer.
    pub(super) fn begin(inspector: &Arc<dyn Inspector>, call: &Call) -> Result<Arc<Self>, RpcError> {
        let tool = call.name()?.into_owned();
        let raw = call.params.raw();
        let arguments = call.params.arguments().map(|member| member.value(raw));
        let further = if call.asked.caller.era.is_modern() {
            find_member(raw, "inputResponses").map(|member| member.value(raw))
        } else {
            None
        };
        let fine = inspector.call(&tool, arguments, further);
        fine.map_err(|text| RpcError::new(BLOCKED, text))?;
        Ok(Arc::new(Self { inspector: Arc::clone(inspector), tool, since: Instant::now() }))
    }

    /// Shows the answer of the server to the inspector; the client's answer is the one that was made of it, or a refusal.
    pub(super) fn end(&self, envelope: &Envelope, id: &[u8], answer: Answer) -> Answer {
        let failed = envelope.kind() != Kind::Response;
        let raw = if failed { envelope.error() } else { envelope.result() }.unwrap_or_default();
        match self.inspector.answer(&self.tool, &raw, failed, self.since.elapsed()) {
            Ok(()) => answer,
            Err(text) => Answer::error(Some(id), &RpcError::new(BLOCKED, text)),
        }
    }
}
