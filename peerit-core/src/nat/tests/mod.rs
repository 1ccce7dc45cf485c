//! Traversals on a network of the mind: no NATs here (those are in `sim`), but every order of events.

mod birthday;
mod garbage;
mod glare;
mod hostile;
mod ladder;
mod net;
mod relayed;
mod replay;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::signal::Signal;
use super::*;
use crate::id::ContentId;

const CONTENT: ContentId = ContentId([7; 32]);

fn ms(ms: u64) -> Timestamp {
    Timestamp::from_origin(Duration::from_millis(ms))
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}
