//! Proof that a sender can receive at its address, without remembering it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::time::Timestamp;
use crate::wire::address::mapped;

/// Length of a token in bytes.
pub(super) const TOKEN_LENGTH: usize = 16;

/// Time between two changes of the tokens. The one before is taken as well, so a token lives two to
/// four minutes: long enough for one sent just before a change to come back, and for every second
/// announce of the default interval to need no new one; short enough that an address that changes
/// hands is soon worth nothing.
const EPOCH: Duration = Duration::from_secs(120);

/// How long a token is taken at least.
pub(super) const TOKEN_LASTS: Duration = EPOCH;

/// Makes and checks tokens: keyed BLAKE3 over IP address, port and epoch, cut to 16 bytes.
///
/// Nothing is stored per sender, so a flood with forged source addresses costs the table nothing.
///
/// What an attacker can do who wants an announce or a signal under an address that is not his:
///
/// - Guess. Two of 2^128 tokens are valid for an address at any time. At 10 million datagrams a
///   second (about 10 Gbit/s of them) that is one hit in 2^128 / 2 / 10^7 s, or 5 * 10^23 years.
/// - Learn from how long a check takes. It takes the same time wherever the first wrong byte is.
/// - Collect tokens of his own to find the key. Keyed BLAKE3 is a pseudorandom function with a key
///   of 256 bits, chosen anew at each start.
/// - Ask for a token while he holds the address (a NAT, a DHCP lease) and use it after. It is worth
///   nothing after four minutes.
/// - Read the path between tracker and address. Then he can have a token, as with every such scheme
///   (TCP's sequence numbers, QUIC's Retry, BEP 15's connection id).
///
/// BEP 15 and the aquatic tracker have 8 bytes with the same construction; 16 need no such
/// calculation to be redone when machines are faster.
pub(super) struct Tokens {
    key: [u8; 32],
}

impl Tokens {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The token for a sender at this time.
    pub(super) fn issue(&self, now: Timestamp, to: SocketAddr) -> [u8; TOKEN_LENGTH] {
        self.token(to, epoch(now))
    }

    /// Whether `token` was issued to this sender in this epoch or the one before.
    pub(super) fn accepts(&self, now: Timestamp, from: SocketAddr, token: &[u8]) -> bool {
        let epoch = epoch(now);
        [Some(epoch), epoch.checked_sub(1)]
            .into_iter()
            .flatten()
            .any(|epoch| same(&self.token(from, epoch), token))
    }

    fn token(&self, address: SocketAddr, epoch: u64) -> [u8; TOKEN_LENGTH] {
        let address = mapped(address);
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&address.ip().octets());
        hasher.update(&address.port().to_be_bytes());
        hasher.update(&epoch.to_be_bytes());
        let mut token = [0; TOKEN_LENGTH];
        hasher.finalize_xof().fill(&mut token);
        token
    }
}

fn epoch(now: Timestamp) -> u64 {
    now.since_origin().as_secs() / EPOCH.as_secs()
}

/// Equality that takes as long for every wrong token.
fn same(expected: &[u8; TOKEN_LENGTH], token: &[u8]) -> bool {
    token.len() == TOKEN_LENGTH
        && expected.iter().zip(token).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), 4_000);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn a_token_lives_two_to_four_minutes() {
        let tokens = Tokens::new([3; 32]);
        for issued in [0, 119, 120, 1_000] {
            let token = tokens.issue(at(issued), HERE);
            assert!(tokens.accepts(at(issued + 120), HERE, &token));
            assert!(!tokens.accepts(at(issued + 240), HERE, &token));
        }
    }

    #[test]
    fn a_token_is_good_for_one_address_and_one_key() {
        let tokens = Tokens::new([3; 32]);
        let token = tokens.issue(at(0), HERE);
        assert!(tokens.accepts(at(0), HERE, &token));
        assert!(!tokens.accepts(at(0), SocketAddr::new(HERE.ip(), 4_001), &token));
        assert!(!tokens.accepts(at(0), SocketAddr::new([198, 51, 100, 8].into(), 4_000), &token));
        assert!(!tokens.accepts(at(0), HERE, &token[..15]));
        assert!(!tokens.accepts(at(0), HERE, &[]));
        assert!(!Tokens::new([4; 32]).accepts(at(0), HERE, &token));
    }
}
