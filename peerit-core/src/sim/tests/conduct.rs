//! Those who do not do as the rules say.

use super::*;

#[test]
fn liars_are_banned_and_the_others_finish() {
    let mut scenario = crowd(6, 8, 4);
    for liar in [2, 3] {
        scenario.peers[liar].role = Role::Seed;
        scenario.peers[liar].conduct = Conduct::Liar { every_nth_block: 3 };
    }
    let report = run(scenario);
    let (liars, honest): (Vec<_>, Vec<_>) =
        report.peers.iter().partition(|peer| peer.conduct != Conduct::Honest);
    assert!(liars.iter().all(|liar| liar.banned_by >= 3), "{liars:?}");
    assert!(honest.iter().all(|peer| peer.banned_by == 0), "{honest:?}");
    assert_eq!(report.complete_count(), 6);
}

#[test]
fn who_gives_nothing_sends_nothing_and_does_not_hold_up_the_others() {
    let mut scenario = crowd(7, 8, 8);
    scenario.peers[8].conduct = Conduct::FreeRider;
    let report = run(scenario);
    assert_eq!(report.peers[8].uploaded_bytes, 0);
    assert!(report.complete_count() >= 7);
    assert!(report.ratio < 3.0, "{}", report.ratio);
}
