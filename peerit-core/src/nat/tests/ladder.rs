//! The rungs, in turn.

use super::net::{Net, id, tcp, udp};
use super::*;
use crate::path::Path;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn who_can_be_dialled_is_dialled_and_nobody_else_is_troubled() {
    let mut net = Net::new(2);
    net.machines[1].dialable = true;
    net.want(0, 1);
    net.run(seconds(60));
    let expected = "    0 a dials 198.51.100.2:80
   40 a has Direct: dial 198.51.100.2:80: worked";
    assert_eq!(net.drawn(), expected);
    assert_eq!(net.machines[0].traversal.poll_timeout(), None);
}

#[test]
fn who_cannot_be_dialled_is_asked_to_dial() {
    let mut net = Net::new(2);
    net.machines[0].dialable = true;
    (net.machines[0].udp, net.machines[1].udp) = (false, false);
    net.want(0, 1);
    net.run(seconds(60));
    let expected = "    0 a dials 198.51.100.2:80
  250 a signals b
  290 b dials 198.51.100.1:80
  290 b signals a
  310 a has Direct: dial 198.51.100.2:80: overtaken, signal: overtaken, \
                    reversed dial 198.51.100.2:40000: worked
  310 b checks 198.51.100.1:7
  330 b has Direct: hole punch: overtaken, dial 198.51.100.1:80: worked";
    assert_eq!(net.drawn(), expected);
}

#[test]
fn where_nobody_can_be_dialled_holes_are_punched() {
    let mut net = Net::new(2);
    net.want(0, 1);
    net.run(seconds(60));
    let drawn = net.drawn();
    // b has the larger id, so it chooses the path and connects.
    assert!(drawn.contains("b dials 198.51.100.1:7 by QUIC"), "{drawn}");
    assert_eq!((net.paths(0), net.paths(1)), (vec![Some(Path::Direct)], vec![Some(Path::Direct)]));
    assert!(net.checks < 20, "{}", net.checks);
}

#[test]
fn where_no_datagram_passes_a_relay_does_it() {
    let mut net = Net::new(2).with_relay();
    (net.machines[0].udp, net.machines[1].udp) = (false, false);
    net.want(0, 1);
    net.run(seconds(3));
    assert_eq!(
        (net.paths(0), net.paths(1)),
        (vec![Some(Path::Relayed)], vec![Some(Path::Relayed)])
    );
    let drawn = net.drawn();
    assert!(drawn.contains(" 1250 a meets at 203.0.113.9:59000"), "{drawn}");
}

#[test]
fn a_relay_needs_no_signal_when_both_sides_look() {
    let mut net = Net::new(2).with_relay();
    for machine in 0..2 {
        net.machines[machine].udp = false;
        net.machines[machine].hears_signals = false;
    }
    net.want(0, 1);
    net.want(1, 0);
    net.run(seconds(3));
    assert_eq!(
        (net.paths(0), net.paths(1)),
        (vec![Some(Path::Relayed)], vec![Some(Path::Relayed)])
    );
}

#[test]
fn nobody_waits_at_a_relay_for_a_peer_that_does_not_answer() {
    let mut net = Net::new(2).with_relay();
    net.tell(
        0,
        Event::Observed { observer: at("203.0.113.1:59000"), address: udp(0), other_port: 0 },
    );
    net.machines[1].hears_signals = false;
    net.want(0, 1);
    net.run(seconds(60));
    assert!(net.tokens.is_empty());
    assert!(net.drawn().ends_with("relay: not tried: the peer does not answer"));
    // One that is heard of late is met all the same.
    net.machines[1].udp = false;
    net.want(0, 1);
    net.run(seconds(2));
    net.machines[1].hears_signals = true;
    net.run(seconds(4));
    assert_eq!(net.paths(0).last(), Some(&Some(Path::Relayed)));
}

#[test]
fn a_token_is_shown_to_a_relay_for_one_meeting() {
    let mut net = Net::new(2).with_relay();
    (net.machines[0].udp, net.machines[1].udp) = (false, false);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        net.want(0, 1);
        net.run(seconds(20));
        let tokens = std::mem::take(&mut net.tokens);
        assert_eq!(tokens.len(), 2, "one a side");
        assert!(tokens[0] == tokens[1] && seen.insert(tokens[0]));
        for (machine, peer) in [(0, 1), (1, 0)] {
            let (topic, peer) = (CONTENT.topic(), id(peer));
            net.tell(machine, Event::Disconnected { topic, peer });
        }
    }
}

