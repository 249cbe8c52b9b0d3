//! `wasi:sockets/ip-name-lookup` with the grants in front of wasmtime-wasi's own.

use super::SharedNetwork;
use crate::state::State;
use std::net::IpAddr;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    self, Host, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, HostNetwork, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, SocketError};
use wasmtime_wasi::sockets::{WasiSocketsCtxView, WasiSocketsView};

/// Puts the lookup in the place of the one that is there.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    ip_name_lookup::add_to_linker::<State, Lookup<'static>>(linker, |state| Lookup {
        network: state.network.clone(),
        wasi: state.sockets(),
    })
}

struct Lookup<'a> {
    network: SharedNetwork,
    wasi: WasiSocketsCtxView<'a>,
}

impl HasData for Lookup<'static> {
    type Data<'a> = Lookup<'a>;
}

impl Host for Lookup<'_> {
    fn resolve_addresses(
        &mut self,
        handle: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        let allowed = self.network.with(|network| {
            let allowed = network.may_look_up(&name);
            if !allowed {
                let shown: String = name.chars().take(80).collect();
                network.log(&format!("no pattern of `hosts` allows looking up `{shown}`"));
            }
            allowed
        });
        if !allowed {
            return Err(ErrorCode::AccessDenied.into());
        }
        let stream = self.wasi.resolve_addresses(handle, name.clone())?;
        self.network.with(|network| network.asked.insert(stream.rep(), name));
        Ok(stream)
    }
}

impl HostResolveAddressStream for Lookup<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        let rep = stream.rep();
        loop {
            let Some(next) = self.wasi.resolve_next_address(Resource::new_borrow(rep))? else {
                return Ok(None);
            };
            let address = ip(next);
            let admitted = self.network.with(|network| match network.asked.get(&rep).cloned() {
                Some(name) => network.admit(&name, address),
                None => false,
            });
            if admitted {
                return Ok(Some(next));
            }
        }
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> Result<Resource<DynPollable>> {
        HostResolveAddressStream::subscribe(&mut self.wasi, stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> Result<()> {
        self.network.with(|network| network.asked.remove(&stream.rep()));
        HostResolveAddressStream::drop(&mut self.wasi, stream)
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

fn ip(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => [a, b, c, d].into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => [a, b, c, d, e, f, g, h].into(),
    }
}
