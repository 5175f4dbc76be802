//! Addresses become sockets: bound before anything waits, so that a port in use is said at once; made to
//! listen when there is somebody to answer, so that until then clients are refused instead of left
//! hanging.

use std::net::SocketAddr;
use std::sync::Arc;

use esker_broker::ListenerConfig;
use tokio::net::{TcpListener, TcpSocket};

use super::connections::BACKLOG;
use super::state::State;
use crate::failure::{Failure, Outcome, io_reason};
use crate::http;
use crate::settings::Settings;
use crate::settings::address::Address;

/// A Kafka listener that does not listen yet.
pub(super) struct Bound {
    pub(super) config: Arc<ListenerConfig>,
    socket: TcpSocket,
    address: Address,
}

impl Bound {
    /// Starts listening.
    pub(super) fn listen(self) -> Outcome<(Arc<ListenerConfig>, TcpListener)> {
        let listener = self
            .socket
            .listen(BACKLOG)
            .map_err(|error| refused(&self.address, "kafka_addr", &error))?;
        Ok((self.config, listener))
    }
}

/// Binds all listeners and starts the HTTP server.
pub(super) async fn all(settings: &Settings, state: &Arc<State>) -> Outcome<Vec<Bound>> {
    let mut all = Vec::new();
    for listener in &settings.listeners {
        let (socket, local) = bind(&listener.bind, "kafka_addr").await?;
        let real = listener.bind.with_port(local.port());
        let advertised = listener.advertised.clone().unwrap_or_else(|| real.clone());
        // An advertised port 0 means the real one.
        let port = if advertised.port == 0 {
            local.port()
        } else {
            advertised.port
        };
        let config = Arc::new(ListenerConfig {
            name: listener.name.clone(),
            security_protocol: listener.protocol.clone(),
            bound: real.to_string(),
            advertised_host: advertised.host,
            advertised_port: port,
            zone: listener.zone.clone(),
        });
        state.add_listener(&config, &real);
        all.push(Bound {
            config,
            socket,
            address: real,
        });
    }
    if let Some(address) = &settings.admin_addr {
        let (socket, local) = bind(address, "admin_addr").await?;
        let listener = socket
            .listen(BACKLOG)
            .map_err(|error| refused(address, "admin_addr", &error))?;
        state.set_admin(address.with_port(local.port()));
        http::start(listener, Arc::clone(state));
    }
    Ok(all)
}

/// Binds an address. `setting` is what the sentence of a failure names.
pub(crate) async fn bind(address: &Address, setting: &str) -> Outcome<(TcpSocket, SocketAddr)> {
    let resolved = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    let resolved = match resolved.map(|mut addresses| addresses.next()) {
        Ok(Some(resolved)) => resolved,
        Ok(None) => return Err(unknown_host(address, setting)),
        Err(_) => return Err(unknown_host(address, setting)),
    };
    let socket = if resolved.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    let bound = socket.and_then(|socket| {
        // Connections of a life before do not keep the port busy.
        socket.set_reuseaddr(true)?;
        socket.bind(resolved)?;
        let local = socket.local_addr()?;
        Ok((socket, local))
    });
    bound.map_err(|error| refused(address, setting, &error))
}

fn unknown_host(address: &Address, setting: &str) -> Failure {
    Failure::Failed(format!(
        "cannot listen on {address}: there is no host {:?}; correct {setting}",
        address.host
    ))
}

fn refused(address: &Address, setting: &str, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let flag = setting.replace('_', "-");
    Failure::Failed(match error.kind() {
        ErrorKind::AddrInUse => format!(
            "cannot listen on {address}: another process uses this port; stop it or choose another with --{flag}"
        ),
        ErrorKind::PermissionDenied => {
            format!(
                "cannot listen on {address}: not permitted; ports below 1024 need rights, choose another with --{flag}"
            )
        }
        ErrorKind::AddrNotAvailable => {
            format!("cannot listen on {address}: this machine does not have this address; correct {setting}")
        }
        _ => format!("cannot listen on {address}: {}", io_reason(error)),
    })
}
