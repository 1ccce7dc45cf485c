//! Signals through trackers, and the NATs that they have to pass.

use bytes::Bytes;
use peerit_proto::Message;
use peerit_proto::tracker::v1 as proto;

use super::super::{ClientAction, ClientEvent, TrackerClient, TrackerKey, codec};
use super::net::{Faults, Net};
use super::*;

const T1: &str = "192.0.2.1:59000";
const A: &str = "198.51.100.1:4000";
const B: &str = "198.51.100.2:4000";

/// Two nodes that know each other from a tracker.
fn met(seed: u64) -> Net {
    let mut net = Net::new(seed);
    net.add_tracker("t1:59000", address(T1));
    for (node, number) in [(A, 1), (B, 2)] {
        net.add_node(address(node), id(number));
        net.join(address(node), &["t1:59000"], number == 1);
        net.run(Duration::from_secs(1));
    }
    net
}

/// From A to B.
fn signal(net: &mut Net, text: &'static str) {
    let (topic, receiver, sealed) = (TOPIC, id(2), Bytes::from_static(text.as_bytes()));
    net.tell(address(A), ClientEvent::Signal { topic, receiver, sealed });
    net.run(Duration::from_secs(1));
}

fn heard(net: &Net) -> Vec<&[u8]> {
    net.nodes[&address(B)].signals.iter().map(|(_, sealed)| sealed.as_ref()).collect()
}

#[test]
fn a_signal_arrives_and_says_from_whom() {
    let mut net = met(1);
    signal(&mut net, "hello");
    assert_eq!(net.nodes[&address(B)].signals, [(id(1), Bytes::from_static(b"hello"))]);
}

#[test]
fn a_peer_behind_a_nat_that_forgets_stays_within_reach() {
    for timeout in [26, 30, 60] {
        let mut net = Net::new(timeout);
        net.nat_timeout = Some(Duration::from_secs(timeout));
        net.add_tracker("t1:59000", address(T1));
        for (node, number) in [(A, 1), (B, 2)] {
            net.add_node(address(node), id(number));
            net.join(address(node), &["t1:59000"], true);
        }
        net.run(Duration::from_secs(300));
        for round in 1..=20 {
            net.run(Duration::from_secs(37));
            signal(&mut net, "hello");
            assert_eq!(heard(&net).len(), round, "timeout {timeout} s");
        }
        let observed = &net.nodes[&address(B)].observed;
        assert_eq!(observed.len(), 1, "its address never changed: {observed:?}");
    }
}

#[test]
fn a_new_address_is_noticed_within_half_a_minute() {
    let mut net = Net::new(1);
    net.nat_timeout = Some(Duration::from_secs(15));
    net.add_tracker("t1:59000", address(T1));
    for (node, number) in [(A, 1), (B, 2)] {
        net.add_node(address(node), id(number));
        net.join(address(node), &["t1:59000"], true);
    }
    net.run(Duration::from_secs(300));
    // The NAT forgets each time before anything is said; right after, signals come through.
    let observed = net.nodes[&address(B)].observed.len();
    assert!((6..=16).contains(&observed), "{observed}");
    let announces = net.traffic.datagrams;
    assert!(announces < 2 * 2 * 16 + 16, "{announces}");
}

#[test]
fn silence_is_broken_every_25_seconds_and_not_more_often() {
    let mut net = met(1);
    net.run(Duration::from_secs(60));
    net.keep_alives = 0;
    net.run(Duration::from_secs(3_600));
    // Two nodes, 20 to 25 s each, less what announces break.
    assert!((220..=360).contains(&net.keep_alives), "{}", net.keep_alives);
    for node in [A, B] {
        net.tell(address(node), ClientEvent::Leave { topic: TOPIC });
    }
    net.run(Duration::from_secs(5));
    net.keep_alives = 0;
    net.run(Duration::from_secs(600));
    assert_eq!(net.keep_alives, 0, "who has left is silent");
}

