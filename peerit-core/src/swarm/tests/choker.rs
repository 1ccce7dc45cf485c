//! Choosing whom to serve.

use super::*;

const NOW: u64 = 1_000;

fn at(s: u64) -> Timestamp {
    Timestamp::from_origin(Duration::from_secs(s))
}

/// Somebody who lacks something, asks, has some chunks, and gives nothing.
fn candidate(peer: u32, waited: u64) -> Candidate {
    Candidate {
        peer: PeerKey(peer),
        slot: None,
        lacks: 9,
        asks: true,
        idle: false,
        newcomer: false,
        gives: 0,
        waiting_since: at(NOW - waited),
    }
}

fn choker() -> Choker {
    Choker::new(&Config { upload_slots: 4, optimistic_slots: 1, ..Config::default() })
}

fn served(slots: &BTreeMap<PeerKey, Slot>) -> Vec<u32> {
    slots.keys().map(|peer| peer.0).collect()
}

fn round(we_seed: bool, candidates: &[Candidate]) -> BTreeMap<PeerKey, Slot> {
    choker().round(at(NOW), 4, we_seed, candidates, &mut Rng::from_seed(1))
}

fn fill_room(room: Room, candidates: &[Candidate]) -> BTreeMap<PeerKey, Slot> {
    Choker::fill(at(NOW), room, candidates, &mut Rng::from_seed(1))
}

fn fill(candidates: &[Candidate]) -> BTreeMap<PeerKey, Slot> {
    fill_room(Room { slots: 4, extra: 0 }, candidates)
}

#[test]
fn those_who_give_most_are_served_and_one_in_turn() {
    let gives = |peer, gives| Candidate { gives, ..candidate(peer, 5) };
    let candidates =
        [gives(1, 10), gives(2, 40), gives(3, 30), gives(4, 20), candidate(5, 9), candidate(6, 8)];
    let slots = round(false, &candidates);
    assert_eq!(served(&slots), [2, 3, 4, 5]);
    assert_eq!(slots[&PeerKey(2)], Slot::Reciprocal);
    assert_eq!(slots[&PeerKey(5)], Slot::Turn { until: at(NOW + 15) });
}

#[test]
fn a_seed_gives_every_slot_in_turn() {
    let candidates: Vec<_> =
        (1..=6).map(|peer| Candidate { gives: 100, ..candidate(peer, peer.into()) }).collect();
    assert_eq!(served(&round(true, &candidates)), [3, 4, 5, 6]);
}

#[test]
fn a_turn_that_is_not_over_goes_on() {
    let on_turn = Candidate { slot: Some(Slot::Turn { until: at(NOW + 1) }), ..candidate(1, 0) };
    let over = Candidate { slot: Some(Slot::Turn { until: at(NOW) }), ..candidate(2, 0) };
    let waiting: Vec<_> = (3..=5).map(|peer| candidate(peer, 1)).collect();
    let slots = round(true, &[&[on_turn, over.clone()], &waiting[..]].concat());
    assert_eq!(served(&slots), [1, 3, 4, 5]);
    assert_eq!(served(&round(true, &[over])), [2]);
}

#[test]
fn who_begins_to_give_leaves_its_turn_to_another() {
    let slot = Some(Slot::Turn { until: at(NOW + 9) });
    let giving: Vec<_> =
        (1..=3).map(|peer| Candidate { slot, gives: 5, ..candidate(peer, 0) }).collect();
    let slots = round(false, &[&giving[..], &[candidate(4, 1)]].concat());
    assert_eq!(served(&slots), [1, 2, 3, 4]);
    assert_eq!(slots[&PeerKey(1)], Slot::Reciprocal);
}

#[test]
fn a_free_slot_is_filled_and_nobody_loses_one() {
    let slot = Some(Slot::Turn { until: at(NOW - 9) });
    let held: Vec<_> = (1..=3).map(|peer| Candidate { slot, ..candidate(peer, 0) }).collect();
    let slots = fill(&[&held[..], &[candidate(4, 1), candidate(5, 2)]].concat());
    assert_eq!(served(&slots), [1, 2, 3, 5]);
    assert_eq!(slots[&PeerKey(1)], Slot::Turn { until: at(NOW - 9) });
}

#[test]
fn who_wants_nothing_keeps_its_slot_until_another_needs_it() {
    let slot = Some(Slot::Reciprocal);
    let idle = Candidate { slot, lacks: 0, ..candidate(1, 0) };
    let busy: Vec<_> = (2..=4).map(|peer| Candidate { slot, ..candidate(peer, 0) }).collect();
    let all = [&[idle], &busy[..]].concat();
    assert_eq!(served(&fill(&all)), [1, 2, 3, 4]);
    assert_eq!(served(&fill(&[&all[..], &[candidate(5, 0)]].concat())), [2, 3, 4, 5]);
}

#[test]
fn a_newcomer_waits_a_third_of_the_time() {
    let newcomer = Candidate { newcomer: true, ..candidate(1, 10) };
    let older: Vec<_> = (2..=5).map(|peer| candidate(peer, 25 + u64::from(peer))).collect();
    let slots = fill(&[&[newcomer], &older[..]].concat());
    assert_eq!(served(&slots), [1, 3, 4, 5]);
}

#[test]
fn an_idle_uplink_gives_more_slots_to_those_who_lack_most() {
    let slot = Some(Slot::Turn { until: at(NOW) });
    let silent: Vec<_> =
        (1..=4).map(|peer| Candidate { slot, asks: false, ..candidate(peer, 0) }).collect();
    let waiting: Vec<_> =
        (5..=8).map(|peer| Candidate { lacks: peer, ..candidate(peer, 9) }).collect();
    let all = [&silent[..], &waiting[..]].concat();
    assert_eq!(served(&fill(&all)), [1, 2, 3, 4]);
    assert_eq!(served(&fill_room(Room { slots: 4, extra: 2 }, &all)), [1, 2, 3, 4, 7, 8]);
}

#[test]
fn a_busy_uplink_takes_extra_slots_back_from_those_who_do_not_ask() {
    let slot = Some(Slot::Turn { until: at(NOW) });
    let asks = |peer: u32| Candidate { slot, asks: peer > 3, ..candidate(peer, 0) };
    let all: Vec<_> = (1..=6).map(asks).collect();
    assert_eq!(served(&fill(&all)), [1, 4, 5, 6]);
}

#[test]
fn differences_of_less_than_a_second_say_nothing() {
    let waited = |peer: u32| Candidate {
        waiting_since: at(NOW - 5) + Duration::from_millis(peer.into()),
        ..candidate(peer, 0)
    };
    let all: Vec<_> = (1..=40).map(waited).collect();
    let slots = |seed| {
        let room = Room { slots: 4, extra: 0 };
        served(&Choker::fill(at(NOW), room, &all, &mut Rng::from_seed(seed)))
    };
    assert_ne!(slots(1), slots(2));
}
