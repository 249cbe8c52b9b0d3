//! `checks/sse.rs` on inputs that libFuzzer makes up.

#![no_main]

#[path = "../checks/sse.rs"]
mod sse;

libfuzzer_sys::fuzz_target!(|input: &[u8]| sse::holds(input));