#[test]
fn a_token_that_is_too_old_costs_a_round_trip_and_no_signal() {
    let mut net = met(1);
    net.run(Duration::from_secs(500));
    // A tracker that was started anew knows no token; it knows B, who has just announced.
    net.names.clear();
    net.add_tracker("t1:59000", address(T1));
    net.tell(address(A), ClientEvent::NetworkChanged);
    net.tell(address(B), ClientEvent::NetworkChanged);
    net.run(Duration::from_secs(1));
    net.run(Duration::from_secs(245));
    let before = net.traffic.datagrams;
    signal(&mut net, "old token");
    assert_eq!(heard(&net).len(), 1);
    assert!(net.traffic.datagrams - before <= 4);
}

#[test]
fn where_udp_is_blocked_signals_go_out_over_tcp() {
    let mut net = Net::new(1);
    net.add_tracker("t1:59000", address(T1));
    net.add_node(address(A), id(1));
    net.add_node(address(B), id(2));
    net.join(address(B), &["t1:59000"], false);
    net.run(Duration::from_secs(1));
    // For A alone: B has an address by UDP already.
    net.udp_blocked.insert(address(T1));
    net.join(address(A), &["t1:59000"], false);
    net.run(Duration::from_secs(9));
    net.udp_blocked.clear();
    signal(&mut net, "over TCP");
    assert_eq!(heard(&net), [b"over TCP"]);
}

/// Two nodes in networks that block UDP; B has been there for a while.
fn met_over_tcp() -> Net {
    let mut net = Net::new(1);
    net.add_tracker("t1:59000", address(T1));
    net.udp_blocked.insert(address(T1));
    for (node, number) in [(B, 2), (A, 1)] {
        net.add_node(address(node), id(number));
        net.join(address(node), &["t1:59000"], true);
        net.run(Duration::from_secs(300));
    }
    net
}

#[test]
fn where_udp_is_blocked_signals_are_pushed_over_tcp() {
    let mut net = met_over_tcp();
    for round in 1..=20 {
        // A NAT forgets a connection after some minutes; what was announced last is older than that.
        net.run(Duration::from_secs(37));
        signal(&mut net, "over TCP");
        assert_eq!(heard(&net).len(), round);
    }
    assert_eq!(net.lines.len(), 2, "one connection each");
    net.keep_alives = 0;
    net.run(Duration::from_secs(3_600));
    // A word over it, and datagrams that find out whether UDP passes again.
    assert!((340..=520).contains(&net.keep_alives), "{}", net.keep_alives);
    for node in [A, B] {
        net.tell(address(node), ClientEvent::Leave { topic: TOPIC });
    }
    net.run(Duration::from_secs(5));
    assert!(net.lines.is_empty(), "who has left hangs up");
}

#[test]
fn a_lost_connection_to_a_tracker_is_opened_again() {
    let mut net = met_over_tcp();
    net.cut_lines();
    net.run(Duration::from_secs(1));
    signal(&mut net, "again");
    assert_eq!(heard(&net), [b"again"]);
    // The tracker is started anew, and knows nobody; a word that has no answer tells.
    net.forget_lines();
    net.run(Duration::from_secs(50 + 10 + 1));
    signal(&mut net, "and again");
    assert_eq!(heard(&net).len(), 2);
}

#[test]
fn where_udp_passes_again_the_connection_is_closed() {
    let mut net = met_over_tcp();
    net.udp_blocked.clear();
    net.run(Duration::from_secs(30));
    assert!(net.lines.is_empty());
    signal(&mut net, "by UDP");
    assert_eq!(heard(&net), [b"by UDP"]);
}

#[test]
fn signals_pass_a_bad_network_when_they_are_repeated() {
    for seed in 0..50 {
        let mut net = met(seed);
        net.faults = Faults { lost: 30, doubled: 20, delay_ms: 500 };
        (0..12).for_each(|_| signal(&mut net, "hello"));
        assert!(!heard(&net).is_empty());
    }
}

