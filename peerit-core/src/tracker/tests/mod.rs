//! Server and client, on fake time and without sockets.

mod client;
mod net;
mod server;
mod signals;

use std::net::SocketAddr;
use std::time::Duration;

use crate::id::{PeerId, Topic};
use crate::time::Timestamp;

const TOPIC: Topic = Topic([0x70; 32]);

fn id(number: u8) -> PeerId {
    PeerId([number; 32])
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_origin(Duration::from_secs(seconds))
}
