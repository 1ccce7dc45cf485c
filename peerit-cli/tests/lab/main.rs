//! A lab: the real programs on shaped links and behind NATs, in network namespaces of this machine. For the
//! NATs see [`nat`]; the rest is about links.
//!
//! One seed and some leeches, each in a namespace of its own behind a link of its own, all start at the same
//! time; what counts is when the last leech is complete, compared with what no protocol can beat
//! ([`measure::fluid_bound`]). It needs Linux, root, and the programs `ip`, `tc` (iproute2) and `ethtool`;
//! where something is missing, a line says what, and nothing is tested.
//!
//! `cargo test` runs a short scenario. The measurement is
//!
//! ```sh
//! cargo test --release -p peerit-cli --test lab -- --ignored --nocapture
//! ```
//!
//! and prints a table, and how much of their uplinks the peers used in each second. It takes about six
//! minutes; these variables choose what it runs:
//!
//! | variable | default | |
//! |---|---|---|
//! | `LAB_LINKS` | `20/20/100,10/40/100,100/10/100` | uplink of the seed / uplink of a leech / downlink of all, Mbit/s |
//! | `LAB_LEECHES` | `8,16` | how many leeches |
//! | `LAB_MIB` | `48` | length of the content, MiB |
//!
//! While it runs, `ip netns exec peerit-lab-PID-seed ss -tmi` and the like look into a host. It uses the
//! `peerit-tracker` that lies beside `peerit`, and builds it only where there is none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod background;
mod bench;
mod gigabit;
mod host;
mod measure;
mod namespace;
mod nat;
mod pair;
mod report;
mod scenario;
mod segment;
mod tracker;

use bench::Bench;
use scenario::Scenario;
use segment::Link;

/// Above this a schedule has broken: 1.05 is headers, the rest is a start of half a second and a busy machine.
const RATIO_MAX: f64 = 1.5;

#[test]
fn a_short_swarm_keeps_close_to_the_fluid_bound() {
    let Some(bench) = bench() else { return };
    let scenario = Scenario {
        content_bytes: 16 << 20,
        leech_count: 4,
        seed: Link { up_mbit: 20, down_mbit: 100 },
        leech: Link { up_mbit: 20, down_mbit: 100 },
    };
    let outcome = scenario.run(&bench);
    println!("{}", report::table(std::slice::from_ref(&outcome)));
    assert!(outcome.ratio() <= RATIO_MAX, "{}", report::details(&outcome));
}

#[test]
#[ignore = "a measurement of some minutes, for release builds: see the head of this file"]
fn the_scenarios() {
    let Some(bench) = bench() else { return };
    let mut outcomes = Vec::new();
    for scenario in scenario::chosen() {
        let outcome = scenario.run(&bench);
        println!("{}", report::details(&outcome));
        outcomes.push(outcome);
    }
    println!("{}", report::table(&outcomes));
}

/// The bench to work at; where there can be none, says why.
fn bench() -> Option<Bench> {
    Bench::open().map_err(|why| println!("the lab is skipped: {why}")).ok()
}
