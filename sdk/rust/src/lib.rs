//! SDK placeholder.
#[allow(missing_docs, clippy::all, unreachable_pub, dead_code)]
mod generated {
    wit_bindgen::generate!({ path: "wit", world: "plugin", pub_export_macro: true, generate_all });
}
