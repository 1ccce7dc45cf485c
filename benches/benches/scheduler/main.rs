//! What decisions cost with 65,536 chunks and 500 peers.

#![allow(clippy::unwrap_used, reason = "without its input there is nothing to measure")]

mod crowd;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use peerit_core::id::{ChunkIndex, PeerKey};
use peerit_core::layout::{CHUNK_COUNT_MAX, CHUNK_LENGTH_MAX, CHUNK_LENGTH_MIN};
use peerit_core::rng::Rng;
use peerit_core::scheduler::Event;

use crowd::{Crowd, NEWCOMERS, one_chunk_of};

/// Memory for begun chunks: as it is by default, and as much as 500 fast peers can use.
const DEFAULT: u64 = 48 << 20;
const AMPLE: u64 = 1 << 30;

/// A download in full swing. The time is that of everything from one request to the next: the block that comes, the
/// chunk that it completes and that is stored, the timeouts on the way.
///
/// With the shortest chunks every request begins a chunk, the dearest of decisions; with the longest, one of 64 does.
/// 48 MiB are not enough for 500 peers at this rate: most of them wait for a chunk to be stored.
fn pick(criterion: &mut Criterion) {
    let cases = [
        ("64 KiB chunks, ample memory", CHUNK_LENGTH_MIN, AMPLE),
        ("64 KiB chunks, 48 MiB", CHUNK_LENGTH_MIN, DEFAULT),
        ("16 MiB chunks, ample memory", CHUNK_LENGTH_MAX, AMPLE),
        ("16 MiB chunks, 48 MiB", CHUNK_LENGTH_MAX, DEFAULT),
    ];
    let mut group = criterion.benchmark_group("scheduler/pick");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for (name, chunk_length, memory) in cases {
        let new_crowd = || Crowd::new(chunk_length, memory);
        let mut crowd = new_crowd();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|picks| time_picks(&mut crowd, &new_crowd, picks));
        });
    }
}

fn time_picks(crowd: &mut Crowd, new_crowd: &dyn Fn() -> Crowd, picks: u64) -> Duration {
    let mut time = Duration::ZERO;
    let mut made = 0;
    while made < picks {
        if crowd.is_nearly_done() {
            *crowd = new_crowd();
        }
        let before = crowd.requests();
        let start = Instant::now();
        while made + crowd.requests() - before < picks && !crowd.is_nearly_done() {
            crowd.answer();
            while let Some(chunk) = crowd.complete_chunk() {
                crowd.tell(Event::ChunkStored { chunk });
                crowd.drain();
            }
        }
        time += start.elapsed();
        made += crowd.requests() - before;
    }
    time
}

/// The event alone, without the requests that the freed memory allows.
fn chunk_stored(criterion: &mut Criterion) {
    let mut crowd = Crowd::new(CHUNK_LENGTH_MIN, AMPLE);
    let stored = |crowd: &mut Crowd| {
        if crowd.is_nearly_done() {
            *crowd = Crowd::new(CHUNK_LENGTH_MIN, AMPLE);
        }
        let chunk = loop {
            match crowd.complete_chunk() {
                Some(chunk) => break chunk,
                None => crowd.answer(),
            }
        };
        let start = Instant::now();
        crowd.tell(Event::ChunkStored { chunk });
        let time = start.elapsed();
        crowd.drain();
        time
    };
    criterion.bench_function("scheduler/chunk stored", |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| stored(&mut crowd)).sum());
    });
}

/// Newcomers get one chunk after another.
fn have(criterion: &mut Criterion) {
    // Of the 13 million chunks that they lack.
    const HAVES_MAX: u64 = 2_000_000;
    let mut crowd = Crowd::new(CHUNK_LENGTH_MIN, AMPLE);
    let mut rng = Rng::from_seed(3);
    let newcomers: Vec<_> = NEWCOMERS.map(PeerKey).collect();
    let chunks: Vec<_> = (0..CHUNK_COUNT_MAX).map(ChunkIndex).collect();
    let mut haves = 0;
    criterion.bench_function("scheduler/have", |bencher| {
        bencher.iter_custom(|count| {
            if haves > HAVES_MAX {
                crowd = Crowd::new(CHUNK_LENGTH_MIN, AMPLE);
                haves = 0;
            }
            haves += count;
            let start = Instant::now();
            for _ in 0..count {
                let peer = *rng.choose(&newcomers).unwrap();
                let chunk = *rng.choose(&chunks).unwrap();
                crowd.tell(Event::HasChunk { peer, chunk });
                crowd.drain();
            }
            start.elapsed()
        });
    });
}

/// A peer that has a random half of the chunks joins, says so, and leaves.
fn join_and_leave(criterion: &mut Criterion) {
    let mut crowd = Crowd::new(CHUNK_LENGTH_MIN, AMPLE);
    let half = one_chunk_of(2, &mut Rng::from_seed(4));
    let peer = PeerKey(NEWCOMERS.end);
    criterion.bench_function("scheduler/join and leave", |bencher| {
        bencher.iter(|| {
            crowd.tell(Event::PeerJoined { peer });
            crowd.tell(Event::HasChunks { peer, chunks: half.clone() });
            crowd.tell(Event::PeerLeft { peer });
            crowd.drain();
        });
    });
}

criterion::criterion_group!(benches, pick, chunk_stored, have, join_and_leave);
criterion::criterion_main!(benches);
