//! The contract as the generator writes it. Hidden: authors meet the hand-picked names of the crate's root.
//!
//! *Invariant:* a function in here is called only under `cfg(target_arch = "wasm32")`. On other targets it ends the process.
#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    dead_code,
    reason = "generated; the comments that exist come from the contract"
)]

wit_bindgen::generate!({
    path: "wit",
    world: "plugin",
    pub_export_macro: true,
    generate_all,
    generate_unused_types: true,
    additional_derives: [PartialEq],
    // Records that hold a handle cannot be compared.
    additional_type_attributes: {
        "gateway:provisioner/types@0.1.0/blueprint": [#[derive(Default)]],
        "gateway:provisioner/types@0.1.0/limits": [#[derive(Default)]],
        "gateway:provisioner/types@0.1.0/managed-page": [#[derive(Default)]],
        "gateway:provisioner/types@0.1.0/sweep-page": [#[derive(Default)]],
        "gateway:provisioner/types@0.1.0/validation": [#[derive(Default)]],
        "gateway:provisioner/provisioner@0.1.0/prepared": [#[derive(Default)]],
    },
    additional_derives_ignore: ["attached", "provisioned", "ran", "reconnected", "started"],
});
