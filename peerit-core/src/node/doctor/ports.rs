//! What the router maps when it is asked.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use super::report::PortMapping;
use crate::nat::Transport;
use crate::node::ports::{Gateway, Mapping, PortMappingError};
use crate::runtime::{Runtime, blocking};

/// Asks the router of this machine's own network for a port of each sort, and gives both back. Takes up to a minute
/// if the router is slow, else less than 5 s. Dropping the future does not stop it.
pub async fn try_port_mapping(runtime: &Arc<dyn Runtime>) -> PortMapping {
    match blocking(&**runtime, ask).await {
        Ok(got) => got,
        Err(error) => PortMapping::Impossible(error.to_string()),
    }
}

fn ask() -> Result<PortMapping, PortMappingError> {
    let gateway = Gateway::find().ok_or(PortMappingError::NoGateway)?;
    // Held meanwhile, so that nobody else's port is opened.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(PortMappingError::NoSocket)?;
    let port = socket.local_addr().map_err(PortMappingError::NoSocket)?.port();
    let mapping = Mapping::ask(gateway, port)?;
    let [tcp, udp] = [Transport::Tcp, Transport::Udp].map(|transport| mapping.external(transport));
    let got = PortMapping::Works { protocol: mapping.protocol(), tcp, udp };
    mapping.release();
    Ok(got)
}
