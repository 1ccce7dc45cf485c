//! Bytes as what a tracker gets, over UDP and TCP, and as what it answers a peer.
//!
//! Run in `peerit-core/`: `cargo +nightly fuzz run tracker_datagram` (`cargo install cargo-fuzz` first);
//! 60 seconds: append `-- -max_total_time=60`.

#![no_main]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use peerit_core::hash::HashAlgorithm;
use peerit_core::id::{PeerId, Topic};
use peerit_core::time::Timestamp;
use peerit_core::tracker::{
    ClientAction, ClientEvent, DATAGRAM_MAX, STREAM_RESPONSE_MAX, ServerAction, ServerConfig,
    ServerEvent, TrackerClient, TrackerKey, TrackerServer, stun,
};

const STEP: Duration = Duration::from_secs(1);
/// A STUN request of 20 bytes gets 44 when it comes from an IPv6 address; answers are rationed.
const STUN_GAIN_TENTHS: usize = 22;

fuzz_target!(|messages: Vec<Vec<u8>>| {
    let messages: Vec<_> = messages.into_iter().map(Bytes::from).collect();
    serve(&messages);
    ask(&messages);
    for message in &messages {
        let _address = stun::mapped_address(message, &[0; 12]);
    }
});

fn serve(messages: &[Bytes]) {
    // Made of the messages, so that none of them can hold a valid token: all come from forged addresses.
    let secret = HashAlgorithm::Blake3.digest(&messages.concat());
    let secret = secret.as_bytes().try_into().expect("BLAKE3 has 32 bytes");
    let mut server = TrackerServer::new(ServerConfig::default(), secret);
    let mut now = Timestamp::ZERO;
    for (connection, message) in (0..).zip(messages) {
        now = now + STEP;
        let from = SocketAddr::from(([198, 51, 100, connection as u8 % 4], 6_881));
        server.handle_event(now, ServerEvent::Datagram { from, datagram: message.clone() });
        let gain = if stun::is_stun(message) { STUN_GAIN_TENTHS } else { 10 };
        while let Some(action) = server.poll() {
            let ServerAction::Send { to, datagram } = action else { panic!("{action:?}") };
            assert_eq!(to, from);
            assert!(datagram.len() * 10 <= message.len() * gain, "no reflector");
        }
        server
            .handle_event(now, ServerEvent::Request { connection, from, request: message.clone() });
        while let Some(action) = server.poll() {
            match action {
                ServerAction::Send { datagram, .. } => assert!(datagram.len() <= DATAGRAM_MAX),
                ServerAction::Reply { connection: to, response } => {
                    assert_eq!(to, connection);
                    assert!(response.len() <= STREAM_RESPONSE_MAX);
                }
                ServerAction::Close { connection: to } => assert_eq!(to, connection),
            }
        }
        if server.poll_timeout().is_some_and(|due| due <= now) {
            server.handle_timeout(now);
        }
    }
}

/// The messages are what a tracker answers, with the transaction of the request where one belongs.
fn ask(messages: &[Bytes]) {
    let tracker = TrackerKey::from("tracker.example:59000");
    let from = SocketAddr::from(([198, 51, 100, 1], 59_000));
    let topic = Topic([1; 32]);
    let mut client = TrackerClient::new(PeerId([2; 32]), 3);
    let mut now = Timestamp::ZERO;
    let trackers = vec![tracker.clone()];
    client.handle_event(now, ClientEvent::Join { topic, trackers, listen_port: 1, seed: false });
    client.handle_event(now, ClientEvent::Resolved { tracker, addresses: vec![from] });
    let mut transaction = [0; 8];
    for message in messages {
        let mut answer = message.to_vec();
        if let Some(place) = answer.get_mut(1..9) {
            place.copy_from_slice(&transaction);
        }
        client.handle_event(now, ClientEvent::Datagram { from, datagram: answer.into() });
        while let Some(action) = client.poll() {
            match action {
                ClientAction::Send { datagram, .. } => {
                    assert!(datagram.len() <= DATAGRAM_MAX);
                    transaction.copy_from_slice(&datagram[1..9]);
                }
                ClientAction::SendStream { to, .. } => {
                    let message = message.clone();
                    client.handle_event(now, ClientEvent::StreamMessage { from: to, message });
                }
                _ => {}
            }
        }
        now = now + STEP;
        if client.poll_timeout().is_some_and(|due| due <= now) {
            client.handle_timeout(now);
        }
        let _status = client.status(topic);
    }
}
