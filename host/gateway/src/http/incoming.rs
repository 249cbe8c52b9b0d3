//! The body of a request, up to its limit.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body;
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// Reads a body. Usually it came together with the head: then it is a slice of what was read, and not copied.
pub(crate) async fn read(mut body: Incoming, limit: usize, within: Duration) -> Result<Bytes, StatusCode> {
    // What it says of its length in advance is checked before a byte of it is kept.
    if body.size_hint().lower() > limit as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let work = async {
        let mut whole = Bytes::new();
        let mut many = BytesMut::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
            if whole.len() + many.len() + data.len() > limit {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            if whole.is_empty() && many.is_empty() {
                whole = data;
                continue;
            }
            if many.is_empty() {
                many.extend_from_slice(&whole);
                whole = Bytes::new();
            }
            many.extend_from_slice(&data);
        }
        Ok(if many.is_empty() { whole } else { many.freeze() })
    };
    let mut work = pin!(work);
    if let Some(result) = soon(work.as_mut()).await {
        return result;
    }
    match tokio::time::timeout(within, work).await {
        Ok(result) => result,
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// What a future comes to when it is polled a second time at the latest. hyper hands a body out when it was asked for and not before, also one that
/// has come already, and that is no reason to set a clock.
async fn soon<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut asked = false;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if asked => Poll::Ready(None),
        Poll::Pending => {
            asked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}
