//! What fuzzing has found holds in an ordinary build as well (`tests/fuzz`).

#[path = "../../../tests/fuzz/checks/sse.rs"]
mod sse;

#[test]
fn every_event_stream_that_fuzzing_kept() {
    test_artifacts::replay("sse", sse::holds);
}
