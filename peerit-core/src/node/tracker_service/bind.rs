//! UDP and TCP on the same number.

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
