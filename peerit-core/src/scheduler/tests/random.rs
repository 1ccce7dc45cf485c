//! Random peers do random things; what must be true is checked after every step, and at the end
//! one honest seed completes the content.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::rng::Rng;

const CHUNKS: u32 = 12;

/// A run of random operations, with what an onlooker knows of it.
struct Chaos {
    driver: Driver,
    rng: Rng,
    seed: u64,
    next_peer: u32,
    /// Whether each peer serves us.
    peers: BTreeMap<PeerKey, bool>,
    /// Chunks handed out for verification.
    complete: Vec<ChunkIndex>,
    /// Chunks that must come from one peer.
    single_source: BTreeSet<ChunkIndex>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::from_seed(seed);
        let blocks = 1 << rng.below(4);
        let config = Config { partial_bytes_max: rng.below(8 << 20) as u64, ..config() };
        Self {
            driver: Driver::with(config, layout(CHUNKS, blocks), seed),
            rng,
            seed,
            next_peer: 0,
            peers: BTreeMap::new(),
            complete: Vec::new(),
            single_source: BTreeSet::new(),
        }
    }

    fn step(&mut self) {
        let Some(event) = self.any_event() else {
            self.driver.now = self.driver.now + Duration::from_millis(self.rng.below(9_000) as u64);
            self.driver.scheduler.handle_timeout(self.driver.now);
            return self.observe();
        };
        self.expect(&event);
        self.driver.scheduler.handle_event(self.driver.now, event);
        self.observe();
    }

    /// What the onlooker learns from an event.
    fn expect(&mut self, event: &Event) {
        match *event {
            Event::PeerJoined { peer } => drop(self.peers.insert(peer, false)),
            Event::PeerLeft { peer } => {
                self.peers.remove(&peer);
                self.driver.asked.retain(|&(of, _)| of != peer);
            }
            Event::Unchoked { peer } => drop(self.peers.insert(peer, true)),
            Event::Choked { peer } => drop(self.peers.insert(peer, false)),
            Event::BlockArrived { peer, block, .. } => {
                self.driver.asked.retain(|&asked| asked != (peer, block));
            }
            _ => {}
        }
    }

    fn any_event(&mut self) -> Option<Event> {
        let keys: Vec<_> = self.peers.keys().copied().collect();
        let peer = self.rng.choose(&keys).copied();
        let chunk = ChunkIndex(self.rng.below(CHUNKS as usize) as u32);
        let asked = self.rng.choose(&self.driver.asked).copied();
        let arrived = |(peer, block)| Event::BlockArrived { peer, block, payload: payload(block) };
        match self.rng.below(40) {
            0 if keys.len() < 6 => {
                self.next_peer += 1;
                Some(Event::PeerJoined { peer: PeerKey(self.next_peer) })
            }
            1 if self.rng.below(4) == 0 => Some(Event::PeerLeft { peer: peer? }),
            2 => Some(Event::HasChunks { peer: peer?, chunks: self.any_chunks() }),
            3..=6 => Some(Event::HasChunk { peer: peer?, chunk }),
            7..=9 => Some(Event::Unchoked { peer: peer? }),
            10 => Some(Event::Choked { peer: peer? }),
            11 => asked.map(|(peer, block)| self.reject(peer, block)),
            12 => Some(if self.rng.below(4) == 0 { Event::Pause } else { Event::Resume }),
            13 => Some(self.any_block(peer?, chunk)),
            14..=17 => self.verified(),
            18 => None,
            _ => asked.map(arrived),
        }
    }

    fn any_chunks(&mut self) -> Bitfield {
        match self.rng.below(4) {
            0 => Bitfield::full(CHUNKS),
            _ => (0..CHUNKS).map(ChunkIndex).fold(Bitfield::empty(CHUNKS), |mut set, chunk| {
                if self.rng.below(2) == 0 {
                    set.insert(chunk);
                }
                set
            }),
        }
    }

    /// A block that may have been asked for, or taken back, or never named.
    fn any_block(&mut self, peer: PeerKey, chunk: ChunkIndex) -> Event {
        let block = self.driver.scheduler.layout.block(chunk, self.rng.below(2) as u32);
        Event::BlockArrived { peer, block, payload: payload(block) }
    }

    /// Rejects what was asked before it was asked again, too: answers come in order.
    fn reject(&mut self, peer: PeerKey, block: Block) -> Event {
        self.driver.asked.retain(|&asked| asked != (peer, block));
        while self.driver.scheduler.requests.holders(block).any(|holder| holder == peer) {
            self.driver.scheduler.handle_event(self.driver.now, Event::Rejected { peer, block });
        }
        Event::Rejected { peer, block }
    }

    fn verified(&mut self) -> Option<Event> {
        let chunk = self.complete.pop()?;
        let single_source = self.rng.below(2) == 0;
        Some(match self.rng.below(3) {
            0 if single_source => {
                self.single_source.insert(chunk);
                Event::ChunkLost { chunk, single_source }
            }
            0 => {
                self.single_source.remove(&chunk);
                Event::ChunkLost { chunk, single_source }
            }
            _ => Event::ChunkStored { chunk },
        })
    }

    /// Takes all actions, and checks each as an onlooker would.
    fn observe(&mut self) {
        let context = format!("seed {}", self.seed);
        while let Some(action) = self.driver.scheduler.poll() {
            match action {
                Action::Request { peer, block } => self.check_request(peer, block, &context),
                Action::Cancel { peer, block } => {
                    let before = self.driver.asked.len();
                    self.driver.asked.retain(|&asked| asked != (peer, block));
                    let known = before > self.driver.asked.len();
                    assert!(known, "{context}: cancelled {block:?}, not asked of {peer:?}");
                }
                Action::ChunkComplete { chunk, blocks, sources } => {
                    let length: usize = blocks.iter().map(Bytes::len).sum();
                    let expected = self.driver.scheduler.layout.length_of(chunk) as usize;
                    assert_eq!(length, expected, "{context}: {chunk:?}");
                    assert_eq!(sources.len(), blocks.len(), "{context}: {chunk:?}");
                    let single = sources.iter().all(|source| *source == sources[0]);
                    let mixed = self.single_source.contains(&chunk) && !single;
                    assert!(!mixed, "{context}: {chunk:?} from {sources:?}");
                    self.complete.push(chunk);
                }
                _ => {}
            }
        }
        invariants::check(&self.driver.scheduler, &context);
    }

    fn check_request(&mut self, peer: PeerKey, block: Block, context: &str) {
        let scheduler = &self.driver.scheduler;
        assert!(self.peers[&peer], "{context}: {peer:?} does not serve us");
        let has = scheduler.peer_chunks(peer).unwrap().contains(block.chunk);
        assert!(has, "{context}: {peer:?} lacks {block:?}");
        let holders: Vec<_> = self.driver.asked.iter().filter(|&&(_, it)| it == block).collect();
        assert!(holders.iter().all(|(holder, _)| *holder != peer), "{context}: {block:?} twice");
        assert!(holders.len() < 2, "{context}: {block:?} asked of {holders:?} and {peer:?}");
        let nothing_else = scheduler.is_endgame() || !scheduler.partials.has_room();
        let may_race = nothing_else || !self.single_source.is_empty();
        assert!(holders.is_empty() || may_race, "{context}: {block:?} twice before the end");
        self.driver.asked.push((peer, block));
    }

    /// One honest seed; all others go silent.
    fn heal(&mut self) {
        let honest = PeerKey(u32::MAX);
        let chunks = Bitfield::full(CHUNKS);
        let events = [
            Event::Resume,
            Event::PeerJoined { peer: honest },
            Event::HasChunks { peer: honest, chunks },
            Event::Unchoked { peer: honest },
        ];
        for event in events {
            self.expect(&event);
            self.driver.scheduler.handle_event(self.driver.now, event);
            self.observe();
        }
        for _ in 0..10_000 {
            if self.driver.scheduler.is_complete() {
                return;
            }
            self.honest_step(honest);
        }
        panic!("seed {}: never complete: {}", self.seed, self.driver.picture());
    }

    fn honest_step(&mut self, honest: PeerKey) {
        let event = match (self.complete.pop(), self.driver.asked_of(honest).first()) {
            (Some(chunk), _) => Event::ChunkStored { chunk },
            (None, Some(&block)) => {
                self.driver.now = self.driver.now + Duration::from_millis(20);
                Event::BlockArrived { peer: honest, block, payload: payload(block) }
            }
            (None, None) => {
                let due = self.driver.scheduler.poll_timeout();
                let stuck = || panic!("seed {}: stuck: {}", self.seed, self.driver.picture());
                self.driver.now = self.driver.now.max(due.unwrap_or_else(stuck));
                self.driver.scheduler.handle_timeout(self.driver.now);
                return self.observe();
            }
        };
        self.expect(&event);
        self.driver.scheduler.handle_event(self.driver.now, event);
        self.observe();
    }
}

#[test]
fn whatever_peers_do_the_rules_hold_and_one_honest_seed_completes() {
    for seed in 0..150 {
        let mut chaos = Chaos::new(seed);
        (0..250).for_each(|_| chaos.step());
        chaos.heal();
    }
}
