//! What fuzzing has found holds in an ordinary build as well (`tests/fuzz`).

#[path = "../../../tests/fuzz/checks/template.rs"]
mod template;

#[test]
fn every_template_that_fuzzing_kept() {
    test_artifacts::replay_text("template", template::holds);
}
