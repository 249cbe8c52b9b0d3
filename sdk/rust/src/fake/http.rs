//! The fake network: requests are answered by a function of the test.

use super::FakeHost;
use super::world::World;
use crate::http::{BodyPart, Effect, Request, Response};
use crate::types::{ObjectRef, SecretOwner};
use crate::{Error, Result, value};

type Answer = dyn FnMut(&Request) -> Result<Response>;

#[derive(Default)]
pub(super) struct Web {
    answer: Option<Box<Answer>>,
    requests: Vec<Request>,
    objects: Vec<ObjectRef>,
}

impl Web {
    pub(super) fn left(&self) -> Vec<ObjectRef> {
        self.objects.clone()
    }

    /// The plugin says that it has seen it go: what takes longer than one request is no effect of any.
    pub(super) fn gone(&mut self, object: &ObjectRef) {
        self.objects.retain(|existing| existing != object);
    }
}

/// What a test prepares and asks.
impl FakeHost {
    /// Answers every request from now on. Objects of requests with effect `creates` exist after a 2xx, and those with `removes` are
    /// gone after a 2xx, 404 or 410. The function must not ask the fake host.
    pub fn on_http(&self, answer: impl FnMut(&Request) -> Result<Response> + 'static) {
        self.world.borrow_mut().http.answer = Some(Box::new(answer));
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.world.borrow().http.requests.clone()
    }
}

/// An answer for [`FakeHost::on_http`].
impl Response {
    /// A status and a body without headers.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }
}

impl World {
    fn check_request(&self, request: &Request) -> Result<()> {
        if !request.url.starts_with("https://") {
            return Err(Error::permission(format!("send to `{}`: only https is granted", request.url)));
        }
        if matches!(request.effect, Effect::Creates(_)) && self.state.is_none() && self.ledger.is_empty() {
            return Err(Error::permission(format!(
                "send {} {}: it creates, and nothing was checkpointed",
                request.method, request.url
            ))
            .hint("call `checkpoint` with what is needed to undo it before the request"));
        }
        for header in &request.headers {
            self.check_plugin_value("header", &header.name, &header.value)?;
        }
        for part in &request.body {
            let BodyPart::Value(encoded) = part else { continue };
            for secret in value::secrets(&encoded.value) {
                self.lookup(secret)?;
                if secret.owner == SecretOwner::Server && matches!(request.effect, Effect::Reads) {
                    return Err(Error::permission(format!(
                        "send secret `{}` in a request that only reads",
                        secret.name
                    )));
                }
            }
        }
        Ok(())
    }

    fn apply_effect(&mut self, effect: &Effect, status: u16) {
        match effect {
            Effect::Creates(object) => {
                if (200..300).contains(&status) && !self.http.objects.contains(object) {
                    self.http.objects.push(object.clone());
                }
            }
            Effect::Removes(object) => {
                if (200..300).contains(&status) || status == 404 || status == 410 {
                    self.http.objects.retain(|existing| existing != object);
                    self.forget(object);
                }
            }
            Effect::Reads | Effect::Changes => {}
        }
    }
}

impl FakeHost {
    pub(crate) fn http_send(&self, request: &Request) -> Result<Response> {
        self.call(format!("http.send {} {}", request.method, request.url), |world| {
            world.check_request(request)?;
            if let Effect::Creates(object) = &request.effect {
                world.record(object.clone());
            }
            world.http.requests.push(request.clone());
            let Some(answer) = &mut world.http.answer else {
                return Err(Error::retryable(format!(
                    "send {} {}: nobody answers",
                    request.method, request.url
                ))
                .hint("give the fake host an answer with `on_http`"));
            };
            let response = answer(request)?;
            if response.body.len() > usize::try_from(request.response_limit).unwrap_or(usize::MAX) {
                return Err(Error::permanent(format!(
                    "read the answer: longer than {} bytes",
                    request.response_limit
                )));
            }
            world.apply_effect(&request.effect, response.status);
            Ok(response)
        })
    }
}
