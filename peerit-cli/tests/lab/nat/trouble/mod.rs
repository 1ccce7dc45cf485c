//! What may happen to transfers: trackers that die, NATs that forget, addresses that change, floods of garbage.
//!
//! `cargo test` plays the quick ones; all of them, in some minutes:
//!
//! ```sh
//! cargo test -p peerit-cli --test lab -- --include-ignored --nocapture trouble
//! ```

mod birthday;
mod flood;
mod idle;
mod moved;
mod tracker;
mod upgrade;

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::cell::{Cell, LOOK_INTERVAL, first_chunk};
use super::expected::Pairing;
use crate::bench::{Bench, stop_if_interrupted};
use crate::host::Host;

/// How long a download may take to begin.
const PATIENCE: Duration = Duration::from_secs(45);

/// A pairing whose download has begun.
struct Transfer {
    cell: Cell,
    download: Child,
}

impl Transfer {
    /// Of so many MiB; both sides have links of 50 Mbit/s, 6 MB/s. Its first chunk came by this path.
    fn begin(bench: &Bench, pairing: &str, mib: u32, path: &str) -> Self {
        Self::begin_after(bench, pairing, mib, path, |_| {})
    }

    /// The same once something was done to the cell.
    fn begin_after(
        bench: &Bench,
        pairing: &str,
        mib: u32,
        path: &str,
        change: impl FnOnce(&Cell),
    ) -> Self {
        let pairing = Pairing::of_name(pairing);
        let cell = Cell::new(bench, pairing, mib << 20);
        change(&cell);
        cell.prepare(pairing);
        let download = cell.download(cell.downloader());
        let (at, taken) = first_chunk(cell.downloader(), Instant::now(), PATIENCE).unwrap();
        println!("the first chunk came after {at:.2?}, {taken}");
        assert_eq!(taken, path);
        Self { cell, download }
    }

    /// Waits for its end; what it has received must be the content.
    fn end(self) -> Cell {
        self.cell.finish(self.cell.downloader(), self.download).unwrap();
        self.cell
    }
}

/// Starts a download of a cell's content, and says when its first chunk was verified and by which path it came.
fn download(cell: &Cell, host: &Host) -> (Child, Duration, String) {
    let started = Instant::now();
    let download = cell.download(host);
    let (at, path) = first_chunk(host, started, PATIENCE).unwrap();
    (download, at, path)
}

/// How long nothing more is received from now on, and by which path it is then.
fn time_to_resume(host: &Host) -> Duration {
    let started = Instant::now();
    // What is on the way still does not count.
    thread::sleep(Duration::from_millis(500));
    let before = received(host);
    while received(host) < before + (1 << 20) {
        stop_if_interrupted();
        assert!(started.elapsed() < PATIENCE, "nothing more comes");
        thread::sleep(LOOK_INTERVAL);
    }
    started.elapsed()
}

/// Bytes of content that have come, also those that are not verified yet.
fn received(host: &Host) -> u64 {
    host.share()["downloaded_bytes"].as_u64().unwrap()
}
