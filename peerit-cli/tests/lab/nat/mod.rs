//! NATs: the real programs behind every pairing of them, in network namespaces.
//!
//! A share on one side, a download of 8 MiB on the other, a tracker between them; what counts is whether it
//! completes, by which path, and when the first chunk was verified. What each pairing is expected to come to is
//! [`expected`]'s table. It needs Linux, root, `ip`, `tc`, `ethtool` and `nft`; where something is missing, a line says
//! what, and nothing is tested. Routers that map ports need `miniupnpd`.
//!
//! `cargo test` plays a few pairings. All of them, in six minutes:
//!
//! ```sh
//! cargo test -p peerit-cli --test lab -- --ignored --nocapture the_matrix
//! ```
//!
//! `LAB_CELLS=restricted/open,same/restricted` chooses some. With `--features webrtc-ice`, `LAB_ICE=webrtc-ice/is` chooses the
//! library for ICE of the sharer and of the downloader.

mod cell;
mod doctor;
mod expected;
mod igd;
mod kind;
mod link;
mod network;
mod trouble;

use std::fmt::Write;

use crate::bench::Bench;
use cell::{Outcome, play};
use expected::Pairing;

/// One of each result, and of each kind where that is quick.
const CORE: [&str; 9] = [
    "open/restricted",
    "open/udp-blocked",
    "udp-blocked/open",
    "udp-blocked/udp-blocked",
    "full-cone/symmetric",
    "full-cone/carrier",
    "ipv6/ipv6-filter",
    "restricted/restricted",
    "same/restricted",
];

#[test]
fn the_core_pairings_take_the_expected_paths() {
    check(CORE.map(Pairing::of_name).to_vec());
}

#[test]
#[ignore = "many minutes: see the head of this file"]
fn the_matrix() {
    check(match std::env::var("LAB_CELLS") {
        Ok(names) => names.split(',').map(Pairing::of_name).collect(),
        Err(_) => Pairing::all(),
    });
}

#[test]
fn a_router_that_maps_ports_makes_paths_direct() {
    let Some(bench) = bench_with_igd() else { return };
    check_at(&bench, Pairing::with_igd());
}

fn check(pairings: Vec<Pairing>) {
    let Some(bench) = bench() else { return };
    check_at(&bench, pairings);
}

fn check_at(bench: &Bench, pairings: Vec<Pairing>) {
    let outcomes: Vec<Outcome> = pairings.into_iter().map(|pairing| play(bench, pairing)).collect();
    let table = table(&outcomes);
    println!("{table}");
    assert!(outcomes.iter().all(|outcome| outcome.problem.is_empty()), "\n{table}");
}

/// One line for each pairing.
fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<25}  {:<10}  {:>11}  {:>8}\n",
        "sharer/downloader", "path", "first chunk", "complete"
    );
    let seconds = |at: std::time::Duration| format!("{:.2} s", at.as_secs_f64());
    for outcome in outcomes {
        let (first, path) = match &outcome.first_chunk {
            Some((at, path)) => (seconds(*at), path.as_str()),
            None => ("-".to_owned(), "none"),
        };
        let (name, complete) = (outcome.pairing.name(), outcome.complete.map(seconds));
        let complete = complete.as_deref().unwrap_or("-");
        writeln!(text, "{name:<25}  {path:<10}  {first:>11}  {complete:>8}  {}", outcome.problem)
            .unwrap();
    }
    text
}

/// The bench to work at; where there can be none, says why.
fn bench() -> Option<Bench> {
    let bench = Bench::open().and_then(|bench| bench.try_nat().map(|()| bench));
    bench.map_err(|why| println!("the lab of NATs is skipped: {why}")).ok()
}

/// The same, with routers that map ports.
fn bench_with_igd() -> Option<Bench> {
    let bench = bench()?;
    igd::try_program(&bench).map_err(|why| println!("mapped ports are not tested: {why}")).ok()?;
    Some(bench)
}
