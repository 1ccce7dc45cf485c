//! A seed hands every chunk out once before any of them twice.

use super::super::*;
use super::alone::*;
use crate::layout::{BLOCK_LENGTH_MAX, Block};

/// The chunks a peer was told of one by one.
fn offered(number: u8, actions: &[Action]) -> Vec<ChunkIndex> {
    let chunks = |frame| if let Frame::Have(chunks) = frame { chunks } else { Vec::new() };
    frames(number, actions).into_iter().flat_map(chunks).collect()
}

fn request(chunk: ChunkIndex) -> Frame {
    Frame::Request(block(chunk.0))
}

/// A peer asks for a chunk and gets it.
fn fetch(seed: &mut Alone, number: u8, chunk: ChunkIndex) -> Vec<Action> {
    let mut actions = seed.frame(number, request(chunk));
    actions.extend(seed.on(Event::BlockSent { peer: key(number), block: block(chunk.0) }));
    actions
}

/// A seed, and what it has offered to each of its leeches at first.
fn seed_with(leeches: u8) -> (Alone, Vec<Vec<ChunkIndex>>) {
    let mut seed = Alone::seed();
    let offers = (1..=leeches).map(|number| {
        let actions = seed.join(number, &Bitfield::empty(CHUNKS));
        offered(number, &actions)
    });
    let offers = offers.collect();
    (seed, offers)
}

#[test]
fn each_leech_is_offered_other_chunks_and_more_as_it_asks() {
    let (mut seed, offers) = seed_with(2);
    let (first, second) = (&offers[0], &offers[1]);
    assert_eq!((first.len(), second.len()), (2, 2));
    assert!(first.iter().all(|chunk| !second.contains(chunk)));
    let more = offered(1, &seed.frame(1, request(first[0])));
    assert_eq!(more.len(), 1);
    assert!(!first.contains(&more[0]) && !second.contains(&more[0]));
}

#[test]
fn what_was_not_offered_is_not_served() {
    let (mut seed, offers) = seed_with(2);
    let actions = seed.frame(1, request(offers[1][0]));
    assert_eq!(actions, [send(1, Frame::Reject(block(offers[1][0].0)))]);
}

#[test]
fn who_passes_nothing_on_waits_for_those_who_do() {
    let (mut seed, offers) = seed_with(2);
    let (mut asked, mut pending) = (0, offers[0].clone());
    while let Some(chunk) = pending.pop() {
        asked += 1;
        // The other one keeps the uplink busy: an idle one would serve anybody.
        seed.frame(2, request(offers[1][0]));
        pending.extend(offered(1, &fetch(&mut seed, 1, chunk)));
    }
    assert_eq!(asked, 3, "two that it got and did not pass on, and one that it was offered before");
    // The other one got one of them: that place is free again, and there is one more.
    let actions = seed.frame(2, Frame::Have(vec![offers[0][0]]));
    assert_eq!(offered(1, &actions).len(), 2);
}

/// A chunk goes to a leech, and after some seconds it is at another one.
fn passes_on(seed: &mut Alone, number: u8, chunk: ChunkIndex, seconds: u64) {
    fetch(seed, number, chunk);
    seed.wait(seconds);
    seed.frame(9, Frame::Have(vec![chunk]));
}

/// A leech asks for more than the uplink can send at once: an idle one would serve anybody.
fn keeps_busy(seed: &mut Alone, number: u8, chunk: ChunkIndex) {
    for _ in 0..6 {
        seed.frame(number, Frame::Request(Block { length: BLOCK_LENGTH_MAX, ..block(chunk.0) }));
    }
}

#[test]
fn who_passes_chunks_on_soon_is_offered_more_than_who_takes_long() {
    let mut seed = Alone::seed();
    let join = |number| offered(number, &seed.join(number, &Bitfield::empty(CHUNKS)));
    let offers = [1, 2, 9].map(join);
    passes_on(&mut seed, 1, offers[0][0], 0);
    passes_on(&mut seed, 2, offers[1][0], 5);
    keeps_busy(&mut seed, 9, offers[2][0]);
    assert_eq!(offered(2, &seed.frame(2, request(offers[1][1]))), []);
    assert_eq!(offered(1, &seed.frame(1, request(offers[0][1]))).len(), 1);
}

