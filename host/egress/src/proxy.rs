//! The HTTP proxy (RFC 9110, 9.3.6; RFC 9112, 3.2): `CONNECT`, and requests with a whole URL. One request per connection, so that what was
//! checked is all there is.

use crate::log;
use crate::resolve::{Unreached, connect};
use crate::settings::Settings;
use crate::sniff::{self, First, authority};
use crate::splice::splice;
use crate::transparent;
use std::io::Write;
use std::net::TcpStream;

/// Headers that are meant for this proxy and nobody behind it.
const OURS: [&str; 5] = ["connection", "host", "keep-alive", "proxy-authorization", "proxy-connection"];

/// Serves one connection.
pub(crate) fn serve(settings: &Settings, mut client: TcpStream) {
    let Ok((bytes, first)) = sniff::read(&mut client) else { return };
    let own = settings.proxy.unwrap_or_default();
    let First::Http(end) = first else {
        return transparent::serve_read(settings, own, client, &bytes, &first);
    };
    let (head, body) = bytes.split_at_checked(end).unwrap_or_default();
    let Ok(head) = std::str::from_utf8(head) else {
        return answer(&mut client, "400 Bad Request", "the request is no text");
    };
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return answer(&mut client, "400 Bad Request", "the request is not understood");
    };
    if method == "CONNECT" {
        let Some((host, port)) = authority(target, 443) else {
            return answer(&mut client, "400 Bad Request", "it names no host and port");
        };
        return match connect(settings, host, port) {
            Ok(server) if client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").is_ok() => {
                splice(client, server, body);
            }
            Ok(_) => {}
            Err(why) => refuse(&mut client, &why),
        };
    }
    if target.starts_with('/') || target == "*" {
        // Somebody who connects by himself to a listed host on the port of this proxy.
        return transparent::serve_read(settings, own, client, &bytes, &First::Http(end));
    }
    let Some((at, path)) = split(target) else {
        return answer(&mut client, "400 Bad Request", "only http:// URLs; for others use CONNECT");
    };
    let Some((host, port)) = authority(at, 80) else {
        return answer(&mut client, "400 Bad Request", "the URL names no host");
    };
    match connect(settings, host, port) {
        Ok(server) => splice(client, server, &[rewritten(head, method, at, path).as_bytes(), body].concat()),
        Err(why) => refuse(&mut client, &why),
    }
}

/// `http://host:port/path` into host and path.
fn split(url: &str) -> Option<(&str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (at, path) = rest.split_at_checked(end)?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    (scheme.eq_ignore_ascii_case("http") && !at.contains('@')).then_some((at, path))
}

/// The request as the server gets it: the host is that of the URL, which was checked, and the connection ends with the answer.
fn rewritten(head: &str, method: &str, host: &str, path: String) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for line in head.split("\r\n").skip(1).filter(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !OURS.contains(&name.as_str()) {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    text.push_str("\r\n");
    text
}

fn refuse(client: &mut TcpStream, why: &Unreached) {
    match why {
        Unreached::Refused(why) => {
            log::line(&format!("refused: {why}"));
            answer(client, "403 Forbidden", why);
        }
        Unreached::Failed(why) => {
            log::line(&format!("not reached: {why}"));
            answer(client, "502 Bad Gateway", why);
        }
    }
}

fn answer(client: &mut TcpStream, status: &str, why: &str) {
    let length = why.len() + 1;
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{why}\n"
    );
    // Who has gone needs no answer.
    let _ = client.write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{rewritten, split};

    #[test]
    fn a_request_goes_on_as_its_url_says() {
        let (at, path) = split("http://a.example:81/x?y").unwrap();
        assert_eq!((at, path.as_str()), ("a.example:81", "/x?y"));
        assert_eq!(split("HTTP://a?y").unwrap(), ("a", "/?y".to_owned()));
        for url in ["https://a/", "http://user@a/", "a.example:80", "ftp://a"] {
            assert_eq!(split(url), None, "{url}");
        }
        let head = "GET http://a/x HTTP/1.1\r\nHost: evil\r\nProxy-Authorization: Basic x\r\nConnection: keep-alive\r\nA: b\r\n\r\n";
        let expected = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nA: b\r\n\r\n";
        assert_eq!(rewritten(head, "GET", "a", "/x".to_owned()), expected);
    }
}
