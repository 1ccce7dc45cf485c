//! Links: the manifest too comes from a peer that nobody can dial.

use std::time::{Duration, Instant};

use super::bench;
use super::cell::{Cell, first_chunk};
use super::expected::Pairing;

/// The manifest and the first chunk, each by a path that is looked for.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_link_is_enough_through_punched_holes() {
    // The manifest came through them; what dials next finds them open.
    downloads("restricted/restricted", &["punched", "direct"]);
}

#[test]
fn a_link_is_enough_through_a_relay() {
    downloads("symmetric/symmetric", &["relayed"]);
}

fn downloads(pairing: &str, paths: &[&str]) {
    let Some(bench) = bench() else { return };
    let pairing = Pairing::of_name(pairing);
    let cell = Cell::new(&bench, pairing, 8 << 20);
    cell.prepare(pairing);
    let started = Instant::now();
    let download = cell.download_of(cell.downloader(), &cell.link());
    let (at, taken) = first_chunk(cell.downloader(), started, PATIENCE).unwrap();
    println!("{} by link: the first chunk came after {at:.2?}, {taken}", pairing.name());
    assert!(paths.contains(&taken.as_str()), "{:#}", cell.downloader().share()["peers"]);
    cell.finish(cell.downloader(), download).unwrap();
}
