//! Requests that the gateway signs, beside what others make of the same requests; and secrets that a cloud keeps.

mod botocore;
mod stores;
mod story;
