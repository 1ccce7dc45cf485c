//! What decisions cost, counted in entries looked at.

use super::*;
use crate::rng::Rng;

const CHUNKS: u32 = 65_536;
const PEERS: u32 = 500;

/// 65,536 chunks of one block, a few seeds, and many peers with a small random part each.
fn crowd(config: Config) -> Driver {
    let layout = Layout::new(u64::from(CHUNKS) << 16, 1 << 16).unwrap();
    let mut driver = Driver::with(config, layout, 1);
    let mut rng = Rng::from_seed(2);
    for peer in (0..PEERS).map(PeerKey) {
        let chunks = if peer.0.is_multiple_of(100) {
            Bitfield::full(CHUNKS)
        } else {
            (0..300).fold(Bitfield::empty(CHUNKS), |mut set, _| {
                set.insert(ChunkIndex(rng.below(CHUNKS as usize) as u32));
                set
            })
        };
        driver.tell(Event::PeerJoined { peer });
        driver.tell(Event::HasChunks { peer, chunks });
    }
    driver
}

#[test]
fn a_decision_looks_at_few_entries() {
    // Room for a chunk of each peer.
    let config = Config { partial_bytes_max: 64 << 20, ..config() };
    let per_decision = config.rarity_scan + config.rarity_sample + config.partial_scan;
    let mut driver = crowd(config);
    for peer in (0..PEERS).map(PeerKey) {
        driver.tell(Event::Unchoked { peer });
    }
    let decisions = driver.asked.len() as u64;
    assert!(decisions > 900);
    assert!(driver.scheduler.scanned() <= decisions * per_decision as u64);
}

#[test]
fn peers_with_nothing_to_do_cost_a_bounded_look_each() {
    let config = Config { partial_bytes_max: 0, ..config() };
    let look = 3 * config.partial_scan + config.endgame_scan;
    let look = look + config.rarity_scan + config.rarity_sample;
    let mut driver = crowd(config);
    for peer in (0..PEERS).map(PeerKey) {
        driver.tell(Event::Unchoked { peer });
    }
    let before = driver.scheduler.scanned();
    driver.wait(250);
    let looked = driver.scheduler.scanned() - before;
    assert!(looked > 0);
    assert!(looked <= u64::from(PEERS) * look as u64, "{looked}");
}

#[test]
fn a_stored_chunk_wakes_a_few_of_a_crowd_that_waits_for_memory() {
    let config = Config { partial_bytes_max: 0, ..config() };
    let look = 3 * config.partial_scan + config.endgame_scan;
    let look = look + config.rarity_scan + config.rarity_sample;
    let wakes = config.wake_scan + 1;
    let mut driver = crowd(config);
    for peer in (0..PEERS).map(PeerKey) {
        driver.tell(Event::Unchoked { peer });
    }
    let before = driver.scheduler.scanned();
    let (peer, block) = driver.asked[0];
    driver.arrive(peer, block);
    let waiting = driver.asked.len();
    driver.tell(Event::ChunkStored { chunk: block.chunk });
    let looked = driver.scheduler.scanned() - before;
    assert!(looked <= (wakes * look) as u64, "{looked}");
    assert!(driver.asked.len() > waiting, "somebody uses the room");
}

#[test]
fn the_same_decision_costs_the_same_in_a_large_content() {
    let scanned = |chunks| {
        let layout = Layout::new(u64::from(chunks) << 16, 1 << 16).unwrap();
        let mut driver = Driver::with(config(), layout, 1);
        driver.tell(Event::PeerJoined { peer: A });
        driver.tell(Event::HasChunks { peer: A, chunks: Bitfield::full(chunks) });
        driver.tell(Event::Unchoked { peer: A });
        driver.scheduler.scanned()
    };
    assert_eq!(scanned(64), scanned(CHUNKS));
}
