//! Both sides begin at once.

use super::net::Net;
use super::*;
use crate::path::Path;

#[test]
fn offers_that_cross_are_each_others_answers() {
    for (first, second) in [(0, 1), (1, 0)] {
        for later_ms in [0, 1, 10, 20, 39, 40, 41, 60, 79, 80, 81, 200, 300] {
            let mut net = Net::new(2);
            net.want(first, second);
            net.run(Duration::from_millis(later_ms));
            net.want(second, first);
            net.run(Duration::from_secs(60));
            let drawn = net.drawn();
            let [one, other] = [net.paths(0), net.paths(1)];
            assert_eq!(
                (one, other),
                (vec![Some(Path::Direct)], vec![Some(Path::Direct)]),
                "{drawn}"
            );
            assert_eq!(drawn.matches("signals").count(), 2, "{later_ms} ms:\n{drawn}");
            assert_eq!(drawn.matches("by QUIC").count(), 1, "{later_ms} ms:\n{drawn}");
        }
    }
}

#[test]
fn a_lost_offer_of_two_that_cross_costs_a_second() {
    for deaf in [0, 1] {
        let mut net = Net::new(2);
        net.machines[deaf].hears_signals = false;
        net.want(0, 1);
        net.want(1, 0);
        net.run(Duration::from_millis(500));
        net.machines[deaf].hears_signals = true;
        net.run(Duration::from_millis(1_500));
        let drawn = net.drawn();
        assert_eq!(
            (net.paths(0), net.paths(1)),
            (vec![Some(Path::Direct)], vec![Some(Path::Direct)]),
            "{drawn}"
        );
    }
}

#[test]
fn who_begins_anew_is_heard() {
    let mut net = Net::new(2);
    (net.machines[0].udp, net.machines[1].udp) = (false, false);
    net.want(0, 1);
    net.run(Duration::from_secs(2));
    // a starts again, as after a crash; b still has the old attempt.
    net.machines[0].traversal = NatTraversal::new(super::net::id(0), [99; 32]);
    net.join(0, &[]);
    net.tell(0, Event::LocalCandidates { candidates: super::net::places(0) });
    (net.machines[0].udp, net.machines[1].udp) = (true, true);
    net.want(0, 1);
    net.run(Duration::from_secs(2));
    assert_eq!((net.paths(0), net.paths(1)), (vec![Some(Path::Direct)], vec![Some(Path::Direct)]));
}

#[test]
fn of_dials_that_cross_the_smaller_ids_stays() {
    for (own, peer) in [(0, 1), (1, 0)] {
        let (own, peer) = (super::net::id(own), super::net::id(peer));
        let mut traversal = NatTraversal::new(own, [1; 32]);
        let topic = CONTENT.topic();
        let mut tell = |event| {
            traversal.handle_event(Timestamp::ZERO, event);
            std::iter::from_fn(|| traversal.poll()).collect::<Vec<_>>()
        };
        tell(Event::Join { topic, key: CONTENT.swarm_key(), relays: Vec::new() });
        let address = at("192.0.2.1:7000");
        let opened = tell(Event::Want { topic, peer, addresses: vec![address] });
        let Some(Action::Open { way, .. }) = opened.first() else { panic!("{opened:?}") };
        let ends = |actions: &[Action]| -> Vec<Option<WayKey>> {
            let end = |action: &Action| match action {
                Action::Established { way, .. } => Some(*way),
                _ => None,
            };
            actions.iter().filter_map(end).collect()
        };
        let accepted = tell(Event::Accepted { topic, peer, address, by_quic: false });
        assert_eq!(ends(&accepted), [None]);
        let is_given_up = accepted.contains(&Action::Close { way: *way });
        assert_eq!(is_given_up, own > peer, "the peer may have taken it for the one that stays");
        let expected = if own < peer { vec![Some(*way)] } else { vec![] };
        assert_eq!(ends(&tell(Event::Opened { way: *way })), expected);
    }
}
