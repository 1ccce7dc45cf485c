//! Every pairing of NATs, with many seeds, and what goes wrong in between.

mod matrix;
mod random;
mod trouble;

use std::time::Duration;

use super::*;
use crate::nat::{Method, Outcome, Trial};
use crate::path::Path;

const OPEN: &[NatSpec] = &[];
const FULL_CONE: &[NatSpec] = &[NatSpec::FULL_CONE];
const ADDRESS: &[NatSpec] = &[NatSpec::ADDRESS_RESTRICTED];
const PORT: &[NatSpec] = &[NatSpec::PORT_RESTRICTED];
const SYMMETRIC: &[NatSpec] = &[NatSpec::SYMMETRIC];
const CARRIER: &[NatSpec] = &[NatSpec::PORT_RESTRICTED, NatSpec::PORT_RESTRICTED];
const CARRIER_SYMMETRIC: &[NatSpec] = &[NatSpec::PORT_RESTRICTED, NatSpec::SYMMETRIC];
const UDP_BLOCKED: &[NatSpec] = &[NatSpec::UDP_BLOCKED];

/// What hosts can be behind.
const KINDS: [(&str, &[NatSpec]); 8] = [
    ("open", OPEN),
    ("full cone", FULL_CONE),
    ("address restricted", ADDRESS),
    ("port restricted", PORT),
    ("symmetric", SYMMETRIC),
    ("carrier", CARRIER),
    ("carrier, symmetric", CARRIER_SYMMETRIC),
    ("UDP blocked", UDP_BLOCKED),
];

fn sites(a: &[NatSpec], b: &[NatSpec]) -> [Site; 2] {
    [Site::behind(a), Site::behind(b)]
}

/// Runs for a time, and checks what holds always.
fn run(scenario: &NatScenario, duration: Duration) -> NatReport {
    // Shown when the test fails.
    println!("{scenario:?}");
    let mut simulation = NatSimulation::new(scenario);
    simulation.run(duration);
    let report = simulation.report();
    check(&report);
    report
}

fn check(report: &NatReport) {
    for host in &report.hosts {
        // Attempts are numbered in the order in which they begin, and each ends once.
        let mut keys: Vec<_> = host.ends.iter().map(|end| end.attempt.0).collect();
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{report:#?}");
        for end in &host.ends {
            assert!(end.report.trials.iter().all(|trial| trial.outcome != Outcome::Pending));
        }
        // No storms: an attempt is up to 32 addresses, checked 12 times in 6 s, and a few answers. So many there are
        // only where each check shows a NAT's host at yet another one, and everybody is let in.
        let attempts = host.ends.len() + 1;
        let is_birthday = |trial: &&Trial| trial.method == Method::Birthday;
        let trials = host.ends.iter().flat_map(|end| &end.report.trials);
        let birthdays = trials.filter(is_birthday).count();
        assert!(host.signals <= 8 * attempts, "{} signals: {report:#?}", host.signals);
        assert!(
            host.checks <= 400 * attempts + 2_000 * birthdays,
            "{} checks: {report:#?}",
            host.checks
        );
    }
    let [a, b] = report.hosts.each_ref().map(|host| host.path.map(|path| path != Path::Relayed));
    assert_eq!(a, b, "both sides see the same: {report:#?}");
}