#[test]
fn the_second_half_goes_to_who_is_known_to_pass_it_on() {
    let mut seed = Alone::seed();
    let join = |number| offered(number, &seed.join(number, &Bitfield::empty(CHUNKS)));
    let offers = [1, 9].map(join);
    passes_on(&mut seed, 1, offers[0][0], 0);
    keeps_busy(&mut seed, 9, offers[1][0]);
    assert_eq!(offered(2, &seed.join(2, &Bitfield::empty(CHUNKS))), []);
    assert_eq!(offered(1, &seed.frame(1, request(offers[0][1]))).len(), 1);
}

#[test]
fn who_loses_its_slot_loses_its_offers() {
    let config = Config { upload_slots: 1, ..Config::default() };
    let mut seed = Alone::with(Bitfield::full(CHUNKS), config);
    // It has four slots.
    let mut join = |number| offered(number, &seed.join(number, &Bitfield::empty(CHUNKS)));
    let offers = [1, 2, 3, 4].map(&mut join);
    seed.frame(1, request(offers[0][0]));
    assert_eq!(offered(5, &seed.join(5, &Bitfield::empty(CHUNKS))), []);
    let actions = seed.wait(20);
    let choked = |number: &u8| frames(*number, &actions).contains(&Frame::Choke(true));
    let unasked = offers[usize::from((1..=4).find(choked).unwrap()) - 1][1];
    let (mut pending, mut seen) = (offered(5, &actions), Vec::new());
    while let Some(chunk) = pending.pop() {
        seen.push(chunk);
        pending.extend(offered(5, &fetch(&mut seed, 5, chunk)));
    }
    assert!(seen.contains(&unasked), "{unasked:?} is not among {seen:?}");
}

#[test]
fn when_all_chunks_were_offered_all_peers_are_told_of_all() {
    let (mut seed, mut offers) = seed_with(1);
    let mut told = Vec::new();
    let mut pending = offers.remove(0);
    let mut seen = pending.clone();
    while let Some(chunk) = pending.pop() {
        let actions = fetch(&mut seed, 1, chunk);
        let more = offered(1, &actions);
        seen.extend(&more);
        pending.extend(more);
        told.extend(frames(1, &actions));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), CHUNKS as usize, "nobody else passes anything on, so one gets all");
    let all = Frame::Bitfield(Bitfield::full(CHUNKS).to_bytes().into());
    assert!(told.contains(&all), "all are on their way");
    let late = seed.join(2, &Bitfield::empty(CHUNKS));
    assert!(matches!(frames(2, &late)[..], [Frame::Bitfield(_), ..]));
}

#[test]
fn what_a_leech_takes_away_with_it_is_offered_again() {
    let (mut seed, offers) = seed_with(1);
    seed.on(Event::Disconnected { peer: key(1) });
    let mut again = offered(2, &seed.join(2, &Bitfield::empty(CHUNKS)));
    assert_eq!(again.len(), 2);
    while let Some(chunk) = again.pop() {
        if offers[0].contains(&chunk) {
            return;
        }
        again.extend(offered(2, &seed.frame(2, request(chunk))));
    }
    panic!("{:?} were never offered again", offers[0]);
}

#[test]
fn two_seeds_offer_each_other_nothing() {
    let mut seed = Alone::seed();
    seed.connect(1, Direction::Answered);
    let hello = crate::wire::Hello {
        agent: String::new(),
        listen_port: 0,
        chunk_count: CHUNKS,
        complete: true,
    };
    let actions = seed.frame(1, Frame::Hello(hello));
    assert_eq!(offered(1, &actions), []);
    assert!(seed.wait(11).contains(&disconnect(1, DisconnectReason::Useless)));
}
