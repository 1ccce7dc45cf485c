//! Random operations: nothing panics, nothing grows without a bound.

use std::time::Duration;

use bytes::Bytes;

use super::super::*;
use super::alone::{Alone, CHUNKS, address};
use crate::layout::Block;
use crate::wire::Hello;

fn any_block(rng: &mut Rng) -> Block {
    let length = [0, 1, 1_000, 262_144, 262_145, u32::MAX][rng.below(6)];
    let offset = [0, 1, 262_144, 786_432, u32::MAX][rng.below(5)];
    Block { chunk: any_chunk(rng), offset, length }
}

fn any_chunk(rng: &mut Rng) -> ChunkIndex {
    ChunkIndex([rng.below(CHUNKS as usize) as u32, CHUNKS, u32::MAX][rng.below(16) / 7])
}

fn any_frame(rng: &mut Rng) -> Frame {
    let flag = rng.below(2) == 0;
    match rng.below(24) {
        0 => Frame::Knock { topic: crate::id::Topic([0; 32]), proof: [0; 32] },
        1 => Frame::Welcome { proof: [0; 32] },
        2..=9 => {
            let chunk_count = [CHUNKS, CHUNKS, CHUNKS, 0, 7][rng.below(5)];
            Frame::Hello(Hello {
                agent: String::new(),
                listen_port: 6_000,
                chunk_count,
                complete: false,
            })
        }
        10 | 11 => Frame::Bitfield(Bytes::from(vec![[0xff, 0xff, 0x12][rng.below(3)], 0xc0])),
        12 => Frame::Have((0..rng.below(3)).map(|_| any_chunk(rng)).collect()),
        13 | 14 => Frame::Interest(flag),
        15 | 16 => Frame::Choke(flag),
        17 => Frame::Request(any_block(rng)),
        18 => Frame::Data(any_block(rng)),
        19 => Frame::Cancel(any_block(rng)),
        20 => Frame::Reject(any_block(rng)),
        21 => {
            Frame::PeerExchange((0..rng.below(60)).map(|_| address(rng.below(256) as u8)).collect())
        }
        22 => Frame::ManifestRequest { offset: rng.next_u64() as u32, length: 1 << rng.below(20) },
        _ => Frame::Unknown,
    }
}

fn any_event(rng: &mut Rng, keys: u32, asked: &mut Vec<Event>) -> Event {
    let peer = PeerKey(keys.saturating_sub(rng.below(12) as u32));
    let chunk = any_chunk(rng);
    let blocks = vec![Bytes::from_static(b"x"); rng.below(6)];
    match rng.below(20) {
        0 => Event::AddressesFound { addresses: vec![address(rng.below(256) as u8)] },
        1 => Event::DialFailed { address: address(rng.below(256) as u8) },
        2 | 3 => Event::Connected {
            peer,
            id: PeerId([rng.below(110) as u8; 32]),
            address: address(rng.below(256) as u8),
            direction: [Direction::Dialled, Direction::Answered][rng.below(2)],
            path: [Path::Direct, Path::Relayed][rng.below(2)],
        },
        4 => Event::Disconnected { peer },
        5 => {
            let block = any_block(rng);
            let length =
                block.length.min(300_000) as usize - rng.below(2).min(block.length as usize);
            Event::BlockReceived { peer, block, payload: Bytes::from(vec![7; length]) }
        }
        6 => Event::BlockSent { peer, block: any_block(rng) },
        7 => Event::ChunkStored { chunk, blocks },
        8 => Event::ChunkCorrupt { chunk, blocks },
        9 => Event::ChunkNotStored { chunk },
        10 if rng.below(20) == 0 => Event::Pause,
        11 => Event::Resume,
        12..=14 if !asked.is_empty() => asked.swap_remove(rng.below(asked.len())),
        _ => Event::Received { peer, frame: any_frame(rng) },
    }
}

/// What the driver would answer, sometimes.
fn answer(action: &Action, rng: &mut Rng) -> Option<Event> {
    Some(match action.clone() {
        Action::Dial { address } => Event::DialFailed { address },
        Action::SendBlock { peer, block } => Event::BlockSent { peer, block },
        Action::Send { peer, frame: Frame::Request(block) } => {
            let payload = Bytes::from(vec![rng.below(2) as u8; block.length as usize]);
            Event::BlockReceived { peer, block, payload }
        }
        Action::VerifyChunk { chunk, blocks } if blocks.iter().all(|block| block[0] == 0) => {
            Event::ChunkStored { chunk, blocks }
        }
        Action::VerifyChunk { chunk, blocks } => Event::ChunkCorrupt { chunk, blocks },
        _ => return None,
    })
}

fn run(seed: u64) {
    let mut rng = Rng::from_seed(seed);
    let config = Config { peers_max: 8, upload_slots: 3, ..Config::default() };
    let have =
        if seed.is_multiple_of(3) { Bitfield::full(CHUNKS) } else { Bitfield::empty(CHUNKS) };
    let mut alone = Alone::with(have, config);
    let (mut asked, mut completed) = (Vec::new(), 0);
    for step in 0..2_000 {
        let event = any_event(&mut rng, step / 4, &mut asked);
        if rng.below(4) == 0 {
            alone.now = alone.now + Duration::from_millis(rng.below(20_000) as u64);
            alone.swarm.handle_timeout(alone.now);
        }
        for action in alone.on(event) {
            asked.extend(answer(&action, &mut rng));
            completed += usize::from(action == Action::Completed);
        }
        asked.truncate(200);
        let swarm = &alone.swarm;
        assert!(swarm.peers.len() <= 8);
        assert!(swarm.book.len() <= 1_000);
        assert!(swarm.peers.iter().filter(|(_, peer)| peer.slot.is_some()).count() <= 3);
        assert!(swarm.checking.len() <= CHUNKS as usize);
        assert!(swarm.peers(alone.now).len() <= 1_008);
    }
    assert!(completed <= 1);
}

#[test]
fn garbage_never_panics_and_keeps_the_bounds() {
    for seed in 0..60 {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "failed with seed {seed}");
    }
}
