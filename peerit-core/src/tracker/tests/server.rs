//! The server alone.

use std::collections::BTreeSet;

use bytes::Bytes;
use peerit_proto::Message;
use peerit_proto::tracker::v1 as proto;
use proptest::prelude::*;
use proto::request::Body as RequestBody;
use proto::response::Body as ResponseBody;

use super::super::codec;
use super::super::relay::{RelayOpen, RelaySide, RelayToken};
use super::super::stun::AnswerFrom;
use super::super::{
    PEERS_WANTED_MAX, ServerAction, ServerConfig, ServerEvent, TrackerServer, stun,
};
use super::*;

struct Fixture {
    server: TrackerServer,
    now: Timestamp,
    transaction: u64,
}

impl Fixture {
    fn new(config: ServerConfig) -> Self {
        Self { server: TrackerServer::new(config, [9; 32]), now: at(1_000), transaction: 0 }
    }

    fn datagram(&mut self, from: SocketAddr, datagram: impl Into<Bytes>) -> Option<ServerAction> {
        let datagram = datagram.into();
        self.server.handle_event(self.now, ServerEvent::Datagram { from, datagram });
        let action = self.server.poll();
        assert_eq!(self.server.poll(), None, "one action per event");
        action
    }

    fn ask(&mut self, from: SocketAddr, token: Bytes, body: RequestBody) -> Option<ResponseBody> {
        self.transaction += 1;
        let request = proto::Request {
            transaction: self.transaction,
            token,
            body: Some(body),
            padding: Bytes::new(),
        };
        match self.datagram(from, request.encode_to_vec())? {
            ServerAction::Send { to, datagram } if to == from => {
                assert!(datagram.len() <= 1_200);
                let response = proto::Response::decode(datagram).unwrap();
                assert_eq!(response.transaction, self.transaction);
                response.body
            }
            other => panic!("{other:?}"),
        }
    }

    fn token(&mut self, from: SocketAddr) -> Bytes {
        match self.ask(from, Bytes::new(), RequestBody::Announce(announce(id(1)))) {
            Some(ResponseBody::Token(proto::Token { token })) => token,
            other => panic!("{other:?}"),
        }
    }

    fn ask_with_token(&mut self, from: SocketAddr, body: RequestBody) -> Option<ResponseBody> {
        let token = self.token(from);
        self.ask(from, token, body)
    }

