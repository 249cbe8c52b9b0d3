//! What fuzzing has found holds in an ordinary build as well (`tests/fuzz`).

#[path = "../../../tests/fuzz/checks/editor.rs"]
mod editor;
#[path = "../../../tests/fuzz/checks/settings.rs"]
mod settings;

#[test]
fn every_editors_file_that_fuzzing_kept() {
    test_artifacts::replay_text("editor", editor::holds);
}

#[test]
fn every_yaml_file_that_fuzzing_kept() {
    test_artifacts::replay_text("settings", settings::holds);
}
