//! What is true of a scheduler after every step.

use super::*;

/// Fails with `context` when something is not.
pub(super) fn check(scheduler: &Scheduler, context: &str) {
    let layout = scheduler.layout;
    let mut bytes = 0;
    for chunk in layout.chunks() {
        let partial = scheduler.partials.get(chunk);
        let (untouched, stored) =
            (scheduler.rarity.contains(chunk), scheduler.have.contains(chunk));
        let states = usize::from(untouched) + usize::from(stored) + usize::from(partial.is_some());
        assert!(states <= 1, "{context}: {chunk:?} is in {states} states");
        let in_memory = !untouched && !stored;
        bytes += u64::from(layout.length_of(chunk)) * u64::from(in_memory);
        let peers = scheduler.peers.values().filter(|peer| peer.has.contains(chunk)).count();
        assert_eq!(scheduler.availability(chunk) as usize, peers, "{context}: {chunk:?}");
        for number in 0..layout.block_count(chunk) {
            check_block(scheduler, layout.block(chunk, number), context);
        }
    }
    assert_eq!(scheduler.partials.bytes(), bytes, "{context}: memory of chunks in work");
    let bytes_max = scheduler.config.partial_bytes_max.max(2 * u64::from(layout.chunk_length()));
    assert!(bytes <= bytes_max, "{context}: {bytes} bytes in work");
    scheduler.peers.keys().for_each(|&key| check_peer(scheduler, key, context));
}

fn check_block(scheduler: &Scheduler, block: Block, context: &str) {
    let holders: Vec<_> = scheduler.requests.holders(block).collect();
    let partial = scheduler.partials.get(block.chunk);
    let here = partial.is_some_and(|partial| partial.has(block));
    assert!(holders.len() <= 2, "{context}: {block:?} asked of {holders:?}");
    assert!(holders.is_empty() || partial.is_some() && !here, "{context}: {block:?} for nothing");
    if let Some(partial) = partial {
        let free = holders.is_empty() && !here;
        assert_eq!(partial.is_free(block), free, "{context}: {block:?}");
        let foreign = holders.iter().find(|&&holder| !partial.is_open_to(holder));
        assert_eq!(foreign, None, "{context}: {block:?}");
    }
}

fn check_peer(scheduler: &Scheduler, key: PeerKey, context: &str) {
    let peer = &scheduler.peers[&key];
    let asked: Vec<_> = scheduler.requests.of_peer(key).collect();
    let bytes: u64 = asked.iter().map(|block| u64::from(block.length)).sum();
    assert_eq!(
        (peer.outstanding as usize, peer.outstanding_bytes),
        (asked.len(), bytes),
        "{context}"
    );
    assert!(asked.is_empty() || !scheduler.paused, "{context}: {key:?} is asked while paused");
    let lacks = scheduler.have.iter().filter(|&chunk| !peer.has.contains(chunk)).count();
    assert_eq!(peer.lacks as usize, lacks, "{context}");
    let missing = peer.has.iter().filter(|&chunk| !scheduler.have.contains(chunk)).count();
    assert_eq!(peer.missing as usize, missing, "{context}: {key:?}");
    assert_eq!(peer.interested, missing > 0, "{context}: {key:?}");
}
