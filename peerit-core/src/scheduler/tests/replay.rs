//! A run as bytes, and what it says when it is played again.

use peerit_proto::Message;
use peerit_proto::scheduler::v1 as twin;

use super::*;
use crate::scheduler::twin::TwinError;

const SEED: u64 = 7;

fn start() -> Driver {
    Driver::with(config(), layout(3, 2), SEED)
}

/// Makes a call as the step says; what came of it.
fn play(driver: &mut Driver, step: &twin::Step) -> Result<Vec<twin::Action>, TwinError> {
    driver.now = Timestamp::from_origin(Duration::from_nanos(step.at_ns));
    let actions = match step.event.clone() {
        Some(event) => driver.tell(Event::try_from(event)?),
        None => driver.wait(0),
    };
    Ok(actions.into_iter().map(twin::Action::from).collect())
}

/// Two peers of which one falls silent, recorded.
fn record() -> twin::Run {
    let mut driver = start();
    let mut events: Vec<(u64, Option<Event>)> = Vec::new();
    for (peer, has) in [(A, "###"), (B, "##.")] {
        events.push((1, Some(Event::PeerJoined { peer })));
        events.push((2, Some(Event::HasChunks { peer, chunks: bits(has) })));
        events.push((3, Some(Event::Unchoked { peer })));
    }
    events.push((99_000_000_000, None));
    let mut steps = Vec::new();
    let mut pending: std::collections::VecDeque<_> = events.into();
    let mut now = 0;
    while let Some((at_ns, event)) = pending.pop_front() {
        now = now.max(at_ns);
        let mut step =
            twin::Step { at_ns: now, event: event.map(twin::Event::from), actions: Vec::new() };
        step.actions = play(&mut driver, &step).unwrap();
        steps.push(step);
        if let (true, Some(&(peer, block))) = (pending.is_empty(), driver.asked.first()) {
            driver.asked.remove(0);
            let arrived = Event::BlockArrived { peer, block, payload: payload(block) };
            pending.push_back((now + 10_000_000, Some(arrived)));
        }
    }
    let start = twin::Start {
        content_length_bytes: driver.scheduler.layout.length(),
        chunk_length_bytes: driver.scheduler.layout.chunk_length(),
        have: vec![0].into(),
        rng_seed: SEED,
    };
    twin::Run { start: Some(start), steps }
}

#[test]
fn a_recorded_run_replays_to_the_same_actions() {
    let run = twin::Run::decode(record().encode_to_vec().as_slice()).unwrap();
    let start = run.start.unwrap();
    let layout = Layout::new(start.content_length_bytes, start.chunk_length_bytes).unwrap();
    let mut driver = Driver::with(config(), layout, start.rng_seed);
    let mut seen = 0;
    for step in run.steps {
        assert_eq!(play(&mut driver, &step), Ok(step.actions.clone()));
        seen += step.actions.len();
    }
    assert!(seen > 15, "{seen} actions");
}

#[test]
fn every_event_survives_its_twin() {
    let (peer, chunk) = (PeerKey(300), ChunkIndex(70_000));
    let block = Block { chunk, offset: 1 << 18, length: 5 };
    for event in [
        Event::PeerJoined { peer },
        Event::PeerLeft { peer },
        Event::HasChunks { peer, chunks: bits("#..#.....#") },
        Event::HasChunk { peer, chunk },
        Event::Unchoked { peer },
        Event::Choked { peer },
        Event::BlockArrived { peer, block, payload: payload(block) },
        Event::Rejected { peer, block },
        Event::ChunkStored { chunk },
        Event::ChunkLost { chunk, single_source: true },
        Event::Pause,
        Event::Resume,
        Event::Memory { bytes_max: 1 << 40 },
    ] {
        let bytes = twin::Event::from(event.clone()).encode_to_vec();
        let twin = twin::Event::decode(bytes.as_slice()).unwrap();
        assert_eq!(Event::try_from(twin), Ok(event));
    }
}

#[test]
fn every_action_survives_its_twin() {
    let (peer, chunk) = (PeerKey(300), ChunkIndex(70_000));
    let block = Block { chunk, offset: 1 << 18, length: 5 };
    for action in [
        Action::Request { peer, block },
        Action::Cancel { peer, block },
        Action::Interest { peer, interested: true },
        Action::ChunkComplete { chunk, blocks: vec![payload(block)], sources: vec![peer] },
        Action::Unrequested { peer },
        Action::Snubbed { peer },
    ] {
        let bytes = twin::Action::from(action.clone()).encode_to_vec();
        let twin = twin::Action::decode(bytes.as_slice()).unwrap();
        assert_eq!(Action::try_from(twin), Ok(action));
    }
}

#[test]
fn messages_with_holes_are_refused() {
    let event = |body| Event::try_from(twin::Event { body });
    assert_eq!(event(None), Err(TwinError::Missing("body")));
    let rejected = twin::event::Body::Rejected(twin::Rejected { peer: 1, block: None });
    assert_eq!(event(Some(rejected)), Err(TwinError::Missing("block")));
    let has = twin::HasChunks { peer: 1, chunk_count: 3, bits: vec![0xff].into() };
    assert_eq!(event(Some(twin::event::Body::HasChunks(has))), Err(TwinError::Bits(3)));
}
