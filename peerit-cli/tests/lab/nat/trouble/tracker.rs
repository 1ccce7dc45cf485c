//! Trackers that die and come back.

use std::thread;
use std::time::{Duration, Instant};

use super::super::bench;
use super::super::network::Place;
use super::{Transfer, download};

/// The longest silence towards a tracker, after which peers notice that it has forgotten them.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

#[test]
fn a_transfer_outlives_its_tracker_and_a_new_tracker_learns_of_it() {
    let Some(bench) = bench() else { return };
    let mut transfer = Transfer::begin(&bench, "restricted/restricted", 24, "punched");
    transfer.cell.internet.kill_trackers();
    let mut cell = transfer.end();
    cell.internet.start_trackers();
    let restarted = Instant::now();
    let host = cell.internet.open_host(&bench, Place::Far, "late", 9);
    let (child, at, path) = download(&cell, &host);
    println!("a new downloader has its first chunk {at:.2?} after the tracker is back, {path}");
    assert!(restarted.elapsed() < KEEP_ALIVE + Duration::from_secs(5), "{at:?}");
    cell.finish(&host, child).unwrap();
}

#[test]
#[ignore = "minutes: see the head of the module"]
fn a_tracker_that_was_away_for_minutes_is_told_soon() {
    let Some(bench) = bench() else { return };
    let mut cell = Transfer::begin(&bench, "restricted/restricted", 8, "punched").end();
    cell.internet.kill_trackers();
    thread::sleep(Duration::from_secs(200));
    cell.internet.start_trackers();
    let restarted = Instant::now();
    let host = cell.internet.open_host(&bench, Place::Far, "late", 9);
    let (child, at, path) = download(&cell, &host);
    println!("a new downloader has its first chunk {at:.2?} after the tracker is back, {path}");
    assert!(restarted.elapsed() < KEEP_ALIVE + Duration::from_secs(5), "{at:?}");
    cell.finish(&host, child).unwrap();
}
