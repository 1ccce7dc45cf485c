//! NATs as chance has them. A failure prints its scenario, which is the whole story.

use super::*;
use crate::rng::Rng;

fn nat(rng: &mut Rng) -> NatSpec {
    let filtering = [Filtering::EndpointIndependent, Filtering::AddressDependent];
    NatSpec {
        mapping: if rng.below(4) == 0 {
            Mapping::EndpointDependent
        } else {
            Mapping::EndpointIndependent
        },
        filtering: filtering.get(rng.below(3)).copied().unwrap_or(Filtering::PortDependent),
        hairpin: rng.below(2) == 0,
        mapping_timeout: Duration::from_secs([28, 30, 60, 120][rng.below(4)]),
        udp: rng.below(8) > 0,
    }
}

fn scenario(seed: u64) -> NatScenario {
    let mut rng = Rng::from_seed(seed);
    let site = |rng: &mut Rng| {
        let nats: Vec<_> = (0..rng.below(3)).map(|_| nat(rng)).collect();
        let site = Site::behind(&nats);
        if rng.below(4) == 0 { site.with_ipv6() } else { site }
    };
    let (a, mut b) = (site(&mut rng), site(&mut rng));
    let shared = match rng.below(6) {
        0 if !a.nats.is_empty() => Shared::Home,
        1 if a.nats.len() == 2 && b.nats.len() == 2 => Shared::Carrier,
        _ => Shared::Nothing,
    };
    if shared != Shared::Nothing {
        b.nats.clone_from(&a.nats);
    }
    NatScenario {
        shared,
        loss_percent: [0, 0, 5][rng.below(3)],
        mutual: rng.below(2) == 0,
        second_joins_after: Duration::from_millis(rng.below(100_000) as u64),
        ..NatScenario::new(seed, [a, b])
    }
}

#[test]
fn whatever_they_are_behind_they_meet_and_directly_where_that_is_possible() {
    for seed in 0..400 {
        let scenario = scenario(seed);
        let report = run(&scenario, Duration::from_secs(400));
        let path = report.hosts[0].path;
        assert!(path.is_some(), "{report:#?}");
        if scenario.is_direct_possible() {
            assert_ne!(path, Some(Path::Relayed), "{report:#?}");
        }
    }
}
