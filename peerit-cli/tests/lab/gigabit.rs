//! Two hosts joined by a link of 1 Gbit/s: how much of it content fills.

use std::time::Duration;

use crate::measure::cpu_seconds;
use crate::pair::{Pair, Path, rates};

/// With a switch's short queue.
const PATH: Path = Path { mbit: 1_000, queue_ms: 20, whole_frames: false };

/// What it carries of a TCP connection's bytes in a second: 1,448 of each frame of 1,514 bytes.
const PAYLOAD_BYTES: f64 = 1e9 / 8.0 * 1_448.0 / 1_514.0;

/// 13 s of it, so that no side comes to its end while it is measured.
const MIB: u32 = 1_500;
const SETTLING: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(6);

#[test]
#[ignore = "a measurement, of a release build: see the head of main.rs"]
fn content_fills_a_gigabit_link() {
    let Some(bench) = super::bench() else { return };
    for carrier in ["tcp", "quic"] {
        let pair = Pair::new(&bench, carrier, PATH, MIB);
        let mut download = pair.download();
        let milliseconds =
            |seconds: f64| u64::try_from(Duration::from_secs_f64(seconds).as_millis()).unwrap();
        let cpu = |host: &crate::host::Host| milliseconds(cpu_seconds(host.namespace()));
        let [bytes, seed_ms, leech_ms] =
            rates(SETTLING, MEASURED, || [pair.received(), cpu(&pair.seed), cpu(&pair.leech)]);
        download.kill().unwrap();
        download.wait().unwrap();
        let percent = bytes * 100.0 / PAYLOAD_BYTES;
        let per_gib = |ms: f64| ms / 1e3 * f64::from(1 << 30) / bytes;
        println!(
            "{carrier}: {:.1} MB/s, {percent:.1} % of what the link carries; for each GiB {:.1} CPU seconds of the \
             sharer, {:.1} of the downloader",
            bytes / 1e6,
            per_gib(seed_ms),
            per_gib(leech_ms)
        );
        assert!(percent >= 90.0);
    }
}
