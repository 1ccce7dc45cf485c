//! Many swarms together.

use std::time::Duration;

use super::super::*;
use super::net::Net;

const MIB: u64 = 1 << 20;

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn two_swarms_transfer_and_part() {
    let mut net = Net::new(1, 8);
    let (seed, leech) = (net.seed(4 * MIB), net.leech(MIB));
    net.introduce(leech, &[seed]);
    net.run_until(seconds(10), |net| net.complete(leech));
    assert_eq!(net.nodes[leech].swarm.downloaded(), net.layout.length());
    assert_eq!(net.nodes[seed].swarm.uploaded(), net.layout.length());
    net.run(seconds(60));
    assert_eq!(net.nodes[leech].completed.len(), 1);
    assert_eq!(net.nodes[seed].completed.len(), 0);
    assert!(net.connected(leech).is_empty());
    let parted = net.nodes[leech].disconnects.iter().chain(&net.nodes[seed].disconnects);
    assert!(parted.clone().count() >= 1);
    assert!(parted.clone().all(|(_, reason)| *reason == DisconnectReason::Useless));
}

#[test]
fn leeches_serve_each_other() {
    for seed in 0..4 {
        let mut net = Net::new(seed, 24);
        let origin = net.seed(2 * MIB);
        let leeches: Vec<_> = (0..3).map(|_| net.leech(2 * MIB)).collect();
        leeches.iter().for_each(|&leech| net.introduce(leech, &[origin]));
        net.run_until(seconds(60), |net| leeches.iter().all(|&leech| net.complete(leech)));
        for &leech in &leeches {
            assert!(net.nodes[leech].swarm.uploaded() > 2 * MIB, "{leech}");
        }
        assert!(net.nodes[origin].swarm.uploaded() < 2 * net.layout.length());
    }
}

#[test]
fn peer_exchange_knits_the_swarm() {
    let mut net = Net::new(3, 40);
    let origin = net.seed(MIB);
    let leeches: Vec<_> = (0..6).map(|_| net.leech(MIB)).collect();
    for &leech in &leeches {
        net.introduce(leech, &[origin]);
    }
    net.run(seconds(5));
    for &leech in &leeches {
        assert_eq!(net.connected(leech).len(), 6, "{leech}");
    }
}

#[test]
fn a_liar_is_banned_and_the_others_finish() {
    for seed in 0..6 {
        let mut net = Net::new(seed, 12);
        let (honest, liar) = (net.seed(MIB), net.seed(2 * MIB));
        net.nodes[liar].lies = true;
        let leeches: Vec<_> = (0..3).map(|_| net.leech(2 * MIB)).collect();
        leeches.iter().for_each(|&leech| net.introduce(leech, &[honest, liar]));
        net.run_until(seconds(120), |net| leeches.iter().all(|&leech| net.complete(leech)));
        for &leech in &leeches {
            let reports = net.nodes[leech].swarm.peers(net.now);
            let banned: Vec<_> = reports.iter().filter(|report| report.banned.is_some()).collect();
            assert_eq!(banned.len(), 1, "leech {leech} seed {seed}");
            assert_eq!(banned[0].peer_id, net.id(liar));
            assert!(matches!(banned[0].banned, Some(Misbehaviour::CorruptChunk(_))));
            assert!(banned[0].downloaded > 0);
        }
        net.run(seconds(600));
        assert!(net.connected(liar).is_empty());
    }
}

/// Without a seed, so that only what the peers give each other counts.
#[test]
fn those_who_give_get_more() {
    let mut net = Net::new(5, 96);
    let config = Config { upload_slots: 3, optimistic_slots: 1, ..Config::default() };
    let mut rng = crate::rng::Rng::from_seed(5);
    let peers: Vec<_> = (0..8)
        .map(|_| {
            let mut half = Bitfield::empty(net.layout.chunk_count());
            for chunk in net.layout.chunks().filter(|_| rng.below(2) == 0) {
                half.insert(chunk);
            }
            net.node(half, MIB, config.clone())
        })
        .collect();
    let (givers, greedy) = peers.split_at(4);
    greedy.iter().for_each(|&number| net.nodes[number].greedy = true);
    peers.iter().for_each(|&peer| net.introduce(peer, &peers));
    net.run(seconds(40));
    let got = |who: &[usize]| -> u64 {
        who.iter().map(|&number| net.nodes[number].swarm.downloaded()).sum()
    };
    assert!(got(givers) > 2 * got(greedy), "{} {}", got(givers), got(greedy));
    assert!(greedy.iter().all(|&number| net.nodes[number].swarm.downloaded() > 0));
}

