//! `http`: requests to hosts that were granted, signed here. What may be asked is checked in `check`, values are filled in by `fill`; here it is
//! noted, sent, and told.

mod check;
mod fill;
mod signer;

pub(crate) use signer::Signed;

use crate::sanitize::line;
use crate::state::{CallState, Scope};
use crate::v0_1::bounds::{self, Bounded};
use crate::v0_1::imported::http::{BodyPart, Effect, Host, Request, Response};
use crate::v0_1::types::{Failure, FailureCategory, ObjectRef};
use bytes::Bytes;
use check::Checked;
use host_outbound::{Answer, Client, Error, ErrorKind, Outgoing, Signer};
use http::HeaderMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of an answer that are read at most (`wit/v0.1/types.wit`, "Limits").
const ANSWER: u32 = 16 << 20;
/// Bytes of a name in a refusal.
const SHOWN: usize = 200;
/// Time that is kept for telling a plugin that there was no answer.
const NOTICE: Duration = Duration::from_millis(250);

type Sent = wasmtime::Result<Result<Response, Failure>>;

impl Host for CallState {
    async fn send(&mut self, request: Request) -> Sent {
        self.enter("http.send")?;
        request.bounded()?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        let instead = self.answered();
        let within = self.remaining().saturating_sub(NOTICE);
        let limit = u32::try_from(self.scope.plugin.limits.data).unwrap_or(ANSWER).min(ANSWER);
        self.scope.send(request, within, limit, instead).await
    }
}

impl Bounded for Request {
    fn bounded(&self) -> Result<(), crate::limits::Met> {
        [&self.method, &self.url].into_iter().try_for_each(Bounded::bounded)?;
        bounds::list(&self.headers)?;
        for header in &self.headers {
            header.name.bounded()?;
            header.value.bounded()?;
        }
        bounds::list(&self.body)?;
        for part in &self.body {
            if let BodyPart::Value(encoded) = part {
                encoded.value.bounded()?;
                bounds::list(&encoded.encodings)?;
            }
        }
        match &self.effect {
            Effect::Creates(object) | Effect::Removes(object) => object.bounded()?,
            Effect::Reads | Effect::Changes => {}
        }
        self.signing.bounded()?;
        self.tls.bounded()
    }
}

impl Bounded for crate::v0_1::types::Signing {
    fn bounded(&self) -> Result<(), crate::limits::Met> {
        self.signer.bounded()?;
        self.parameters.bounded()
    }
}

/// What a test wants to be answered.
pub(crate) enum Instead {
    /// This, and nothing is sent.
    Status(u16, &'static str),
    /// It is sent, and the answer breaks off.
    Truncated,
}

impl Scope {
    async fn send(&self, request: Request, within: Duration, limit: u32, instead: Option<Instead>) -> Sent {
        let (effect, repeatable) = (request.effect.clone(), request.repeatable);
        let within = within.min(Duration::from_millis(u64::from(request.timeout_ms)));
        let limit = request.response_limit.min(limit);
        let (checked, signer, headers, body) = match self.request_ready(&request).await {
            Ok(ready) => ready,
            Err(failure) => return Ok(Err(failure)),
        };
        // *Invariant:* noted before it is created.
        if let Effect::Creates(object) = &effect
            && let Err(failure) = self.note_creation(object).await?
        {
            return Ok(Err(failure));
        }
        let outgoing = Outgoing {
            who: self.plugin.name.clone(),
            method: checked.method.clone(),
            target: checked.target.clone(),
            headers,
            body,
            signer,
            access: self.access(),
            repeatable: repeatable || matches!(effect, Effect::Reads),
            within,
            limit: limit as usize,
        };
        if let Some(Instead::Status(status, body)) = instead {
            return Ok(Ok(Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() }));
        }
        let began = Instant::now();
        let sent = tokio::select! {
            biased;
            () = self.call.cancelled.cancelled() => {
                Err(self.refuse(FailureCategory::Cancelled, "nobody waits for the answer any more"))
            }
            sent = self.host.config.outbound.send(&outgoing, &self.put) => {
                sent.map_err(|error| self.of_outbound(error))
            }
        };
        self.audit(&checked, &effect, began.elapsed(), &sent);
        let answer = match sent {
            Ok(answer) => answer,
            Err(failure) => return Ok(Err(failure)),
        };
        if let Effect::Removes(object) = &effect
            && matches!(answer.status, 200..=299 | 404 | 410)
        {
            self.note_removal(object);
        }
        if let Some(Instead::Truncated) = instead {
            let text = "the answer broke off, says the test";
            return Ok(Err(self.refuse(FailureCategory::Retryable, text)));
        }
        Ok(Ok(Response { status: answer.status, headers: answer.headers, body: answer.body.to_vec() }))
    }

