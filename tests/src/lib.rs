//! The harness of the tests, and what generates pages that are compared in them.

pub mod bench;
pub mod contract;
pub mod harness;
