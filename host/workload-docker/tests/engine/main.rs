//! The crate against a real engine. Skipped, with one line that says why, where none answers; `GATEWAY_TEST_REQUIRE=docker` turns the skip
//! into a failure. The images are those of the test environment (`tests/README.md`); no test pulls anything from elsewhere.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests, also in what they share")]

mod attach;
mod bench;
mod far;
mod images;
mod life;
mod networks;
mod same_as_docker_run;