    fn announce(&mut self, from: SocketAddr, announce: proto::Announce) -> proto::AnnounceReply {
        match self.ask_with_token(from, RequestBody::Announce(announce)) {
            Some(ResponseBody::AnnounceReply(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn refused(&mut self, from: SocketAddr, body: RequestBody) -> proto::RefusalReason {
        match self.ask_with_token(from, body) {
            Some(ResponseBody::Refusal(refusal)) => refusal.reason(),
            other => panic!("{other:?}"),
        }
    }

    fn size(&mut self, topic: Topic) -> (u32, u32) {
        let topics = vec![Bytes::copy_from_slice(&topic.0)];
        let body = RequestBody::Scrape(proto::Scrape { topics });
        match self.ask_with_token(address("203.0.113.99:1"), body) {
            Some(ResponseBody::ScrapeReply(reply)) => {
                (reply.swarms[0].seeds, reply.swarms[0].leeches)
            }
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }
}

impl Default for Fixture {
    fn default() -> Self {
        Self::new(ServerConfig::default())
    }
}

fn announce(peer: PeerId) -> proto::Announce {
    proto::Announce {
        topic: Bytes::copy_from_slice(&TOPIC.0),
        peer_id: Bytes::copy_from_slice(&peer.0),
        listen_port: 7_000,
        event: 0,
        seed: false,
        peers_wanted: 50,
        attend: false,
    }
}

fn stopped(peer: PeerId) -> proto::Announce {
    proto::Announce { event: proto::AnnounceEvent::Stopped.into(), ..announce(peer) }
}

fn seed(peer: PeerId) -> proto::Announce {
    proto::Announce { seed: true, ..announce(peer) }
}

/// A different IPv4 host for each number.
fn host(number: u32) -> SocketAddr {
    SocketAddr::new(std::net::Ipv4Addr::from(0x0a00_0000 + number).into(), 4_000)
}

fn ids(reply: &proto::AnnounceReply) -> Vec<u8> {
    let mut ids: Vec<u8> = reply.peers.iter().map(|peer| peer.peer_id[0]).collect();
    ids.sort_unstable();
    ids
}

fn dialled(reply: &proto::AnnounceReply) -> Vec<SocketAddr> {
    let address = |peer: &proto::Peer| peer.address.as_ref().unwrap().clone();
    let decode = |peer: &proto::Peer| super::super::codec::decode_address(&address(peer)).unwrap();
    reply.peers.iter().map(decode).collect()
}

#[test]
fn peers_learn_of_each_other_and_of_their_own_address() {
    let mut f = Fixture::default();
    let first = f.announce(address("198.51.100.1:4000"), announce(id(1)));
    assert_eq!((first.seeds, first.leeches), (0, 1));
    assert!(first.peers.is_empty(), "the asker is left out");
    let second = f.announce(address("198.51.100.2:4000"), seed(id(2)));
    assert_eq!((second.seeds, second.leeches), (1, 1));
    assert_eq!(dialled(&second), [address("198.51.100.1:7000")]);
    assert!(!second.peers[0].seed);
    let observed = super::super::codec::decode_address(&second.observed.unwrap());
    assert_eq!(observed, Some(address("198.51.100.2:4000")));
}

#[test]
fn a_young_tracker_is_asked_more_often() {
    let interval = |f: &mut Fixture| f.announce(host(1), announce(id(1))).interval_ms;
    let mut f = Fixture::default();
    assert_eq!(interval(&mut f), 30_000);
    f.pass(119);
    assert_eq!(interval(&mut f), 30_000);
    f.pass(1);
    assert_eq!(interval(&mut f), 120_000);
    f.pass(10_000);
    assert_eq!(interval(&mut f), 120_000, "also when nobody was left");
    let brief = ServerConfig { interval: Duration::from_secs(20), ..ServerConfig::default() };
    assert_eq!(interval(&mut Fixture::new(brief)), 20_000);
}

#[test]
fn seeds_are_told_of_leeches_only() {
    let mut f = Fixture::default();
    f.announce(host(1), seed(id(1)));
    f.announce(host(2), announce(id(2)));
    assert_eq!(ids(&f.announce(host(3), seed(id(3)))), [2]);
    assert_eq!(ids(&f.announce(host(4), announce(id(4)))), [1, 2, 3]);
    assert_eq!(ids(&f.announce(host(2), seed(id(2)))), [4], "a leech that completed");
    assert_eq!(f.size(TOPIC), (3, 1));
}

#[test]
fn peers_that_take_no_connections_are_counted_but_not_told_of() {
    let mut f = Fixture::default();
    f.announce(host(1), proto::Announce { listen_port: 0, ..announce(id(1)) });
    let reply = f.announce(host(2), announce(id(2)));
    assert_eq!((reply.leeches, reply.peers.len()), (2, 0));
}

#[test]
fn peers_expire_after_two_and_a_half_intervals() {
    let mut f = Fixture::default();
    f.announce(host(1), announce(id(1)));
    f.pass(100);
    f.announce(host(2), announce(id(2)));
    assert_eq!(f.server.poll_timeout(), Some(at(1_300)));
    f.pass(199);
    assert_eq!(f.size(TOPIC), (0, 2));
    f.pass(1);
    f.server.handle_timeout(f.now);
    assert_eq!(f.server.poll_timeout(), Some(at(1_400)));
    assert_eq!(f.size(TOPIC), (0, 1));
    f.pass(100);
    f.server.handle_timeout(f.now);
    assert_eq!(f.server.poll_timeout(), None);
    assert_eq!(f.size(TOPIC), (0, 0));
}

#[test]
fn a_peer_that_stops_is_gone() {
    let mut f = Fixture::default();
    f.announce(host(1), announce(id(1)));
    f.announce(host(2), announce(id(2)));
    let reply = f.announce(host(1), stopped(id(1)));
    assert_eq!((reply.leeches, reply.peers.len()), (1, 0));
    f.announce(host(3), stopped(id(2)));
    assert_eq!(f.size(TOPIC), (0, 1), "nobody else can take a peer out");
}

#[test]
fn a_peer_keeps_its_last_four_addresses() {
    let mut f = Fixture::default();
    let from = ["198.51.100.1:1", "[2001:db8:1::1]:1", "198.51.100.2:1", "198.51.100.3:1"];
    for from in from {
        f.announce(address(from), announce(id(1)));
        f.pass(1);
    }
    assert_eq!(f.announce(host(2), announce(id(2))).leeches, 2);
    // Of the asker's family first, the newest first.
    let expected =
        ["198.51.100.3:7000", "198.51.100.2:7000", "198.51.100.1:7000", "[2001:db8:1::1]:7000"];
    assert_eq!(dialled(&f.announce(host(2), announce(id(2)))), expected.map(address));
    // The same host again takes the place of its old entry; a fifth host that of the oldest.
    f.announce(address("198.51.100.1:9"), announce(id(1)));
    f.pass(1);
    f.announce(address("198.51.100.4:1"), announce(id(1)));
    let expected =
        ["198.51.100.4:7000", "198.51.100.1:7000", "198.51.100.3:7000", "198.51.100.2:7000"];
    assert_eq!(dialled(&f.announce(host(2), announce(id(2)))), expected.map(address));
}

#[test]
fn addresses_expire_one_by_one() {
    let mut f = Fixture::default();
    f.announce(address("[2001:db8:1::1]:1"), announce(id(1)));
    f.pass(200);
    f.announce(address("198.51.100.1:1"), announce(id(1)));
    f.pass(100);
    let reply = f.announce(host(2), announce(id(2)));
    assert_eq!(dialled(&reply), [address("198.51.100.1:7000")]);
}

#[test]
fn every_peer_comes_before_the_second_address_of_any() {
    let mut f = Fixture::default();
    for number in 1..=30 {
        f.announce(host(number), announce(id(number.try_into().unwrap())));
        f.announce(host(1_000 + number), announce(id(number.try_into().unwrap())));
    }
    let reply = f.announce(host(2_000), announce(id(100)));
    let different: BTreeSet<u8> = ids(&reply).into_iter().collect();
    assert_eq!(different.len(), reply.peers.len());
    assert!(reply.peers.len() >= 20, "{}", reply.peers.len());
}

#[test]
fn every_peer_is_told_of_as_often() {
    let mut f = Fixture::default();
    for number in 1..=40 {
        let peer = id(number.try_into().unwrap());
        f.announce(host(number), if number % 2 == 0 { seed(peer) } else { announce(peer) });
    }
    let mut told = [0; 41];
    for _ in 0..1_000 {
        let asker = proto::Announce { peers_wanted: 10, ..announce(id(1)) };
        let reply = f.announce(host(1), asker);
        assert_eq!(reply.peers.len(), 10);
        assert_eq!(ids(&reply).into_iter().collect::<BTreeSet<_>>().len(), 10, "no peer twice");
        ids(&reply).into_iter().for_each(|id| told[usize::from(id)] += 1);
    }
    assert_eq!(told[1], 0);
    // 10,000 over 39 peers: 256 each, with a standard deviation below 14.
    assert!(told[2..].iter().all(|count| (186..=326).contains(count)), "{told:?}");
}

#[test]
fn over_tcp_no_token_is_needed_and_fifty_peers_fit() {
    let mut f = Fixture::default();
    for number in 1..=60 {
        f.announce(host(number), announce(id(number.try_into().unwrap())));
    }
    let body = Some(RequestBody::Announce(announce(id(100))));
    let request = proto::Request { transaction: 5, body, ..Default::default() };
    let request = request.encode_to_vec().into();
    let from = host(100);
    f.server.handle_event(f.now, ServerEvent::Request { connection: 3, from, request });
    let Some(ServerAction::Reply { connection: 3, response }) = f.server.poll() else { panic!() };
    let response = proto::Response::decode(response).unwrap();
    let Some(ResponseBody::AnnounceReply(reply)) = response.body else { panic!() };
    assert_eq!((response.transaction, reply.peers.len()), (5, PEERS_WANTED_MAX));
    assert_eq!(f.size(TOPIC), (0, 61));
}

#[test]
fn what_is_no_request_closes_its_connection() {
    let mut f = Fixture::default();
    for request in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\x09\x01\0\0\0\0\0\0\0"] {
        let request = Bytes::copy_from_slice(request);
        let event = ServerEvent::Request { connection: 3, from: host(1), request };
        f.server.handle_event(f.now, event);
        assert_eq!(f.server.poll(), Some(ServerAction::Close { connection: 3 }));
    }
}

#[test]
fn a_forged_source_gets_no_more_than_it_sent_and_nothing_is_stored() {
    let mut f = Fixture::default();
    let token = f.token(host(1));
    for (from, token) in [
        (host(2), token.clone()),
        (host(1), Bytes::new()),
        (host(1), Bytes::from_static(&[0; 16])),
        (SocketAddr::new(host(1).ip(), 4_001), token.clone()),
    ] {
        let answer = f.ask(from, token, RequestBody::Announce(announce(id(1))));
        assert!(matches!(answer, Some(ResponseBody::Token(_))), "{answer:?}");
    }
    assert_eq!(f.size(TOPIC), (0, 0));
    assert_eq!(f.server.poll_timeout(), None);
    // Shorter than the token's answer: 29 bytes with padding, 28 without.
    let mut short = proto::Request { transaction: 1, ..Default::default() };
    short.body = Some(RequestBody::Scrape(proto::Scrape::default()));
    assert_eq!(f.datagram(host(1), short.encode_to_vec()), None);
    short.padding = Bytes::from_static(&[0; 16]);
    assert_eq!(short.encoded_len(), 29);
    assert!(f.datagram(host(1), short.encode_to_vec()).is_some());
    // An old token is worth nothing.
    f.pass(240);
    let answer = f.ask(host(1), token, RequestBody::Announce(announce(id(1))));
    assert!(matches!(answer, Some(ResponseBody::Token(_))), "{answer:?}");
}

#[test]
fn fields_out_of_bounds_are_refused() {
    let mut f = Fixture::default();
    let topic = Bytes::copy_from_slice(&TOPIC.0);
    let short = Bytes::from_static(&[1; 31]);
    let signal = proto::Signal {
        topic: topic.clone(),
        sender: topic.clone(),
        receiver: topic.clone(),
        sealed: Bytes::from(vec![0; 901]),
        sender_address: None,
    };
    for body in [
        RequestBody::Announce(proto::Announce { topic: short.clone(), ..announce(id(1)) }),
        RequestBody::Announce(proto::Announce { peer_id: short.clone(), ..announce(id(1)) }),
        RequestBody::Announce(proto::Announce { listen_port: 65_536, ..announce(id(1)) }),
        RequestBody::Scrape(proto::Scrape { topics: vec![topic.clone(); 17] }),
        RequestBody::Scrape(proto::Scrape { topics: vec![short.clone()] }),
        RequestBody::Signal(signal.clone()),
        RequestBody::Signal(proto::Signal { receiver: short, sealed: Bytes::new(), ..signal }),
    ] {
        assert_eq!(f.refused(host(1), body), proto::RefusalReason::Malformed);
    }
    assert_eq!(f.size(TOPIC), (0, 0));
}

#[test]
fn full_tables_refuse_new_peers_and_keep_the_old() {
    let small = ServerConfig {
        peers_max: 6,
        topics_max: 3,
        peers_per_topic_max: 3,
        peers_per_host_max: 2,
        ..ServerConfig::default()
    };
    let mut f = Fixture::new(small);
    let topic = |number: u8| Bytes::copy_from_slice(&[number; 32]);
    let other = |number, peer| proto::Announce { topic: topic(number), ..announce(id(peer)) };
    let full = proto::RefusalReason::Full;
    // One host.
    f.announce(host(1), announce(id(1)));
    f.announce(host(1), announce(id(2)));
    assert_eq!(f.refused(host(1), RequestBody::Announce(announce(id(3)))), full);
    assert_eq!(f.refused(host(1), RequestBody::Announce(other(1, 1))), full);
    // One topic.
    f.announce(host(2), announce(id(3)));
    assert_eq!(f.refused(host(3), RequestBody::Announce(announce(id(4)))), full);
    // Topics.
    f.announce(host(4), other(1, 1));
    f.announce(host(5), other(2, 1));
    assert_eq!(f.refused(host(6), RequestBody::Announce(other(3, 1))), full);
    // Peers.
    f.announce(host(6), other(1, 2));
    assert_eq!(f.refused(host(7), RequestBody::Announce(other(1, 3))), full);
    // Who is there may stay, and who leaves makes room.
    f.pass(200);
    assert_eq!(f.announce(host(1), announce(id(1))).leeches, 3);
    f.announce(host(1), stopped(id(2)));
    assert_eq!(f.announce(host(1), announce(id(4))).leeches, 3);
    // So does expiry.
    f.pass(200);
    assert_eq!(f.announce(host(7), other(3, 1)).leeches, 1);
    assert_eq!(f.size(TOPIC), (0, 2));
}

#[test]
fn streams_are_relayed_and_datagrams_are_not() {
    let mut f = Fixture::new(ServerConfig::default());
    let token = Bytes::from_static(&[7; 16]);
    let open = proto::RelayOpen { token, side: proto::RelaySide::Answer.into() };
    let body = RequestBody::RelayOpen(open);
    assert_eq!(f.refused(host(1), body.clone()), proto::RefusalReason::Malformed);
    let request = proto::Request { transaction: 5, body: Some(body), ..Default::default() };
    let request = request.encode_to_vec().into();
    f.server.handle_event(f.now, ServerEvent::Request { connection: 3, from: host(1), request });
    let open = RelayOpen { token: RelayToken([7; 16]), side: RelaySide::Answer };
    let expected = ServerAction::Relay { connection: 3, transaction: 5, open };
    assert_eq!(f.server.poll(), Some(expected));
}

/// What the relayed datagram says, and where it went.
fn relayed(
    f: &mut Fixture,
    from: SocketAddr,
    signal: &proto::Signal,
) -> Option<(SocketAddr, proto::Response)> {
    let token = f.token(from);
    let body = Some(RequestBody::Signal(signal.clone()));
    let request = proto::Request { transaction: 77, token, body, padding: Bytes::new() };
    let request = request.encode_to_vec();
    let length = request.len();
    let Some(ServerAction::Send { to, datagram }) = f.datagram(from, request) else { return None };
    assert!(datagram.len() <= length);
    Some((to, proto::Response::decode(datagram).unwrap()))
}

fn signal(sender: PeerId, receiver: PeerId) -> proto::Signal {
    proto::Signal {
        topic: Bytes::copy_from_slice(&TOPIC.0),
        sender: Bytes::copy_from_slice(&sender.0),
        receiver: Bytes::copy_from_slice(&receiver.0),
        sealed: Bytes::from(vec![5; 900]),
        sender_address: None,
    }
}

/// As the tracker passes it on.
fn seen_at(sender: SocketAddr, signal: proto::Signal) -> proto::Signal {
    proto::Signal { sender_address: Some(codec::encode_address(sender)), ..signal }
}

#[test]
fn a_signal_goes_to_where_the_receivers_last_datagram_came_from() {
    let mut f = Fixture::default();
    f.announce(host(1), announce(id(1)));
    f.announce(host(2), announce(id(2)));
    let new_port = SocketAddr::new(host(2).ip(), 4_999);
    f.announce(new_port, announce(id(2)));
    // What a peer says of its own address is not passed on.
    let sender_address = Some(codec::encode_address(host(3)));
    let forged = proto::Signal { sender_address, ..signal(id(1), id(2)) };
    let (to, response) = relayed(&mut f, host(1), &forged).unwrap();
    assert_eq!(to, new_port);
    assert_eq!(response.body, Some(ResponseBody::Signal(seen_at(host(1), forged))));
    assert!(response.transaction != 0 && response.transaction != 77, "the tracker's own");
}

/// Announces over a TCP connection that is to be attended; whether it is.
fn attend(f: &mut Fixture, connection: u64, from: SocketAddr, announce: proto::Announce) -> bool {
    let announce = proto::Announce { attend: true, ..announce };
    let body = Some(RequestBody::Announce(announce));
    let request = proto::Request { transaction: 5, body, ..Default::default() };
    let request = request.encode_to_vec().into();
    f.server.handle_event(f.now, ServerEvent::Request { connection, from, request });
    let mut actions: Vec<_> = std::iter::from_fn(|| f.server.poll()).collect();
    let Some(ServerAction::Reply { response, .. }) = actions.pop() else { panic!() };
    assert!(actions.len() <= 1);
    assert!(actions.iter().all(|action| *action == ServerAction::Attend { connection }));
    match proto::Response::decode(response).unwrap().body {
        Some(ResponseBody::AnnounceReply(reply)) => reply.attended,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signal_is_pushed_down_a_connection_that_is_attended() {
    let mut f = Fixture::default();
    f.announce(host(1), announce(id(1)));
    assert!(attend(&mut f, 7, host(2), announce(id(2))));
    assert!(attend(&mut f, 7, host(2), announce(id(2))), "again over the same one");
    let signal = signal(id(1), id(2));
    let pushed = |f: &mut Fixture| {
        let token = f.token(host(1));
        let body = Some(RequestBody::Signal(signal.clone()));
        let request = proto::Request { transaction: 77, token, body, padding: Bytes::new() };
        f.datagram(host(1), request.encode_to_vec())
    };
    let Some(ServerAction::Push { connection: 7, response }) = pushed(&mut f) else { panic!() };
    let response = proto::Response::decode(response).unwrap();
    assert_eq!(response.body, Some(ResponseBody::Signal(seen_at(host(1), signal.clone()))));
    f.server.handle_event(f.now, ServerEvent::Closed { connection: 7 });
    assert!(
        matches!(pushed(&mut f), Some(ServerAction::Send { to, .. }) if to == host(1)),
        "refused"
    );
    // By UDP again.
    f.announce(host(2), announce(id(2)));
    assert!(matches!(pushed(&mut f), Some(ServerAction::Send { to, .. }) if to == host(2)));
}

#[test]
fn one_host_has_eight_connections_attended() {
    let mut f = Fixture::default();
    let attended = (0..20).filter(|number| attend(&mut f, *number, host(2), announce(id(2))));
    assert_eq!(attended.count(), 8);
}

#[test]
fn only_peers_of_the_topic_signal_and_are_signalled() {
    let mut f = Fixture::default();
    f.announce(host(1), announce(id(1)));
    f.announce(host(2), announce(id(2)));
    for (from, signal) in [
        (host(1), signal(id(1), id(3))),
        (host(3), signal(id(3), id(2))),
        (host(3), signal(id(1), id(2))),
        (host(1), proto::Signal { topic: Bytes::from(vec![1; 32]), ..signal(id(1), id(2)) }),
    ] {
        assert_eq!(f.refused(from, RequestBody::Signal(signal)), proto::RefusalReason::UnknownPeer);
    }
}

#[test]
fn signals_have_a_rate() {
    let mut f = Fixture::default();
    f.announce(host(1), announce(id(1)));
    f.announce(host(2), announce(id(2)));
    let signal = signal(id(1), id(2));
    let relay = |f: &mut Fixture| (0..200).filter_map(|_| relayed(f, host(1), &signal)).count();
    assert_eq!(relay(&mut f), 100);
    f.pass(2);
    assert_eq!(relay(&mut f), 20);
}

#[test]
fn stun_requests_are_answered_on_the_same_port() {
    let mut f = Fixture::default();
    for text in ["198.51.100.1:4000", "[2001:db8::1]:4000"] {
        // Any number of those that are as long as their answers.
        for _ in 0..100 {
            let action = f.datagram(address(text), stun::request(&[3; 12]));
            let Some(ServerAction::Send { to, datagram }) = action else { panic!("{action:?}") };
            assert_eq!(to, address(text));
            assert_eq!(stun::mapped_address(&datagram, &[3; 12]), Some(address(text)));
        }
        // Of the plain ones, a few.
        let mut plain = stun::request(&[3; 12])[..20].to_vec();
        plain[3] = 0;
        let answers = |f: &mut Fixture| {
            let answers = (0..100).filter_map(|_| f.datagram(address(text), plain.clone()));
            answers.count()
        };
        assert_eq!(answers(&mut f), 16);
        f.pass(4);
        assert_eq!(answers(&mut f), 8);
    }
}

#[test]
fn the_other_port_knows_stun_only_and_answers_for_the_main_one() {
    let mut f = Fixture::new(ServerConfig { other_port: 59_001, ..ServerConfig::default() });
    assert_eq!(f.announce(host(1), announce(id(1))).other_port, 59_001);
    let at_other = |f: &mut Fixture, datagram: Bytes| {
        f.server.handle_event(f.now, ServerEvent::OtherPort { from: host(1), datagram });
        f.server.poll()
    };
    let [here, there] = [AnswerFrom::Here, AnswerFrom::OtherPort]
        .map(|answer_from| stun::request_from(&[3; 12], answer_from));
    assert!(matches!(f.datagram(host(1), here.clone()), Some(ServerAction::Send { .. })));
    let action = f.datagram(host(1), there.clone());
    let Some(ServerAction::SendFromOther { to, datagram }) = action else { panic!("{action:?}") };
    assert_eq!((to, stun::mapped_address(&datagram, &[3; 12])), (host(1), Some(host(1))));
    assert!(matches!(at_other(&mut f, here), Some(ServerAction::SendFromOther { .. })));
    assert!(matches!(at_other(&mut f, there), Some(ServerAction::Send { .. })));
    let token = f.token(host(1));
    assert_eq!(at_other(&mut f, valid(token).into()), None);
}

/// A valid announce, to be damaged.
fn valid(token: Bytes) -> Vec<u8> {
    let body = Some(RequestBody::Announce(announce(id(1))));
    proto::Request { transaction: 1, token, body, padding: Bytes::new() }.encode_to_vec()
}

proptest! {
    #[test]
    fn garbage_gets_no_answer_larger_than_itself(
        garbage in proptest::collection::vec(any::<u8>(), 0..1_500),
        first in prop_oneof![Just(9_u8), Just(0), any::<u8>()],
    ) {
        let mut f = Fixture::default();
        let mut garbage = garbage;
        garbage.iter_mut().take(1).for_each(|byte| *byte = first);
        let length = garbage.len();
        if let Some(ServerAction::Send { datagram, .. }) = f.datagram(host(1), garbage.clone()) {
            prop_assert!(datagram.len() <= length || garbage[0] < 4);
        }
        let request = Bytes::from(garbage);
        f.server.handle_event(f.now, ServerEvent::Request { connection: 1, from: host(1), request });
    }

    #[test]
    fn damaged_requests_get_no_answer_larger_than_themselves(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        with_token in any::<bool>(),
    ) {
        let mut f = Fixture::default();
        let token = f.token(host(1));
        // Whoever has the token may get more: here its sender is another one.
        let from = if with_token { host(2) } else { host(1) };
        let mut request = valid(if with_token { token } else { Bytes::new() });
        for (index, byte) in damage {
            let index = index.index(request.len());
            request[index] = byte;
        }
        request.truncate(cut.index(request.len()) + 1);
        let (length, first) = (request.len(), request[0]);
        if let Some(ServerAction::Send { datagram, .. }) = f.datagram(from, request) {
            prop_assert!(datagram.len() <= length || first < 4);
        }
        prop_assert_eq!(f.size(TOPIC), (0, 0));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_table_agrees_with_a_simple_one(
        steps in proptest::collection::vec((0_u8..6, 0_u32..4, any::<bool>(), any::<bool>(), 0_u64..150), 1..60),
    ) {
        let mut f = Fixture::default();
        // Peer to seed, and host to last seen.
        let mut model = std::collections::BTreeMap::<u8, (bool, std::collections::BTreeMap<u32, Timestamp>)>::new();
        for (peer, at_host, is_seed, stops, wait) in steps {
            f.pass(wait);
            let now = f.now;
            let fresh = |seen: Timestamp| now - seen < Duration::from_secs(300);
            model.values_mut().for_each(|(_, hosts)| hosts.retain(|_, seen| fresh(*seen)));
            let request = if stops { stopped(id(peer)) } else { announce(id(peer)) };
            f.announce(host(at_host), proto::Announce { seed: is_seed, ..request });
            if stops {
                model.entry(peer).or_default().1.remove(&at_host);
            } else {
                let entry = model.entry(peer).or_default();
                entry.0 = is_seed;
                entry.1.insert(at_host, now);
            }
            model.retain(|_, (_, hosts)| !hosts.is_empty());
            let seeds = model.values().filter(|(seed, _)| *seed).count();
            let size = (seeds.try_into().unwrap(), (model.len() - seeds).try_into().unwrap());
            prop_assert_eq!(f.size(TOPIC), size);
            let asker = proto::Announce { listen_port: 0, ..announce(id(9)) };
            let mut told = dialled(&f.announce(host(9), asker));
            f.announce(host(9), stopped(id(9)));
            told.sort();
            let hosts = model.values().flat_map(|(_, hosts)| hosts.keys());
            let mut expected: Vec<_> =
                hosts.map(|number| SocketAddr::new(host(*number).ip(), 7_000)).collect();
            expected.sort();
            prop_assert_eq!(told, expected);
        }
    }
}
