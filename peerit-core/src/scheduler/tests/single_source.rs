//! A chunk that was corrupt is fetched from one peer alone.

use super::*;

/// A chunk of four blocks that was corrupt once, fetched from a and b.
fn lost_once() -> Driver {
    let config = Config {
        stale_after: Duration::from_secs(10),
        deadline_min: Duration::from_secs(60),
        ..config()
    };
    let mut driver = Driver::with(config, layout(1, 4), 1);
    driver.obliging = false;
    driver.join(A, "#");
    driver.join(B, "#");
    assert_eq!(driver.picture(), "aabb");
    while let Some(&(peer, block)) = driver.asked.first() {
        driver.wait(10);
        driver.arrive(peer, block);
    }
    driver.obliging = true;
    driver.tell(Event::ChunkLost { chunk: ChunkIndex(0), single_source: true });
    driver
}

fn source(driver: &Driver) -> PeerKey {
    let sources: Vec<_> = driver.asked.iter().map(|&(peer, _)| peer).collect();
    assert!(!sources.is_empty() && sources.iter().all(|&peer| peer == sources[0]));
    sources[0]
}

#[test]
fn all_of_it_comes_from_one_peer() {
    let mut driver = lost_once();
    let peer = source(&driver);
    let mut actions = Vec::new();
    while let Some(&(_, block)) = driver.asked.first() {
        assert_eq!(source(&driver), peer);
        driver.wait(10);
        actions = driver.arrive(peer, block);
    }
    let Some(Action::ChunkComplete { sources, .. }) = actions.pop() else {
        panic!("not complete: {actions:?}")
    };
    assert_eq!(sources, [peer; 4]);
}

#[test]
fn a_source_that_chokes_is_replaced_and_all_is_fetched_anew() {
    let mut driver = lost_once();
    let peer = source(&driver);
    let first = driver.asked[0].1;
    driver.arrive(peer, first);
    driver.choke(peer);
    assert_ne!(source(&driver), peer);
    assert!(!driver.picture().contains('#'), "{}", driver.picture());
}

#[test]
fn a_source_that_chokes_with_its_last_block_on_the_way_is_replaced() {
    let mut driver = lost_once();
    let peer = source(&driver);
    driver.tell(Event::Choked { peer });
    for block in driver.asked_of(peer) {
        driver.arrive(peer, block);
    }
    assert_ne!(source(&driver), peer);
}

#[test]
fn late_blocks_of_another_peer_are_not_mixed_in() {
    let mut driver = lost_once();
    let peer = source(&driver);
    let late = driver.asked[1].1;
    driver.wait(60_000);
    driver.asked.retain(|&(of, _)| of != peer);
    assert_eq!(driver.arrive(peer, late), []);
    assert!(!driver.picture().contains('#'), "{}", driver.picture());
}

#[test]
fn a_slow_source_is_replaced_by_a_fast_one_in_the_endgame() {
    let mut driver = lost_once();
    let slow = source(&driver);
    for _ in 0..2 {
        driver.wait(4_000);
        let block = driver.asked_of(slow)[0];
        driver.arrive(slow, block);
        assert_eq!(source(&driver), slow);
    }
    driver.wait(4_000);
    assert_ne!(source(&driver), slow);
    assert!(!driver.picture().contains('#'), "{}", driver.picture());
}

#[test]
fn a_source_that_no_longer_has_it_is_replaced() {
    let mut driver = lost_once();
    let peer = source(&driver);
    driver.tell(Event::HasChunks { peer, chunks: bits(".") });
    assert_ne!(source(&driver), peer);
}
