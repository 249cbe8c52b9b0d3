//! `wasi:sockets/ip-name-lookup` with the grants in front of it and bounds behind it.
//!
//! wasmtime-wasi's own asks the system on the threads that everything else in the process blocks on, as often as a guest likes; a name
//! server that does not answer would take all of them. So the answers are ours, see [`resolve`](super::resolve).

use super::SharedNetwork;
use super::resolve::{Turns, Unresolved};
use crate::state::State;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::task::{JoinError, JoinHandle};
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    self, Host, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, HostNetwork, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketError, subscribe};
use wasmtime_wasi::sockets::{WasiSocketsCtxView, WasiSocketsView};

/// Puts the lookup in the place of the one that is there.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    ip_name_lookup::add_to_linker::<State, Lookup<'static>>(linker, |state| Lookup {
        network: state.network.clone(),
        turns: Arc::clone(&state.turns),
        wasi: state.sockets(),
    })
}

struct Lookup<'a> {
    network: SharedNetwork,
    turns: Arc<Turns>,
    wasi: WasiSocketsCtxView<'a>,
}

impl HasData for Lookup<'static> {
    type Data<'a> = Lookup<'a>;
}

type Found = std::result::Result<std::vec::IntoIter<IpAddr>, Unresolved>;

/// What stands in the table for a stream of addresses. The interface has a type of its own for its handles, which nobody else can make; a
/// handle is a number, and [`own`] and [`borrowed`] read it as what is really there.
struct Addresses {
    name: String,
    asked: Asked,
}

enum Asked {
    Coming(JoinHandle<std::result::Result<Vec<IpAddr>, Unresolved>>),
    Come(Found),
}

fn own(stream: &Resource<ResolveAddressStream>) -> Resource<Addresses> {
    Resource::new_own(stream.rep())
}

fn borrowed(stream: &Resource<ResolveAddressStream>) -> Resource<Addresses> {
    Resource::new_borrow(stream.rep())
}

impl Addresses {
    fn poll_come(&mut self, cx: &mut Context<'_>) -> Poll<&mut Found> {
        if let Asked::Coming(task) = &mut self.asked {
            let Poll::Ready(joined) = Pin::new(task).poll(cx) else { return Poll::Pending };
            let failed = |_: JoinError| Unresolved::NotNow;
            let found = joined.map_err(failed).and_then(|found| found).map(Vec::into_iter);
            self.asked = Asked::Come(found);
        }
        match &mut self.asked {
            Asked::Come(found) => Poll::Ready(found),
            Asked::Coming(_) => Poll::Pending,
        }
    }
}

#[async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.poll_come(cx).map(|_| ())).await;
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        // What waits for its turn need not have one any more. What has been asked goes on, with its place.
        if let Asked::Coming(task) = &self.asked {
            task.abort();
        }
    }
}

impl Host for Lookup<'_> {
    fn resolve_addresses(
        &mut self,
        handle: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        self.wasi.table.get(&handle)?;
        if !super::pattern::is_name(&name) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let allowed = self.network.with(|network| {
            let allowed = network.may_look_up(&name);
            if !allowed {
                let shown: String = name.chars().take(80).collect();
                network.log(&format!("no host of `allowHosts` allows looking up `{shown}`"));
            }
            allowed
        });
        if !allowed {
            return Err(ErrorCode::AccessDenied.into());
        }
        let (turns, asked) = (Arc::clone(&self.turns), name.clone());
        let task = tokio::spawn(async move { turns.resolve(asked).await });
        let addresses = self.wasi.table.push(Addresses { name, asked: Asked::Coming(task) })?;
        Ok(Resource::new_own(addresses.rep()))
    }
}

impl HostResolveAddressStream for Lookup<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        let addresses = self.wasi.table.get_mut(&borrowed(&stream))?;
        let name = addresses.name.clone();
        let Poll::Ready(found) = addresses.poll_come(&mut Context::from_waker(Waker::noop())) else {
            return Err(ErrorCode::WouldBlock.into());
        };
        match found {
            Ok(found) => Ok(found
                .find(|address| self.network.with(|network| network.admit(&name, *address)))
                .map(IpAddress::from)),
            Err(unresolved) => {
                let unresolved = *unresolved;
                if unresolved == Unresolved::NotNow {
                    self.network.with(|network| network.log(&format!("looking up `{name}` took too long")));
                }
                Err(match unresolved {
                    Unresolved::Unknown => ErrorCode::NameUnresolvable,
                    Unresolved::NotNow => ErrorCode::TemporaryResolverFailure,
                }
                .into())
            }
        }
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> Result<Resource<DynPollable>> {
        subscribe(self.wasi.table, borrowed(&stream))
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> Result<()> {
        self.wasi.table.delete(own(&stream))?;
        Ok(())
    }
}

impl network::Host for Lookup<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> Result<ErrorCode> {
        self.wasi.convert_error_code(error)
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> Result<Option<ErrorCode>> {
        self.wasi.network_error_code(error)
    }
}

impl HostNetwork for Lookup<'_> {
    fn drop(&mut self, handle: Resource<Network>) -> Result<()> {
        HostNetwork::drop(&mut self.wasi, handle)
    }
}