#[test]
fn a_newcomer_gets_its_first_chunk_soon_from_a_busy_swarm() {
    let mut net = Net::new(6, 64);
    let config = Config { upload_slots: 3, optimistic_slots: 1, ..Config::default() };
    let chunks = net.layout.chunk_count();
    let origin = net.node(Bitfield::full(chunks), MIB, config.clone());
    let old: Vec<_> =
        (0..8).map(|_| net.node(Bitfield::empty(chunks), MIB, config.clone())).collect();
    old.iter().for_each(|&leech| net.introduce(leech, &[origin]));
    net.run(seconds(30));
    let newcomer = net.node(Bitfield::empty(chunks), MIB, config);
    net.introduce(newcomer, &old);
    net.run_until(seconds(25), |net| !net.nodes[newcomer].swarm.have().is_empty());
}

#[test]
fn a_pause_ends_all_traffic_and_a_resume_brings_it_back() {
    let mut net = Net::new(7, 16);
    let (seed, leech) = (net.seed(2 * MIB), net.leech(MIB));
    net.introduce(leech, &[seed]);
    net.run_until(seconds(10), |net| net.nodes[leech].swarm.have().count() >= 3);
    net.event(leech, Event::Pause);
    net.run(seconds(1));
    let downloaded = net.nodes[leech].swarm.downloaded();
    net.run(seconds(600));
    assert!(net.connected(leech).is_empty());
    assert_eq!(net.nodes[leech].swarm.downloaded(), downloaded);
    assert_eq!(net.nodes[leech].swarm.download_rate(net.now), 0);
    net.event(leech, Event::Resume);
    net.run_until(seconds(20), |net| net.complete(leech));
    assert!(net.nodes[leech].swarm.downloaded() < net.layout.length() + 4 * MIB);
}

#[test]
fn all_finish_from_each_other_once_they_hold_everything_together() {
    let mut net = Net::new(8, 24);
    let origin = net.seed(2 * MIB);
    let leeches = [net.leech(MIB), net.leech(MIB)];
    leeches.iter().for_each(|&leech| net.introduce(leech, &[origin]));
    net.run_until(seconds(120), |net| {
        let [one, other] = leeches.map(|leech| net.nodes[leech].swarm.have());
        net.layout.chunks().all(|chunk| one.contains(chunk) || other.contains(chunk))
    });
    leeches.iter().for_each(|&leech| net.cut(origin, leech, true));
    leeches.iter().for_each(|&leech| net.reset(origin, leech));
    net.run_until(seconds(120), |net| leeches.iter().all(|&leech| net.complete(leech)));
}

#[test]
fn after_any_faults_everybody_finishes_once_the_network_heals() {
    for seed in 100..108 {
        let mut net = Net::new(seed, 12);
        let mut rng = crate::rng::Rng::from_seed(seed);
        let origin = net.seed(MIB);
        let leeches: Vec<_> = (0..5).map(|_| net.leech(MIB / 4)).collect();
        leeches.iter().for_each(|&leech| net.introduce(leech, &[origin]));
        for _ in 0..30 {
            let (one, other) = (rng.below(6), rng.below(6));
            match rng.below(5) {
                0 | 1 => net.cut(one, other, true),
                2 => net.cut(one, other, false),
                3 => net.reset(one, other),
                _ => net.event(one, if rng.below(2) == 0 { Event::Pause } else { Event::Resume }),
            }
            net.run(Duration::from_millis(rng.below(10_000) as u64));
        }
        for one in 0..6 {
            (0..6).for_each(|other| net.cut(one, other, false));
            net.event(one, Event::Resume);
        }
        net.run_until(seconds(1_800), |net| leeches.iter().all(|&leech| net.complete(leech)));
        assert!(leeches.iter().all(|&leech| net.nodes[leech].completed.len() == 1));
    }
}
