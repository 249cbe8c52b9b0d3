//! Inspectors and interceptors: their order, what they see, and that they hold on every way to a tool, in both eras.

use super::server::{Script, Speaks};
use super::world::World;
use crate::error::{BLOCKED, INTERCEPTOR};
use crate::{Checks, FrontConfig, HttpConfig, Inspector, Interceptor, When};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Seen = Arc<Mutex<Vec<String>>>;

/// Writes down what it sees, and refuses what holds a word.
struct Watcher {
    seen: Seen,
    refuses: &'static str,
}

impl Watcher {
    fn look(&self, what: String) -> Result<(), String> {
        let refused = !self.refuses.is_empty() && what.contains(self.refuses);
        self.seen.lock().unwrap().push(what);
        if refused { Err("not this word".to_owned()) } else { Ok(()) }
    }
}

impl Inspector for Watcher {
    fn call(&self, tool: &str, arguments: Option<&[u8]>, further: Option<&[u8]>) -> Result<(), String> {
        let text = |raw: Option<&[u8]>| String::from_utf8_lossy(raw.unwrap_or(b"-")).into_owned();
        self.look(format!("call {tool} {} {}", text(arguments), text(further)))
    }

    fn answer(&self, tool: &str, raw: &[u8], failed: bool, _: Duration) -> Result<(), String> {
        self.look(format!("answer {tool} {failed} {}", String::from_utf8_lossy(raw)))
    }
}

/// Writes its input down and prints what it was told to.
struct Scripted {
    name: &'static str,
    when: When,
    prints: Result<Option<&'static str>, &'static str>,
    seen: Seen,
}

#[async_trait]
impl Interceptor for Scripted {
    fn when(&self) -> When {
        self.when
    }

    async fn run(&self, input: Bytes) -> Result<Option<Bytes>, String> {
        self.seen.lock().unwrap().push(format!("{} {}", self.name, String::from_utf8_lossy(&input)));
        match self.prints {
            Ok(text) => Ok(text.map(|text| Bytes::from_static(text.as_bytes()))),
            Err(text) => Err(text.to_owned()),
        }
    }
}

/// Never ends, and notices when it is not waited for any more.
struct Endless(Arc<tokio::sync::Semaphore>);

#[async_trait]
impl Interceptor for Endless {
    fn when(&self) -> When {
        When::Before
    }

    async fn run(&self, _: Bytes) -> Result<Option<Bytes>, String> {
        struct Gone(Arc<tokio::sync::Semaphore>);
        impl Drop for Gone {
            fn drop(&mut self) {
                self.0.add_permits(1);
            }
        }
        let _gone = Gone(Arc::clone(&self.0));
        self.0.add_permits(1);
        std::future::pending().await
    }
}

async fn world(speaks: Speaks, checks: Checks) -> World {
    let scripts = vec![Script::new("a", speaks).tools(&["echo", "die"])];
    let world = World::with(scripts, FrontConfig { checks, ..FrontConfig::default() }, HttpConfig::default());
    let world = world.await;
    world.front.ready().await;
    world
}

fn watching(refuses: &'static str) -> (Checks, Seen) {
    let seen = Seen::default();
    let inspector = Arc::new(Watcher { seen: Arc::clone(&seen), refuses });
    (Checks { inspector: Some(inspector), ..Checks::default() }, seen)
}

/// Calls the tool once, as a client of the era.
async fn called(world: &World, modern: bool, arguments: &str) -> Value {
    let mut http = world.http().await;
    let params = format!("{{\"name\":\"echo\",\"arguments\":{arguments}}}");
    if modern {
        http.write_modern(json!("x"), "tools/call", serde_json::from_str(&params).unwrap()).await;
        return http.read().await.json();
    }
    http.initialize("2025-11-25").await;
    let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"tools/call\",\"params\":{params}}}");
    http.post(&body).await.json()
}

