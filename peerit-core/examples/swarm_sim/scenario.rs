//! From options to a scenario.

use std::time::Duration;

use peerit_core::rng::Rng;
use peerit_core::sim::{Conduct, Fate, Link, PeerSpec, Reach, Scenario, When, fluid_bound};

use crate::options::Options;

/// A run of so many times the bound has failed.
const PATIENCE: u32 = 20;

/// The swarm that the options describe, drawn from one random seed.
pub(crate) fn scenario(options: &Options, random_seed: u64) -> Scenario {
    let mut rng = Rng::from_seed(random_seed);
    let content_bytes = (options.mib as u64) << 20;
    let mut leeches: Vec<_> = (0..options.peers).map(|_| leech(options, &mut rng)).collect();

    for leech in some(&mut leeches, options.natted, &mut rng).0 {
        leech.reach = Reach::Natted;
    }
    for leech in some(&mut leeches, options.leave, &mut rng).0 {
        let fate = if rng.below(2) == 0 { Fate::Leave } else { Fate::Crash };
        leech.fate.push((When::Uploaded(times(content_bytes, fraction(&mut rng))), fate));
    }
    let (liars, honest) = some(&mut leeches, options.liars, &mut rng);
    for leech in liars {
        leech.conduct = Conduct::Liar { every_nth_block: options.lie_every };
    }
    for leech in honest.iter_mut().take(options.free_riders) {
        leech.conduct = Conduct::FreeRider;
    }

    let seed = seed(options, content_bytes);
    let peers: Vec<_> = std::iter::repeat_n(seed, options.seeds).chain(leeches).collect();
    let patience = fluid_bound(content_bytes, &peers).saturating_mul(PATIENCE);
    let base = Scenario::default();
    let deadline = patience.saturating_add(join_over(options)).max(base.deadline);
    let chunk_length = options.chunk_kib.map(|kib| kib.saturating_mul(1 << 10));
    Scenario { seed: random_seed, content_bytes, chunk_length, peers, deadline, ..base }
}

fn seed(options: &Options, content_bytes: u64) -> PeerSpec {
    let leaves = options.seed_leaves.map(|copies| times(content_bytes, copies));
    let fate = leaves.map(|bytes| (When::Uploaded(bytes), Fate::Leave)).into_iter().collect();
    PeerSpec { fate, ..PeerSpec::seed(link(options, options.seed_up)) }
}

fn leech(options: &Options, rng: &mut Rng) -> PeerSpec {
    let up = rng.choose(&options.up).copied().unwrap_or_default();
    let joins_at = join_over(options).mul_f64(fraction(rng));
    PeerSpec { joins_at, ..PeerSpec::leech(link(options, up)) }
}

fn join_over(options: &Options) -> Duration {
    Duration::from_secs(options.join_over.into())
}

/// A peer's part of the way: half of that between two.
fn link(options: &Options, up: f64) -> Link {
    Link {
        up_bits_per_second: times(1_000_000, up),
        down_bits_per_second: times(1_000_000, options.down),
        latency: Duration::from_millis(options.latency_ms.into()) / 2,
        jitter: Duration::from_millis(options.jitter_ms.into()) / 2,
        loss: options.loss / 200.0,
    }
}

/// `percent` of the peers, drawn at random, and the others.
fn some<'a>(
    peers: &'a mut [PeerSpec],
    percent: f64,
    rng: &mut Rng,
) -> (&'a mut [PeerSpec], &'a mut [PeerSpec]) {
    rng.shuffle(peers);
    let count = times(peers.len() as u64, percent / 100.0);
    peers.split_at_mut(usize::try_from(count).map_or(peers.len(), |count| count.min(peers.len())))
}

/// From 0 to 1.
fn fraction(rng: &mut Rng) -> f64 {
    rng.next_u64() as f64 / u64::MAX as f64
}

/// Rounded to the nearest.
#[expect(clippy::cast_possible_truncation, reason = "too much becomes the most there is")]
fn times(amount: u64, factor: f64) -> u64 {
    (amount as f64 * factor).round() as u64
}

#[cfg(test)]
mod tests {
    use peerit_core::sim::Role;
    use structopt::StructOpt;

    use super::*;

    fn drawn(given: &str) -> Scenario {
        let options = Options::from_iter_safe(given.split(' ')).unwrap();
        scenario(&options, options.random_seed)
    }

    #[test]
    fn a_crowd_is_drawn_as_told() {
        let given = "swarm_sim --peers 200 --mib 2 --up 1,5 --join-over 60 --leave 25 --liars 10 \
                     --free-riders 7 --natted 50 --seed-leaves 1.5";
        let peers = drawn(given).peers;
        let count = |is: fn(&PeerSpec) -> bool| peers.iter().filter(|peer| is(peer)).count();
        assert_eq!(peers.len(), 201);
        assert_eq!(peers[0].role, Role::Seed);
        assert_eq!(peers[0].fate, [(When::Uploaded(3 << 20), Fate::Leave)]);
        assert_eq!(count(|peer| peer.role == Role::Leech && !peer.fate.is_empty()), 50);
        assert_eq!(count(|peer| peer.conduct == Conduct::Liar { every_nth_block: 7 }), 20);
        assert_eq!(count(|peer| peer.conduct == Conduct::FreeRider), 7);
        assert_eq!(count(|peer| peer.reach == Reach::Natted), 100);
        let slow = count(|peer| peer.link.up_bits_per_second == 1_000_000);
        assert!((60..140).contains(&slow), "{slow}");
        let latest = peers.iter().map(|peer| peer.joins_at).max();
        assert!((50..=60).contains(&latest.unwrap().as_secs()), "{latest:?}");
    }

    #[test]
    fn a_random_seed_draws_the_same_crowd_again() {
        let given = "swarm_sim --peers 50 --up 1,5,20 --join-over 9 --leave 30 --random-seed 7";
        let joins =
            |given: &str| drawn(given).peers.iter().map(|peer| peer.joins_at).collect::<Vec<_>>();
        assert_eq!(joins(given), joins(given));
        assert_ne!(joins(given), joins(&given.replace('7', "8")));
    }
}
