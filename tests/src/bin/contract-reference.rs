//! Writes the reference page of the contract (`wit/v0.1/reference.md`) from the `.wit` files beside it.

use anyhow::Context as _;
use gateway_tests::contract::{Contract, reference_file, track};

fn main() -> anyhow::Result<()> {
    let file = reference_file();
    let page = Contract::read(&track())?.reference();
    std::fs::write(&file, page).with_context(|| format!("write `{}`", file.display()))
}
