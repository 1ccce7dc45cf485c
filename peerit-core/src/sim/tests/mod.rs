//! Swarms as a whole, on virtual time: what they do when all is well, and when it is not.

mod checks;
mod conduct;
mod crowds;
mod links;
mod random;
mod trouble;

use std::time::Duration;

use super::*;

/// One seed and some leeches with 20 Mbit/s up and 100 down, and a content of `mib`.
fn crowd(seed: u64, leeches: usize, mib: u64) -> Scenario {
    let link = Link::mbit(20, 100);
    let mut peers = vec![PeerSpec::seed(link)];
    peers.extend((0..leeches).map(|_| PeerSpec::leech(link)));
    Scenario { seed, content_bytes: mib << 20, peers, ..Scenario::default() }
}

/// Runs it; a violation fails the test and says how to see it again.
fn run(scenario: Scenario) -> Report {
    match Simulation::new(scenario).and_then(Simulation::run) {
        Ok(report) => report,
        Err(error) => panic!("{error}"),
    }
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

impl Report {
    fn leeches(&self) -> impl Iterator<Item = &PeerReport> {
        self.peers.iter().filter(|peer| peer.role == Role::Leech)
    }

    fn complete_count(&self) -> usize {
        self.leeches().filter(|peer| peer.completed_at.is_some()).count()
    }
}
