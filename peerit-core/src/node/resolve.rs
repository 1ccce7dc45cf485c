//! The addresses of peers that a user names.

use std::net::{SocketAddr, ToSocketAddrs};

/// Greatest length of "host:port" in bytes: a host name has at most 253 (RFC 1035, section 2.3.4: 255 with the
/// lengths of its labels).
const PEER_LENGTH_MAX: usize = 253 + ":65535".len();

/// Why a peer that a user names has no address.
#[derive(Debug, thiserror::Error)]
pub enum PeerAddressError {
    /// The text is too long to be a host and a port.
    #[error("a peer is longer than {PEER_LENGTH_MAX} bytes")]
    TooLong,
    /// The text is no "host:port", or the host is not known.
    #[error("peer {peer}: {source}")]
    Unknown {
        /// What the user wrote.
        peer: String,
        /// What the system's resolver said.
        source: std::io::Error,
    },
    /// The host is known, but has no address.
    #[error("peer {0} has no address")]
    NoAddress(String),
}

/// The first address of each "host:port", for [`DownloadOptions::peers`](super::DownloadOptions::peers).
/// Blocks for as long as the system's resolver takes.
///
/// # Errors
/// Those of the first peer that has no address.
pub fn resolve_peers(peers: &[String]) -> Result<Vec<SocketAddr>, PeerAddressError> {
    peers.iter().map(|peer| resolve(peer)).collect()
}

fn resolve(peer: &str) -> Result<SocketAddr, PeerAddressError> {
    if peer.len() > PEER_LENGTH_MAX {
        return Err(PeerAddressError::TooLong);
    }
    let unknown = |source| PeerAddressError::Unknown { peer: peer.to_owned(), source };
    let mut addresses = peer.to_socket_addrs().map_err(unknown)?;
    addresses.next().ok_or_else(|| PeerAddressError::NoAddress(peer.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(peer: &str) -> Result<Vec<SocketAddr>, String> {
        resolve_peers(&[peer.to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_are_themselves() {
        for address in ["127.0.0.1:7", "[::1]:7"] {
            assert_eq!(resolved(address), Ok(vec![address.parse().unwrap()]));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(resolved("no port").unwrap_err().contains("no port"));
        let longest = format!("{}:65535", "x".repeat(253));
        assert!(resolved(&longest).unwrap_err().contains("xxx"));
        assert!(resolved(&format!("x{longest}")).unwrap_err().contains("longer than 259"));
    }
}
