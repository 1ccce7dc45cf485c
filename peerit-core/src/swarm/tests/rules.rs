//! What a peer may say, and what it is sent away or banned for.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::*;
use super::alone::*;
use crate::layout::Block;
use crate::wire::Hello;

#[test]
fn we_greet_first_and_tell_our_chunks_to_those_who_have_the_manifest() {
    let mut have = Bitfield::full(CHUNKS);
    have.remove(ChunkIndex(0));
    let mut alone = Alone::new(have.clone());
    let actions = alone.connect(1, Direction::Answered);
    let hello = Hello {
        agent: Config::default().agent,
        listen_port: 0,
        chunk_count: CHUNKS,
        complete: false,
    };
    assert_eq!(actions, [send(1, Frame::Hello(hello))]);
    let actions = alone.hello(1, CHUNKS);
    let bits = Bytes::from(have.to_bytes());
    assert_eq!(frames(1, &actions)[0], Frame::Bitfield(bits));
    alone.connect(2, Direction::Answered);
    assert_eq!(alone.hello(2, 0), []);
}

#[test]
fn who_does_not_greet_first_or_greets_twice_is_sent_away() {
    let mut alone = Alone::seed();
    alone.connect(1, Direction::Answered);
    let sent_away = [misbehaviour(1, Misbehaviour::OutOfOrder)];
    assert_eq!(alone.frame(1, Frame::Interest(true)), sent_away);
    assert_eq!(alone.frame(1, Frame::Interest(true)), []);
    alone.join(2, &Bitfield::empty(CHUNKS));
    assert_eq!(alone.hello(2, CHUNKS), [misbehaviour(2, Misbehaviour::OutOfOrder)]);
    alone.join(3, &Bitfield::empty(CHUNKS));
    let bits = Frame::Bitfield(Bitfield::empty(CHUNKS).to_bytes().into());
    assert_eq!(alone.frame(3, bits), [misbehaviour(3, Misbehaviour::OutOfOrder)]);
}

#[test]
fn who_speaks_of_another_content_is_sent_away() {
    let mut alone = Alone::seed();
    alone.connect(1, Direction::Answered);
    assert_eq!(alone.hello(1, 11), [misbehaviour(1, Misbehaviour::ChunkCount(11))]);
    alone.connect(2, Direction::Answered);
    alone.hello(2, CHUNKS);
    let actions = alone.frame(2, Frame::Bitfield(Bytes::from_static(&[0xff, 0xff])));
    assert_eq!(actions, [misbehaviour(2, Misbehaviour::Bitfield)]);
    alone.join(3, &Bitfield::empty(CHUNKS));
    let actions = alone.frame(3, Frame::Have(vec![ChunkIndex(CHUNKS)]));
    assert_eq!(actions, [misbehaviour(3, Misbehaviour::NoSuchBlock)]);
}

#[test]
fn who_asks_for_what_is_not_there_is_sent_away() {
    let mut have = Bitfield::full(CHUNKS);
    have.remove(ChunkIndex(3));
    let mut alone = Alone::new(have);
    for (number, block) in [(1, block(CHUNKS)), (2, block(3))] {
        alone.join_interested(number);
        let actions = alone.frame(number, Frame::Request(block));
        assert_eq!(actions, [misbehaviour(number, Misbehaviour::NoSuchBlock)]);
    }
}

#[test]
fn a_peer_without_manifest_may_ask_for_that_only_and_not_without_end() {
    let mut alone = Alone::seed();
    for number in [1, 2] {
        alone.connect(number, Direction::Answered);
        alone.hello(number, 0);
    }
    let ask = Frame::ManifestRequest { offset: 7, length: 262_144 };
    let serve = [Action::SendManifest { peer: key(1), offset: 7, length: 262_144 }];
    for _ in 0..512 {
        assert_eq!(alone.frame(1, ask.clone()), serve);
    }
    assert_eq!(alone.frame(1, ask.clone()), [misbehaviour(1, Misbehaviour::TooManyRequests)]);
    let actions = alone.frame(2, Frame::Request(block(0)));
    assert_eq!(actions, [misbehaviour(2, Misbehaviour::OutOfOrder)]);
    alone.join(3, &Bitfield::empty(CHUNKS));
    assert_eq!(alone.frame(3, ask), [misbehaviour(3, Misbehaviour::OutOfOrder)]);
}

