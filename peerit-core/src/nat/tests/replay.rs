//! A run is a file: recorded, encoded, decoded and replayed, it gives the same actions.

use peerit_proto::Message;
use peerit_proto::nat::v1 as proto;

use super::super::twin::TwinError;
use super::net::{Net, id};
use super::*;

/// A course with dials, signals, checks, a relay, and something better in the end.
fn recorded() -> proto::Run {
    let mut net = Net::new(3).with_relay();
    (net.machines[0].udp, net.machines[1].udp) = (false, false);
    net.machines[1].recording = Some(Vec::new());
    net.want(0, 1);
    net.want(1, 2);
    net.run(Duration::from_secs(3));
    net.tell(1, Event::Unwant { topic: CONTENT.topic(), peer: id(2) });
    (net.machines[0].udp, net.machines[1].udp) = (true, true);
    net.run(Duration::from_secs(9));
    net.want(1, 2);
    net.run(Duration::from_secs(5));
    net.tell(1, Event::Disconnected { topic: CONTENT.topic(), peer: id(0) });
    net.tell(1, Event::Leave { topic: CONTENT.topic() });
    let seed = vec![1; 32].into();
    let start = proto::Start { own_id: id(1).0.to_vec().into(), seed };
    // What the network told before the recording began.
    let mut steps = vec![];
    for event in [
        Event::Join {
            topic: CONTENT.topic(),
            key: CONTENT.swarm_key(),
            relays: vec![at(super::net::RELAY)],
        },
        Event::LocalCandidates { candidates: super::net::places(1) },
    ] {
        steps.push(proto::Step { at_ns: 0, event: Some((&event).into()), actions: Vec::new() });
    }
    steps.append(net.machines[1].recording.as_mut().unwrap());
    proto::Run { start: Some(start), steps }
}

#[test]
fn a_recorded_run_is_replayed_exactly() {
    let file = recorded().encode_to_vec();
    let run = proto::Run::decode(file.as_slice()).unwrap();
    let start = run.start.unwrap();
    let own = PeerId::try_from(start.own_id.as_ref()).unwrap();
    let mut traversal = NatTraversal::new(own, start.seed.as_ref().try_into().unwrap());
    let (mut checks, mut ends) = (0, 0);
    for (number, step) in run.steps.into_iter().enumerate() {
        let now = Timestamp::from_origin(Duration::from_nanos(step.at_ns));
        match step.event {
            Some(event) => traversal.handle_event(now, Event::try_from(event).unwrap()),
            None => traversal.handle_timeout(now),
        }
        let expected = step.actions.into_iter().map(Action::try_from).collect::<Result<_, _>>();
        let expected: Vec<_> = expected.unwrap();
        let actions: Vec<_> = std::iter::from_fn(|| traversal.poll()).collect();
        assert_eq!(actions, expected, "step {number}");
        let count = |which: fn(&Action) -> bool| actions.iter().filter(|one| which(one)).count();
        checks += count(|one| matches!(one, Action::SendStun { .. }));
        ends += count(|one| matches!(one, Action::Established { .. } | Action::Failed { .. }));
    }
    assert!(checks > 5 && ends >= 4, "{checks} checks, {ends} ends");
}

#[test]
fn every_action_and_report_survives_its_twin() {
    use Fault::{Other, Refused, RelayRefused, TimedOut, Unreachable, WrongPeer};
    use Obstacle::{Busy, NoAnswer, NoCandidates, NoRelay, NotJoined, Unwanted};
    let faults = [Refused, Unreachable, TimedOut, WrongPeer, RelayRefused, Other];
    let obstacles = [NotJoined, Busy, NoCandidates, NoRelay, NoAnswer, Unwanted];
    let outcomes = faults.map(Outcome::Failed).into_iter();
    let outcomes = outcomes.chain(obstacles.map(Outcome::NotTried));
    let outcomes = outcomes.chain([Outcome::Pending, Outcome::Worked, Outcome::Overtaken]);
    let methods = [Method::Dial, Method::Signal, Method::ReversedDial, Method::Punch, Method::Quic];
    let methods = methods.into_iter().chain([Method::Relay, Method::Birthday]).cycle();
    let trial = |(method, outcome)| Trial { method, target: Some(at("192.0.2.1:7")), outcome };
    let trials = methods.zip(outcomes).map(trial).collect();
    let (mapping, remote_mapping) = (Mapping::EndpointDependent, Mapping::EndpointIndependent);
    let report = Report { trials, mapping, remote_mapping };
    let (attempt, topic, peer) = (AttemptKey(7), CONTENT.topic(), id(1));
    let openings = [
        Opening::Tcp { address: at("192.0.2.1:7") },
        Opening::Quic { address: at("[2001:db8::1]:7") },
        Opening::QuicFrom { socket: 255, address: at("192.0.2.1:7") },
        Opening::Relay { relay: at("192.0.2.1:7"), token: [9; 16] },
    ];
    let open = |opening| Action::Open { way: WayKey(3), topic, peer, opening };
    let (socket, to, datagram) = (255, at("192.0.2.1:7"), Bytes::from_static(b"check"));
    for event in [
        Event::SocketsOpened { count: 256 },
        Event::Observed { observer: to, address: at("[2001:db8::1]:7"), other_port: 59_001 },
        Event::Signal { topic, sender: peer, sender_address: Some(to), sealed: datagram.clone() },
        Event::StunAt { socket, from: to, datagram: datagram.clone() },
    ] {
        assert_eq!(Event::try_from(proto::Event::from(&event)), Ok(event));
    }
    let sockets = [
        Action::OpenSockets { count: 256 },
        Action::SendFrom { socket, to, datagram },
        Action::CloseSockets,
    ];
    for action in openings
        .map(open)
        .into_iter()
        .chain(sockets)
        .chain([Action::Close { way: WayKey(4) }, Action::Failed { attempt, topic, peer, report }])
    {
        assert_eq!(Action::try_from(proto::Action::from(&action)), Ok(action));
    }
}

#[test]
fn what_is_no_event_is_refused() {
    use proto::event::Body;
    let refused = |body| Event::try_from(proto::Event { body }).unwrap_err();
    assert_eq!(refused(None), TwinError::Missing("body"));
    let nobody = Body::Unwant(proto::Unwant::default());
    assert_eq!(refused(Some(nobody)), TwinError::OutOfRange("length of topic"));
    let nowhere = Body::Stun(proto::Datagram::default());
    assert_eq!(refused(Some(nowhere)), TwinError::Missing("address"));
    let silent = Body::OpenFailed(proto::OpenFailed::default());
    assert_eq!(refused(Some(silent)), TwinError::OutOfRange("fault"));
}
