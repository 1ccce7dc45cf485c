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

/// One of nine gives nothing: it is last by far, and the others hardly notice.
#[test]
fn a_free_rider_is_last_and_costs_the_others_little() {
    let last_honest = |report: &Report| {
        let honest = report.leeches().filter(|peer| peer.conduct == Conduct::Honest);
        honest.filter_map(|peer| peer.completed_at).max().unwrap()
    };
    let without = last_honest(&run(crowd(20, 8, 48)));
    let mut scenario = crowd(20, 9, 48);
    scenario.peers[9].conduct = Conduct::FreeRider;
    let report = run(scenario);
    let with = last_honest(&report);
    assert!(with < without.mul_f64(1.05), "{with:?} after {without:?}");
    assert!(report.peers[9].completed_at.is_none_or(|at| at > with), "{report:?}");
}

#[test]
fn some_liars_slow_the_others_little() {
    let honest = run(crowd(21, 20, 8));
    let mut scenario = crowd(21, 20, 8);
    for liar in [4, 11] {
        scenario.peers[liar].conduct = Conduct::Liar { every_nth_block: 7 };
    }
    let report = run(scenario);
    let slowdown = report.finished.as_secs_f64() / honest.finished.as_secs_f64();
    assert!(slowdown < 1.15, "{slowdown}");
    let (liars, honest): (Vec<_>, Vec<_>) =
        report.peers.iter().partition(|peer| peer.conduct != Conduct::Honest);
    assert!(liars.iter().all(|liar| liar.banned_by > 0), "{liars:?}");
    assert!(honest.iter().all(|peer| peer.banned_by == 0), "{honest:?}");
}
