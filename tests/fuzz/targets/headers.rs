//! `checks/headers.rs` on inputs that libFuzzer makes up.

#![no_main]

#[path = "../checks/front.rs"]
mod front;
#[path = "../checks/headers.rs"]
mod headers;

libfuzzer_sys::fuzz_target!(|input: &[u8]| headers::holds(input));
