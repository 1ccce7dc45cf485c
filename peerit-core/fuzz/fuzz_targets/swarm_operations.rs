//! Peers that say and do anything, in any order, to a swarm whose driver keeps its side of the contract.
//!
//! Run in `peerit-core/`: `cargo +nightly fuzz run swarm_operations` (`cargo install cargo-fuzz` first);
//! 60 seconds: append `-- -max_total_time=60`.

#![no_main]

mod swarm_driver;

use bytes::Bytes;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use peerit_core::id::{ChunkIndex, PeerId, Topic};
use peerit_core::layout::{BLOCK_LENGTH_MAX, Block};
use peerit_core::swarm::{Direction, Event, Path};
use peerit_core::wire::{Frame, Hello};

use swarm_driver::{CHUNK_COUNT, Driver, address, layout, payload};

const BITFIELD_LENGTH: usize = CHUNK_COUNT.div_ceil(8) as usize;

/// What happens to the swarm. Small numbers stand for peers, addresses and chunks, so that they meet again.
#[derive(Arbitrary, Debug)]
enum Operation {
    Wait {
        ms: u16,
    },
    AddressesFound {
        addresses: Vec<u8>,
    },
    DialFailed {
        address: u8,
    },
    Connected {
        id: u8,
        address: u8,
        dialled: bool,
    },
    /// Connects, and opens as peers that take part do.
    Joins {
        id: u8,
        has: [u8; BITFIELD_LENGTH],
        wants: bool,
    },
    Disconnected {
        peer: u8,
    },
    Says {
        peer: u8,
        saying: Saying,
    },
    /// The answer to a request of ours.
    Answers {
        request: u8,
        honest: bool,
    },
    SendsUnasked {
        peer: u8,
        place: Place,
    },
    BlockSent {
        block: u8,
    },
    Verified {
        chunk: u8,
        verdict: Verdict,
    },
    Pause,
    Resume,
}

#[derive(Arbitrary, Debug)]
enum Saying {
    Hello {
        port: u16,
        chunk_count: Option<u32>,
    },
    Bitfield {
        bits: Vec<u8>,
    },
    BitfieldOfTheRightSize {
        bits: [u8; BITFIELD_LENGTH],
    },
    Have {
        chunk: u8,
    },
    Interest(bool),
    Choke(bool),
    Request(Place),
    Cancel(Place),
    Reject(Place),
    /// Refuses a request of ours.
    RejectAsked {
        request: u8,
    },
    PeerExchange {
        addresses: Vec<u8>,
    },
    ManifestRequest {
        offset: u32,
        length: u32,
    },
    Knock,
    Unknown,
}

/// A block, most often one that is asked for.
#[derive(Arbitrary, Debug)]
enum Place {
    Whole { chunk: u8, number: bool },
    Any { chunk: u8, offset: u32, length: u32 },
}

#[derive(Arbitrary, Debug)]
enum Verdict {
    Stored,
    Corrupt,
    NotStored,
}

fuzz_target!(|run: (u32, Vec<Operation>)| {
    let (have, operations) = run;
    let mut driver = Driver::new(have);
    for operation in operations {
        run_one(&mut driver, operation);
    }
});

