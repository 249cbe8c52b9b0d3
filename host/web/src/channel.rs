//! An endpoint as the pool sees it.

use crate::body::Body;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::url::Target;
use async_trait::async_trait;
use bytes::Bytes;
use host_provisioner::{BoxBody, HttpBody, HttpChannel, HttpFailure};
use http::{Request, Response};
use std::pin::Pin;
use std::task::{Context, Poll};

impl From<Error> for HttpFailure {
    fn from(error: Error) -> Self {
        Self {
            seen: error.kind == ErrorKind::Broken,
            permanent: error.kind == ErrorKind::Refused,
            text: error.text,
            hint: error.hint,
        }
    }
}

impl HttpBody for Body {
    fn poll_chunk(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpFailure>>> {
        self.get_mut().poll_chunk(context).map(|chunk| chunk.map(|chunk| chunk.map_err(Into::into)))
    }
}

impl Endpoint {
    fn own(&self, reference: &str) -> Result<Target, Error> {
        let target = self.target().join(reference)?;
        if target.same_origin(self.target()) {
            return Ok(target);
        }
        let text = format!("{} names {}, which is another server", self.target().origin(), target.origin());
        Err(Error::refused(text))
    }
}

#[async_trait]
impl HttpChannel for Endpoint {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<BoxBody>, HttpFailure> {
        let url = self.own(&request.uri().to_string())?;
        let response = Self::send(self, &url, &request).await?;
        Ok(response.map(BoxBody::new))
    }

    fn resolve(&self, reference: &str) -> Result<String, HttpFailure> {
        Ok(self.own(reference)?.to_string())
    }
}
