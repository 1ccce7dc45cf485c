//! Addresses that change while content is moved.

use std::time::Duration;

use super::super::bench;
use super::super::cell::path;
use super::super::network::Place;
use super::{Transfer, time_to_resume};

/// How long a transfer may stand still: 5 s, and as long again for a machine that does other things too.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Where a site is after it has moved.
const NEW_NUMBER: u8 = 77;

/// One side after the other, as only the side that has dialled can take a QUIC connection along.
#[test]
fn a_punched_transfer_goes_on_after_either_side_has_moved() {
    goes_on("restricted/restricted", "punched", &[Place::Near, Place::Far]);
}

#[test]
#[ignore = "half a minute: see the head of the module"]
fn a_transfer_by_tcp_goes_on_after_the_downloader_has_moved() {
    goes_on("open/udp-blocked", "direct", &[Place::Far]);
}

#[test]
fn a_relayed_transfer_goes_on_after_either_side_has_moved() {
    goes_on("udp-blocked/udp-blocked", "relayed", &[Place::Near, Place::Far]);
}

/// Moves one site after the other while a transfer runs that has begun by this path.
fn goes_on(pairing: &str, begun_by: &str, places: &[Place]) {
    let Some(bench) = bench() else { return };
    let transfer = Transfer::begin(&bench, pairing, 96, begun_by);
    let cell = &transfer.cell;
    for place in places.iter().copied() {
        let site = &cell.sites[if place == Place::Near { 0 } else { 1 }];
        cell.internet.move_site(site, place, NEW_NUMBER);
        let pause = time_to_resume(cell.downloader());
        let path = path(&cell.downloader().share());
        println!("the {place:?} site has moved, {pause:.2?} until it goes on, {path}");
        assert!(pause <= PAUSE_MAX, "{pause:?}");
    }
    transfer.end();
}

#[test]
#[ignore = "half a minute: see the head of the module"]
fn a_nat_that_has_forgotten_everything_learns_it_again() {
    let Some(bench) = bench() else { return };
    let transfer = Transfer::begin(&bench, "restricted/restricted", 48, "punched");
    let cell = &transfer.cell;
    // The same address again.
    cell.internet.move_site(&cell.sites[1], Place::Far, super::super::network::SITE_NUMBER);
    let pause = time_to_resume(cell.downloader());
    println!("the far NAT has forgotten its mappings, {pause:.2?} until it goes on");
    assert!(pause <= PAUSE_MAX, "{pause:?}");
    transfer.end();
}
