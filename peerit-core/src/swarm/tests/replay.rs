//! A run is a file: recorded, encoded, decoded and replayed, it gives the same actions.

use std::time::Duration;

use peerit_proto::Message;
use peerit_proto::swarm::v1 as proto;

use super::super::twin::TwinError;
use super::super::*;
use super::net::Net;

const SEED: u64 = 11;

/// A leech's run: with an honest and a lying seed, another leech, a pause, a stranger and dead ends.
fn recorded() -> proto::Run {
    let mut net = Net::new(SEED, 8);
    let (honest, liar) = (net.seed(1 << 20), net.seed(1 << 20));
    net.nodes[liar].lies = true;
    let (leech, other) = (net.leech(1 << 20), net.leech(1 << 20));
    net.nodes[leech].recording = Some(Vec::new());
    net.introduce(leech, &[honest, liar]);
    net.introduce(other, &[honest]);
    let dead = vec!["[2600::1]:7".parse().unwrap()];
    net.event(leech, Event::AddressesFound { addresses: dead });
    net.run(Duration::from_secs(4));
    net.event(leech, Event::Pause);
    net.event(leech, Event::Resume);
    net.event(leech, Event::ChunkNotStored { chunk: ChunkIndex(1) });
    net.run_until(Duration::from_secs(300), |net| net.complete(leech));
    let steps = net.nodes[leech].recording.take().unwrap();
    let start = proto::Start {
        content_length_bytes: net.layout.length(),
        chunk_length_bytes: net.layout.chunk_length(),
        have: Bitfield::empty(net.layout.chunk_count()).to_bytes().into(),
        own_id: net.id(leech).0.to_vec().into(),
        rng_seed: net.rng_seed(leech),
        config: Some((&net.nodes[leech].swarm.config).into()),
    };
    proto::Run { start: Some(start), steps }
}

fn started(start: proto::Start) -> Swarm {
    let layout = Layout::new(start.content_length_bytes, start.chunk_length_bytes).unwrap();
    let have = Bitfield::from_bytes(&start.have, layout.chunk_count()).unwrap();
    let own_id = PeerId::try_from(start.own_id.as_ref()).unwrap();
    let config = Config::try_from(start.config.unwrap()).unwrap();
    Swarm::new(config, layout, have, own_id, start.rng_seed)
}

#[test]
fn a_recorded_run_is_replayed_exactly() {
    let file = recorded().encode_to_vec();
    assert!(file.len() < 200_000, "{} bytes", file.len());
    let run = proto::Run::decode(file.as_slice()).unwrap();
    let mut swarm = started(run.start.unwrap());
    let (mut disconnects, mut completed) = (0, 0);
    for (number, step) in run.steps.into_iter().enumerate() {
        let now = Timestamp::from_origin(Duration::from_nanos(step.at_ns));
        match step.event {
            Some(event) => swarm.handle_event(now, Event::try_from(event).unwrap()),
            None => swarm.handle_timeout(now),
        }
        let expected = step.actions.into_iter().map(Action::try_from).collect::<Result<_, _>>();
        let expected: Vec<_> = expected.unwrap();
        let actions: Vec<_> = std::iter::from_fn(|| swarm.poll()).collect();
        assert!(actions == expected, "step {number} differs");
        let count = |which: fn(&Action) -> bool| actions.iter().filter(|one| which(one)).count();
        disconnects += count(|one| matches!(one, Action::Disconnect { .. }));
        completed += count(|one| *one == Action::Completed);
    }
    assert_eq!(completed, 1);
    assert!(disconnects >= 3);
    assert!(swarm.peers(swarm.now).iter().any(|report| report.banned.is_some()));
}

#[test]
fn every_action_survives_its_twin() {
    use Misbehaviour::*;
    let reasons = [CorruptChunk(ChunkIndex(3)), OutOfOrder, ChunkCount(9), Bitfield, NoSuchBlock]
        .into_iter()
        .chain([TooManyRequests, Unrequested, Flood])
        .map(DisconnectReason::Misbehaviour)
        .chain([DisconnectReason::Banned, DisconnectReason::Duplicate, DisconnectReason::Full])
        .chain([DisconnectReason::Useless, DisconnectReason::Idle, DisconnectReason::Paused]);
    let actions = reasons
        .map(|reason| Action::Disconnect { peer: PeerKey(1), reason })
        .chain([Action::SendManifest { peer: PeerKey(2), offset: 3, length: 4 }])
        .chain([Action::Send { peer: PeerKey(2), frame: Frame::Unknown }]);
    for action in actions {
        assert_eq!(Action::try_from(proto::Action::from(&action)), Ok(action));
    }
}

#[test]
fn what_is_no_event_is_refused() {
    use proto::event::Body;
    let refused = |body| Event::try_from(proto::Event { body }).unwrap_err();
    assert_eq!(refused(None), TwinError::Missing("body"));
    let nowhere = Body::DialFailed(proto::DialFailed { address: None });
    assert_eq!(refused(Some(nowhere)), TwinError::Missing("address"));
    let nobody = Body::Connected(proto::Connected::default());
    assert_eq!(refused(Some(nobody)), TwinError::OutOfRange("length of id"));
    let payload = proto::Payload { length_bytes: u32::MAX, fingerprint: vec![0; 16].into() };
    let huge = Body::ChunkStored(proto::ChunkStored { chunk: 0, blocks: vec![payload] });
    assert_eq!(refused(Some(huge)), TwinError::OutOfRange("length_bytes"));
}
