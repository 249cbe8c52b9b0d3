//! What must hold for any JSON: it passes byte for byte between clients and servers of both eras, numbers and the order of keys included; ids keep
//! their value and type; sessions that use the same ids never meet.

use super::client::{Http, JSON, Whole};
use super::mirror::Mirrors;
use host_message::{find_member, members};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use tokio::runtime::Runtime;

/// The keys that the protocol writes on each hop.
const PER_HOP: [&str; 3] = [
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/clientCapabilities",
];
const OWN_META: &str = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientInfo\":{\"name\":\"t\",\"version\":\"1\"},\"io.modelcontextprotocol/clientCapabilities\":{}";

fn space() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", " ", "\t", "  "])
}

/// A JSON string with its quotes, with every kind of escape, half surrogate pairs included.
fn string() -> impl Strategy<Value = String> {
    let escape = select(vec![
        "\\\"",
        "\\\\",
        "\\/",
        "\\b",
        "\\f",
        "\\n",
        "\\r",
        "\\t",
        "\\u0000",
        "\\u00e4",
        "\\uD83D\\uDE00",
        "\\ud800",
        "\\udc00",
        "\u{7f}",
        "\u{2028}",
        "ä",
        "😀",
    ]);
    let plain = any::<char>().prop_filter_map("it would need an escape", |c| {
        (c >= ' ' && c != '"' && c != '\\').then(|| c.to_string())
    });
    vec(prop_oneof![escape.prop_map(str::to_owned), plain], 0..8)
        .prop_map(|parts| format!("\"{}\"", parts.concat()))
}

/// A JSON number in any spelling and of any size.
fn number() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?"
}

fn object_of(member: impl Strategy<Value = (String, String)>, most: usize) -> impl Strategy<Value = String> {
    (vec((space(), member, space(), space()), 0..most), space()).prop_map(|(members, end)| {
        let members: Vec<_> = members
            .into_iter()
            .map(|(before, (key, value), colon, after)| format!("{before}{key}{colon}:{after}{value}{end}"))
            .collect();
        format!("{{{}{}}}", if members.is_empty() { end } else { "" }, members.join(","))
    })
}

/// Any JSON value, as text.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec!["null", "true", "false", "{}", "[ ]"]).prop_map(str::to_owned),
        number(),
        string(),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let array = (vec((space(), inner.clone(), space()), 1..6)).prop_map(|elements| {
            let elements: Vec<_> = elements.iter().map(|(a, value, b)| format!("{a}{value}{b}")).collect();
            format!("[{}]", elements.join(","))
        });
        prop_oneof![array, object_of((string(), inner), 6)]
    })
}

/// Members whose keys mean nothing to us, each once; what they mean is not ours to judge.
fn unknown(most: usize) -> impl Strategy<Value = Vec<String>> {
    vec((string(), json(), space()), 0..most).prop_map(|all| {
        let member = |(at, (key, value, between)): (usize, (String, String, &str))| {
            format!("\"x{at}-{}{between}:{between}{value}", key.strip_prefix('"').unwrap())
        };
        all.into_iter().enumerate().map(member).collect()
    })
}

/// An object of these members.
fn object(members: &[String]) -> String {
    format!("{{{}}}", members.join(" , "))
}

/// The raw members of an object without those of these names.
fn raw_members(object: &[u8], without: &[&str]) -> Vec<String> {
    let kept = members(object)
        .map(Result::unwrap)
        .filter(|member| !without.iter().any(|name| member.key_is(object, name)));
    kept.map(|member| String::from_utf8(object[member.range()].to_vec()).unwrap()).collect()
}

/// Runs a property within a runtime of its own.
fn check<S: Strategy>(cases: u32, strategy: S, property: impl AsyncFn(&Mirrors, S::Value) -> TestCaseResult)
where
    S::Value: Clone + std::fmt::Debug,
{
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(Mirrors::new(Vec::new()));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&strategy, |value| runtime.block_on(property(&world, value)));
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// A client of one of the eras.
struct Caller {
    http: Http,
    modern: bool,
}

impl Caller {
    async fn new(world: &Mirrors, modern: bool) -> Self {
        let mut http = world.http().await;
        if !modern {
            http.initialize("2025-11-25").await;
        }
        Self { http, modern }
    }

