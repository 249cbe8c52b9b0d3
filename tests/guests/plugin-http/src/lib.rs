//! A plugin that sends, on request, what it must not send. The requests are the lines of the server's name, words with blanks between them:
//!
//!     GET https://a.example/ effect=changes header=x-a:b sign=aws service=ecs region=eu-1
//!     POST https://a.example/ body={"a":"|secret:acme.token|"} effect=creates:thing repeat
//!     checkpoint 1
//!     connect http://127.0.0.1:8080/mcp sign=google-id-token
//!     image registry.example/acme/notes:2 platform=linux/amd64 login=registry.example,reader,|own:password|
//!     greet 127.0.0.1 4444 |generated:bridge|
//!
//! In a body and a header `|server:NAME|`, `|own:NAME|` and `|generated:NAME|` stand for secrets, encoded for JSON unless `encode=percent` says otherwise.
//! What the host answers to each line becomes a detail of the failure that `provision` ends with, unless the last line is `connect`, `greet` or `ok`.

#[path = "../../toolless.rs"]
mod toolless;

wit_bindgen::generate!({
    path: "../../../wit/v0.1",
    world: "http-plugin",
    generate_all,
});

use exports::gateway::provisioner::provisioner::{Description, Guest, Prepared, Provisioned, Reconnected};
use gateway::provisioner::connection::{self, Authorization, HttpEndpoint, HttpProtocol, TcpEndpoint};
use gateway::provisioner::http::{self, BodyPart, Effect, EncodedValue, Encoding, Request};
use gateway::provisioner::types::*;
use gateway::provisioner::{call, registry, secrets};
use toolless::{failure, unsupported};

struct Plugin;

export!(Plugin);

fn object(name: &str) -> ObjectRef {
    ObjectRef { kind: "thing".to_owned(), scope: String::new(), name: name.to_owned() }
}

/// A text with secrets in it, as a value.
fn value(text: &str) -> Value {
    text.split('|')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let owner = match piece.split_once(':') {
                Some(("server", name)) => Some((SecretOwner::Server, name)),
                Some(("own", name)) => Some((SecretOwner::Plugin, name)),
                Some(("generated", name)) => {
                    let _ = secrets::generate(name);
                    Some((SecretOwner::Generated, name))
                }
                _ => None,
            };
            match owner {
                Some((owner, name)) => {
                    Part::Secret(SecretName { owner, server_id: None, name: name.to_owned() })
                }
                // Behind `#` as bytes, which is another way to write a text.
                None => match piece.split_once('#') {
                    Some((_, bytes)) => Part::Bytes(bytes.as_bytes().to_vec()),
                    None => Part::Text(piece.to_owned()),
                },
            }
        })
        .collect()
}

/// A body: bytes, and values where the secrets are.
fn body(text: &str, encoding: &[Encoding]) -> Vec<BodyPart> {
    let mut parts = Vec::new();
    for (at, piece) in text.split('|').enumerate() {
        if at % 2 == 0 {
            parts.push(BodyPart::Bytes(piece.as_bytes().to_vec()));
        } else {
            // `Bearer_server:x` is a text and a secret.
            let piece = piece.replace("Bearer_", "Bearer |");
            parts.push(BodyPart::Value(EncodedValue { value: value(&piece), encodings: encoding.to_vec() }));
        }
    }
    parts
}

fn words(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split(' ').skip(2).map(|word| word.split_once('=').unwrap_or((word, "")))
}

fn signing(line: &str) -> Option<Signing> {
    let signer = words(line).find(|(key, _)| *key == "sign")?.1.to_owned();
    let known = ["service", "region", "audience", "header-of-token"];
    let parameters = words(line).filter(|(key, _)| known.contains(key));
    let parameters =
        parameters.map(|(key, value)| (key.replace("header-of-token", "header"), value.to_owned()));
    Some(Signing { signer, parameters: parameters.collect() })
}

fn request(line: &str) -> Request {
    let mut heads = line.split(' ');
    let (method, url) = (heads.next().unwrap_or_default(), heads.next().unwrap_or_default());
    let effect = match words(line).find(|(key, _)| *key == "effect").map(|(_, effect)| effect) {
        Some(effect) => match effect.split_once(':') {
            Some(("creates", name)) => Effect::Creates(object(name)),
            Some(("removes", name)) => Effect::Removes(object(name)),
            _ => Effect::Changes,
        },
        None => Effect::Reads,
    };
    let encoding = match words(line).find(|(key, _)| *key == "encode").map(|(_, name)| name) {
        Some("percent") => vec![Encoding::Percent],
        Some("base64") => vec![Encoding::Base64],
        Some("none") => Vec::new(),
        _ => vec![Encoding::JsonString],
    };
    let headers = words(line).filter(|(key, _)| *key == "header").filter_map(|(_, header)| {
        let (name, text) = header.split_once(':')?;
        Some(Header { name: name.to_owned(), value: value(&text.replace("Bearer_", "Bearer ")) })
    });
    let number = |key: &str, usual: u32| {
        words(line)
            .find(|(known, _)| *known == key)
            .and_then(|(_, number)| number.parse().ok())
            .unwrap_or(usual)
    };
    Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers.collect(),
        body: words(line)
            .find(|(key, _)| *key == "body")
            .map(|(_, text)| body(text, &encoding))
            .unwrap_or_default(),
        effect,
        repeatable: words(line).any(|(key, _)| key == "repeat"),
        signing: signing(line),
        tls: words(line).find(|(key, _)| *key == "tls").map(|(_, name)| name.to_owned()),
        timeout_ms: number("timeout", 20_000),
        response_limit: number("limit", 65_536),
    }
}

fn told(failure: Failure) -> String {
    let hint = failure.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{:?}: {}{hint}", failure.category, failure.text)
}

