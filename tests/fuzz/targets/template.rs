//! `checks/template.rs` on inputs that libFuzzer makes up.

#![no_main]

#[path = "../checks/template.rs"]
mod template;

libfuzzer_sys::fuzz_target!(|input: &str| template::holds(input));
