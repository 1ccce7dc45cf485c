//! UDP and TCP on the same number, and another number for UDP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::TrackerServiceError;
use crate::runtime::{Runtime, TcpListener, UdpSocket};

/// Numbers that the system may propose for port 0: each is taken for UDP with the small probability
/// that some other program has it, so 16 in a row mean that there are none.
const PROPOSALS: u32 = 16;

type Sockets = (Arc<dyn TcpListener>, Arc<dyn UdpSocket>, SocketAddr);

/// Both sockets and their address; for port 0 with a number that is free for both.
pub(super) fn bind(
    runtime: &dyn Runtime,
    listen: SocketAddr,
) -> Result<Sockets, TrackerServiceError> {
    let mut proposals = if listen.port() == 0 { PROPOSALS } else { 1 };
    loop {
        proposals -= 1;
        match bind_once(runtime, listen) {
            Err(TrackerServiceError::Listen { source, .. })
                if source.kind() == io::ErrorKind::AddrInUse && proposals > 0 => {}
            sockets => return sockets,
        }
    }
}

fn bind_once(runtime: &dyn Runtime, listen: SocketAddr) -> Result<Sockets, TrackerServiceError> {
    let failed =
        |protocol, address| move |source| TrackerServiceError::Listen { address, protocol, source };
    let tcp = std::net::TcpListener::bind(listen).map_err(failed("TCP", listen))?;
    let address = tcp.local_addr().map_err(failed("TCP", listen))?;
    let udp = std::net::UdpSocket::bind(address).map_err(failed("UDP", address))?;
    let tcp = runtime.tcp_listener(tcp).map_err(failed("TCP", address))?;
    let udp = runtime.udp_socket(udp).map_err(failed("UDP", address))?;
    Ok((tcp, udp, address))
}

/// A UDP socket at another port of the same address: the next number, which operators can name to firewalls, or any
/// that is free.
pub(super) fn bind_other(
    runtime: &dyn Runtime,
    main: SocketAddr,
) -> Result<(Arc<dyn UdpSocket>, u16), TrackerServiceError> {
    let mut address = main;
    let failed = |source| TrackerServiceError::Listen {
        address: (main.ip(), 0).into(),
        protocol: "UDP",
        source,
    };
    address.set_port(main.port().checked_add(1).unwrap_or(0));
    let socket = std::net::UdpSocket::bind(address)
        .or_else(|_| std::net::UdpSocket::bind((main.ip(), 0)))
        .map_err(failed)?;
    let port = socket.local_addr().map_err(failed)?.port();
    Ok((runtime.udp_socket(socket).map_err(failed)?, port))
}
