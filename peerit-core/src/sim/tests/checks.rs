//! The checkers find what they are for, and say how to see it again.

use super::super::check::Violation;
use super::*;
use crate::id::ChunkIndex;
use crate::layout::Block;

fn violation(scenario: Scenario) -> SimError {
    Simulation::new(scenario).and_then(Simulation::run).unwrap_err()
}

#[test]
fn who_does_not_finish_is_named() {
    let mut scenario = crowd(15, 2, 4);
    scenario.peers[0].fate.push((When::Uploaded(1 << 20), Fate::Crash));
    scenario.deadline = seconds(300);
    let error = violation(scenario);
    let unfinished = Violation::Unfinished { count: 2, peers: vec![1, 2] };
    assert_eq!(error.violation, unfinished);
    assert!(error.to_string().contains("seed 15"), "{error}");
    assert!(error.to_string().contains("`seed: 15`"), "{error}");
}

#[test]
fn a_content_that_cannot_be_cut_is_refused() {
    let scenario = Scenario { chunk_length: Some(1_000), ..crowd(1, 1, 1) };
    assert!(matches!(violation(scenario).violation, Violation::Layout(_)));
}

#[test]
fn what_is_not_verified_must_not_be_served_nor_what_is_not_announced_asked_for() {
    let block = Block { chunk: ChunkIndex(3), offset: 0, length: 65_536 };
    let mut simulation = Simulation::new(crowd(1, 1, 1)).unwrap();
    simulation.check_served(0, block);
    assert_eq!(simulation.violation, None);
    simulation.check_served(1, block);
    let served = Violation::UnverifiedServed { peer: 1, chunk: ChunkIndex(3) };
    assert_eq!(simulation.violation.take(), Some(served));

    simulation.hosts.iter_mut().for_each(|host| host.state = super::super::host::State::Up);
    simulation.handle(super::super::engine::Event::Open { from: 1, to: 0 });
    simulation.check_request(1, 0, block);
    let needless = Violation::NeedlessRequest { peer: 1, of: 0, chunk: ChunkIndex(3) };
    assert_eq!(simulation.violation, Some(needless));
}

#[test]
fn a_swarm_that_counts_what_is_not_stored_is_found() {
    let mut simulation = Simulation::new(crowd(1, 1, 1)).unwrap();
    simulation.hosts[1].stored.insert(ChunkIndex(0));
    simulation.check_at_end();
    let untrue = Violation::Untrue { peer: 1, says: 0, stored: 1 };
    assert_eq!(simulation.violation, Some(untrue));
}