#[test]
fn another_network_is_announced_at_once() {
    let mut net = met(1);
    net.run(Duration::from_secs(50));
    let before = net.traffic.datagrams;
    net.tell(address(B), ClientEvent::NetworkChanged);
    net.run(Duration::from_secs(1));
    assert_eq!(net.traffic.datagrams - before, 1);
    // It is told again where it is seen, even if that has not changed.
    assert_eq!(net.nodes[&address(B)].observed, [address(B); 2]);
}

#[test]
fn no_more_signals_go_out_than_trackers_take() {
    let mut net = met(1);
    let before = net.traffic.datagrams;
    for _ in 0..500 {
        let (topic, receiver, sealed) = (TOPIC, id(2), Bytes::from_static(b"flood"));
        net.tell(address(A), ClientEvent::Signal { topic, receiver, sealed });
    }
    let sealed = Bytes::from(vec![0; 901]);
    net.tell(address(A), ClientEvent::Signal { topic: TOPIC, receiver: id(2), sealed });
    assert_eq!(net.traffic.datagrams - before, 100);
}

/// A client that a tracker knows, and what a tracker may push to it.
fn member() -> (TrackerClient, proto::Signal) {
    let mut client = TrackerClient::new(id(1), 7);
    let tracker = TrackerKey::from("t1:59000");
    let trackers = vec![tracker.clone()];
    client.handle_event(
        at(0),
        ClientEvent::Join { topic: TOPIC, trackers, listen_port: 7_000, seed: false },
    );
    let addresses = vec![address(T1)];
    client.handle_event(at(0), ClientEvent::Resolved { tracker, addresses });
    while client.poll().is_some() {}
    let bytes = |id: [u8; 32]| Bytes::copy_from_slice(&id);
    let (topic, sender, receiver) = (bytes(TOPIC.0), bytes(id(2).0), bytes(id(1).0));
    let (sealed, sender_address) =
        (Bytes::from_static(b"x"), Some(codec::encode_address(address(A))));
    (client, proto::Signal { topic, sender, receiver, sealed, sender_address })
}

fn push(client: &mut TrackerClient, from: &str, signal: proto::Signal) -> Option<ClientAction> {
    let body = Some(proto::response::Body::Signal(signal));
    let datagram = proto::Response { transaction: 5, body }.encode_to_vec().into();
    client.handle_event(at(0), ClientEvent::Datagram { from: address(from), datagram });
    client.poll()
}

#[test]
fn only_what_a_tracker_of_ours_says_to_us_is_taken() {
    let (mut client, good) = member();
    let bytes = |number: u8| Bytes::from(vec![number; 32]);
    for bad in [
        proto::Signal { topic: bytes(9), ..good.clone() },
        proto::Signal { receiver: bytes(9), ..good.clone() },
        proto::Signal { sender: good.receiver.clone(), ..good.clone() },
        proto::Signal { sender: Bytes::from_static(b"short"), ..good.clone() },
        proto::Signal { sealed: Bytes::from(vec![0; 901]), ..good.clone() },
    ] {
        assert_eq!(push(&mut client, T1, bad), None);
    }
    assert_eq!(push(&mut client, "192.0.2.66:59000", good.clone()), None, "not a tracker of ours");
    let (topic, sender, sealed) = (TOPIC, id(2), good.sealed.clone());
    let sender_address = Some(address(A));
    let expected = ClientAction::Signal { topic, sender, sender_address, sealed };
    assert_eq!(push(&mut client, T1, good), Some(expected));
}

#[test]
fn a_tracker_cannot_flood_us_with_signals() {
    let (mut client, good) = member();
    let taken = (0..1_000).filter(|_| push(&mut client, T1, good.clone()).is_some()).count();
    assert_eq!(taken, 100);
}
