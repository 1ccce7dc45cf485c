//! Through a relay first, then better.

use super::net::{Net, id, places};
use super::*;
use crate::path::Path;

/// Two that have met at the relay, as no datagram passed.
fn met() -> Net {
    let mut net = Net::new(2).with_relay();
    (net.machines[0].udp, net.machines[1].udp) = (false, false);
    net.want(0, 1);
    net.run(Duration::from_secs(3));
    assert_eq!(
        (net.paths(0), net.paths(1)),
        (vec![Some(Path::Relayed)], vec![Some(Path::Relayed)])
    );
    net
}

#[test]
fn checks_go_on_after_the_relay_and_replace_it() {
    let mut net = met();
    (net.machines[0].udp, net.machines[1].udp) = (true, true);
    net.run(Duration::from_secs(5));
    let expected = vec![Some(Path::Relayed), Some(Path::Direct)];
    assert_eq!((net.paths(0), net.paths(1)), (expected.clone(), expected));
    // And then there is peace.
    net.drawn();
    net.run(Duration::from_secs(3_600));
    assert_eq!(net.drawn(), "");
}

#[test]
fn what_is_relayed_is_tried_again_ever_less_often() {
    let mut net = met();
    net.run(Duration::from_secs(3_600));
    let drawn = net.drawn();
    // After 1, 3, 7, 15, 31 and 47 min, by the side that chooses; the other answers.
    let offers = net.paths(1).len();
    assert_eq!(net.paths(0).len(), offers, "{drawn}");
    assert!((6..=8).contains(&offers), "{offers}: {drawn}");
    (net.machines[0].udp, net.machines[1].udp) = (true, true);
    net.run(Duration::from_secs(1_000));
    assert_eq!(
        (net.paths(0).pop(), net.paths(1).pop()),
        (Some(Some(Path::Direct)), Some(Some(Path::Direct)))
    );
}

#[test]
fn another_network_is_tried_at_once() {
    let mut net = met();
    net.run(Duration::from_secs(30));
    assert_eq!(net.paths(0).last(), Some(&None));
    (net.machines[0].udp, net.machines[1].udp) = (true, true);
    let mut candidates = places(0);
    candidates.push(Candidate::new(CandidateKind::Host, Transport::Udp, at("10.0.0.5:7")));
    net.tell(0, Event::LocalCandidates { candidates });
    net.run(Duration::from_secs(3));
    assert_eq!(net.paths(0).last(), Some(&Some(Path::Direct)));
}

#[test]
fn who_is_gone_is_not_looked_for() {
    let mut net = met();
    net.run(Duration::from_secs(30));
    for machine in 0..2 {
        let (topic, peer) = (CONTENT.topic(), id(1 - machine));
        net.tell(machine, Event::Disconnected { topic, peer });
    }
    net.drawn();
    net.run(Duration::from_secs(3_600));
    assert_eq!(net.drawn(), "");
}

#[test]
fn who_is_lost_while_a_better_path_is_looked_for_is_met_at_the_relay_again() {
    let mut net = met();
    // Both have lost the connection just now, one after the other; the look for a better one has no relay.
    for machine in 0..2 {
        let (topic, peer) = (CONTENT.topic(), id(1 - machine));
        net.tell(machine, Event::Disconnected { topic, peer });
        net.want(machine, 1 - machine);
        net.run(Duration::from_millis(2_500));
    }
    net.run(Duration::from_secs(1));
    for machine in 0..2 {
        assert_eq!(net.paths(machine).last(), Some(&Some(Path::Relayed)), "{}", net.drawn());
    }
}
