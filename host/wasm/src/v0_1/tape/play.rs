//! A tape in the place of the host functions that ask somebody: platforms, hosts, the time.

use super::value::{Handles, json, val};
use crate::error::Broken;
use crate::state::CallState;
use crate::v0_1::connection::{Held, RunOutput};
use host_provisioner as provisioner;
use std::sync::Arc;
use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentItem, Type};
use wasmtime::component::{Component, Linker, Resource, ResourceAny, ResourceType, Val};

/// Interfaces whose functions all ask a platform.
const WHOLE: [&str; 5] = ["docker", "embedded", "http", "kubernetes", "registry"];
/// Functions of the others that ask somebody.
const SINGLE: [(&str, &[&str]); 3] = [
    ("call", &["remaining-ms", "cancelled", "sleep", "session-liveness"]),
    (
        "connection",
        &["http", "tcp", "wait-ready", "output", "[method]run-output.ending", "[method]run-output.exit-code"],
    ),
    ("secrets", &["lookup"]),
];

/// Puts the tape in their place.
pub(crate) fn play(linker: &mut Linker<CallState>, component: &Component) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let engine = linker.engine().clone();
    for (import, item) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        let Some(interface) =
            import.strip_prefix("gateway:provisioner/").and_then(|rest| rest.split('@').next())
        else {
            continue;
        };
        let single = SINGLE.iter().find(|(name, _)| *name == interface).map(|(_, functions)| *functions);
        if single.is_none() && !WHOLE.contains(&interface) {
            continue;
        }
        let mut inside = linker.instance(import)?;
        for (name, export) in instance.exports(&engine) {
            let ComponentItem::ComponentFunc(_) = export.ty else { continue };
            if single.is_some_and(|functions| !functions.contains(&name)) {
                continue;
            }
            let function: Arc<str> = named(interface, name).into();
            inside.func_new_async(name, move |mut store, kind, asked, answers| {
                let function = Arc::clone(&function);
                Box::new(async move {
                    let asked: serde_json::Value = asked.iter().map(json).collect();
                    let result = kind.results().next();
                    let answer = next(&mut store, &function, &asked)?;
                    let (Some(kind), Some(place)) = (result, answers.first_mut()) else { return Ok(()) };
                    let mut dead = Dead(store);
                    *place = val(&answer, &kind, &mut dead).ok_or_else(|| {
                        Broken(format!("the tape has no answer of `{function}` that can be read"))
                    })?;
                    Ok(())
                })
            })?;
        }
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// `http.send`; of a handle `run-output.ending`.
fn named(interface: &str, function: &str) -> String {
    match function.strip_prefix("[method]") {
        Some(method) => method.to_owned(),
        None => format!("{interface}.{function}"),
    }
}

fn next(
    store: &mut StoreContextMut<'_, CallState>,
    function: &str,
    asked: &serde_json::Value,
) -> wasmtime::Result<serde_json::Value> {
    let state = store.data();
    let tape = state.scope.host.taped().ok_or_else(|| Broken("there is no tape".to_owned()))?;
    let noted = tape.next(state.section, function, asked).map_err(Broken)?;
    if let Some(record) = &state.scope.record {
        let ledger = &state.scope.host.ledger;
        for object in noted.noted {
            ledger.object(record, object.into_ref(), true)?;
        }
        for object in noted.gone {
            ledger.forget(record, &object.into_ref(), false)?;
        }
    }
    Ok(noted.answer)
}

/// Makes handles that lead nowhere.
struct Dead<'a>(StoreContextMut<'a, CallState>);

impl Handles for Dead<'_> {
    fn handle(&mut self, kind: &Type) -> Option<Val> {
        let Type::Own(kind) = kind else { return None };
        let any = if *kind == ResourceType::host::<Held>() {
            let streams = provisioner::Streams {
                label: "played from a tape".to_owned(),
                stdin: Box::new(tokio::io::sink()),
                stdout: Box::new(tokio::io::empty()),
                stderr: None,
            };
            let held: Resource<Held> =
                self.0.data_mut().push(Held(provisioner::Connection::Streams(streams))).ok()?;
            ResourceAny::try_from_resource(held, &mut self.0).ok()?
        } else if *kind == ResourceType::host::<RunOutput>() {
            let nothing = || provisioner::Captured { bytes: Vec::new(), left_out: None };
            let ran = provisioner::ToolOutput {
                ending: provisioner::Ending::Lost,
                exit_code: None,
                stdout: nothing(),
                stderr: nothing(),
                fields: Vec::new(),
            };
            let output = RunOutput { label: "played from a tape".to_owned(), ran, closed: true };
            let output: Resource<RunOutput> = self.0.data_mut().push(output).ok()?;
            ResourceAny::try_from_resource(output, &mut self.0).ok()?
        } else {
            return None;
        };
        Some(Val::Resource(any))
    }
}