    /// The request as it may be sent, with its values filled in.
    async fn request_ready(
        &self,
        request: &Request,
    ) -> Result<(Checked, Option<Signer>, HeaderMap, Bytes), Failure> {
        let (checked, chosen) = self.may_send(request)?;
        let signer = match chosen {
            Some(chosen) => Some(self.ready_signer(chosen).await?),
            None => None,
        };
        if let Some(header) = request.headers.iter().find(|h| !Client::is_free(&h.name, signer.as_ref())) {
            let text =
                format!("the header `{}` is set by the connection or the signer", line(&header.name, SHOWN));
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        let (headers, body) = self.filled_request(request, &checked).await?;
        Ok((checked, signer, headers, body))
    }

    async fn note_creation(&self, object: &ObjectRef) -> wasmtime::Result<Result<(), Failure>> {
        let Some(record) = &self.record else { return Ok(Err(self.refuse_creation())) };
        let object = crate::v0_1::answers::object(object.clone());
        let noted = self.host.ledger.object(record, object, true);
        self.durable(noted).await
    }

    fn note_removal(&self, object: &ObjectRef) {
        let Some(record) = &self.record else { return };
        let object = crate::v0_1::answers::object(object.clone());
        if let Err(error) = self.host.ledger.forget(record, &object, true) {
            // At worst it is removed once more.
            tracing::warn!(%error, "the ledger could not be brought up to date");
        }
    }

    fn refuse_creation(&self) -> Failure {
        let text = format!("nothing is created over `http` in `{}`", self.phase.as_str());
        self.refuse(FailureCategory::Permission, text)
    }

    /// What hosts of this plugin's requests may lead to.
    pub(super) fn access(&self) -> host_web::Access {
        let plugin = Arc::clone(&self.plugin);
        let advice = format!(
            "if you trust it with that, write `HOST:PORT` as the `host` of an element of `plugins.{}.grants.http` with `private: true`",
            self.plugin.name
        );
        host_web::Access::new(
            move |host, port| {
                plugin.grants.http.iter().any(|grant| grant.private && grant.covers_host(host, port))
            },
            &advice,
        )
    }

    fn of_outbound(&self, error: Error) -> Failure {
        let category = match error.kind {
            ErrorKind::Refused | ErrorKind::Credentials => FailureCategory::Permission,
            ErrorKind::Unreachable | ErrorKind::Broken => FailureCategory::Retryable,
            ErrorKind::Timeout => FailureCategory::Timeout,
            ErrorKind::Unreadable => FailureCategory::Permanent,
        };
        let clean = |text: &str| {
            let put = self.put.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            line(&put.clean_text(text), crate::sanitize::LINE)
        };
        let mut failure = self.refuse(category, clean(&error.text));
        failure.hint = error.hint.as_deref().map(clean);
        failure.retry_after_ms =
            error.retry_after.map(|pause| u32::try_from(pause.as_millis()).unwrap_or(u32::MAX));
        failure
    }

    /// The line of every request: who asked whom for what, and what came of it. No query, no header, no body. Those that only read, and were answered, are
    /// for whoever asks for them: a start looks every second, and a sweep every minute.
    fn audit(&self, checked: &Checked, effect: &Effect, took: Duration, sent: &Result<Answer, Failure>) {
        let (status, attempts, text) = match sent {
            Ok(answer) => (answer.status, answer.attempts, None),
            Err(failure) => (0, 0, Some(failure.text.as_str())),
        };
        let path = checked.target.path.split('?').next().unwrap_or_default();
        let (plugin, phase, method) = (&self.plugin.name, self.phase.as_str(), checked.method.as_str());
        let url = format!("{}{}", checked.target.origin(), line(path, SHOWN));
        let operation = line(&checked.operations.join(" "), SHOWN);
        let signer = checked.signer_name.as_deref();
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        macro_rules! told {
            ($level:ident) => {
                tracing::$level!(
                    target: "audit",
                    plugin, phase, method, url, operation, signer, status, attempts, milliseconds, text,
                    "http request"
                )
            };
        }
        if matches!(effect, Effect::Reads) && (200..300).contains(&status) {
            told!(debug);
        } else {
            told!(info);
        }
    }
}