#[tokio::test]
async fn an_inspector_sees_calls_and_answers_in_every_pair_of_eras() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        for modern in [false, true] {
            let (checks, seen) = watching("");
            let world = world(speaks, checks).await;
            // The first has to bring the server up, the second finds it.
            for n in 0..2 {
                let answer = called(&world, modern, &format!("{{\"n\":{n}}}")).await;
                assert!(answer["result"].is_object(), "{answer}");
                let seen = std::mem::take(&mut *seen.lock().unwrap());
                assert_eq!(seen[0], format!("call echo {{\"n\":{n}}} -"));
                assert!(seen[1].starts_with("answer echo false {"), "{seen:?}");
                assert_eq!(seen.len(), 2, "{seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_an_inspector_refuses_does_not_pass() {
    for modern in [false, true] {
        let (checks, _) = watching("plum");
        let world = world(Speaks::Legacy, checks).await;
        let answer = called(&world, modern, "{\"x\":\"plum\"}").await;
        assert_eq!(answer["error"], json!({"code": BLOCKED, "message": "not this word"}));
        assert_eq!((answer["id"].as_str(), world.servers["a"].count("plum")), (Some("x"), 0));
        assert!(called(&world, modern, "{\"x\":\"pear\"}").await["result"].is_object());
    }
    // The other way: it has reached the server, and its answer does not reach the client.
    let (checks, _) = watching("answer echo");
    let world = world(Speaks::Legacy, checks).await;
    let answer = called(&world, false, "{\"x\":\"pear\"}").await;
    assert_eq!(answer["error"]["code"], BLOCKED);
    assert!(!answer.to_string().contains("pear"), "{answer}");
    assert_eq!(world.servers["a"].count("pear"), 1);
}

fn scripted(
    name: &'static str,
    when: When,
    prints: Result<Option<&'static str>, &'static str>,
    seen: &Seen,
) -> Arc<dyn Interceptor> {
    Arc::new(Scripted { name, when, prints, seen: Arc::clone(seen) })
}

#[tokio::test]
async fn interceptors_run_around_the_call_the_first_as_the_outermost() {
    for modern in [false, true] {
        let seen = Seen::default();
        let interceptors = [
            scripted("b1", When::Before, Ok(None), &seen),
            scripted("a1", When::After, Ok(None), &seen),
            scripted("b2", When::Before, Ok(None), &seen),
            scripted(
                "a2",
                When::After,
                Ok(Some("{\"content\":[],\"structuredContent\":{\"n\":1.50}}")),
                &seen,
            ),
        ];
        let checks = Checks { inspector: None, interceptors: Arc::from(interceptors.to_vec()) };
        let world = world(Speaks::Legacy, checks).await;
        let answer = called(&world, modern, "{\"k\":7}").await;
        assert_eq!(answer["result"]["structuredContent"], json!({"n": 1.5}));
        assert_eq!(answer["result"]["resultType"], if modern { json!("complete") } else { Value::Null });
        let seen = seen.lock().unwrap().clone();
        let names: Vec<_> = seen.iter().map(|line| &line[..2]).collect();
        assert_eq!(names, ["b1", "b2", "a2", "a1"]);
        let input: Value = serde_json::from_str(&seen[0][3..]).unwrap();
        assert_eq!(
            (&input["Params"]["name"], &input["params"]["arguments"]),
            (&json!("echo"), &json!({"k": 7}))
        );
        assert_eq!((&input["Session"], &input["Extra"]), (&json!({}), &Value::Null));
        assert!(seen[2].contains("\"content\""), "the result: {}", seen[2]);
        assert!(seen[3].contains("1.50"), "what the inner one made of it, as it wrote it: {}", seen[3]);
    }
}

#[tokio::test]
async fn one_before_answers_instead_of_the_tool_and_only_those_around_it_see_that() {
    let seen = Seen::default();
    let interceptors = [
        scripted("a1", When::After, Ok(None), &seen),
        scripted("b1", When::Before, Ok(Some("null")), &seen),
        scripted("a2", When::After, Ok(Some("{}")), &seen),
        scripted("b2", When::Before, Ok(None), &seen),
    ];
    let (inspecting, looked) = watching("");
    let checks = Checks { interceptors: Arc::from(interceptors.to_vec()), ..inspecting };
    let world = world(Speaks::Legacy, checks).await;
    let answer = called(&world, false, "{\"q\":\"quince\"}").await;
    assert_eq!(answer["result"], json!({"content": []}));
    let names: Vec<_> = seen.lock().unwrap().iter().map(|line| line[..2].to_owned()).collect();
    assert_eq!(names, ["b1", "a1"]);
    assert_eq!((world.servers["a"].count("quince"), looked.lock().unwrap().len()), (0, 0));
}

#[tokio::test]
async fn failures_are_errors_that_one_after_can_replace() {
    let seen = Seen::default();
    let failing = |when| scripted("f", when, Err("exit status 3"), &seen);
    let only = |interceptor| Checks { inspector: None, interceptors: Arc::from([interceptor]) };
    for when in [When::Before, When::After] {
        let world = world(Speaks::Legacy, only(failing(when))).await;
        let answer = called(&world, false, "{}").await;
        let error = json!({"code": INTERCEPTOR, "message": "executing interceptor: exit status 3"});
        assert_eq!(answer["error"], error, "{when:?}");
    }
    let world_of = async |prints| {
        world(Speaks::Legacy, only(scripted("w", When::Before, Ok(Some(prints)), &seen))).await
    };
    for (prints, why) in [
        ("\n", "unmarshalling interceptor response: unexpected end of JSON input"),
        ("no", "unmarshalling interceptor response: it is no JSON"),
    ] {
        let answer = called(&world_of(prints).await, false, "{}").await;
        assert_eq!(
            (answer["error"]["code"].as_i64(), answer["error"]["message"].as_str()),
            (Some(INTERCEPTOR), Some(why))
        );
    }
    // An outer one is shown `null` for an error, and what it prints stands for it; printing nothing leaves the error.
    seen.lock().unwrap().clear();
    let (mends, watches) = (
        scripted("m", When::After, Ok(Some("{\"content\":[]}")), &seen),
        scripted("n", When::After, Ok(None), &seen),
    );
    let checks = Checks {
        inspector: None,
        interceptors: Arc::from([mends, Arc::clone(&watches), failing(When::Before)]),
    };
    let answer = called(&world(Speaks::Legacy, checks).await, false, "{}").await;
    assert_eq!(answer["result"], json!({"content": []}));
    assert_eq!(seen.lock().unwrap()[1..], ["n null", "m null"]);
    let checks = Checks { inspector: None, interceptors: Arc::from([watches, failing(When::Before)]) };
    let answer = called(&world(Speaks::Legacy, checks).await, false, "{}").await;
    assert_eq!(answer["error"]["code"], INTERCEPTOR);
}

#[tokio::test]
async fn a_client_that_takes_its_call_back_ends_the_interceptor() {
    let count = Arc::new(tokio::sync::Semaphore::new(0));
    let endless = Arc::new(Endless(Arc::clone(&count))) as Arc<dyn Interceptor>;
    let world = world(Speaks::Legacy, Checks { inspector: None, interceptors: Arc::from([endless]) }).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let session = http.session.clone().unwrap();
    http.write_post(
        "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}",
    )
    .await;
    count.acquire().await.unwrap().forget();
    let mut other = world.http().await;
    other.session = Some(session);
    other
        .post("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":9}}")
        .await;
    // It was dropped.
    count.acquire().await.unwrap().forget();
}