fn done(line: &str) -> String {
    match line.split_once(' ') {
        Some(("checkpoint", text)) => {
            let state = State { version: 1, data: text.as_bytes().to_vec() };
            call::checkpoint(&state).map_or_else(told, |()| "noted".to_owned())
        }
        Some(("lookup", name)) => {
            let name = SecretName { owner: SecretOwner::Server, server_id: None, name: name.to_owned() };
            secrets::lookup(&name).map_or_else(told, |info| format!("{:?}", info.reference))
        }
        Some(("image", _)) => image(line).map_or_else(told, |found| format!("{found:?}")),
        _ => match http::send(&request(line)) {
            Ok(answer) => {
                let headers: Vec<String> =
                    answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!("{} {} {}", answer.status, headers.join(", "), String::from_utf8_lossy(&answer.body))
            }
            Err(failure) => told(failure),
        },
    }
}

fn image(line: &str) -> Result<registry::ImageConfig, Failure> {
    let word = |key: &str| words(line).find(|(known, _)| *known == key).map(|(_, word)| word);
    let login = word("login").map(|login| {
        let mut parts = login.splitn(3, ',');
        let mut part = || parts.next().unwrap_or_default();
        RegistryLogin { registry: part().to_owned(), username: value(part()), password: value(part()) }
    });
    registry::image(line.split(' ').nth(1).unwrap_or_default(), word("platform"), login.as_ref())
}

/// A port with a first line.
fn greet(line: &str) -> Result<Provisioned, Failure> {
    let mut words = line.split(' ').skip(1);
    let host = words.next().unwrap_or_default().to_owned();
    let port = words.next().and_then(|port| port.parse().ok()).unwrap_or_default();
    let first_line = words.next().map(value);
    provisioned(connection::tcp(&TcpEndpoint { host, port, tunnel: None, tls: None, first_line })?)
}

fn connect(line: &str) -> Result<Provisioned, Failure> {
    let url = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers = words(line).filter(|(key, _)| *key == "header").filter_map(|(_, header)| {
        let (name, text) = header.split_once(':')?;
        Some(Header { name: name.to_owned(), value: value(&text.replace("Bearer_", "Bearer ")) })
    });
    let endpoint = HttpEndpoint {
        url,
        protocol: HttpProtocol::StreamableHttp,
        headers: headers.collect(),
        authorization: signing(line).map_or(Authorization::None, Authorization::Signed),
        tunnel: None,
        tls: None,
    };
    let connection = connection::http(&endpoint)?;
    if words(line).any(|(key, _)| key == "wait") {
        connection::wait_ready(&connection, 10_000)?;
    }
    provisioned(connection)
}

fn provisioned(connection: connection::Connection) -> Result<Provisioned, Failure> {
    Ok(Provisioned {
        connection: Some(connection),
        state: None,
        fields: Vec::new(),
        objects: Vec::new(),
        extras: Vec::new(),
    })
}

/// All lines, and what came of them.
fn run(name: &str) -> Result<Provisioned, Failure> {
    let mut details = Vec::new();
    for line in name.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with("connect ") {
            return connect(line);
        }
        if line == "ok" {
            return provisioned(connection::tcp(&TcpEndpoint {
                host: "127.0.0.1".to_owned(),
                port: 1,
                tunnel: None,
                tls: None,
                first_line: None,
            })?);
        }
        if line.starts_with("greet ") {
            return greet(line);
        }
        details.push(done(line));
    }
    Err(Failure { details, ..failure(FailureCategory::Other, "done") })
}

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            name: "http".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "sends what it must not send".to_owned(),
            runs: vec![WorkloadKind::Component, WorkloadKind::Image],
            runs_tools: Vec::new(),
            settings_schema: "{}".to_owned(),
            server_settings_schema: "{}".to_owned(),
            reads_state: vec![1],
            understands: Vec::new(),
            extras: Vec::new(),
        }
    }

    fn prepare(_: Context, _: Vec<Server>, _: Vec<ToolEntry>) -> Result<Prepared, Failure> {
        Ok(Prepared { shared: None, refused: Vec::new(), objects: Vec::new(), extras: Vec::new() })
    }

    fn validate(_: Context, server: Server) -> Result<Validation, Failure> {
        run(&server.name)?;
        unsupported()
    }

    fn plan(_: Context, _: Server) -> Result<Blueprint, Failure> {
        unsupported()
    }

    fn provision(_: Context, server: Server) -> Result<Provisioned, Failure> {
        run(&server.name)
    }

    fn probe(_: Context, _: Lease) -> Result<Health, Failure> {
        unsupported()
    }

    fn reconnect(_: Context, _: Server, _: Lease) -> Result<Option<Reconnected>, Failure> {
        Ok(None)
    }

    /// Removes what is still noted, at the place that the checkpoint says.
    fn release(_: Context, lease: Lease, _: ReleaseReason) -> Result<(), Failure> {
        let url =
            lease.state.map(|state| String::from_utf8_lossy(&state.data).into_owned()).unwrap_or_default();
        for object in lease.objects.iter().rev() {
            let line = format!("DELETE {url}/{} effect=removes:{}", object.name, object.name);
            http::send(&request(&line))?;
        }
        Ok(())
    }

    fn enumerate(_: Context, _: Page) -> Result<ManagedPage, Failure> {
        Ok(ManagedPage { objects: Vec::new(), cursor: None })
    }

    fn sweep(_: Context, _: u32, _: Page) -> Result<SweepPage, Failure> {
        Ok(SweepPage { removed: Vec::new(), failed: Vec::new(), cursor: None })
    }

    fn shutdown(_: Context, _: Leftovers) -> Result<(), Failure> {
        Ok(())
    }
}
