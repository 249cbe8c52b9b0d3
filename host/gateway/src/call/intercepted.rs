//! Tool calls with interceptors around them: a task of its own for each, which runs those before the call, makes the call as if there were none,
//! and shows its answer to those after it. The first of the flags is the outermost (`docker-mcp-gateway.md` 20.3).

use super::slow::give;
use super::{Event, Source, WAITING, Wanted, begin_plain};
use crate::answer::{Answer, adapted};
use crate::caller::Caller;
use crate::checks::{Interceptor, When};
use crate::error::{INTERCEPTOR, RpcError};
use crate::front::Front;
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Envelope, JsonKind, Kind, RawId, Splice, elements, find_member};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Begins a call of a tool.
pub(super) fn begin(front: &Arc<Front>, caller: Caller, envelope: &Envelope, id: RawId) -> Source {
    let (events, received) = mpsc::channel(WAITING);
    front.tasks().spawn(run(Arc::clone(front), caller, envelope.clone(), id, events));
    Source::Task(received)
}

async fn run(front: Arc<Front>, caller: Caller, envelope: Envelope, id: RawId, events: mpsc::Sender<Event>) {
    let session = caller.session.clone();
    let ticket = session.as_ref().map(|session| session.calls.begin(id.clone()));
    let (serial, cancelled) = ticket.unzip();
    let cancels = caller.cancels_by_closing();
    let taken_back = async {
        let taken_back = match cancelled {
            Some(cancelled) => cancelled.await.is_ok(),
            None => false,
        };
        if !taken_back {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // Dropping it ends whatever runs: an interceptor, or the call.
        () = work(&front, caller, &envelope, &id, &events) => {}
        () = taken_back => {}
        () = events.closed(), if cancels => {}
    }
    if let (Some(session), Some(serial)) = (session, serial) {
        session.calls.end(serial);
    }
}

async fn work(
    front: &Arc<Front>,
    caller: Caller,
    envelope: &Envelope,
    id: &RawId,
    events: &mpsc::Sender<Event>,
) {
    let interceptors = Arc::clone(&front.config().checks.interceptors);
    let (era, session) = (caller.era, caller.session.clone());
    let mut answered = None;
    let mut depth = interceptors.len();
    for (at, interceptor) in interceptors.iter().enumerate() {
        if interceptor.when() != When::Before {
            continue;
        }
        let input = before(&envelope.params().map(|params| params.raw().clone()).unwrap_or_default());
        let answer = match ran(interceptor.as_ref(), input).await {
            Ok(None) => continue,
            Ok(Some(result)) => Answer::result(id.as_bytes(), &adapted(&result, era)),
            Err(error) => Answer::error(Some(id.as_bytes()), &error),
        };
        // Only those around it see what it says.
        (answered, depth) = (Some(answer), at);
        break;
    }
    let mut answer = match answered {
        Some(answer) => answer,
        None => match call(front, caller, envelope, events).await {
            Ok(Some(answer)) => answer,
            // Taken back by the client.
            Ok(None) => return,
            Err(error) => Answer::error(Some(id.as_bytes()), &error),
        },
    };
    if !wants_more(&answer) {
        for interceptor in interceptors.iter().take(depth).rev() {
            if interceptor.when() != When::After {
                continue;
            }
            match ran(interceptor.as_ref(), after(&answer)).await {
                Ok(None) => {}
                Ok(Some(result)) => answer = Answer::result(id.as_bytes(), &adapted(&result, era)),
                Err(error) => answer = Answer::error(Some(id.as_bytes()), &error),
            }
        }
    }
    give(events, Event::Answer(answer), session.as_deref()).await;
}

/// The call itself, with everything that comes before its answer handed on.
async fn call(
    front: &Arc<Front>,
    caller: Caller,
    envelope: &Envelope,
    events: &mpsc::Sender<Event>,
) -> Result<Option<Answer>, RpcError> {
    let session = caller.session.clone();
    let mut source = begin_plain(front, caller, Wanted::Tool, envelope)?;
    source.stay();
    while let Some(event) = source.next().await {
        match event {
            Event::Answer(answer) => return Ok(Some(answer)),
            event => give(events, event, session.as_deref()).await,
        }
    }
    Ok(None)
}

/// Runs one, and checks that what it printed is a result.
async fn ran(interceptor: &dyn Interceptor, input: Bytes) -> Result<Option<Bytes>, RpcError> {
    let printed = interceptor.run(input).await;
    let printed =
        printed.map_err(|text| RpcError::new(INTERCEPTOR, format!("executing interceptor: {text}")))?;
    let Some(printed) = printed.filter(|printed| !printed.is_empty()) else { return Ok(None) };
    let result = tool_result(&printed);
    let wrong =
        |text: &str| RpcError::new(INTERCEPTOR, format!("unmarshalling interceptor response: {text}"));
    result.map(Some).map_err(wrong)
}

/// What those before a call read. Session and the rest are what the original has on standard streams; the parameters stand under the key that it
/// writes and under the one that its pages promise.
fn before(params: &[u8]) -> Bytes {
    let params = if params.is_empty() { b"{}" } else { params };
    let mut out = BytesMut::with_capacity(2 * params.len() + 64);
    out.put_slice(b"{\"Session\":{},\"Params\":");
    out.put_slice(params);
    out.put_slice(b",\"Extra\":null,\"params\":");
    out.put_slice(params);
    out.put_u8(b'}');
    out.freeze()
}

/// What those after a call read: the result, or `null` if there is none.
fn after(answer: &Answer) -> Bytes {
    result_of(answer).unwrap_or_else(|| Bytes::from_static(b"null"))
}

fn result_of(answer: &Answer) -> Option<Bytes> {
    let envelope = Envelope::parse(answer.message.clone()).ok()?;
    envelope.result().filter(|_| envelope.kind() == Kind::Response)
}

/// Whether it is no result yet, but a question to a client of 2026-07-28.
fn wants_more(answer: &Answer) -> bool {
    result_of(answer).is_some_and(|raw| {
        let kind = find_member(&raw, "resultType");
        kind.and_then(|kind| kind.string(&raw)).as_deref() == Some("input_required")
    })
}

/// The result of a tool out of what an interceptor printed. `null` and `{}` are results without content, as for the original.
fn tool_result(printed: &[u8]) -> Result<Bytes, &'static str> {
    const EMPTY: &[u8] = b"{\"content\":[]}";
    let text = printed.trim_ascii();
    if text.is_empty() {
        return Err("unexpected end of JSON input");
    }
    if text == b"null" {
        return Ok(Bytes::from_static(EMPTY));
    }
    // The one parser of this program says whether it is JSON; what surrounds it is thrown away.
    let whole = [b"{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":", text, b"}"].concat();
    let envelope = Envelope::parse(whole.into()).map_err(|_| "it is no JSON")?;
    // All of it, and not one object with something behind it.
    let result = envelope.result().filter(|result| result.len() == text.len()).ok_or("it is no JSON")?;
    if result.first() != Some(&b'{') {
        return Err("the result of a tool is an object");
    }
    if find_member(&result, "isError").is_some_and(|flag| flag.kind() != JsonKind::Bool) {
        return Err("`isError` must be true or false");
    }
    match find_member(&result, "content") {
        Some(content) if content.kind() == JsonKind::Array => {
            let list = content.value(&result);
            let typed = elements(list).all(|element| {
                element.is_ok_and(|(range, _)| {
                    list.get(range).is_some_and(|block| {
                        find_member(block, "type").is_some_and(|kind| kind.kind() == JsonKind::String)
                    })
                })
            });
            if typed { Ok(result) } else { Err("each block of `content` is an object with a `type`") }
        }
        Some(_) => Err("`content` must be a list"),
        None => {
            let mut splice = Splice::new(&result);
            splice.object_insert_first(0, b"\"content\":[]");
            splice.build().map_err(|_| "it is no JSON")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_a_result_or_an_error() {
        let fine = |text: &str| String::from_utf8(tool_result(text.as_bytes()).unwrap().to_vec()).unwrap();
        assert_eq!(fine("null"), "{\"content\":[]}");
        assert_eq!(fine("{}\n"), "{\"content\":[]}");
        assert_eq!(fine("{\"isError\":true}"), "{\"content\":[],\"isError\":true}");
        let whole = "{\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"structuredContent\":{\"n\":1.50}}";
        assert_eq!(fine(whole), whole);
        for (text, why) in [
            ("\n", "unexpected end of JSON input"),
            ("{", "it is no JSON"),
            ("{}}", "it is no JSON"),
            ("{},\"error\":{}", "it is no JSON"),
            ("{},\"x\":{}", "it is no JSON"),
            ("7", "the result of a tool is an object"),
            ("[]", "the result of a tool is an object"),
            ("{\"content\":{}}", "`content` must be a list"),
            ("{\"content\":[7]}", "each block of `content` is an object with a `type`"),
            ("{\"isError\":\"yes\"}", "`isError` must be true or false"),
        ] {
            assert_eq!(tool_result(text.as_bytes()).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn the_input_has_both_spellings() {
        let text = before(b"{\"name\":\"t\",\"arguments\":{\"a\":1}}");
        let expected = "{\"Session\":{},\"Params\":{\"name\":\"t\",\"arguments\":{\"a\":1}},\"Extra\":null,\
                        \"params\":{\"name\":\"t\",\"arguments\":{\"a\":1}}}";
        assert_eq!(text, expected);
    }
}
