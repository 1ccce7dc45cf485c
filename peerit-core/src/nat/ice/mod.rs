//! Connectivity checks (ICE, RFC 8445), by whichever library does them.
//!
//! What a traversal needs of it is [`IceAgent`], and each library has one file that gives it that: one here, as
//! it is pure, and one among the node's, as it needs a thread of its own (`node/paths/webrtc_agent.rs`). An agent never ends by
//! itself: the attempt that started it has a deadline.

mod is_agent;

use std::net::SocketAddr;

use bytes::Bytes;
#[cfg(feature = "webrtc-ice")]
pub(crate) use is_agent::is_proven;
pub(crate) use is_agent::start;
pub(super) use is_agent::{addressee, check, is_check};

use super::candidate::Candidate;
use super::signal::Credentials;
use crate::time::Timestamp;

/// The checks of one attempt.
///
/// All packets come from and go out of one socket, so there is nothing to tell an agent of local
/// candidates: which interface a datagram leaves by is for the system's routes to say.
pub(crate) trait IceAgent: Send {
    /// Checks another place where the peer may be.
    fn add_remote(&mut self, now: Timestamp, candidate: &Candidate);

    /// Takes in a STUN datagram that [`addressee`] has found to be for this attempt. False, and nothing has
    /// changed, if it does not prove to know the credentials.
    fn handle_datagram(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) -> bool;

    /// Sends the checks that are due.
    fn handle_timeout(&mut self, now: Timestamp);

    /// The next datagram to send, and where to.
    fn poll_transmit(&mut self) -> Option<(SocketAddr, Bytes)>;

    /// Where the peer has been found: checked both ways, and chosen by the controlling side. Once, and again if
    /// a better one is found.
    fn poll_selected(&mut self) -> Option<SocketAddr>;

    /// When [`IceAgent::handle_timeout`] is due.
    fn poll_timeout(&self) -> Option<Timestamp>;
}

/// What an agent starts from.
#[derive(Clone, Debug)]
pub(crate) struct IceSetup {
    /// Whether this side chooses among the paths that work.
    pub(crate) controlling: bool,
    /// What the peer must prove to know.
    pub(crate) local: Credentials,
    /// What we prove to know.
    pub(crate) remote: Credentials,
    /// For what need not be secret: names of transactions.
    pub(crate) seed: u64,
}

/// Starts the agent of a library.
pub(crate) type IceBackend = fn(Timestamp, IceSetup) -> Box<dyn IceAgent>;

/// Whom a STUN datagram is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Addressee {
    /// A check, for who has this user fragment.
    Check(String),
    /// The answer to a check, for who has sent one there.
    Answer,
}
