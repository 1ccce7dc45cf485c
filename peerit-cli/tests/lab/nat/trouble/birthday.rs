//! A symmetric NAT and one that minds ports: from the relay to one of many ports, in mid-transfer.

use std::thread;
use std::time::{Duration, Instant};

use super::super::bench;
use super::super::cell::{Cell, LOOK_INTERVAL, first_chunk, path};
use super::super::expected::Pairing;
use super::PATIENCE;
use crate::bench::stop_if_interrupted;

/// Enough for 25 s on the hosts' links.
const MIB: u32 = 160;

/// When the first chunk has come through the relay.
const RELAYED_WITHIN: Duration = Duration::from_secs(3);

/// When the ports are given up for this time, from the start of the download.
const PUNCHED_WITHIN: Duration = Duration::from_secs(28);

#[test]
fn a_symmetric_sharer_and_a_restricted_downloader_leave_the_relay() {
    leaves_the_relay("symmetric/restricted");
}

#[test]
#[ignore = "half a minute: see the head of the module"]
fn so_do_a_restricted_sharer_and_a_symmetric_downloader() {
    leaves_the_relay("restricted/symmetric");
}

#[test]
#[ignore = "half a minute: see the head of the module"]
fn so_do_two_with_a_carrier_each() {
    leaves_the_relay("carrier-sym/carrier");
}

fn leaves_the_relay(pairing: &str) {
    let Some(bench) = bench() else { return };
    let pairing = Pairing::of_name(pairing);
    let cell = Cell::new(&bench, pairing, MIB << 20);
    cell.prepare(pairing);
    let started = Instant::now();
    let download = cell.download(cell.downloader());
    let (at, taken) = first_chunk(cell.downloader(), started, PATIENCE).unwrap();
    println!("{}: the first chunk came after {at:.2?}, {taken}", pairing.name());
    assert!(taken == "relayed" && at < RELAYED_WITHIN);
    // A peer that has just been replaced has given nothing yet.
    while path(&cell.downloader().share()) != "punched" {
        stop_if_interrupted();
        assert!(started.elapsed() < PUNCHED_WITHIN, "it stays with the relay");
        thread::sleep(LOOK_INTERVAL);
    }
    println!("punched after {:.2?}", started.elapsed());
    let tried = cell.downloader().share()["peers"][0]["tried"].to_string();
    // A port that is tried may also be the one that the hole punch has opened: then that one has worked after all.
    let is_said =
        ["birthday punch: worked", "hole punch: worked"].iter().any(|way| tried.contains(way));
    assert!(is_said, "status does not say why: {tried}");
    cell.finish(cell.downloader(), download).unwrap();
    let [sent, came] = [(cell.sharer(), "uploaded_bytes"), (cell.downloader(), "downloaded_bytes")]
        .map(|(host, what)| host.share()[what].as_u64().unwrap());
    let content = u64::from(MIB) << 20;
    let [sent_twice, came_twice] = [sent, came].map(|bytes| bytes.saturating_sub(content));
    println!("of {content} bytes {sent_twice} were sent twice, {came_twice} came twice");
    assert!(sent >= content && came >= content);
}