    /// Calls the tool of one of the servers with these raw members of `params`, `_meta` among them for a modern client.
    async fn call(&mut self, id: &str, tool: &str, params: &str) -> Whole {
        let body =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{params}}}");
        if !self.modern {
            return self.http.post(&body).await;
        }
        self.http.send("POST", "/mcp", &modern_headers("tools/call", tool), &body).await
    }

    /// Parameters of a call that say nothing else.
    fn plain(&self, tool: &str) -> String {
        match self.modern {
            true => format!("{{\"name\":\"{tool}\",\"_meta\":{{{OWN_META}}}}}"),
            false => format!("{{\"name\":\"{tool}\"}}"),
        }
    }
}

fn modern_headers<'a>(method: &'a str, name: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut headers = JSON.to_vec();
    headers.extend([("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", name)]);
    headers
}

const PAIRS: [(bool, &str); 4] = [(false, "old"), (false, "new"), (true, "old"), (true, "new")];

#[test]
fn any_result_arrives_byte_for_byte() {
    check(96, (unknown(5), json(), 0..6usize), async |world, (unknown, content, at)| {
        let mut own = unknown;
        own.insert(at.min(own.len()), format!("\"content\": {content}"));
        for (modern, server) in PAIRS {
            let mut members = own.clone();
            if server == "new" {
                members.insert(at.min(own.len()), "\"resultType\":\"complete\"".to_owned());
            }
            let result = object(&members);
            *world.told.answer.lock().unwrap() = Some(format!("\"result\":{result}"));
            let mut caller = Caller::new(world, modern).await;
            let answer = caller.call("1", server, &caller.plain(server)).await;
            let got = answer
                .body
                .strip_prefix("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":")
                .and_then(|rest| rest.strip_suffix('}'));
            let got = got.unwrap_or_else(|| panic!("{answer:?}"));
            if modern == (server == "new") {
                prop_assert_eq!(got, &result);
            }
            prop_assert_eq!(raw_members(got.as_bytes(), &["resultType"]), own.clone());
            let kind = find_member(got.as_bytes(), "resultType").is_some();
            prop_assert_eq!(kind, modern);
        }
        Ok(())
    });
}

#[test]
fn any_error_arrives_byte_for_byte() {
    check(64, (unknown(4), json(), string()), async |world, (mut members, data, message)| {
        members.insert(0, "\"code\" : -5".to_owned());
        members.push(format!("\"message\":{message}"));
        members.push(format!("\"data\":{data}"));
        let error = object(&members);
        *world.told.answer.lock().unwrap() = Some(format!("\"error\":{error}"));
        for (modern, server) in PAIRS {
            let mut caller = Caller::new(world, modern).await;
            let answer = caller.call("\"e\"", server, &caller.plain(server)).await;
            prop_assert_eq!(answer.body, format!("{{\"jsonrpc\":\"2.0\",\"id\":\"e\",\"error\":{error}}}"));
        }
        Ok(())
    });
}

#[test]
fn any_argument_and_what_nobody_knows_arrive_byte_for_byte() {
    let strategy = (json(), unknown(4), unknown(4), 0..5usize, any::<bool>());
    check(96, strategy, async |world, (arguments, extra, meta, at, has_meta)| {
        *world.told.answer.lock().unwrap() = Some("\"result\":{\"resultType\":\"complete\"}".to_owned());
        for (modern, server) in PAIRS {
            let mut inner = meta.clone();
            if modern {
                inner.insert(at.min(inner.len()), OWN_META.to_owned());
            }
            let mut all = vec![format!("\"name\":\"{server}\""), format!("\"arguments\" :{arguments}")];
            all.extend(extra.iter().cloned());
            if modern || has_meta {
                all.insert(at.min(all.len()), format!("\"_meta\":{}", object(&inner)));
            }
            let params = object(&all);
            let mut caller = Caller::new(world, modern).await;
            let answer = caller.call("1", server, &params).await;
            prop_assert_eq!(answer.status, 200, "{:?}", answer);
            let seen = world.told.seen.lock().unwrap().clone();
            if !modern && server == "old" {
                prop_assert_eq!(&seen[..], params.as_bytes());
            }
            prop_assert_eq!(raw_members(&seen, &["_meta"]), raw_members(params.as_bytes(), &["_meta"]));
            let got = find_member(&seen, "_meta").map(|member| raw_members(member.value(&seen), &PER_HOP));
            let expected = if modern || has_meta { meta.clone() } else { Vec::new() };
            prop_assert_eq!(got.unwrap_or_default(), expected);
        }
        Ok(())
    });
}

#[test]
fn any_tool_is_listed_byte_for_byte() {
    let runtime = Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let strategy = (unknown(4), unknown(4), 0..5usize);
    let outcome = runner.run(&strategy, |(mut tool, mut schema, at)| {
        schema.insert(at.min(schema.len()), "\"type\":\"object\"".to_owned());
        tool.insert(at.min(tool.len()), format!("\"inputSchema\" : {}", object(&schema)));
        tool.insert(0, "\"name\":\"odd-$server\"".to_owned());
        let tool = object(&tool);
        runtime.block_on(async {
            let world = Mirrors::new(vec![tool.clone()]).await;
            let mut legacy = world.http().await;
            legacy.initialize("2025-11-25").await;
            let of_legacy = legacy.post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}").await.body;
            let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{{\"_meta\":{{{OWN_META}}}}}}}");
            let mut headers = modern_headers("tools/list", "");
            headers.pop();
            let of_modern = legacy.send("POST", "/mcp", &headers, &body).await.body;
            for (server, list) in ["old", "new"].into_iter().flat_map(|server| [(server, &of_legacy), (server, &of_modern)]) {
                let item = tool.replacen("$server", server, 1);
                prop_assert!(list.contains(&item), "{item}\nis not in\n{list}");
            }
            Ok(())
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Strings, and integers of any size. A number with a fraction or an exponent is none of the protocol's ids, and is refused before it reaches a
/// server.
#[test]
fn any_id_keeps_its_value_and_type() {
    let id = prop_oneof![string(), "-?(0|[1-9][0-9]{0,60})"];
    let fraction = "-?[1-9][0-9]{0,10}(\\.[0-9]{1,5}|[eE][+-]?[0-9]{1,2})";
    check(128, (id, fraction), async |world, (id, fraction)| {
        *world.told.answer.lock().unwrap() = Some("\"result\":{\"resultType\":\"complete\"}".to_owned());
        for (modern, server) in PAIRS {
            let mut caller = Caller::new(world, modern).await;
            let answer = caller.call(&id, server, &caller.plain(server)).await;
            let start = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{");
            prop_assert!(answer.body.starts_with(&start), "{:?} does not start with {}", answer, start);
            let refused = caller.call(&fraction, server, &caller.plain(server)).await;
            prop_assert_eq!(refused.status, 400);
            prop_assert!(
                refused.body.starts_with("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"),
                "{:?}",
                refused
            );
        }
        Ok(())
    });
}

/// Clients of both eras have the same ids in flight, and their answers come in any order.
#[test]
fn the_same_ids_of_many_clients_never_meet() {
    let strategy = (vec(string(), 1..3), Just((0..16).collect::<Vec<usize>>()).prop_shuffle());
    check(12, strategy, async |world, (ids, order)| {
        *world.told.answer.lock().unwrap() = None;
        for id in ids {
            world.told.waiting.send_modify(Vec::clear);
            let mut calls = Vec::new();
            for client in 0..16usize {
                let (modern, server) = PAIRS[client % PAIRS.len()];
                let mut caller = Caller::new(world, modern).await;
                let own = if modern { format!(",\"_meta\":{{{OWN_META}}}") } else { String::new() };
                let params = format!("{{\"name\":\"{server}\",\"arguments\":{{\"client\":{client}}}{own}}}");
                let id = id.clone();
                calls.push(tokio::spawn(async move { caller.call(&id, server, &params).await }));
            }
            let waiting = world.hold(16).await;
            for at in &order {
                let params = waiting[*at].params.raw();
                let arguments = find_member(params, "arguments").unwrap();
                let arguments = std::str::from_utf8(arguments.value(params)).unwrap();
                waiting[*at]
                    .answer(&format!("{{\"resultType\":\"complete\",\"structuredContent\":{arguments}}}"));
            }
            for (client, call) in calls.into_iter().enumerate() {
                let answer = call.await.unwrap();
                prop_assert!(
                    answer.body.starts_with(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":")),
                    "{:?}",
                    answer
                );
                let own = format!("\"structuredContent\":{{\"client\":{client}}}");
                prop_assert!(answer.body.contains(&own), "{:?} is not the answer to {}", answer, client);
            }
        }
        Ok(())
    });
}
