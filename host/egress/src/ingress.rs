//! The other way: ports of the server, which is in a network that publishes none, for whoever is to reach it from outside.

use crate::listen;
use crate::log;
use crate::settings::Settings;
use crate::splice::splice;
use std::net::TcpStream;
use std::sync::Arc;

/// Opens the doors to the server, on the addresses outside and nowhere else.
pub(crate) fn listen(settings: &Arc<Settings>) -> Result<(), String> {
    for (port, host) in &settings.ingress {
        for at in &settings.outside {
            let (port, host) = (*port, host.clone());
            listen::tcp(*at, port, settings, move |_, client| {
                match TcpStream::connect((host.as_str(), port)) {
                    Ok(server) => {
                        let _ = server.set_nodelay(true);
                        splice(client, server, &[]);
                    }
                    Err(error) => {
                        log::line(&format!("the server does not listen on port {port} yet: {error}"))
                    }
                }
            })?;
        }
    }
    Ok(())
}
