//! A flash crowd on virtual time: `cargo run --release -p peerit-core --features sim --example swarm_sim`.

use std::time::{Duration, Instant};

use peerit_core::sim::{Link, PeerSpec, Report, Role, Scenario, SimError, Simulation};
use structopt::StructOpt;

/// One seed and many leeches that come at the same time.
#[derive(StructOpt)]
struct Options {
    /// Leeches.
    #[structopt(long, default_value = "8")]
    peers: usize,
    /// Uplink of the seed in Mbit/s.
    #[structopt(long, default_value = "20")]
    seed_up: u64,
    /// Uplink of a leech in Mbit/s.
    #[structopt(long, default_value = "20")]
    up: u64,
    /// Downlink of everybody in Mbit/s.
    #[structopt(long, default_value = "100")]
    down: u64,
    /// Length of the content in MiB.
    #[structopt(long, default_value = "48")]
    mib: u64,
    /// One way between two peers, in ms.
    #[structopt(long, default_value = "20")]
    latency_ms: u64,
    /// Packets lost between two peers, in percent.
    #[structopt(long, default_value = "0")]
    loss: f64,
    /// The same seed gives the same run.
    #[structopt(long, default_value = "0")]
    random_seed: u64,
}

fn main() -> Result<(), SimError> {
    let options = Options::from_args();
    let link = |up| Link {
        latency: Duration::from_millis(options.latency_ms) / 2,
        loss: options.loss / 200.0,
        ..Link::mbit(up, options.down)
    };
    let mut peers = vec![PeerSpec::seed(link(options.seed_up))];
    peers.extend((0..options.peers).map(|_| PeerSpec::leech(link(options.up))));
    let scenario = Scenario {
        seed: options.random_seed,
        content_bytes: options.mib << 20,
        peers,
        deadline: Duration::from_secs(24 * 3_600),
        ..Scenario::default()
    };
    let started = Instant::now();
    let report = Simulation::new(scenario)?.run()?;
    print(&report, started.elapsed());
    Ok(())
}

fn print(report: &Report, took: Duration) {
    let leeches = report.peers.iter().filter(|peer| peer.role == Role::Leech).count();
    let uses: Vec<_> = report.progress.iter().map(|sample| sample.leech_uplink_use).collect();
    let payload = report.payload_bytes as f64;
    let percent = |bytes: u64| 100.0 * bytes as f64 / payload;
    let per_peer_chunk =
        report.frames as f64 / report.peers.len() as f64 / f64::from(report.chunk_count);
    println!("ratio             {:.3}", report.ratio);
    println!("finished          {:.2} s", report.finished.as_secs_f64());
    println!("bound             {:.2} s", report.bound.as_secs_f64());
    println!("leeches           {leeches}");
    println!("chunks            {} of {} KiB", report.chunk_count, report.chunk_length >> 10);
    println!("seed copies       {:.3}", report.seed_copies);
    println!("duplicates        {:.3} %", percent(report.duplicate_bytes));
    println!("control overhead  {:.3} %", percent(report.control_bytes));
    println!("messages          {per_peer_chunk:.1} per peer and chunk");
    println!("by kind           {:?}", report.frames_by_kind);
    println!("first forward     {:?}", report.first_forward.unwrap_or_default());
    println!("mean uplink use   {:.3}", uses.iter().sum::<f64>() / uses.len().max(1) as f64);
    println!("trace             {:016x}", report.trace);
    println!("wall time         {:.2} s, {} events", took.as_secs_f64(), report.events);
}
