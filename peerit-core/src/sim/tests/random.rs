//! Swarms as chance has them. A failure names its seed: `scenario(seed)` is the whole story.

use super::*;
use crate::rng::Rng;

/// Faults happen in the first so many seconds; then all that are there have to finish.
const TROUBLED: usize = 30;

fn scenario(seed: u64) -> Scenario {
    let mut rng = Rng::from_seed(seed);
    let leeches = 2 + rng.below(7);
    let mut scenario = crowd(seed, leeches, 1 + rng.below(4) as u64);
    scenario.swarm.peers_max = 3 + rng.below(10);
    scenario.swarm.upload_slots = 1 + rng.below(8);
    scenario.segment_bytes = [4 << 10, 16 << 10, 64 << 10][rng.below(3)];
    scenario.socket_buffer_bytes = [0, 0, 128 << 10][rng.below(3)];
    for peer in &mut scenario.peers {
        peer.link = link(&mut rng);
    }
    for peer in &mut scenario.peers[1..] {
        peer.joins_at = Duration::from_millis(rng.below(10_000) as u64);
        peer.reach = [Reach::Open, Reach::Open, Reach::Natted][rng.below(3)];
        peer.conduct = match rng.below(10) {
            0 => Conduct::FreeRider,
            1 => Conduct::Liar { every_nth_block: 1 + rng.below(8) as u32 },
            _ => Conduct::Honest,
        };
        peer.disk.write_bytes_per_second = (rng.below(6) == 0).then_some(1 << 20);
        let at = When::At(Duration::from_millis(rng.below(1_000 * TROUBLED) as u64));
        match rng.below(8) {
            0 => peer.fate.push((at, Fate::Crash)),
            1 => peer.fate.push((at, Fate::Leave)),
            2 => peer.fate.push((at, Fate::Stall(seconds(1 + rng.below(TROUBLED) as u64)))),
            3 => peer.fate.push((When::Complete(Duration::ZERO), Fate::Leave)),
            _ => {}
        }
    }
    scenario
}

fn link(rng: &mut Rng) -> Link {
    let rate = |rng: &mut Rng| [2, 5, 20, 100][rng.below(4)];
    Link {
        latency: Duration::from_millis(1 + rng.below(100) as u64),
        jitter: Duration::from_millis(rng.below(20) as u64),
        loss: [0.0, 0.0, 0.01][rng.below(3)],
        ..Link::mbit(rate(rng), rate(rng))
    }
}

#[test]
fn whatever_happens_those_who_stay_finish() {
    for seed in 1_000..1_024 {
        println!("to see it again: run(scenario({seed})) of {}", file!());
        run(scenario(seed));
    }
}
