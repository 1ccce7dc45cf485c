//! Addresses as the schema has them. Which of them may be dialled, and what is said of a bad one, is
//! for those who read them to know.

use std::net::{IpAddr, SocketAddr};

use peerit_proto::wire::v1 as proto;

/// An address in the form of the schema.
pub(crate) fn encode_address(address: SocketAddr) -> proto::SocketAddress {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    proto::SocketAddress { ip: ip.into(), port: address.port().into() }
}

/// An address in the form of the schema, read back; the error names what of it is out of range.
pub(crate) fn decode_address(address: &proto::SocketAddress) -> Result<SocketAddr, &'static str> {
    let ip = decode_ip(&address.ip).ok_or("length of ip")?;
    let port = u16::try_from(address.port).map_err(|_| "port")?;
    Ok(SocketAddr::new(ip, port))
}

/// The IP address of 4 or 16 bytes; none of others.
pub(crate) fn decode_ip(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}
