//! Events and actions as protobuf messages, so that a run is a file, and back.
//!
//! All of a run is in it: STUN datagrams too, as the names of their transactions come from the run's seed.

mod action;
mod candidate;
mod event;
mod report;

use std::net::SocketAddr;

use peerit_proto::wire;

use crate::id::{PeerId, Topic};
use crate::wire::address::{decode_address, encode_address};

/// Why a protobuf message is not an event or an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwinError {
    /// A field that must be there is not.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// A field has a value that it cannot have.
    #[error("{0} is out of its range")]
    OutOfRange(&'static str),
}

fn address(address: Option<wire::v1::SocketAddress>) -> Result<SocketAddr, TwinError> {
    let address = address.ok_or(TwinError::Missing("address"))?;
    decode_address(&address).map_err(TwinError::OutOfRange)
}

fn addresses(all: Vec<wire::v1::SocketAddress>) -> Result<Vec<SocketAddr>, TwinError> {
    all.into_iter().map(|one| address(Some(one))).collect()
}

fn address_twins(all: &[SocketAddr]) -> Vec<wire::v1::SocketAddress> {
    all.iter().copied().map(encode_address).collect()
}

/// One of many sockets.
fn socket(number: u32) -> Result<u16, TwinError> {
    u16::try_from(number).map_err(|_| TwinError::OutOfRange("socket"))
}

fn topic(topic: &[u8]) -> Result<Topic, TwinError> {
    Topic::try_from(topic).map_err(|_| TwinError::OutOfRange("length of topic"))
}

fn peer_id(id: &[u8]) -> Result<PeerId, TwinError> {
    PeerId::try_from(id).map_err(|_| TwinError::OutOfRange("length of peer"))
}

fn array<const LENGTH: usize>(bytes: &[u8], name: &'static str) -> Result<[u8; LENGTH], TwinError> {
    bytes.try_into().map_err(|_| TwinError::OutOfRange(name))
}
