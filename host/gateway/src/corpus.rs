//! What fuzzing has found holds in an ordinary build as well (`tests/fuzz`).

#[path = "../../../tests/fuzz/checks/front.rs"]
mod front;
#[path = "../../../tests/fuzz/checks/headers.rs"]
mod headers;
#[path = "../../../tests/fuzz/checks/sessions.rs"]
mod sessions;

#[test]
fn every_head_of_a_request_that_fuzzing_kept() {
    test_artifacts::replay("headers", headers::holds);
}

#[test]
fn every_session_id_that_fuzzing_kept() {
    test_artifacts::replay_text("sessions", sessions::holds);
}
