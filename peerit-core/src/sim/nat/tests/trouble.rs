//! Loss, silence and change.

use super::*;

#[test]
fn datagrams_that_are_lost_delay_and_no_more() {
    let (mut after, mut by_birthday) = (Vec::new(), Vec::new());
    for (_, a) in KINDS {
        for (_, b) in KINDS {
            for seed in 0..4 {
                let loss_percent = 10;
                let scenario = NatScenario { loss_percent, ..NatScenario::new(seed, sites(a, b)) };
                let report = run(&scenario, Duration::from_secs(200));
                let path = report.hosts[0].path.map(|path| path != Path::Relayed);
                if scenario.is_birthday_possible() {
                    by_birthday.push(path == Some(true));
                } else {
                    assert_eq!(path, Some(scenario.is_direct_possible()), "{report:#?}");
                }
                after.extend(report.connected_after());
            }
        }
    }
    // A tracker whose datagrams are lost three times in a row is asked over TCP for a while, where it does not see how
    // the NAT maps.
    let found = by_birthday.iter().filter(|is_direct| **is_direct).count();
    assert!(found * 10 >= by_birthday.len() * 9, "{found} of {}", by_birthday.len());
    after.sort_unstable();
    let p95 = after[after.len() * 95 / 100];
    assert!(p95 <= Duration::from_secs(5), "{p95:?}");
}

#[test]
fn one_that_comes_after_hours_is_reached_though_no_datagram_passes() {
    for seed in 0..6 {
        let mut scenario = NatScenario::new(seed, sites(UDP_BLOCKED, UDP_BLOCKED));
        scenario.mutual = false;
        scenario.second_joins_after = Duration::from_secs(4_000 + seed);
        let report = run(&scenario, Duration::from_secs(4_000 + 60));
        assert!(report.connected_after() <= Some(Duration::from_secs(3)), "{report:#?}");
    }
}

#[test]
fn one_that_comes_after_hours_is_reached_though_nats_forget() {
    for timeout_s in [26, 30, 120] {
        for seed in 0..6 {
            let mapping_timeout = Duration::from_secs(timeout_s);
            let nat = NatSpec { mapping_timeout, ..NatSpec::PORT_RESTRICTED };
            let mut scenario = NatScenario::new(seed, sites(&[nat], &[nat]));
            // Only the second one looks, so the first must be within reach of signals.
            scenario.mutual = false;
            scenario.second_joins_after = Duration::from_secs(4_000 + seed);
            let report = run(&scenario, Duration::from_secs(4_000 + 60));
            assert!(report.direct_after() <= Some(Duration::from_secs(2)), "{report:#?}");
        }
    }
}

#[test]
fn a_relayed_pair_goes_direct_when_datagrams_pass_again() {
    for seed in 0..12 {
        let scenario = NatScenario::new(seed, sites(UDP_BLOCKED, UDP_BLOCKED));
        println!("{scenario:?}");
        let mut simulation = NatSimulation::new(&scenario);
        simulation.run(Duration::from_secs(30));
        assert!(simulation.report().hosts.iter().all(|host| host.path == Some(Path::Relayed)));
        simulation.set_udp(true);
        // Trackers are tried by UDP again after 15 min, and the peer after as long.
        simulation.run(Duration::from_secs(3_600));
        let report = simulation.report();
        assert!(report.hosts.iter().all(|host| host.path == Some(Path::Punched)), "{report:#?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let scenario =
        NatScenario { loss_percent: 20, ..NatScenario::new(9, sites(CARRIER, SYMMETRIC)) };
    let [one, other] = [0; 2].map(|_| run(&scenario, Duration::from_secs(300)));
    assert_eq!(one, other);
}
