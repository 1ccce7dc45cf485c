//! From the relay to a path without one, in mid-transfer.

use std::thread;
use std::time::Instant;

use super::super::bench;
use super::super::cell::{LOOK_INTERVAL, path};
use super::{PATIENCE, Transfer};
use crate::bench::stop_if_interrupted;
use crate::host::Host;

const MIB: u32 = 48;
/// What may be sent twice, in bytes: what was on the way through the relay. That is the downloader's requests, in
/// the two sockets of the relay and of the peers, and what the links' queues hold.
const TWICE_MAX: u64 = 8 << 20;

#[test]
fn a_relayed_transfer_moves_to_a_better_path_and_is_complete() {
    let Some(bench) = bench() else { return };
    let Transfer { cell, download } = Transfer::begin_after(
        &bench,
        "restricted/restricted",
        MIB,
        "relayed",
        |cell| {
            // Nothing passes between the two sites.
            cell.sites[0].router().namespace().nft(
                "table ip wall {
                    chain through { type filter hook forward priority -10; ip daddr 203.0.113.0/24 drop; }
                }",
            );
        },
    );
    cell.sites[0].router().namespace().nft("delete table ip wall");
    let opened = Instant::now();
    // A peer that has just been replaced has given nothing yet.
    while ["relayed", "from nobody"].contains(&path(&cell.downloader().share()).as_str()) {
        stop_if_interrupted();
        assert!(opened.elapsed() < PATIENCE, "it stays with the relay");
        thread::sleep(LOOK_INTERVAL);
    }
    let better = path(&cell.downloader().share());
    println!("{:.2?} after the wall is gone: {better}", opened.elapsed());
    cell.finish(cell.downloader(), download).unwrap();
    let bytes = |host: &Host, what: &str| host.share()[what].as_u64().unwrap();
    let content = u64::from(MIB) << 20;
    let sent_twice = bytes(cell.sharer(), "uploaded_bytes").saturating_sub(content);
    let came_twice = bytes(cell.downloader(), "downloaded_bytes").saturating_sub(content);
    println!("of {content} bytes {sent_twice} were sent twice, {came_twice} came twice");
    assert!(sent_twice <= TWICE_MAX && came_twice <= TWICE_MAX);
}
