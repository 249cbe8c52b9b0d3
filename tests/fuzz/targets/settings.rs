//! `checks/settings.rs` on inputs that libFuzzer makes up.

#![no_main]

#[path = "../checks/settings.rs"]
mod settings;

libfuzzer_sys::fuzz_target!(|text: &str| settings::holds(text));
