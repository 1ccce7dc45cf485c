//! What is asked of whom, drawn: see [`Driver::picture`].

use super::*;

/// Peer b has and serves `has`; the other rows are peers that only have. What b is asked for.
fn pick(others: &[&str], has: &str) -> String {
    let mut driver = Driver::new(layout(has.len() as u32, 1));
    for (key, row) in (9..).map(PeerKey).zip(others) {
        driver.know(key, row);
    }
    driver.join(B, has);
    driver.picture().replace(' ', "")
}

#[test]
fn the_rarest_chunks_are_asked_for_first() {
    let others = [
        "##.#.", //
        ".#.##", //
        ".#.#.", //
    ];
    assert_eq!(pick(&others, "##.##"), "b...b");
    assert!([".bb..", "..bb."].contains(&pick(&others, ".###.").as_str()));
    assert!(["b.b..", "..b.b"].contains(&pick(&others, "#####").as_str()));
}

#[test]
fn no_more_is_begun_than_there_is_memory_for() {
    // Chunks of two blocks, with room for one.
    let layout = layout(4, 2);
    let chunk = u64::from(layout.chunk_length());
    let mut driver = Driver::new(layout);
    driver.tell(Event::Memory { bytes_max: chunk });
    [A, B, C].into_iter().for_each(|peer| drop(driver.join(peer, "####")));
    assert_eq!(driver.scheduler.begun_bytes(), chunk);
    driver.tell(Event::Memory { bytes_max: 3 * chunk });
    assert_eq!(driver.scheduler.begun_bytes(), 3 * chunk);
    driver.tell(Event::Memory { bytes_max: 0 });
    assert_eq!(driver.scheduler.begun_bytes(), 3 * chunk, "what is begun stays");
}

#[test]
fn what_the_peer_lacks_is_not_asked_for() {
    assert_eq!(pick(&["....", "...."], "...#"), "...b");
    assert_eq!(pick(&["####", "####"], "...."), "....");
}

#[test]
fn a_rare_chunk_beats_all_others_for_any_seed_of_chance() {
    let others = ["#######.", "#######."];
    let has = "########";
    assert!(pick(&others, has).ends_with('b'));
}

#[test]
fn what_is_begun_is_finished_before_anything_new() {
    let mut driver = Driver::new(layout(2, 4));
    driver.join(A, "#.");
    assert_eq!(driver.picture(), "aa.. ....");
    driver.join(B, "##");
    assert_eq!(driver.picture(), "aabb ....");
    driver.join(C, "##");
    assert_eq!(driver.picture(), "aabb cc..");
}

#[test]
fn a_peer_goes_on_with_its_own_chunk() {
    let mut driver = Driver::new(layout(2, 4));
    driver.join(A, "#.");
    driver.join(B, ".#");
    assert_eq!(driver.picture(), "aa.. bb..");
    driver.now = driver.now + Duration::from_secs(1);
    let first = driver.asked_of(B)[0];
    driver.tell(Event::HasChunks { peer: B, chunks: bits("##") });
    driver.arrive(B, first);
    assert_eq!(driver.picture(), "aa.. #bb.");
}

#[test]
fn a_choke_keeps_what_may_still_come_until_it_is_rejected() {
    let mut driver = Driver::new(layout(1, 4));
    driver.join(A, "#");
    assert_eq!(driver.picture(), "aa..");
    let first = driver.asked_of(A)[0];
    driver.tell(Event::Choked { peer: A });
    driver.arrive(A, first);
    assert_eq!(driver.picture(), "#a..", "nothing more is asked");
    driver.choke(A);
    assert_eq!(driver.picture(), "#...");
    driver.join(B, "#");
    assert_eq!(driver.picture(), "#bb.");
}

#[test]
fn a_returned_block_goes_to_a_peer_that_waits() {
    let mut driver = Driver::new(layout(1, 2));
    driver.join(A, "#");
    driver.join(B, "#");
    assert_eq!(driver.picture(), "ab", "nothing else to do: b takes over the last block");
    driver.tell(Event::PeerLeft { peer: A });
    driver.asked.retain(|&(peer, _)| peer != A);
    assert_eq!(driver.picture(), "bb");
}

#[test]
fn a_refused_chunk_is_asked_of_others_until_the_peer_serves_again() {
    let mut driver = Driver::new(layout(2, 1));
    driver.join(A, "##");
    assert_eq!(driver.picture(), "a a");
    let block = driver.asked.remove(0).1;
    driver.tell(Event::Rejected { peer: A, block });
    assert_eq!(driver.asked_of(A).len(), 1);
    driver.tell(Event::Unchoked { peer: A });
    assert_eq!(driver.picture(), "a a");
}

#[test]
fn no_more_is_begun_than_memory_allows() {
    let config = Config { partial_bytes_max: 0, ..config() };
    let mut driver = Driver::with(config, layout(4, 1), 1);
    driver.join(A, "####");
    driver.join(B, "####");
    assert_eq!(driver.asked.len(), 2, "at least two chunks may be begun");
    let (peer, block) = driver.asked[0];
    driver.arrive(peer, block);
    assert_eq!(driver.asked.len(), 1, "a chunk counts until it is stored");
    driver.tell(Event::ChunkStored { chunk: block.chunk });
    assert_eq!(driver.asked.len(), 2);
}

#[test]
fn paused_nothing_is_asked_and_resumed_it_goes_on() {
    let mut driver = Driver::new(layout(1, 4));
    driver.join(A, "#");
    let block = driver.asked[0].1;
    driver.arrive(A, block);
    driver.tell(Event::Pause);
    assert!(driver.picture().starts_with("#.."), "{}", driver.picture());
    driver.join(B, "#");
    assert!(driver.asked.is_empty());
    assert_eq!(driver.scheduler.poll_timeout(), None);
    driver.tell(Event::Resume);
    assert!(!driver.picture().contains('.'), "{}", driver.picture());
}

#[test]
fn interest_is_told_exactly_when_it_changes() {
    let mut driver = Driver::new(layout(2, 1));
    let interest = |peer, interested| Action::Interest { peer, interested };
    driver.tell(Event::PeerJoined { peer: A });
    let told = driver.tell(Event::HasChunk { peer: A, chunk: ChunkIndex(0) });
    assert_eq!(told, [interest(A, true)]);
    assert_eq!(driver.tell(Event::HasChunk { peer: A, chunk: ChunkIndex(1) }), []);
    assert_eq!(driver.tell(Event::ChunkStored { chunk: ChunkIndex(0) }), []);
    assert_eq!(driver.tell(Event::ChunkStored { chunk: ChunkIndex(1) }), [interest(A, false)]);
    assert!(driver.scheduler.is_complete());
}

#[test]
fn what_nobody_asked_for_is_dropped_and_told() {
    let mut driver = Driver::new(layout(2, 1));
    driver.join(A, "#.");
    let block = driver.asked[0].1;
    let unrequested = [Action::Unrequested { peer: A }];
    let other = Block { chunk: ChunkIndex(1), ..block };
    let shifted = Block { offset: 1, length: block.length - 1, ..block };
    for (named, bytes) in
        [(other, payload(block)), (shifted, payload(shifted)), (block, Bytes::new())]
    {
        let event = Event::BlockArrived { peer: A, block: named, payload: bytes };
        assert_eq!(driver.tell(event), unrequested);
    }
    assert!(matches!(driver.arrive(A, block)[..], [Action::ChunkComplete { .. }]));
    assert_eq!(driver.arrive(A, block), unrequested);
}
