//! Every pairing: direct wherever theory allows, else through the relay, and soon.

use super::*;

/// When both have a connection at the latest, where a plain dial or punch serves.
const DIRECT_WITHIN: Duration = Duration::from_secs(2);

/// When both have one through the relay at the latest.
const RELAYED_WITHIN: Duration = Duration::from_secs(3);

/// When a relayed connection has given way to one by many ports at the latest: 25 s after it began.
const BIRTHDAY_WITHIN: Duration = Duration::from_secs(28);

/// Seeds a cell.
const SEEDS: u64 = 12;

fn cell(scenario: &NatScenario) {
    let report = run(scenario, Duration::from_secs(90));
    let possible = scenario.is_direct_possible();
    let path = report.hosts[0].path;
    let by_birthday = scenario.is_birthday_possible();
    assert_eq!(
        path.map(|path| path != Path::Relayed),
        Some(possible || by_birthday),
        "{report:#?}"
    );
    if by_birthday {
        assert!(report.direct_after().is_some_and(|after| after <= BIRTHDAY_WITHIN), "{report:#?}");
    }
    let within = if possible { DIRECT_WITHIN } else { RELAYED_WITHIN };
    let after = if possible { report.direct_after() } else { report.connected_after() };
    assert!(after.is_some_and(|after| after <= within), "{after:?}: {report:#?}");
}

#[test]
fn every_pairing_ends_as_theory_has_it() {
    let (mut direct, mut by_birthday) = (0, 0);
    for (_, a) in KINDS {
        for (_, b) in KINDS {
            for seed in 0..SEEDS {
                let mut scenario = NatScenario::new(seed, sites(a, b));
                scenario.mutual = seed % 3 != 0;
                cell(&scenario);
                direct += u64::from(scenario.is_direct_possible());
                by_birthday += u64::from(scenario.is_birthday_possible());
            }
        }
    }
    // With an open side 15, both sides endpoint-independent 16, a symmetric one and a lenient one 8.
    assert_eq!(direct / SEEDS, 39, "cells of 64");
    // A symmetric one and one that minds ports, each with or without a carrier, either way round.
    assert_eq!(by_birthday / SEEDS, 8, "cells of 64");
}

#[test]
fn two_in_one_home_need_no_nat() {
    for (_, nats) in KINDS.iter().filter(|(_, nats)| !nats.is_empty()) {
        for seed in 0..SEEDS {
            let shared = Shared::Home;
            let scenario = NatScenario { shared, ..NatScenario::new(seed, sites(nats, nats)) };
            cell(&scenario);
        }
    }
}

#[test]
fn two_homes_of_one_carrier_need_its_hairpin() {
    for hairpin in [true, false] {
        let carrier = NatSpec { hairpin, ..NatSpec::PORT_RESTRICTED };
        let nats = [NatSpec::PORT_RESTRICTED, carrier];
        for seed in 0..SEEDS {
            let shared = Shared::Carrier;
            let scenario = NatScenario { shared, ..NatScenario::new(seed, sites(&nats, &nats)) };
            cell(&scenario);
        }
    }
}

#[test]
fn with_ipv6_on_both_sides_no_nat_matters() {
    for (_, a) in KINDS {
        for (_, b) in KINDS {
            for seed in 0..4 {
                let [a, b] = sites(a, b);
                cell(&NatScenario::new(seed, [a.with_ipv6(), b.with_ipv6()]));
            }
        }
    }
}

#[test]
fn ipv6_on_one_side_does_no_harm() {
    for (_, a) in KINDS {
        for (_, b) in KINDS {
            for seed in 0..4 {
                let [a, b] = sites(a, b);
                cell(&NatScenario::new(seed, [a.with_ipv6(), b]));
            }
        }
    }
}

#[test]
fn without_a_relay_what_theory_forbids_fails_and_says_why() {
    let scenario = NatScenario { relay: false, ..NatScenario::new(3, sites(SYMMETRIC, SYMMETRIC)) };
    let report = run(&scenario, Duration::from_secs(60));
    let end = &report.hosts[0].ends[0];
    assert_eq!(end.path, None);
    let text = end.report.to_string();
    assert!(text.contains("hole punch: no answer in time"), "{text}");
    assert!(text.contains("relay: not tried: no relay is known"), "{text}");
    assert!(text.ends_with("(both NATs are symmetric)"), "{text}");
}

#[test]
fn who_can_be_dialled_costs_no_signal() {
    for seed in 0..SEEDS {
        let report = run(&NatScenario::new(seed, sites(OPEN, PORT)), Duration::from_secs(20));
        assert!(report.hosts.iter().all(|host| host.path == Some(Path::Direct)), "{report:#?}");
        assert!(report.hosts.iter().all(|host| (host.signals, host.checks) == (0, 0)));
    }
}

#[test]
fn reports_name_what_worked() {
    let report = run(&NatScenario::new(1, sites(PORT, PORT)), Duration::from_secs(20));
    let worked = |method| {
        let mut ends = report.hosts.iter().flat_map(|host| &host.ends);
        ends.any(|end| {
            let mut trials = end.report.trials.iter();
            trials.any(|trial| (trial.method, trial.outcome) == (method, Outcome::Worked))
        })
    };
    assert!(worked(Method::Punch) && worked(Method::Quic) && worked(Method::Signal));
    assert!(report.hosts.iter().all(|host| host.path == Some(Path::Punched)), "{report:#?}");
}
