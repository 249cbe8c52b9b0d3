//! `checks/editor.rs` on inputs that libFuzzer makes up.

#![no_main]

#[path = "../checks/editor.rs"]
mod editor;

libfuzzer_sys::fuzz_target!(|text: &str| editor::holds(text));