fn run_one(driver: &mut Driver, operation: Operation) {
    let addresses = |of: Vec<u8>| of.into_iter().map(address).collect();
    let event = match operation {
        Operation::Wait { ms } => return driver.wait(ms),
        Operation::AddressesFound { addresses: of } => {
            Event::AddressesFound { addresses: addresses(of) }
        }
        Operation::DialFailed { address: of } => Event::DialFailed { address: address(of) },
        Operation::Connected { id, address: of, dialled } => Event::Connected {
            peer: driver.new_peer(),
            id: PeerId([id; 32]),
            address: address(of),
            direction: if dialled { Direction::Dialled } else { Direction::Answered },
            path: Path::Direct,
        },
        Operation::Joins { id, has, wants } => return join(driver, id, has, wants),
        Operation::Disconnected { peer } => Event::Disconnected { peer: driver.peer(peer) },
        Operation::Says { peer, saying } => match saying {
            Saying::RejectAsked { request } => {
                let Some((peer, block)) = driver.take_request(request) else { return };
                Event::Received { peer, frame: Frame::Reject(block) }
            }
            saying => Event::Received { peer: driver.peer(peer), frame: frame(saying) },
        },
        Operation::Answers { request, honest } => {
            let Some((peer, block)) = driver.take_request(request) else { return };
            Event::BlockReceived { peer, block, payload: payload(block, honest) }
        }
        Operation::SendsUnasked { peer, place } => {
            let block = block(place);
            // What the frame reader lets through.
            if !(1..=BLOCK_LENGTH_MAX).contains(&block.length) {
                return;
            }
            Event::BlockReceived { peer: driver.peer(peer), block, payload: payload(block, true) }
        }
        Operation::BlockSent { block } => {
            let Some((peer, block)) = driver.take_sending(block) else { return };
            Event::BlockSent { peer, block }
        }
        Operation::Verified { chunk, verdict } => {
            let Some((chunk, blocks)) = driver.take_checking(chunk) else { return };
            match verdict {
                Verdict::Stored => Event::ChunkStored { chunk, blocks },
                Verdict::Corrupt => Event::ChunkCorrupt { chunk, blocks },
                Verdict::NotStored => Event::ChunkNotStored { chunk },
            }
        }
        Operation::Pause => Event::Pause,
        Operation::Resume => Event::Resume,
    };
    driver.tell(event);
}

fn join(driver: &mut Driver, id: u8, mut has: [u8; BITFIELD_LENGTH], wants: bool) {
    let peer = driver.new_peer();
    let (direction, path) = (Direction::Answered, Path::Direct);
    let event =
        Event::Connected { peer, id: PeerId([id; 32]), address: address(id), direction, path };
    driver.tell(event);
    // The spare bits.
    has[BITFIELD_LENGTH - 1] &= 0xff << (8 * BITFIELD_LENGTH as u32 - CHUNK_COUNT);
    let bitfield = Saying::BitfieldOfTheRightSize { bits: has };
    let hello = Saying::Hello { port: 0, chunk_count: None };
    for saying in [hello, bitfield, Saying::Interest(wants), Saying::Choke(false)] {
        driver.tell(Event::Received { peer, frame: frame(saying) });
    }
}

fn frame(saying: Saying) -> Frame {
    match saying {
        Saying::Hello { port, chunk_count } => Frame::Hello(Hello {
            agent: String::new(),
            listen_port: port,
            chunk_count: chunk_count.unwrap_or(CHUNK_COUNT),
            complete: port % 2 == 1,
        }),
        Saying::Bitfield { bits } => Frame::Bitfield(bits.into()),
        Saying::BitfieldOfTheRightSize { bits } => Frame::Bitfield(Bytes::copy_from_slice(&bits)),
        Saying::Have { chunk } => Frame::Have(vec![ChunkIndex(u32::from(chunk) % (CHUNK_COUNT + 1))]),
        Saying::Interest(interested) => Frame::Interest(interested),
        Saying::Choke(choked) => Frame::Choke(choked),
        Saying::Request(place) => Frame::Request(block(place)),
        Saying::Cancel(place) => Frame::Cancel(block(place)),
        Saying::Reject(place) => Frame::Reject(block(place)),
        Saying::PeerExchange { addresses } => {
            Frame::PeerExchange(addresses.into_iter().take(50).map(address).collect())
        }
        Saying::ManifestRequest { offset, length } => Frame::ManifestRequest { offset, length },
        Saying::Knock => Frame::Knock { topic: Topic([0; 32]), proof: [0; 32] },
        Saying::RejectAsked { .. } | Saying::Unknown => Frame::Unknown,
    }
}

fn block(place: Place) -> Block {
    match place {
        Place::Whole { chunk, number } => {
            layout().block(ChunkIndex(u32::from(chunk) % (CHUNK_COUNT + 1)), number.into())
        }
        Place::Any { chunk, offset, length } => {
            Block { chunk: ChunkIndex(chunk.into()), offset, length }
        }
    }
}
