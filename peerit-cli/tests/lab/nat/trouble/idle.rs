//! NATs that forget what is idle for 30 s.

use std::thread;
use std::time::Duration;

use super::super::bench;
use super::super::cell::Cell;
use super::super::expected::Pairing;
use super::download;

const NAT_TIMEOUT_SECONDS: u32 = 30;
/// More than twice that.
const IDLE: Duration = Duration::from_secs(75);

/// Has the NATs of a cell forget soon, also what was answered.
fn make_forgetful(cell: &Cell) {
    for site in &cell.sites {
        for name in ["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"] {
            site.router().namespace().set(&format!("net/netfilter/{name}"), NAT_TIMEOUT_SECONDS);
        }
    }
}

#[test]
#[ignore = "minutes: see the head of the module"]
fn a_sharer_that_idles_is_reached() {
    let Some(bench) = bench() else { return };
    let cell = Cell::new(&bench, Pairing::of_name("restricted/restricted"), 8 << 20);
    make_forgetful(&cell);
    cell.prepare(Pairing::of_name("restricted/restricted"));
    thread::sleep(IDLE);
    let (child, at, path) = download(&cell, cell.downloader());
    println!("after {IDLE:?} of idleness the first chunk came after {at:.2?}, {path}");
    assert_eq!(path, "punched");
    cell.finish(cell.downloader(), child).unwrap();
}
