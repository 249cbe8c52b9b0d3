//! What a server answers, whatever its form, and what its refusals mean in words.

use super::{Done, Http, REFUSAL_LIMIT, SHOWN, Trouble};
use bytes::{Bytes, BytesMut};
use host_message::{Envelope, Kind};
use host_provisioner::{BoxBody, Class, Failure, HttpBody, HttpFailure, Phase, sanitize};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Response, StatusCode};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

impl Http {
    /// Hands the answer of a call over, whatever its form.
    pub(super) async fn answer(
        self: &Arc<Self>,
        id: u64,
        response: Response<BoxBody>,
    ) -> Result<Done, Trouble> {
        let media = media(response.headers());
        match media.as_str() {
            "application/json" => {
                let body = collect(response.into_body(), self.limit).await?;
                if let Some(wire) = self.wire() {
                    wire.message(body, Some(id));
                }
                Ok(Done::Here)
            }
            "text/event-stream" => {
                self.follow(id, response.into_body()).await?;
                Ok(Done::Here)
            }
            _ if matches!(response.status(), StatusCode::ACCEPTED | StatusCode::NO_CONTENT) => {
                Err(Trouble::Call("the server took the request and answered nothing".to_owned()))
            }
            _ => Err(Trouble::Call(format!(
                "the server answered with `{}`, which is no MCP",
                sanitize::line(&media, SHOWN)
            ))),
        }
    }

    /// Hands an answer over that is no success: the JSON-RPC error in it, or the status in words.
    pub(super) async fn refused(
        self: &Arc<Self>,
        id: u64,
        response: Response<BoxBody>,
    ) -> Result<Done, Trouble> {
        let (head, body) = response.into_parts();
        let is_json = media(&head.headers) == "application/json";
        let body = collect(body, REFUSAL_LIMIT).await.unwrap_or_default();
        let envelope =
            Envelope::parse(body.clone()).ok().filter(|envelope| is_json && envelope.kind() == Kind::Error);
        if let (Some(error), Some(wire)) = (envelope.and_then(|envelope| envelope.error()), self.wire()) {
            // The id may be missing where the server could not read it; whose error it is says the exchange.
            let message =
                [format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":").as_bytes(), &error, b"}"].concat();
            wire.message(message.into(), Some(id));
            return Ok(Done::Here);
        }
        let failure = refusal(head.status, &head.headers, &self.blotter.bytes(&body));
        let text = failure.text.clone();
        self.state().refusal = Some(failure);
        Err(Trouble::Call(text))
    }
}

/// A body that was read already.
pub(super) struct Whole(pub(super) Bytes);

impl HttpBody for Whole {
    fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, HttpFailure>>> {
        let whole = std::mem::take(&mut self.0);
        Poll::Ready((!whole.is_empty()).then_some(Ok(whole)))
    }
}

/// The media type without its parameters.
pub(super) fn media(headers: &HeaderMap) -> String {
    let whole = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A whole body of at most so many bytes.
pub(super) async fn collect(mut body: BoxBody, limit: usize) -> Result<Bytes, Trouble> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.chunk().await {
        let piece = piece.map_err(|failure| Trouble::Call(failure.text))?;
        if whole.len() + piece.len() > limit {
            return Err(Trouble::Call(format!("the server's answer is longer than {limit} bytes")));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// A status in words.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let said = sanitize::line(String::from_utf8_lossy(body).trim(), SHOWN);
    let mut text = format!("the server answered HTTP {status}");
    if !said.is_empty() && !said.starts_with('<') {
        text.push_str(": ");
        text.push_str(&said);
    }
    let class = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Class::Permission,
        StatusCode::TOO_MANY_REQUESTS => Class::Quota,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Class::Retryable
        }
        _ if status.is_server_error() => Class::Other,
        _ => Class::Permanent,
    };
    let mut failure = Failure::new(Phase::Handshake, class, text);
    if class == Class::Permission {
        let wanted = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let how = wanted.and_then(|wanted| wanted.split(' ').next()).unwrap_or_default();
        failure = failure.with_hint(if how.eq_ignore_ascii_case("bearer") {
            "give the server a token with `headers: {Authorization: 'Bearer …'}`; signing in is not in this version"
        } else {
            "give the server its credentials with `headers`"
        });
    }
    let later = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    failure.retry_after = later.map(Duration::from_secs);
    failure
}
