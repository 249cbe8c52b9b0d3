//! What the ledger and a tape keep of requests.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_created_is_noted_before_and_taken_down_after() {
    let echo = Echo::start().await;
    let url = echo.url();
    let bench = Bench::with(vec![grant(&echo.address.to_string())]).await;
    let said = bench
        .run(&[
            // Nothing would say how to undo it.
            format!("POST {url}/things effect=creates:early"),
            format!("checkpoint {url}/gone"),
            format!("POST {url}/things effect=creates:one repeat"),
            format!("POST {url}/things effect=creates:two repeat"),
            format!("DELETE {url}/things/two effect=removes:two"),
        ])
        .await;
    assert!(
        said[0]
            .starts_with("FailureCategory::Permission: a request that creates must come after a checkpoint"),
        "{}",
        said[0]
    );
    assert_eq!(said[1], "noted");
    // The call failed, so a fresh instance takes down what is left: `one`, at the place of the checkpoint.
    eventually("the release", || {
        echo.seen.lock().unwrap().iter().any(|seen| seen.starts_with("DELETE /gone/one "))
    })
    .await;
    eventually("the ledger to be empty", || bench.fixture.host.ledger.open().is_empty()).await;
    assert!(!echo.seen().iter().any(|seen| seen.starts_with("DELETE /gone/two ")));
    // A call that only looks creates and changes nothing.
    let lines = [
        format!("POST {url}/ effect=creates:x"),
        format!("POST {url}/ effect=changes"),
        format!("GET {url}/"),
    ];
    let failure = bench.plugin.validate(&call(), &bench.server(&lines)).await.unwrap_err();
    assert!(
        failure.details[0]
            .starts_with("FailureCategory::Permission: nothing is created over `http` in `validate`"),
        "{failure:?}"
    );
    assert!(
        failure.details[1]
            .starts_with("FailureCategory::Permission: nothing is changed over `http` in `validate`"),
        "{failure:?}"
    );
    assert!(failure.details[2].starts_with("200 "), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_on_a_tape_plays_without_anybody_there() {
    let lines = |url: &str| {
        [
            format!("checkpoint {url}/gone"),
            format!(r#"POST {url}/things effect=creates:one body={{"a":"b"}}"#),
            format!("GET {url}/moved"),
            "GET https://10.0.0.1/".to_owned(),
        ]
    };
    let (url, sections, details, patterns) = {
        let echo = Echo::start().await;
        let patterns = vec![grant(&echo.address.to_string())];
        let bench = Bench::taped(patterns.clone(), Tape::blank()).await;
        let details = bench.run(&lines(&echo.url())).await;
        assert!(bench.fixture.host.shutdown(LONG).await.is_empty());
        (echo.url(), bench.fixture.host.taped().unwrap().sections(), details, patterns)
    };
    let phases: Vec<&str> = sections.iter().map(|section| section.phase.as_str()).collect();
    assert!(phases.contains(&"provision") && phases.contains(&"release"), "{phases:?}");
    // Through JSON, as a file would have it. Nobody listens any more.
    let text = serde_json::to_string(&sections).unwrap();
    let bench = Bench::taped(patterns.clone(), Tape::of(serde_json::from_str(&text).unwrap())).await;
    assert_eq!(bench.run(&lines(&url)).await, details);
    assert!(bench.fixture.host.shutdown(LONG).await.is_empty());
    assert_eq!(bench.fixture.host.taped().unwrap().left(), Vec::<String>::new());
    // Who asks for something else is stopped.
    let bench = Bench::taped(patterns, Tape::of(sections)).await;
    let server = bench.server(&["GET https://other.example/".to_owned()]);
    let failure = bench.plugin.provision(&call(), &server).await.map(|_| ()).unwrap_err();
    assert!(failure.text.contains("for something else than on the tape"), "{}", failure.text);
}
