//! Many ports on one side, many tries on the other.

use super::net::{Net, id, socket_at, udp};
use super::*;
use crate::path::Path;

/// Tells a machine what its NAT does, and that it is at a private address.
fn behind(net: &mut Net, machine: usize, mapping: Mapping) {
    let port = |observer: u16| match mapping {
        Mapping::EndpointDependent => 50_000 + observer,
        _ => udp(machine).port(),
    };
    let place = Candidate::new(CandidateKind::Host, Transport::Udp, at("192.168.1.2:7"));
    net.tell(machine, Event::LocalCandidates { candidates: vec![place] });
    for observer in 1..=2 {
        let address = SocketAddr::new(udp(machine).ip(), port(observer));
        let observer = SocketAddr::new(at("203.0.113.1:0").ip(), observer);
        net.tell(machine, Event::Observed { observer, address, other_port: 0 });
    }
}

/// Machines whose NATs do this, none of which any datagram passes but to and from the many sockets.
fn behind_all(mappings: &[Mapping]) -> Net {
    let mut net = Net::new(mappings.len()).with_relay();
    for (machine, mapping) in mappings.iter().enumerate() {
        net.machines[machine].udp = false;
        behind(&mut net, machine, *mapping);
    }
    net
}

const SYMMETRIC: Mapping = Mapping::EndpointDependent;
const STABLE: Mapping = Mapping::EndpointIndependent;
const RELAYED: Option<Path> = Some(Path::Relayed);

#[test]
fn a_relayed_pair_meets_at_one_of_many_ports() {
    for mappings in [[SYMMETRIC, STABLE], [STABLE, SYMMETRIC]] {
        let mut net = behind_all(&mappings);
        net.want(0, 1);
        net.run(Duration::from_secs(27));
        let drawn = net.drawn();
        let expected = vec![RELAYED, Some(Path::Punched)];
        assert_eq!((net.paths(0), net.paths(1)), (expected.clone(), expected), "{drawn}");
        // The sockets are for the time after the relay, and closed when one is met.
        let order = ["has Relayed", "opens 256 sockets", "by QUIC from socket", "closes them"];
        let places = order.map(|what| drawn.find(what));
        assert!(places.is_sorted() && places[0].is_some(), "{drawn}");
        assert_eq!(drawn.matches("birthday punch: worked").count(), 2, "{drawn}");
        // And then there is peace.
        net.run(Duration::from_secs(3_600));
        assert_eq!(net.drawn(), "");
    }
}

#[test]
fn nats_of_the_same_kind_are_left_to_the_relay() {
    for mappings in [[SYMMETRIC; 2], [STABLE; 2], [SYMMETRIC, Mapping::Unknown]] {
        let mut net = Net::new(2).with_relay();
        for (machine, mapping) in mappings.into_iter().enumerate() {
            net.machines[machine].udp = false;
            if mapping != Mapping::Unknown {
                behind(&mut net, machine, mapping);
            }
        }
        net.want(0, 1);
        net.run(Duration::from_secs(60));
        assert!(!net.drawn().contains("sockets"));
        assert!(net.checks < 200, "{}", net.checks);
    }
}

#[test]
fn nothing_is_sent_to_an_address_that_no_tracker_has_seen_the_peer_at() {
    for mappings in [[SYMMETRIC, STABLE], [STABLE, SYMMETRIC]] {
        let mut net = behind_all(&mappings);
        net.vouches = false;
        net.want(0, 1);
        net.run(Duration::from_secs(60));
        assert!(!net.drawn().contains("sockets"));
        assert!(net.checks < 200, "{}", net.checks);
    }
}

#[test]
fn a_tracker_that_sees_two_ports_gives_a_symmetric_nat_away() {
    for (port, mapping) in [(7, STABLE), (8, SYMMETRIC)] {
        let mut traversal = NatTraversal::new(id(0), [1; 32]);
        let (observer, other) = (at("203.0.113.1:59000"), at("203.0.113.1:59001"));
        let address = SocketAddr::new(udp(0).ip(), 7);
        let other_port = other.port();
        traversal.handle_event(ms(0), Event::Observed { observer, address, other_port });
        let Some(Action::SendStun { to, datagram }) = traversal.poll() else { panic!() };
        assert_eq!((to, traversal.mapping()), (other, Mapping::Unknown));
        let seen = SocketAddr::new(udp(0).ip(), port);
        let (_, datagram) = crate::tracker::stun::answer(&datagram, seen, false).unwrap();
        traversal.handle_event(ms(20), Event::Stun { from: other, datagram });
        assert_eq!((traversal.mapping(), traversal.poll_timeout()), (mapping, None));
    }
}

