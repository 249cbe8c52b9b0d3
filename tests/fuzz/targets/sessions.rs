//! `checks/sessions.rs` on inputs that libFuzzer makes up.

#![no_main]

#[path = "../checks/front.rs"]
mod front;
#[path = "../checks/sessions.rs"]
mod sessions;

libfuzzer_sys::fuzz_target!(|text: &str| sessions::holds(text));
