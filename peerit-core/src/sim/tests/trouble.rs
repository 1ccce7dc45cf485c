//! Peers that leave, vanish, hang, cannot be dialled, or have poor disks.

use super::*;

#[test]
fn a_fifth_vanishes_and_the_rest_finishes() {
    let mut scenario = crowd(8, 10, 8);
    for (number, victim) in [(1, 3), (2, 6)] {
        scenario.peers[victim].fate.push((When::At(seconds(number)), Fate::Crash));
    }
    let report = run(scenario);
    assert_eq!(report.complete_count(), 8);
    assert!(!report.peers[3].stayed && !report.peers[6].stayed);
}

/// What only it was offered must come from the seed once more, long before its silence is noticed.
#[test]
fn who_vanishes_with_offers_of_the_seed_holds_nobody_up() {
    let mut scenario = crowd(16, 6, 8);
    for peer in &mut scenario.peers[1..=3] {
        peer.fate.push((When::At(Duration::from_millis(1_500)), Fate::Crash));
    }
    let report = run(scenario);
    assert_eq!(report.complete_count(), 3);
    assert!(report.finished < seconds(20), "{:?}", report.finished);
}

#[test]
fn a_seed_that_has_given_one_copy_and_a_little_is_not_needed() {
    for seed in 30..34 {
        let mut scenario = crowd(seed, 8, 8);
        let given = When::Uploaded((8 << 20) * 105 / 100);
        scenario.peers[0].fate.push((given, Fate::Leave));
        assert_eq!(run(scenario).complete_count(), 8);
    }
}

#[test]
fn who_leaves_when_complete_is_gone() {
    let mut scenario = crowd(10, 6, 4);
    for peer in &mut scenario.peers[1..4] {
        peer.fate.push((When::Complete(Duration::from_millis(100)), Fate::Leave));
    }
    scenario.peers[6].link = Link::mbit(20, 4);
    let report = run(scenario);
    assert_eq!(report.complete_count(), 6);
    assert_eq!(report.peers.iter().filter(|peer| !peer.stayed).count(), 3);
}

#[test]
fn a_full_disk_is_its_owners_trouble_only() {
    let mut scenario = crowd(11, 5, 4);
    scenario.peers[5].disk.fails_after_bytes = Some(1 << 20);
    let report = run(scenario);
    assert_eq!(report.peers[5].completed_at, None);
    assert_eq!(report.complete_count(), 4);
}

#[test]
fn a_slow_disk_sets_the_pace_of_its_owner() {
    let mut scenario = crowd(12, 4, 4);
    scenario.peers[4].disk.write_bytes_per_second = Some(512 << 10);
    let report = run(scenario);
    let last = |peer: &PeerReport| peer.completed_at.unwrap().as_secs_f64();
    assert!((8.0..10.0).contains(&last(&report.peers[4])), "{report:?}");
    assert!(report.peers[1..4].iter().all(|peer| last(peer) < 8.0));
}

#[test]
fn who_hangs_for_a_while_goes_on_where_it_was() {
    let mut scenario = crowd(13, 5, 8);
    for hangs in [0, 2] {
        let stall = (When::At(Duration::from_millis(1_500)), Fate::Stall(seconds(8)));
        scenario.peers[hangs].fate.push(stall);
    }
    let report = run(scenario);
    assert_eq!(report.complete_count(), 5);
    assert!(report.peers[2].completed_at.unwrap() > Duration::from_millis(9_500));
}

#[test]
fn half_behind_nats_finish() {
    let mut scenario = crowd(14, 8, 4);
    for peer in scenario.peers[1..].iter_mut().step_by(2) {
        peer.reach = Reach::Natted;
    }
    assert_eq!(run(scenario).complete_count(), 8);
}
