//! Slots, requests and blocks.

use super::super::*;
use super::alone::*;
use crate::layout::{BLOCK_LENGTH_MAX, Block};

/// How long a new slot is kept for who does not ask.
const SLOT_NEW_MS: u64 = 250;

fn sends(number: u8, chunk: u32) -> Action {
    Action::SendBlock { peer: key(number), block: block(chunk) }
}

/// What a peer was told: whether it is choked.
fn chokes(number: u8, actions: &[Action]) -> Vec<bool> {
    let choked = |frame| if let Frame::Choke(choked) = frame { Some(choked) } else { None };
    frames(number, actions).into_iter().filter_map(choked).collect()
}

/// Not a seed: that would offer chunks one by one.
fn few_slots() -> Alone {
    let config = Config { upload_slots: 2, optimistic_slots: 1, ..Config::default() };
    let mut have = Bitfield::full(CHUNKS);
    have.remove(ChunkIndex(CHUNKS - 1));
    Alone::with(have, config)
}

#[test]
fn a_free_slot_is_given_at_once_and_passed_on_at_once() {
    let mut alone = few_slots();
    for number in [1, 2] {
        assert_eq!(chokes(number, &alone.join_interested(number)), [false]);
        alone.frame(number, Frame::Request(block(0)));
    }
    assert_eq!(chokes(3, &alone.join_interested(3)), []);
    // The next round is seconds away.
    alone.wait(1);
    let actions = alone.on(Event::Disconnected { peer: key(1) });
    assert_eq!(actions, [send(3, Frame::Choke(false))]);
}

#[test]
fn an_idle_uplink_keeps_nobody_waiting() {
    let mut alone = few_slots();
    for number in 1..=3 {
        assert_eq!(chokes(number, &alone.join_interested(number)), [false]);
    }
}

#[test]
fn everybody_has_its_turn() {
    let mut alone = few_slots();
    for number in 1..=6 {
        alone.join_interested(number);
        alone.frame(number, Frame::Request(block(0)));
    }
    let mut served = std::collections::BTreeMap::<u8, usize>::new();
    for _ in 0..60 {
        let actions = alone.wait(5);
        for number in 1..=6 {
            alone.frame(number, Frame::Interest(true));
            let unchoked =
                frames(number, &actions).iter().filter(|&f| *f == Frame::Choke(false)).count();
            if unchoked > 0 {
                // It asks at once, and takes its time.
                alone.frame(number, Frame::Request(block(0)));
            }
            *served.entry(number).or_default() += unchoked;
        }
    }
    // 300 s, two slots, turns of 15 s: 40 turns for 6 peers.
    assert!(served.values().all(|turns| (5..=8).contains(turns)), "{served:?}");
}

#[test]
fn a_slot_nobody_asks_through_goes_to_who_waits() {
    let mut alone = few_slots();
    (1..=2).for_each(|number| drop(alone.join_interested(number)));
    drop(alone.frame(2, Frame::Request(block(0))));
    alone.join_interested(3);
    assert_eq!(alone.wait_ms(SLOT_NEW_MS - 1), []);
    let actions = alone.wait_ms(1);
    assert_eq!(frames(1, &actions), [Frame::Choke(true)]);
    assert_eq!(frames(3, &actions), [Frame::Choke(false)]);
}

#[test]
fn the_driver_gets_three_blocks_at_a_time() {
    let mut alone = few_slots();
    alone.join_interested(1);
    let mut actions = Vec::new();
    for chunk in 0..5 {
        actions.extend(alone.frame(1, Frame::Request(block(chunk))));
    }
    assert_eq!(actions, [sends(1, 0), sends(1, 1), sends(1, 2)]);
    let sent = |chunk| Event::BlockSent { peer: key(1), block: block(chunk) };
    assert_eq!(alone.on(sent(0)), [sends(1, 3)]);
    assert_eq!(alone.on(sent(0)), []);
    assert_eq!(alone.swarm.uploaded(), 1_000);
    assert_eq!(alone.swarm.peers(alone.now)[0].uploaded, 1_000);
}

