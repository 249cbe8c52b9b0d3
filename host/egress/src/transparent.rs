//! Programs that connect to a name by themselves: the name leads here, and what they say first, or the port, tells where they want to go.

use crate::log;
use crate::resolve::{Unreached, connect};
use crate::settings::Settings;
use crate::sniff::{self, First};
use crate::splice::splice;
use std::net::TcpStream;

/// Serves one connection that came on `port`.
pub(crate) fn serve(settings: &Settings, port: u16, mut client: TcpStream) {
    if settings.rules.is_plain(port) {
        // The server may be the one that speaks first.
        if let Some(host) = settings.rules.behind(port) {
            lead(settings, host, port, client, &[]);
        }
        return;
    }
    let Ok((bytes, first)) = sniff::read(&mut client) else { return };
    serve_read(settings, port, client, &bytes, &first);
}

/// The same, of which the first bytes were read.
pub(crate) fn serve_read(settings: &Settings, port: u16, client: TcpStream, bytes: &[u8], first: &First) {
    let named = match first {
        First::Tls(name) => name.clone(),
        First::Http(end) => {
            let head = bytes.get(..*end).and_then(|head| std::str::from_utf8(head).ok()).unwrap_or_default();
            let host = sniff::header(head, "host").and_then(|host| sniff::authority(host, port));
            host.map(|(host, _)| host.to_owned())
        }
        First::More | First::Other => None,
    };
    match named.as_deref().or(settings.rules.behind(port)) {
        Some(host) => lead(settings, host, port, client, bytes),
        None => log::line(&format!("refused: a connection to port {port} that names no host")),
    }
}

fn lead(settings: &Settings, host: &str, port: u16, client: TcpStream, first: &[u8]) {
    match connect(settings, host, port) {
        Ok(server) => splice(client, server, first),
        Err(Unreached::Refused(why)) => log::line(&format!("refused: {why}")),
        Err(Unreached::Failed(why)) => log::line(&format!("not reached: {why}")),
    }
}
