//! Addresses as the schema has them, and IPv4 addresses in and out of IPv6. Which of them may be dialled, and what is
//! said of a bad one, is for those who read them to know.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use peerit_proto::wire::v1 as proto;

/// An IPv4 address wrapped into IPv6, as a socket for both families writes it, unwrapped: each place has one name.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// An IPv4 address wrapped into IPv6, as a socket for both families wants it.
pub(crate) fn mapped(address: SocketAddr) -> SocketAddrV6 {
    match address {
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0),
        SocketAddr::V6(v6) => v6,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_goes_into_ipv6_and_out_again() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (v4, wrapped) = (address("192.0.2.1:7"), address("[::ffff:192.0.2.1]:7"));
        assert_eq!((SocketAddr::from(mapped(v4)), canonical(wrapped)), (wrapped, v4));
        for same in [v4, address("[2001:db8::1]:7")] {
            assert_eq!((canonical(same), canonical(mapped(same).into())), (same, same));
        }
    }
}
