//! Links cost the time that they should.

use super::*;

/// How long one leech takes, in seconds.
fn alone(seed: Link, leech: Link) -> f64 {
    let peers = vec![PeerSpec::seed(seed), PeerSpec::leech(leech)];
    let scenario = Scenario { peers, content_bytes: 8 << 20, ..Scenario::default() };
    run(scenario).finished.as_secs_f64()
}

const CONTENT_BITS: f64 = 8.0 * 8_388_608.0;

#[test]
fn one_leech_takes_what_the_uplink_takes() {
    let took = alone(Link::mbit(20, 100), Link::mbit(20, 100));
    let least = CONTENT_BITS / 20e6;
    assert!((least..least * 1.15).contains(&took), "{took}");
}

#[test]
fn a_narrow_downlink_slows_its_sender() {
    let took = alone(Link::mbit(100, 100), Link::mbit(100, 10));
    let least = CONTENT_BITS / 10e6;
    assert!((least..least * 1.15).contains(&took), "{took}");
}

#[test]
fn a_narrow_downlink_is_shared_by_all_senders() {
    let mut scenario = crowd(4, 1, 8);
    scenario.peers.push(PeerSpec::seed(Link::mbit(20, 20)));
    scenario.peers.push(PeerSpec::seed(Link::mbit(20, 20)));
    scenario.peers[1].link = Link::mbit(1, 15);
    let report = run(scenario);
    let least = CONTENT_BITS / 15e6;
    let took = report.finished.as_secs_f64();
    assert!((least..least * 1.3).contains(&took), "{took}");
}

#[test]
fn lost_packets_cost_uplink_and_round_trips() {
    let good = Link::mbit(20, 100);
    let lossy = Link { loss: 0.05, ..good };
    let (clean, lost) = (alone(good, good), alone(lossy, lossy));
    // A tenth of the packets is lost on such a path, and some of them again.
    assert!((clean * 1.08..clean * 1.6).contains(&lost), "{clean} {lost}");
}

#[test]
fn a_long_way_costs_its_round_trips() {
    let near = Link::mbit(20, 100);
    let far = Link { latency: Duration::from_millis(150), ..near };
    let (short, long) = (alone(near, near), alone(far, far));
    // The tracker, the dial, Hello, bitfield, interest, unchoke: at least four round trips of 0.6 s.
    assert!(long > short + 2.0, "{short} {long}");
}

#[test]
fn a_crowd_behind_lossy_and_jittery_links_finishes() {
    let mut scenario = crowd(5, 6, 4);
    for peer in &mut scenario.peers {
        peer.link.loss = 0.02;
        peer.link.jitter = Duration::from_millis(30);
    }
    assert_eq!(run(scenario).complete_count(), 6);
}
