//! A whole swarm on virtual time: how near it comes to the bound, and what it takes.

#![allow(clippy::unwrap_used, reason = "without its input there is nothing to measure")]

mod memory;

use criterion::{Criterion, Throughput};
use peerit_core::sim::{Link, PeerSpec, Report, Scenario, Simulation};

use memory::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const LEECH_COUNT: usize = 50;

/// A flash crowd at home: 20 Mbit/s up, 100 down, 20 ms from one to the other.
fn flash_crowd() -> Scenario {
    let link = Link::mbit(20, 100);
    let leeches = std::iter::repeat_n(PeerSpec::leech(link), LEECH_COUNT);
    let peers = std::iter::once(PeerSpec::seed(link)).chain(leeches).collect();
    Scenario { peers, content_bytes: 16 << 20, ..Scenario::default() }
}

fn run() -> Report {
    Simulation::new(flash_crowd()).unwrap().run().unwrap()
}

fn swarm(criterion: &mut Criterion) {
    let (report, heap_bytes) = ALLOCATOR.peak_of(run);
    print(&report, heap_bytes as f64);
    let mut group = criterion.benchmark_group("swarm");
    group.sample_size(10).throughput(Throughput::Elements(report.events));
    group.bench_function("50 leeches, 16 MiB", |bencher| bencher.iter(run));
}

/// What criterion cannot show, in the units of the README.
fn print(report: &Report, heap_bytes: f64) {
    let (peers, chunks) = (report.peers.len() as f64, f64::from(report.chunk_count));
    let frames = report.frames as f64;
    let forwarded = report.first_forward.unwrap_or_default();
    println!("swarm: ratio to the bound      {:.3}", report.ratio);
    println!("swarm: first chunk forwarded   {:.2} s after the start", forwarded.as_secs_f64());
    println!("swarm: messages                {:.1} per peer and chunk", frames / peers / chunks);
    println!("swarm: heap at most            {:.0} KiB per peer", heap_bytes / peers / 1024.0);
    println!(
        "swarm: heap at most            {:.0} B per peer and chunk",
        heap_bytes / peers / chunks
    );
}

criterion::criterion_group!(benches, swarm);
criterion::criterion_main!(benches);