#[test]
fn what_is_tried_is_bounded_and_comes_back_ever_less_often() {
    let mut net = behind_all(&[SYMMETRIC, STABLE]);
    // Nothing is ever met: the ports that the peer's NAT opens are closed at once.
    net.want(0, 1);
    net.run(Duration::from_secs(2));
    let start = net.now;
    let mut rates = Vec::new();
    while net.now - start < Duration::from_secs(3_600) {
        let before = net.checks;
        net.machines[0].sockets.clear();
        net.run(Duration::from_millis(10));
        rates.push(net.checks - before);
    }
    let drawn = net.drawn();
    // After 1, 3, 7, 15, 31 min; each attempt has 512 checks of one side, 2,000 of the other.
    let birthdays = drawn.matches("opens 256 sockets").count();
    assert!((5..=7).contains(&birthdays), "{drawn}");
    assert!(net.checks <= birthdays * (512 + 2_000 + 200), "{}", net.checks);
    // Each side sends one check in 10 ms, and a few of the usual ones.
    let worst = rates.windows(100).map(|second| second.iter().sum::<usize>()).max();
    assert!(worst <= Some(260), "{worst:?}");
    assert!(drawn.contains("birthday punch: no answer in time"), "{drawn}");
}

#[test]
fn a_node_has_one_at_a_time() {
    let mut net = behind_all(&[SYMMETRIC, STABLE, STABLE]);
    net.want(0, 1);
    net.want(0, 2);
    net.run(Duration::from_secs(4));
    let drawn = net.drawn();
    assert_eq!(drawn.matches("opens 256 sockets").count(), 1, "{drawn}");
    net.run(Duration::from_secs(26));
    assert_eq!(net.drawn().matches("opens 256 sockets").count(), 1);
    for peer in 1..3 {
        assert_eq!(net.paths(peer), [RELAYED, Some(Path::Punched)]);
    }
}

#[test]
fn with_few_sockets_it_is_not_tried() {
    let mut net = behind_all(&[SYMMETRIC, STABLE]);
    net.machines[0].sockets_max = 63;
    net.want(0, 1);
    net.run(Duration::from_secs(30));
    let drawn = net.drawn();
    assert!(drawn.contains("closes them") && drawn.contains("birthday punch: failed"), "{drawn}");
    assert_eq!(net.paths(1), [RELAYED, None]);
    assert!(net.checks < 200, "{}", net.checks);
}

#[test]
fn a_datagram_without_proof_or_from_elsewhere_is_no_find() {
    let mut net = behind_all(&[SYMMETRIC, STABLE]);
    net.want(0, 1);
    while !net.drawn().contains("opens 256 sockets") {
        net.run(Duration::from_millis(10));
    }
    let forged = Bytes::copy_from_slice(&crate::tracker::stun::request(&[7; 12]));
    for datagram in [forged, Bytes::from_static(b"hello"), Bytes::new()] {
        net.tell(0, Event::StunAt { socket: 0, from: udp(1), datagram });
    }
    let unasked = Event::StunAt { socket: 9, from: socket_at(1, 0), datagram: Bytes::new() };
    net.tell(1, unasked);
    net.tell(1, Event::SocketsOpened { count: 256 });
    assert_eq!(net.drawn(), "");
}

#[test]
fn sockets_are_closed_when_the_peer_is_wanted_no_more() {
    let mut net = behind_all(&[SYMMETRIC, STABLE]);
    net.want(0, 1);
    while !net.drawn().contains("opens 256 sockets") {
        net.run(Duration::from_millis(10));
    }
    net.tell(0, Event::Unwant { topic: CONTENT.topic(), peer: id(1) });
    assert!(net.drawn().contains("closes them"));
}
