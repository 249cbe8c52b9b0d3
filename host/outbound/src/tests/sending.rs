//! Sending, whoever signs.

use super::*;
use crate::ErrorKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

fn put() -> Mutex<crate::Scrubber> {
    Mutex::default()
}

#[tokio::test]
async fn what_may_be_repeated_is_and_nothing_else() {
    let busy = |_: &str, before: usize| match before % 3 {
        0 => answer(503, "retry-after: 0\r\n", "later"),
        1 => answer(429, "", ""),
        _ => answer(200, "", "done"),
    };
    let server = Server::start(busy).await;
    let client = Client::default();
    let came = client.send(&outgoing(&server.url("/")), &put()).await.unwrap();
    assert_eq!((came.status, came.attempts, &came.body[..]), (200, 3, &b"done"[..]));
    let once = Outgoing { repeatable: false, ..outgoing(&server.url("/")) };
    let came = client.send(&once, &put()).await.unwrap();
    assert_eq!((came.status, came.attempts), (503, 1));
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_server_that_is_never_well_is_asked_five_times_and_its_answer_told() {
    let server = Server::start(|_, _| answer(500, "retry-after: 0\r\n", "<html>")).await;
    let came = Client::default().send(&outgoing(&server.url("/")), &put()).await.unwrap();
    assert_eq!((came.status, came.attempts, server.seen().len()), (500, 5, 5));
}

#[tokio::test]
async fn a_pause_that_nobody_can_wait_for_is_told_at_once() {
    let server = Server::start(|_, _| answer(429, "retry-after: 3600\r\n", "")).await;
    let client = Client::default();
    let came = client.send(&outgoing(&server.url("/")), &put()).await.unwrap();
    assert_eq!((came.status, came.attempts, came.header("retry-after")), (429, 1, Some("3600")));
    // And the host is left alone, whatever the plugin does.
    let error = client.send(&outgoing(&server.url("/")), &put()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.retry_after.unwrap() > Duration::from_secs(3000));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let stump = |_: &str, before: usize| match before {
        0 => Some("HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nabc".to_owned()),
        _ => answer(200, "", "whole"),
    };
    let server = Server::start(stump).await;
    let came = Client::default().send(&outgoing(&server.url("/")), &put()).await.unwrap();
    assert_eq!((&came.body[..], came.attempts), (&b"whole"[..], 2));
    let server = Server::start(stump).await;
    let once = Outgoing { repeatable: false, ..outgoing(&server.url("/")) };
    assert_eq!(Client::default().send(&once, &put()).await.unwrap_err().kind, ErrorKind::Broken);
}

#[tokio::test]
async fn a_server_that_never_answers_costs_the_time_that_was_given() {
    let server = Server::start(|_, _| None).await;
    let short = Outgoing { within: Duration::from_millis(200), ..outgoing(&server.url("/")) };
    let error = Client::default().send(&short, &put()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert_eq!(error.text, format!("{} did not answer in time", server.address));
    let once = Outgoing { repeatable: false, ..short };
    assert_eq!(Client::default().send(&once, &put()).await.unwrap_err().kind, ErrorKind::Timeout);
}

#[tokio::test]
async fn an_answer_that_never_goes_on_is_asked_for_once_more_before_the_time_is_over() {
    let stuck = |_: &str, before: usize| match before {
        0 => None,
        _ => answer(200, "", "whole"),
    };
    let server = Server::start(stuck).await;
    let within = Duration::from_secs(6);
    let request = Outgoing { within, ..outgoing(&server.url("/")) };
    let came = Client::default().send(&request, &put()).await.unwrap();
    assert_eq!((&came.body[..], came.attempts), (&b"whole"[..], 2));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_cookies_are_not_passed_on() {
    let moved = |_: &str, _: usize| {
        answer(302, "location: http://169.254.169.254/latest\r\nset-cookie: a=b\r\nx-own: 1\r\n", "")
    };
    let server = Server::start(moved).await;
    let came = Client::default().send(&outgoing(&server.url("/a?b=c")), &put()).await.unwrap();
    assert_eq!((came.status, came.header("location")), (302, Some("http://169.254.169.254/latest")));
    assert_eq!((came.header("set-cookie"), came.header("x-own")), (None, Some("1")));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn no_more_is_read_than_was_asked_for() {
    let server = Server::start(|_, _| answer(200, "", &"x".repeat(1001))).await;
    let small = Outgoing { limit: 1000, ..outgoing(&server.url("/")) };
    let error = Client::default().send(&small, &put()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.text.as_str()),
        (ErrorKind::Unreadable, "the answer is longer than 1000 bytes")
    );
}

#[tokio::test]
async fn addresses_that_were_not_granted_are_not_connected_to() {
    let server = Server::start(|_, _| answer(200, "", "")).await;
    for (url, access) in [
        (server.url("/"), Access::public()),
        (format!("http://localhost:{}/", server.address.port()), Access::public()),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), Access::public()),
        ("http://metadata.google.internal/".to_owned(), Access::public()),
        // A name that was granted to lead inside leads to no metadata service, and to no other port.
        ("http://10.0.0.1/".to_owned(), Access::new(|host, _| host == "10.0.0.2", "")),
    ] {
        let error = Client::default().send(&Outgoing { access, ..outgoing(&url) }, &put()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{url}: {error}");
    }
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn what_was_put_into_a_request_is_in_no_answer() {
    const TOKEN: &str = "hunter2/hunter2";
    // A server that repeats everything it is told, as it is and encoded.
    let echo = |request: &str, _: usize| {
        let encoded = STANDARD.encode(request);
        answer(200, &format!("x-echo: {TOKEN}\r\n"), &format!("{request}\n{encoded}"))
    };
    let server = Server::start(echo).await;
    let signer = Signer::Bearer(Arc::new(Zeroizing::new(TOKEN.to_owned())));
    let request = Outgoing { signer: Some(signer), ..outgoing(&server.url("/")) };
    let put = put();
    let client = Client::default();
    let came = client.send(&request, &put).await.unwrap();
    let text = String::from_utf8_lossy(&came.body).into_owned();
    assert!(text.contains("Bearer [removed]"), "{text}");
    assert_eq!(came.header("x-echo"), Some("[removed]"));
    let encoded = text.lines().last().unwrap();
    assert!(!text.contains("hunter2") && encoded.contains("[removed]"), "{text}");
    assert!(server.seen()[0].contains(&format!("Bearer {TOKEN}")));
    // Also of a later request that carries nothing.
    let came = client.send(&outgoing(&server.url("/")), &put).await.unwrap();
    assert_eq!(came.header("x-echo"), Some("[removed]"));
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_asked_for_once_more() {
    let server = Server::start(|request, _| {
        if request.contains("computeMetadata") {
            return answer(200, "", r#"{"access_token":"token-of-google","expires_in":3599}"#);
        }
        answer(401, "", "")
    })
    .await;
    let host = server.address.to_string();
    let client = Client::new(around(&[("GCE_METADATA_HOST", &host)], None));
    let signer = Signer::GoogleAccess { scopes: vec!["x".to_owned()] };
    let request = Outgoing { signer: Some(signer), ..outgoing(&server.url("/")) };
    assert_eq!(client.send(&request, &put()).await.unwrap().status, 401);
    let seen = server.seen();
    let asked = seen.iter().filter(|seen| seen.contains("computeMetadata")).count();
    assert_eq!((asked, seen.len()), (2, 4));
}