#[test]
fn blocks_that_nobody_asked_for_are_borne_a_hundred_times() {
    let mut alone = Alone::leech();
    alone.join(1, &Bitfield::full(CHUNKS));
    let block = alone.swarm.layout.block(ChunkIndex(1), 1);
    let payload = Bytes::from(vec![0; block.length as usize]);
    let unasked = Event::BlockReceived { peer: key(1), block, payload };
    for _ in 0..100 {
        assert_eq!(alone.on(unasked.clone()), []);
    }
    assert_eq!(alone.on(unasked), [misbehaviour(1, Misbehaviour::Unrequested)]);
}

#[test]
fn small_frames_without_end_are_a_flood() {
    for frame in [Frame::Unknown, Frame::Choke(true), Frame::Have(vec![ChunkIndex(0)])] {
        let mut alone = Alone::seed();
        alone.join(1, &Bitfield::empty(CHUNKS));
        alone.frame(1, Frame::Have(vec![ChunkIndex(0)]));
        for _ in 0..4_096 {
            assert_eq!(alone.frame(1, frame.clone()), []);
        }
        assert_eq!(alone.frame(1, frame), [misbehaviour(1, Misbehaviour::Flood)]);
    }
}

#[test]
fn addresses_of_peers_are_taken_every_half_minute() {
    let mut alone = Alone::leech();
    alone.join(1, &Bitfield::full(CHUNKS));
    let told = |from: u8| Frame::PeerExchange((from..from + 3).map(address).collect());
    let dials = |actions: Vec<Action>| {
        actions.iter().filter(|action| matches!(action, Action::Dial { .. })).count()
    };
    assert_eq!(dials(alone.frame(1, told(20))), 3);
    alone.wait(31);
    assert_eq!(dials(alone.frame(1, told(30))), 3);
    alone.wait(10);
    assert_eq!(alone.frame(1, told(40)), [misbehaviour(1, Misbehaviour::Flood)]);
}

#[test]
fn peers_hear_of_listening_peers_once_and_at_most_once_a_minute() {
    let mut alone = Alone::seed();
    alone.join_interested(1);
    alone.join_interested(2);
    let listens = |number| {
        let mut address = address(number);
        address.set_port(6_000);
        address
    };
    let actions = alone.wait(3);
    assert_eq!(frames(1, &actions), [Frame::PeerExchange(vec![listens(2)])]);
    assert_eq!(frames(2, &actions), [Frame::PeerExchange(vec![listens(1)])]);
    alone.join_interested(3);
    assert_eq!(frames(1, &alone.wait(50)), []);
    let news = Frame::PeerExchange(vec![listens(3)]);
    assert!(frames(1, &alone.wait(10)).contains(&news));
    let exchanges = |frame: &Frame| matches!(frame, Frame::PeerExchange(_));
    alone.frame(1, Frame::Interest(true));
    assert!(!frames(1, &alone.wait(100)).iter().any(exchanges));
}

/// Plays peers that have everything the swarm asks them for, until it asks for nothing more; the first
/// byte of each block is `sends(peer, block)`. Right is what begins with zeros. Returns who was sent
/// away, and for each verification the chunk and who had sent it.
fn serve_all(
    alone: &mut Alone,
    mut actions: Vec<Action>,
    sends: impl Fn(u32, Block) -> u8,
) -> (Vec<Action>, Vec<(ChunkIndex, BTreeSet<u32>)>) {
    let (mut closed, mut verified) = (Vec::new(), Vec::new());
    let mut senders = BTreeMap::<ChunkIndex, BTreeSet<u32>>::new();
    while !actions.is_empty() {
        let event = match actions.remove(0) {
            Action::Send { peer, frame: Frame::Request(block) } => {
                senders.entry(block.chunk).or_default().insert(peer.0);
                let payload = Bytes::from(vec![sends(peer.0, block); block.length as usize]);
                Event::BlockReceived { peer, block, payload }
            }
            Action::VerifyChunk { chunk, blocks } => {
                verified.push((chunk, senders.remove(&chunk).unwrap()));
                if blocks.iter().all(|payload| payload[0] == 0) {
                    Event::ChunkStored { chunk, blocks }
                } else {
                    Event::ChunkCorrupt { chunk, blocks }
                }
            }
            close @ Action::Disconnect { .. } => {
                closed.push(close);
                continue;
            }
            _ => continue,
        };
        actions.extend(alone.on(event));
    }
    (closed, verified)
}