#[test]
fn a_cancelled_request_is_not_served() {
    let mut alone = few_slots();
    alone.join_interested(1);
    (0..5).for_each(|chunk| drop(alone.frame(1, Frame::Request(block(chunk)))));
    assert_eq!(alone.frame(1, Frame::Cancel(block(3))), [send(1, Frame::Reject(block(3)))]);
    assert_eq!(alone.frame(1, Frame::Cancel(block(3))), [], "it has its answer");
    assert_eq!(alone.frame(1, Frame::Cancel(block(1))), [], "the block is its answer");
    let sent = |chunk| Event::BlockSent { peer: key(1), block: block(chunk) };
    assert_eq!(alone.on(sent(0)), [sends(1, 4)]);
    assert_eq!(alone.on(sent(1)), []);
}

#[test]
fn a_choke_drops_what_waits() {
    let mut alone = few_slots();
    for number in [1, 2] {
        alone.join_interested(number);
        (0..5).for_each(|chunk| drop(alone.frame(number, Frame::Request(block(chunk)))));
    }
    alone.join_interested(3);
    let actions = alone.wait(15);
    let choked = (1..=2).find(|&n| frames(n, &actions).contains(&Frame::Choke(true))).unwrap();
    let waited = [3, 4].map(|chunk| Frame::Reject(block(chunk)));
    assert!(frames(choked, &actions).ends_with(&waited), "the driver has the first three");
    assert!(frames(3, &actions).contains(&Frame::Choke(false)));
    assert_eq!(alone.on(Event::BlockSent { peer: key(choked), block: block(0) }), []);
}

#[test]
fn a_chunk_that_is_begun_goes_on_before_another_begins() {
    let mut alone = few_slots();
    (1..=2).for_each(|number| drop(alone.join_interested(number)));
    let first = Block { length: BLOCK_LENGTH_MAX, ..block(0) };
    let (second, other) =
        (Block { offset: BLOCK_LENGTH_MAX, ..first }, Block { chunk: ChunkIndex(1), ..first });
    let sends = |number, block| [Action::SendBlock { peer: key(number), block }];
    assert_eq!(alone.frame(1, Frame::Request(first)), sends(1, first));
    assert_eq!(alone.frame(2, Frame::Request(other)), []);
    alone.wait_ms(100);
    assert_eq!(alone.frame(1, Frame::Request(second)), []);
    let next = alone.on(Event::BlockSent { peer: key(1), block: first });
    assert_eq!(next, sends(1, second));
    let next = alone.on(Event::BlockSent { peer: key(1), block: second });
    assert_eq!(next, sends(2, other));
}

/// Peer 1 has just lost its slot, through which it has not asked for anything.
fn just_choked() -> Alone {
    let mut alone = few_slots();
    (1..=2).for_each(|number| drop(alone.join_interested(number)));
    drop(alone.frame(2, Frame::Request(block(0))));
    alone.join_interested(3);
    assert_eq!(frames(1, &alone.wait_ms(SLOT_NEW_MS)), [Frame::Choke(true)]);
    alone
}

#[test]
fn a_request_that_crosses_a_choke_is_served_and_a_later_one_rejected() {
    let mut alone = just_choked();
    alone.frame(3, Frame::Request(block(1)));
    alone.wait_ms(100);
    assert_eq!(alone.frame(1, Frame::Request(block(4))), [sends(1, 4)]);
    alone.wait_ms(400);
    let actions = alone.frame(1, Frame::Request(block(5)));
    assert_eq!(actions, [send(1, Frame::Reject(block(5)))]);
}

#[test]
fn few_requests_may_cross_a_choke() {
    let mut alone = just_choked();
    let mut rejects = |_| alone.frame(1, Frame::Request(block(4)));
    let rejected: Vec<_> = (0..10).flat_map(&mut rejects).filter(|a| *a != sends(1, 4)).collect();
    assert_eq!(rejected, [(); 2].map(|()| send(1, Frame::Reject(block(4)))));
}