#[test]
fn a_peer_that_is_not_there_is_one_failure_and_its_report_says_why() {
    let mut net = Net::new(2);
    net.machines[1].hears_signals = false;
    net.want(0, 1);
    net.run(seconds(600));
    let drawn = net.drawn();
    let end = "fails: dial 198.51.100.2:80: no answer in time, signal: no answer in time, \
               relay: not tried: no relay is known";
    assert!(drawn.ends_with(end), "{drawn}");
    assert_eq!((net.machines[0].ends.len(), drawn.matches("signals").count()), (1, 3));
    assert_eq!(net.machines[0].traversal.poll_timeout(), None);
}

#[test]
fn a_driver_that_never_answers_does_not_hold_an_attempt_forever() {
    let mut traversal = NatTraversal::new(id(0), [0; 32]);
    let (topic, key) = (CONTENT.topic(), CONTENT.swarm_key());
    traversal.handle_event(ms(0), Event::Join { topic, key, relays: vec![at(net::RELAY)] });
    let want = Event::Want { topic, peer: id(1), addresses: vec![tcp(1), tcp(2)] };
    traversal.handle_event(ms(0), want);
    let mut ends = 0;
    while let Some(due) = traversal.poll_timeout() {
        assert!(due <= ms(22_000));
        traversal.handle_timeout(due);
        let actions = std::iter::from_fn(|| traversal.poll());
        ends += actions.filter(|action| matches!(action, Action::Failed { .. })).count();
    }
    assert_eq!(ends, 1);
}

#[test]
fn dials_are_staggered_and_a_refusal_ends_the_wait() {
    let mut traversal = NatTraversal::new(id(0), [0; 32]);
    let (topic, key) = (CONTENT.topic(), CONTENT.swarm_key());
    traversal.handle_event(ms(0), Event::Join { topic, key, relays: Vec::new() });
    let addresses = vec![tcp(1), tcp(2), tcp(3)];
    traversal.handle_event(ms(0), Event::Want { topic, peer: id(1), addresses });
    let opened = |traversal: &mut NatTraversal| {
        let ways = std::iter::from_fn(|| traversal.poll()).filter_map(|action| match action {
            Action::Open { way, opening: Opening::Tcp { address }, .. } => Some((way, address)),
            _ => None,
        });
        ways.collect::<Vec<_>>()
    };
    let first = opened(&mut traversal);
    assert_eq!(first.iter().map(|it| it.1).collect::<Vec<_>>(), [tcp(1)]);
    let refused = Event::OpenFailed { way: first[0].0, fault: Fault::Refused };
    traversal.handle_event(ms(40), refused);
    assert_eq!(opened(&mut traversal)[0].1, tcp(2));
    traversal.handle_timeout(ms(289));
    assert_eq!(opened(&mut traversal), []);
    traversal.handle_timeout(ms(290));
    assert_eq!(opened(&mut traversal)[0].1, tcp(3));
}

#[test]
fn late_candidates_are_told_and_tried() {
    let mut net = Net::new(2);
    // Nobody knows where a is, until a tracker has seen it.
    net.tell(0, Event::LocalCandidates { candidates: Vec::new() });
    net.tell(1, Event::LocalCandidates { candidates: Vec::new() });
    net.want(0, 1);
    net.run(Duration::from_millis(1_200));
    assert_eq!((net.checks, net.paths(0)), (0, Vec::new()));
    net.tell(
        0,
        Event::Observed { observer: at("203.0.113.1:59000"), address: udp(0), other_port: 0 },
    );
    net.run(seconds(2));
    assert_eq!(
        (net.paths(0), net.paths(1)),
        (vec![Some(Path::Punched)], vec![Some(Path::Punched)])
    );
}

#[test]
fn what_is_no_longer_wanted_ends() {
    let mut net = Net::new(3);
    (0..2).for_each(|peer| net.want(2, peer));
    net.tell(2, Event::Unwant { topic: CONTENT.topic(), peer: id(0) });
    net.tell(2, Event::Leave { topic: CONTENT.topic() });
    net.want(2, 1);
    assert_eq!(net.paths(2), [None, None, None]);
    assert!(net.drawn().ends_with("c fails: dial: not tried: the share is not running"));
    assert_eq!(net.machines[2].traversal.poll_timeout(), None);
}

#[test]
fn too_many_attempts_are_refused_not_kept() {
    let mut net = Net::new(1);
    for number in 0..200_u8 {
        let mut peer = id(1);
        peer.0[0] = number;
        let (topic, addresses) = (CONTENT.topic(), vec![tcp(1)]);
        net.tell(0, Event::Want { topic, peer, addresses });
    }
    assert_eq!(net.machines[0].ends.len(), 200 - ATTEMPTS_MAX);
    net.run(seconds(60));
    assert_eq!(net.machines[0].ends.len(), 200);
}
