//! The client against servers, good, lost and hostile.

use bytes::Bytes;
use peerit_proto::Message;
use peerit_proto::tracker::v1 as proto;
use proptest::prelude::*;

use super::super::{ClientAction, ClientEvent, TrackerClient, TrackerKey};
use super::net::{Faults, Net, Traffic};
use super::*;

const T1: &str = "192.0.2.1:59000";
const T2: &str = "192.0.2.2:59000";
const A: &str = "198.51.100.1:4000";
const B: &str = "198.51.100.2:4000";

/// Two nodes and a tracker.
fn pair(seed: u64) -> Net {
    let mut net = Net::new(seed);
    net.add_tracker("t1:59000", address(T1));
    net.add_node(address(A), id(1));
    net.add_node(address(B), id(2));
    net
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn dial(node: &str) -> SocketAddr {
    SocketAddr::new(address(node).ip(), 7_000)
}

#[test]
fn two_peers_meet_in_three_round_trips() {
    let mut net = pair(1);
    net.join(address(A), &["t1:59000"], true);
    net.run(seconds(1));
    assert_eq!(net.traffic, Traffic { datagrams: 2, exchanges: 0, lookups: 1 });
    net.join(address(B), &["t1:59000"], false);
    net.run(seconds(1));
    let (a, b) = (&net.nodes[&address(A)], &net.nodes[&address(B)]);
    assert_eq!(b.known(), [dial(A)].into());
    assert_eq!(b.observed, [address(B)]);
    assert_eq!(a.observed, [address(A)]);
    let status = &b.client.status(TOPIC)[0];
    assert_eq!((status.reachable, status.seeds, status.leeches), (true, 1, 1));
    assert_eq!((status.tracker.as_str(), status.problem.as_str()), ("t1:59000", ""));
}

#[test]
fn peers_dial_a_mapped_port_where_the_tracker_sees_the_router() {
    let mapped = |ip: &str| {
        let external = Some(SocketAddr::new(ip.parse().unwrap(), 9_000));
        ClientEvent::Mapped { external }
    };
    let there = address(A).ip();
    for (event, port) in [(mapped(&there.to_string()), 9_000), (mapped("203.0.113.9"), 7_000)] {
        for is_late in [false, true] {
            let mut net = pair(1);
            if !is_late {
                net.tell(address(A), event.clone());
            }
            net.join(address(A), &["t1:59000"], true);
            // Where it is seen is known only once it has been announced.
            net.run(seconds(11));
            if is_late {
                net.tell(address(A), event.clone());
                net.run(seconds(1));
            }
            net.join(address(B), &["t1:59000"], false);
            net.run(seconds(1));
            let known = net.nodes[&address(B)].known();
            assert_eq!(known, [SocketAddr::new(there, port)].into(), "{is_late} {event:?}");
        }
    }
}

#[test]
fn a_port_that_is_the_same_outside_is_not_announced_again() {
    let mut net = pair(1);
    net.join(address(A), &["t1:59000"], true);
    net.run(seconds(1));
    let before = net.traffic;
    let external = Some(dial(A));
    net.tell(address(A), ClientEvent::Mapped { external });
    net.tell(address(A), ClientEvent::Mapped { external: None });
    assert_eq!(net.traffic, before);
}

#[test]
fn peers_meet_over_a_bad_network() {
    for seed in 0..100 {
        let mut net = pair(seed);
        net.faults = Faults { lost: 30, doubled: 20, delay_ms: 1_500 };
        net.join(address(A), &["t1:59000"], false);
        net.join(address(B), &["t1:59000"], false);
        net.run(seconds(180));
        assert_eq!(net.size(address(T1)), (0, 2));
        assert!(net.nodes[&address(A)].known().contains(&dial(B)));
        assert!(net.nodes[&address(B)].known().contains(&dial(A)));
        net.faults = Faults::default();
        // An older announce that comes later would be the last word until the next one.
        net.run(seconds(2));
        net.tell(address(A), ClientEvent::Completed { topic: TOPIC });
        net.run(seconds(30));
        assert_eq!(net.size(address(T1)), (1, 1));
        net.tell(address(A), ClientEvent::Leave { topic: TOPIC });
        net.tell(address(B), ClientEvent::Leave { topic: TOPIC });
        net.run(seconds(30));
        assert_eq!(net.size(address(T1)), (0, 0));
        assert!(net.nodes.values().all(|node| node.client.is_idle()));
        assert!(net.nodes.values().all(|node| node.client.poll_timeout().is_none()));
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = || {
        let mut net = pair(5);
        net.faults = Faults { lost: 30, doubled: 20, delay_ms: 1_500 };
        net.join(address(A), &["t1:59000", "nowhere:1"], false);
        net.run(seconds(3_600));
        net.traffic
    };
    assert_eq!(run(), run());
}

#[test]
fn a_lonely_leech_asks_more_often_at_first() {
    let mut net = pair(1);
    // Somebody was there before, so that the tracker is no longer young.
    net.join(address(B), &["t1:59000"], false);
    net.run(seconds(1));
    net.tell(address(B), ClientEvent::Leave { topic: TOPIC });
    net.run(seconds(120));
    net.join(address(A), &["t1:59000"], false);
    net.run(seconds(1));
    let mut announces = Vec::new();
    for second in 1..=600 {
        let before = net.traffic.datagrams;
        net.run(seconds(1));
        if net.traffic.datagrams > before {
            announces.push(second);
        }
    }
    // After 10, 20, 40 and 80 s, then every 120 s; each up to a tenth early.
    let gaps: Vec<u64> = announces.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((9..=10).contains(&announces[0]), "{announces:?}");
    for (gap, expected) in gaps.iter().zip([20, 40, 80, 120, 120]) {
        assert!((expected * 9 / 10 - 1..=expected + 1).contains(gap), "{gaps:?}");
    }
    assert_eq!(net.size(address(T1)), (0, 1));
}

#[test]
fn a_dead_tracker_costs_a_retry_with_backoff_and_no_more() {
    let mut net = pair(1);
    net.add_tracker("dead:1", address(T2));
    net.down.insert(address(T2));
    // A topic more or less makes no difference to a dead tracker.
    for topic in 0..100 {
        let trackers = vec![TrackerKey::from("dead:1")];
        let topic = Topic([topic; 32]);
        net.tell(address(A), ClientEvent::Join { topic, trackers, listen_port: 7_000, seed: true });
    }
    net.run(seconds(24 * 3_600));
    // Two a minute at first, then one every 7.5 to 15 minutes: 96 to 192 a day, and the first
    // dozen.
    let Traffic { datagrams, exchanges, lookups } = net.traffic;
    assert!((96..=210).contains(&exchanges), "{exchanges}");
    // The first time it is asked over TCP twice.
    assert_eq!(datagrams, 3 * (exchanges - 1));
    assert!(lookups <= exchanges + 1);
    let status = net.nodes[&address(A)].client.status(Topic([0; 32]));
    assert_eq!((status[0].reachable, status[0].problem.as_str()), (false, "no answer"));
}

#[test]
fn a_dead_tracker_does_not_hold_up_a_living_one() {
    let mut net = pair(1);
    net.add_tracker("dead:1", address(T2));
    net.down.insert(address(T2));
    net.join(address(A), &["dead:1", "nowhere:1", "t1:59000"], true);
    net.join(address(B), &["dead:1", "nowhere:1", "t1:59000"], false);
    net.run(seconds(1));
    assert_eq!(net.nodes[&address(B)].known(), [dial(A)].into());
    net.run(seconds(10));
    let status = net.nodes[&address(B)].client.status(TOPIC);
    let problems: Vec<_> = status.iter().map(|status| status.problem.as_str()).collect();
    assert_eq!(problems, ["no answer", "no such name", ""]);
    // Whoever is dead is not told goodbye.
    net.tell(address(B), ClientEvent::Leave { topic: TOPIC });
    net.run(seconds(1));
    assert!(net.nodes[&address(B)].client.is_idle());
}

#[test]
fn all_trackers_are_used() {
    let mut net = pair(1);
    net.add_tracker("t2:59000", address(T2));
    net.join(address(A), &["t1:59000", "t2:59000"], true);
    net.join(address(B), &["t2:59000"], true);
    net.run(seconds(1));
    assert_eq!((net.size(address(T1)), net.size(address(T2))), ((1, 0), (2, 0)));
}

#[test]
fn a_tracker_that_comes_back_is_found_at_its_new_address() {
    let mut net = pair(1);
    net.join(address(A), &["t1:59000"], true);
    net.run(seconds(1));
    // It moves: another machine, another secret, an empty table.
    net.down.insert(address(T1));
    net.run(seconds(1_200));
    net.names.clear();
    net.add_tracker("t1:59000", address(T2));
    net.run(seconds(900));
    assert_eq!(net.size(address(T2)), (1, 0));
    assert!(net.nodes[&address(A)].client.status(TOPIC)[0].reachable);
    // And back.
    net.down.insert(address(T2));
    net.run(seconds(1_200));
    net.down.clear();
    net.names.insert("t1:59000".into(), vec![address(T1)]);
    net.servers.remove(&address(T2));
    net.run(seconds(900));
    assert_eq!(net.size(address(T1)), (1, 0));
}

#[test]
fn a_restarted_tracker_is_refilled_within_a_keep_alive() {
    let mut net = pair(1);
    net.join(address(A), &["t1:59000"], true);
    net.run(seconds(60));
    net.names.clear();
    net.add_tracker("t1:59000", address(T1));
    assert_eq!(net.size(address(T1)), (0, 0));
    net.run(seconds(26));
    assert_eq!(net.size(address(T1)), (1, 0));
    assert_eq!(net.traffic.lookups, 1, "it was never lost");
}

#[test]
fn a_tracker_that_was_given_up_is_refilled_within_a_keep_alive() {
    let mut net = pair(1);
    net.join(address(A), &["t1:59000"], true);
    net.run(seconds(1));
    // For so long that it is asked every quarter of an hour.
    net.down.insert(address(T1));
    net.run(seconds(2 * 3_600));
    assert!(!net.nodes[&address(A)].client.status(TOPIC)[0].reachable);
    net.down.clear();
    net.names.clear();
    net.add_tracker("t1:59000", address(T1));
    net.run(seconds(26));
    assert_eq!(net.size(address(T1)), (1, 0));
}

#[test]
fn a_leech_hears_of_seeds_soon_after_a_restart() {
    for seed in 0..40 {
        let mut net = pair(seed);
        for (node, is_seed) in [(A, true), (B, false)] {
            net.join(address(node), &["t1:59000"], is_seed);
        }
        net.run(seconds(900));
        net.names.clear();
        net.add_tracker("t1:59000", address(T1));
        let leech = net.nodes.get_mut(&address(B)).unwrap();
        leech.peers.clear();
        net.run(seconds(120 + 30 + 1));
        assert!(net.nodes[&address(B)].known().contains(&dial(A)));
    }
}

#[test]
fn where_udp_is_blocked_tcp_is_used() {
    let mut net = pair(1);
    net.udp_blocked.insert(address(T1));
    net.join(address(A), &["t1:59000"], true);
    net.run(seconds(2));
    assert_eq!(net.size(address(T1)), (1, 0), "the user does not wait for UDP");
    net.run(seconds(6));
    assert_eq!(net.traffic, Traffic { datagrams: 3, exchanges: 2, lookups: 1 });
    assert!(net.nodes[&address(A)].observed.is_empty(), "TCP sees another socket");
    // At once the next times, until UDP is tried again.
    net.run(seconds(13 * 60));
    assert_eq!(net.traffic.datagrams, 3);
    net.udp_blocked.clear();
    net.run(seconds(5 * 60));
    assert_eq!(net.nodes[&address(A)].observed, [address(A)]);
    let exchanges = net.traffic.exchanges;
    net.run(seconds(60 * 60));
    assert_eq!(net.traffic.exchanges, exchanges);
}

#[test]
fn where_tcp_is_blocked_a_lost_datagram_is_sent_again() {
    let (mut client, transaction) = asking();
    client.handle_timeout(at(1));
    assert_eq!(sent(&mut client), transaction, "the first one was lost");
    let from = address(T1);
    let actions: Vec<_> = std::iter::from_fn(|| client.poll()).collect();
    let by_tcp = |action: &ClientAction| matches!(action, ClientAction::SendStream { .. });
    assert!(actions.iter().any(by_tcp), "TCP is tried beside it: {actions:?}");
    let datagram =
        reply(transaction, proto::AnnounceReply { interval_ms: 60_000, ..Default::default() });
    client.handle_event(at(2), ClientEvent::Datagram { from, datagram });
    client.handle_event(at(3), ClientEvent::StreamLost { to: from });
    let announces = |action: ClientAction| {
        let ClientAction::Send { datagram, .. } = action else { return false };
        let body = proto::Request::decode(datagram).unwrap().body;
        matches!(body, Some(proto::request::Body::Announce(_)))
    };
    let again = (3..=62).any(|second| {
        client.handle_timeout(at(second));
        std::iter::from_fn(|| client.poll()).any(announces)
    });
    assert!(again, "it is announced again");
}

#[test]
fn both_families_of_a_name_are_used() {
    let mut net = pair(1);
    let v6 = address("[2001:db8::1]:59000");
    net.add_tracker("t1:59000", v6);
    net.join(address(A), &["t1:59000"], true);
    net.run(seconds(1));
    assert_eq!((net.size(address(T1)), net.size(v6)), ((1, 0), (1, 0)));
    // One of them is enough.
    net.down.insert(v6);
    net.run(seconds(300));
    let status = &net.nodes[&address(A)].client.status(TOPIC)[0];
    assert_eq!((status.reachable, status.seeds, status.problem.as_str()), (true, 1, ""));
}

#[test]
fn many_topics_at_once_do_not_flood_the_tracker() {
    let mut net = pair(1);
    for topic in 0..200 {
        let trackers = vec![TrackerKey::from("t1:59000")];
        let topic = Topic([topic; 32]);
        net.tell(address(A), ClientEvent::Join { topic, trackers, listen_port: 7_000, seed: true });
    }
    net.run(seconds(10));
    // One asked for the token, for all.
    assert_eq!(net.traffic.datagrams, 201);
    for topic in 0..200 {
        assert!(net.nodes[&address(A)].client.status(Topic([topic; 32]))[0].reachable);
    }
}

#[test]
fn a_swarm_can_be_joined_again_at_once() {
    let mut net = pair(1);
    net.join(address(A), &["t1:59000"], false);
    net.run(seconds(1));
    net.tell(address(A), ClientEvent::Leave { topic: TOPIC });
    net.join(address(A), &["t1:59000"], true);
    net.run(seconds(1));
    assert_eq!(net.size(address(T1)), (1, 0));
    net.tell(address(A), ClientEvent::Leave { topic: TOPIC });
    net.run(seconds(1));
    assert_eq!(net.size(address(T1)), (0, 0));
}

/// A client that waits for an answer, and the transaction it waits for.
fn asking() -> (TrackerClient, u64) {
    let mut client = TrackerClient::new(id(1), 7);
    let tracker = TrackerKey::from("t1:59000");
    let trackers = vec![tracker.clone()];
    let join = ClientEvent::Join { topic: TOPIC, trackers, listen_port: 7_000, seed: false };
    client.handle_event(at(0), join);
    assert_eq!(client.poll(), Some(ClientAction::Resolve { tracker: tracker.clone() }));
    let addresses = vec![address(T1)];
    client.handle_event(at(0), ClientEvent::Resolved { tracker, addresses });
    let transaction = sent(&mut client);
    (client, transaction)
}

fn sent(client: &mut TrackerClient) -> u64 {
    match client.poll() {
        Some(ClientAction::Send { datagram, .. }) => {
            proto::Request::decode(datagram).unwrap().transaction
        }
        other => panic!("{other:?}"),
    }
}

fn reply(transaction: u64, reply: proto::AnnounceReply) -> Bytes {
    let body = Some(proto::response::Body::AnnounceReply(reply));
    proto::Response { transaction, body }.encode_to_vec().into()
}

fn peer(number: u8, ip: [u8; 4]) -> proto::Peer {
    let address = super::super::codec::encode_address(SocketAddr::from((ip, 7_000)));
    let peer_id = Bytes::copy_from_slice(&id(number).0);
    proto::Peer { peer_id, address: Some(address), seed: false }
}

#[test]
fn answers_nobody_asked_for_are_dropped() {
    let (mut client, transaction) = asking();
    let good = reply(
        transaction,
        proto::AnnounceReply { attended: false, seeds: 5, ..Default::default() },
    );
    for (from, datagram) in [
        (T2, good.clone()),
        ("192.0.2.1:59001", good.clone()),
        (T1, reply(transaction ^ 1, proto::AnnounceReply::default())),
        (T1, Bytes::new()),
    ] {
        client.handle_event(at(0), ClientEvent::Datagram { from: address(from), datagram });
        assert_eq!(client.poll(), None);
        assert!(!client.status(TOPIC)[0].reachable);
    }
    let from = address(T1);
    client.handle_event(at(0), ClientEvent::Datagram { from, datagram: good.clone() });
    assert_eq!(client.status(TOPIC)[0].seeds, 5);
    // Not twice either.
    let next = client.poll_timeout();
    client.handle_event(at(5), ClientEvent::Datagram { from, datagram: good });
    assert_eq!(client.poll_timeout(), next);
}

#[test]
fn a_hostile_tracker_makes_nothing_grow_or_hurry() {
    let (mut client, transaction) = asking();
    let mut peers: Vec<_> = (0..=255).map(|number| peer(number, [203, 0, 113, number])).collect();
    peers[0] = peer(1, [203, 0, 113, 0]);
    peers[2] = peer(2, [127, 0, 0, 1]);
    peers[3] = peer(3, [224, 0, 0, 1]);
    peers[4].peer_id = Bytes::from_static(b"short");
    peers[5].address = None;
    let answer = |interval_ms, peers| proto::AnnounceReply {
        interval_ms,
        seeds: u32::MAX,
        leeches: u32::MAX,
        peers,
        observed: None,
        attended: false,
        other_port: u32::MAX,
    };
    let too_long = reply(transaction, answer(0, peers.clone()));
    let from = address(T1);
    client.handle_event(at(0), ClientEvent::Datagram { from, datagram: too_long });
    assert_eq!(client.poll(), None, "more than a response may have");
    peers.truncate(60);
    let long = reply(transaction, answer(0, peers));
    client.handle_event(at(0), ClientEvent::Datagram { from, datagram: long });
    let Some(ClientAction::Peers { addresses, .. }) = client.poll() else { panic!() };
    // 50, less ourselves twice, this machine, a group, no id, no address.
    assert_eq!(addresses.len(), 44);
    // An interval of 0 is 10 s, one of 49 days is 1 h, each up to a tenth early.
    assert!((at(9)..=at(10)).contains(&client.poll_timeout().unwrap()));
    client.handle_timeout(at(10));
    let datagram = reply(sent(&mut client), answer(u32::MAX, Vec::new()));
    client.handle_event(at(10), ClientEvent::Datagram { from, datagram });
    assert!((at(3_250)..=at(3_610)).contains(&client.poll_timeout().unwrap()));
}

#[test]
fn a_tracker_that_never_takes_its_own_token_counts_as_dead() {
    let (mut client, mut transaction) = asking();
    for round in 1..=4 {
        let token = Bytes::from_static(&[1; 16]);
        let body = Some(proto::response::Body::Token(proto::Token { token }));
        let datagram = proto::Response { transaction, body }.encode_to_vec().into();
        client.handle_event(at(0), ClientEvent::Datagram { from: address(T1), datagram });
        if round < 4 {
            transaction = sent(&mut client);
        }
    }
    assert_eq!(client.poll(), None);
    assert_eq!(client.status(TOPIC)[0].problem, "takes no token of its own");
    assert!(client.poll_timeout().unwrap() >= at(5));
}

#[test]
fn an_answer_of_another_kind_does_not_lose_the_request() {
    let (mut client, transaction) = asking();
    let body = Some(proto::response::Body::ScrapeReply(proto::ScrapeReply::default()));
    let datagram = proto::Response { transaction, body }.encode_to_vec().into();
    client.handle_event(at(0), ClientEvent::Datagram { from: address(T1), datagram });
    client.handle_event(at(0), ClientEvent::StreamLost { to: address(T1) });
    assert_eq!(client.poll_timeout(), Some(at(1)));
    client.handle_timeout(at(1));
    assert_eq!(sent(&mut client), transaction);
}

#[test]
fn what_is_no_response_ends_the_connection() {
    let (mut client, _) = asking();
    let mut actions = Vec::new();
    for second in 1..3 {
        client.handle_timeout(at(second));
        actions.extend(std::iter::from_fn(|| client.poll()));
    }
    let to = address(T1);
    let is_asked = |action: &ClientAction| matches!(action, ClientAction::SendStream { to: at, .. } if *at == to);
    assert!(actions.iter().any(is_asked), "{actions:?}");
    let message = Bytes::from_static(&[0xff; 40]);
    client.handle_event(at(3), ClientEvent::StreamMessage { from: to, message });
    assert_eq!(client.poll(), Some(ClientAction::CloseStream { to }));
}

#[test]
fn a_full_tracker_is_reachable_and_says_so() {
    let (mut client, transaction) = asking();
    let refusal = proto::Refusal { reason: proto::RefusalReason::Full.into() };
    let body = Some(proto::response::Body::Refusal(refusal));
    let datagram = proto::Response { transaction, body }.encode_to_vec().into();
    client.handle_event(at(0), ClientEvent::Datagram { from: address(T1), datagram });
    let status = &client.status(TOPIC)[0];
    assert_eq!((status.reachable, status.problem.as_str()), (true, "tracker is full"));
    assert_eq!(client.poll_timeout(), Some(at(120)));
}

proptest! {
    #[test]
    fn garbage_changes_nothing(garbage in proptest::collection::vec(any::<u8>(), 0..1_500)) {
        let (mut client, transaction) = asking();
        let mut answer = reply(transaction, proto::AnnounceReply::default()).to_vec();
        answer.extend(&garbage);
        for datagram in [garbage, answer] {
            let datagram = Bytes::from(datagram);
            let event = ClientEvent::Datagram { from: address(T1), datagram };
            client.handle_event(at(0), event);
            while let Some(action) = client.poll() {
                let answered = matches!(action, ClientAction::Peers { .. } | ClientAction::Observed { .. });
                prop_assert!(answered);
            }
        }
        prop_assert!(client.poll_timeout().is_some());
    }
}