#[test]
fn a_liar_among_several_senders_is_found_by_a_single_one_and_stays_banned() {
    let crowd = || {
        let (mut alone, mut actions) = (Alone::leech(), Vec::new());
        (1..=3).for_each(|number| actions.extend(alone.join(number, &Bitfield::full(CHUNKS))));
        (1..=3).for_each(|number| actions.extend(alone.frame(number, Frame::Choke(false))));
        (alone, actions)
    };
    // A chunk that comes from the liar and another one.
    let (mut alone, actions) = crowd();
    let honest = serve_all(&mut alone, actions, |_, _| 0).1;
    let shared = honest.iter().find(|(_, from)| from.len() > 1 && from.contains(&2)).unwrap().0;
    let lie = |peer, block: Block| u8::from(peer == 2 && block.chunk == shared);
    let (mut alone, actions) = crowd();
    let (closed, verified) = serve_all(&mut alone, actions, lie);
    assert!(alone.swarm.is_complete());
    let [Action::Disconnect { peer, reason }] = closed[..] else { panic!("{closed:?}") };
    let DisconnectReason::Misbehaviour(why @ Misbehaviour::CorruptChunk(chunk)) = reason else {
        panic!("{reason:?}")
    };
    assert_eq!(peer, key(2));
    let attempts: Vec<_> = verified.iter().filter(|one| one.0 == chunk).map(|one| &one.1).collect();
    assert!(attempts.len() == 2 && attempts[0].len() > 1 && attempts[1].len() == 1, "{attempts:?}");

    let report = alone.swarm.peers(alone.now);
    let banned: Vec<_> = report.iter().filter(|report| report.banned.is_some()).collect();
    assert_eq!(banned.len(), 1);
    assert_eq!((banned[0].peer_id, banned[0].banned), (PeerId([2; 32]), Some(why)));
    assert_eq!(banned[0].agent, "peer/2");
    let refused = alone.connect_as(9, 2, Direction::Answered);
    assert_eq!(refused, [disconnect(9, DisconnectReason::Banned)]);
}

#[test]
fn a_liar_that_has_left_is_banned_all_the_same() {
    let mut alone = Alone::leech();
    let mut first = Bitfield::empty(CHUNKS);
    first.insert(ChunkIndex(0));
    alone.join(2, &first);
    let asked = frames(2, &alone.frame(2, Frame::Choke(false)));
    let Frame::Request(block) = asked[0] else { panic!("{asked:?}") };
    let payload = Bytes::from(vec![9; block.length as usize]);
    alone.on(Event::BlockReceived { peer: key(2), block, payload });
    alone.on(Event::Disconnected { peer: key(2) });

    let mut actions = alone.join(1, &first);
    actions.extend(alone.frame(1, Frame::Choke(false)));
    let (closed, verified) = serve_all(&mut alone, actions, |_, _| 0);
    assert_eq!((closed.len(), verified.len()), (0, 2));
    let banned = |number| alone.swarm.bans.contains(PeerId([number; 32]));
    assert!(banned(2) && !banned(1));
    let report = alone.swarm.peers(alone.now);
    assert_eq!(report.last().unwrap().address, address(2));
}

#[test]
fn a_chunk_that_cannot_be_stored_is_fetched_again() {
    let mut alone = Alone::leech();
    let mut actions = alone.join(1, &Bitfield::full(CHUNKS));
    actions.extend(alone.frame(1, Frame::Choke(false)));
    let mut attempts = 0;
    while !actions.is_empty() {
        let event = match actions.remove(0) {
            Action::Send { peer, frame: Frame::Request(block) } => {
                let payload = Bytes::from(vec![0; block.length as usize]);
                Event::BlockReceived { peer, block, payload }
            }
            Action::VerifyChunk { chunk, .. } if attempts == 0 => {
                attempts += 1;
                Event::ChunkNotStored { chunk }
            }
            Action::VerifyChunk { chunk, blocks } => Event::ChunkStored { chunk, blocks },
            _ => continue,
        };
        actions.extend(alone.on(event));
    }
    assert!(alone.swarm.is_complete());
    assert_eq!(alone.swarm.peers(alone.now).len(), 1);
}