#[test]
fn a_block_that_a_slow_uplink_needs_so_long_for_is_not_held_up() {
    let mut alone = few_slots();
    let whole = Block { length: BLOCK_LENGTH_MAX, ..block(0) };
    let handed = [Action::SendBlock { peer: key(1), block: whole }];
    alone.join_interested(1);
    assert_eq!(alone.frame(1, Frame::Request(whole)), handed);
    alone.wait(4);
    alone.on(Event::BlockSent { peer: key(1), block: whole });
    assert_eq!(alone.frame(1, Frame::Request(whole)), handed);
    assert_eq!(alone.frame(1, Frame::Request(whole)), []);
    assert!(!alone.wait(7).contains(&handed[0]), "one takes 4 s");
    assert!(alone.wait(1).contains(&handed[0]));
}

#[test]
fn requests_are_bounded() {
    let mut alone = few_slots();
    alone.join_interested(1);
    for _ in 0..1_027 {
        let actions = alone.frame(1, Frame::Request(block(0)));
        assert!(actions.iter().all(|action| *action == sends(1, 0)));
    }
    let actions = alone.frame(1, Frame::Request(block(0)));
    assert_eq!(actions, [misbehaviour(1, Misbehaviour::TooManyRequests)]);
}

#[test]
fn every_peer_hears_of_a_stored_chunk_and_completion_is_told_once() {
    let mut have = Bitfield::full(CHUNKS);
    have.remove(ChunkIndex(7));
    let mut alone = Alone::new(have);
    alone.join(1, &Bitfield::empty(CHUNKS));
    let mut actions = alone.join(2, &Bitfield::full(CHUNKS));
    actions.extend(alone.frame(2, Frame::Choke(false)));
    let mut blocks = None;
    while !actions.is_empty() {
        match actions.remove(0) {
            Action::Send { peer, frame: Frame::Request(block) } => {
                let payload = bytes::Bytes::from(vec![0; block.length as usize]);
                actions.extend(alone.on(Event::BlockReceived { peer, block, payload }));
            }
            Action::VerifyChunk { blocks: all, .. } => blocks = Some(all),
            _ => {}
        }
    }
    let stored = Event::ChunkStored { chunk: ChunkIndex(7), blocks: blocks.unwrap() };
    let actions = alone.on(stored.clone());
    for number in [1, 2] {
        assert_eq!(frames(number, &actions)[0], Frame::Have(vec![ChunkIndex(7)]));
    }
    assert_eq!(actions.iter().filter(|&action| *action == Action::Completed).count(), 1);
    assert_eq!(alone.on(stored), []);
}

/// Five peers with a slot each; a chunk of four blocks takes a second, so that the fifth waits for five. When a
/// sixth one comes, slots are given anew.
#[test]
fn a_slow_uplink_has_fewer_slots() {
    let mut have = Bitfield::full(CHUNKS);
    have.remove(ChunkIndex(CHUNKS - 1));
    let mut alone = Alone::new(have);
    let whole = Block { length: BLOCK_LENGTH_MAX, ..block(0) };
    let mut slots = std::collections::BTreeSet::new();
    let mut todo = Vec::new();
    let mut note = |actions: &[Action]| {
        for number in 1..=6 {
            for choked in chokes(number, actions) {
                if choked {
                    slots.remove(&number)
                } else {
                    slots.insert(number)
                };
            }
        }
        slots.len()
    };
    for number in 1..=5 {
        todo.extend(alone.join_interested(number));
        todo.extend(alone.frame(number, Frame::Request(whole)));
    }
    assert_eq!(note(&todo), 5);
    for quarter in 0..80 {
        if quarter == 12 {
            todo.extend(alone.join_interested(6));
        }
        let sending = |action: &Action| match *action {
            Action::SendBlock { peer, block } => Some(Event::BlockSent { peer, block }),
            _ => None,
        };
        let sent: Vec<_> = todo.iter().filter_map(sending).collect();
        todo = alone.wait_ms(250);
        sent.into_iter().for_each(|event| todo.extend(alone.on(event)));
        (1..=5).for_each(|number| todo.extend(alone.frame(number, Frame::Request(whole))));
        note(&todo);
    }
    assert_eq!(note(&[]), 2);
}
