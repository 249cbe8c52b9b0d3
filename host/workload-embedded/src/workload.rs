//! One workload from its store to its end.

use crate::component::LoadedComponent;
use crate::end::Info;
use crate::limits::HOSTCALL_BYTES;
use crate::pace::{Beat, Paced};
use crate::registry::Place;
use crate::runtime::Runtime;
use crate::spec::{DEFAULT_MAX_FILES, DEFAULT_MEMORY_MIB, StartSpec};
use crate::state::{State, handles};
use std::sync::Arc;
use tokio::sync::oneshot;
use wasmtime::Store;

/// Spawns the workload's task. The receiver hears when the instance stands; if the sender is dropped instead, it has ended before.
pub(crate) fn spawn(
    runtime: &Runtime,
    spec: &StartSpec,
    state: State,
    place: Place,
) -> oneshot::Receiver<()> {
    let beat = Beat::new();
    let store = store(runtime, spec, state, &beat);
    let (stands, heard) = oneshot::channel();
    let memory_mib = spec.memory_mib.unwrap_or(DEFAULT_MEMORY_MIB);
    let max_files = spec.max_files.unwrap_or(DEFAULT_MAX_FILES);
    let guest = Box::pin(guest(Arc::clone(&spec.component), store, stands, memory_mib, max_files));
    let workload = Arc::clone(&place.workload);
    let place = Arc::new(place);
    let (ticker, runners) = (Arc::clone(&runtime.ticker), Arc::clone(&runtime.runners));
    // The place is shared with the thread where the guest may be when its task is aborted: it is given back after the guest is gone.
    let paced = Paced::new(guest, Arc::clone(&place), beat, ticker, runners, spec.cpu_millis);
    let task = tokio::spawn(async move {
        // Dropped in reverse order, also when the task is aborted: first the store with all that the guest holds, then the place.
        let place = place;
        let paced = paced;
        place.set_end(paced.await.unwrap_or_else(Info::failed));
    });
    workload.set_task(task.abort_handle());
    heard
}

fn store(runtime: &Runtime, spec: &StartSpec, state: State, beat: &Arc<Beat>) -> Store<State> {
    let mut store = Store::new(&runtime.engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.set_max_component_handles(handles(spec));
    // Without a first deadline the first instruction would trap.
    store.set_epoch_deadline(1);
    let beat = Arc::clone(beat);
    store.epoch_deadline_callback(move |_| Ok(beat.tick()));
    store
}

/// The guest from its first instruction to its last. The store is gone when this returns.
async fn guest(
    component: Arc<LoadedComponent>,
    mut store: Store<State>,
    stands: oneshot::Sender<()>,
    memory_mib: u32,
    max_files: u32,
) -> Info {
    let outcome = match component.pre().instantiate_async(&mut store).await {
        Err(error) => Err(error),
        Ok(command) => {
            let _ = stands.send(());
            command.wasi_cli_run().call_run(&mut store).await
        }
    };
    Info::of(outcome, store.data().memory.refused.then_some(memory_mib), max_files)
}
