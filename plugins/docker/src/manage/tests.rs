//! Listing and sweeping on the fake host.

use crate::Docker;
use gateway_plugin::fake::{self, FakeHost};
use gateway_plugin::types::{Label, Liveness, Page};
use gateway_plugin::{Context, FailureCategory};

fn context(session: &str, plugin: &str, request: &str) -> Context {
    let label = |key: &str, value: &str| Label { key: key.to_owned(), value: value.to_owned() };
    let gateway = fake::context().gateway;
    Context {
        session: session.to_owned(),
        request: request.to_owned(),
        labels: vec![
            label("gateway-id", &gateway),
            label("gateway-session", session),
            label("gateway-plugin", plugin),
            label("gateway-request", request),
        ],
        ..fake::context()
    }
}

const OURS: &str = "s234567890123456";
const DEAD: &str = "d234567890123456";
const UNKNOWN: &str = "u234567890123456";

fn page(limit: u32) -> Page {
    Page { cursor: None, limit }
}

/// A server of each of several sessions, of two plugins.
fn crowded() -> FakeHost {
    let mut host = FakeHost::new().with_session(DEAD, Liveness::Dead);
    let made = [(OURS, "docker", "a"), (DEAD, "docker", "b"), (DEAD, "other", "c"), (UNKNOWN, "docker", "d")];
    for (session, plugin, request) in made {
        host = host.with_context(context(session, plugin, request));
        host.provision::<Docker>(&fake::image_server("notes", "acme/notes")).expect("nothing is in the way");
    }
    host.with_context(context(OURS, "docker", "z"))
}

#[test]
fn a_sweep_takes_what_is_its_own_and_nobodys() {
    let host = crowded();
    let mut page = page(2);
    let mut removed = Vec::new();
    loop {
        let swept = host.sweep::<Docker>(0, &page).expect("the engine answers");
        assert_eq!(swept.failed, []);
        removed.extend(swept.removed.into_iter().map(|object| object.name));
        match swept.cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(removed, ["mcp-notes-b"]);
    assert_eq!(host.left().len(), 3);
    // What was made just now is spared by its age.
    assert_eq!(crowded().sweep::<Docker>(60, &self::page(10)).expect("the engine answers").removed, []);
}

#[test]
fn everything_is_listed_with_its_owner() {
    let host = crowded();
    let first = host.enumerate::<Docker>(&page(10)).expect("the engine answers");
    assert_eq!(first.objects.len(), 4);
    let owners: Vec<_> = first.objects.iter().map(|object| object.session.as_deref()).collect();
    assert!(owners.contains(&Some(DEAD)) && owners.contains(&Some(UNKNOWN)), "{owners:?}");
    assert!(first.objects.iter().all(|object| object.object.kind == "container" && object.plugin.is_some()));
    let networks = Page { cursor: first.cursor, limit: 10 };
    let last = host.enumerate::<Docker>(&networks).expect("the engine answers");
    assert_eq!((last.objects.len(), last.cursor), (0, None));
    let wrong = Page { cursor: Some("x".to_owned()), limit: 1 };
    assert_eq!(
        host.enumerate::<Docker>(&wrong).expect_err("no cursor").category(),
        FailureCategory::Permanent
    );
}
