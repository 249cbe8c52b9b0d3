//! What is left, however it ends.

use super::{double::Aws, host, notes, over_streams};
use crate::Ecs;
use crate::names::DEFINITION;
use gateway_plugin::fake::{self, check_endings};
use gateway_plugin::types::{Liveness, Page};
use gateway_plugin::{Context, FailureCategory, ReleaseReason};

#[test]
fn nothing_is_left_behind_the_bridge_however_it_ends() {
    let platforms = std::cell::RefCell::new(Vec::new());
    let fresh = || {
        let aws = Aws::new();
        platforms.borrow_mut().push(aws.clone());
        over_streams(&aws).0
    };
    assert_eq!(check_endings::<Ecs>(fresh, &over_streams(&Aws::new()).1), Ok(()));
    for aws in platforms.into_inner() {
        assert_eq!(aws.left(), [""; 0], "and the platform says so too");
    }
}

#[test]
fn nothing_is_left_however_it_ends() {
    // A platform for each ending: AWS remembers client tokens.
    let platforms = std::cell::RefCell::new(Vec::new());
    let fresh = || {
        let aws = Aws::new();
        platforms.borrow_mut().push(aws.clone());
        host(&aws)
    };
    assert_eq!(check_endings::<Ecs>(fresh, &notes()), Ok(()));
    for aws in platforms.into_inner() {
        assert_eq!(aws.left(), [""; 0], "and the platform says so too");
    }
}

#[test]
fn throttling_that_hides_in_a_400_is_waited_for_also_at_a_release() {
    let aws = Aws::new();
    let host = host(&aws);
    let slow = r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#;
    aws.replace("RunTask", 400, slow);
    host.provision::<Ecs>(&notes()).expect("in a moment");
    for operation in ["ListTasks", "StopTask", "DeregisterTaskDefinition", "DeleteSecret"] {
        aws.replace(operation, 400, slow);
    }
    host.release::<Ecs>(ReleaseReason::Ended).expect("in a moment");
    assert_eq!(aws.left(), [""; 0]);
}

#[test]
fn a_sweep_takes_what_is_dead_and_ours_and_nothing_else() {
    let aws = Aws::new();
    let dead = Context { session: "sdeaddeaddeaddead".to_owned(), ..fake::context() };
    let tagged = |context: Context, session: &str, gateway: &str| {
        let labels = context.labels.into_iter().map(|mut label| {
            match label.key.as_str() {
                "gateway-session" => session.clone_into(&mut label.value),
                "gateway-id" => gateway.clone_into(&mut label.value),
                _ => {}
            }
            label
        });
        labels.collect::<Vec<_>>()
    };
    let runs = [
        ("sdeaddeaddeaddead", "g234567890123456", "r1"),
        ("saliveealiveealive", "g234567890123456", "r2"),
        ("sunknownunknownun", "g234567890123456", "r3"),
        ("sdeaddeaddeaddead", "gotherotherother", "r4"),
    ];
    for (session, gateway, request) in runs {
        let labels = tagged(dead.clone(), session, gateway);
        let context = Context { request: request.to_owned(), labels, ..dead.clone() };
        let host = host(&aws).with_context(context);
        host.provision::<Ecs>(&notes()).expect("provisioned");
    }
    let before = aws.left().len();
    let sweeping = host(&aws)
        .with_session("sdeaddeaddeaddead", Liveness::Dead)
        .with_session("saliveealiveealive", Liveness::Alive);
    let mut removed = Vec::new();
    let mut page = Page { cursor: None, limit: 100 };
    loop {
        let swept = sweeping.sweep::<Ecs>(0, &page).expect("swept");
        assert_eq!(swept.failed, []);
        removed.extend(swept.removed.into_iter().map(|object| object.name));
        match swept.cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(removed, ["r1", "mcp-notes-r1", "mcp-notes-r1/0/TOKEN"]);
    assert_eq!(aws.left().len(), before - 3);
}

#[test]
fn what_cannot_be_removed_keeps_nothing_else() {
    let aws = Aws::new();
    let host = host(&aws);
    host.provision::<Ecs>(&notes()).expect("nothing is in the way");
    aws.replace("DeregisterTaskDefinition", 403, r#"{"__type": "AccessDeniedException"}"#);
    let error = host.release::<Ecs>(ReleaseReason::Ended).expect_err("the right is missing");
    assert_eq!(error.to_string(), "ecs:DeregisterTaskDefinition: AccessDeniedException");
    assert_eq!(error.category(), FailureCategory::Permission);
    let kinds: Vec<_> = host.left().into_iter().map(|object| object.kind).collect();
    assert_eq!(kinds, [DEFINITION], "the task has ended, and the secret is gone");
    host.release::<Ecs>(ReleaseReason::Ended).expect("the next try finds the rest");
    assert_eq!(aws.left(), [""; 0]);
}
