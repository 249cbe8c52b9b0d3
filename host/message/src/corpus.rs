//! What fuzzing has found holds in an ordinary build as well (`tests/fuzz`).

#[path = "../../../tests/fuzz/checks/envelope.rs"]
mod envelope;

#[test]
fn every_message_that_fuzzing_kept() {
    test_artifacts::replay("envelope", envelope::holds);
}
