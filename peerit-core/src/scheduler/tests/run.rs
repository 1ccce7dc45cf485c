//! Whole downloads from model peers on fake time.

use std::collections::VecDeque;

use super::*;

const MIB: u64 = 1 << 20;

/// A peer that serves requests one after the other.
struct Model {
    rate: u64,
    round_trip: Duration,
    /// Stops for good after this many blocks.
    blocks_max: usize,
    queue: VecDeque<(Timestamp, Block)>,
    free_at: Timestamp,
    sent: usize,
}

impl Model {
    fn new(rate: u64, round_trip_ms: u64) -> Self {
        Self {
            rate,
            round_trip: Duration::from_millis(round_trip_ms),
            blocks_max: usize::MAX,
            queue: VecDeque::new(),
            free_at: Timestamp::ZERO,
            sent: 0,
        }
    }

    fn silent_after(self, blocks: usize) -> Self {
        Self { blocks_max: blocks, ..self }
    }

    fn ask(&mut self, now: Timestamp, block: Block) {
        if self.sent < self.blocks_max {
            self.sent += 1;
            let takes = Duration::from_micros(u64::from(block.length) * 1_000_000 / self.rate);
            self.free_at = self.free_at.max(now) + takes;
            self.queue.push_back((self.free_at + self.round_trip, block));
        }
    }

    /// What is not yet on its way is taken out; whether it was.
    fn cancel(&mut self, now: Timestamp, block: Block) -> bool {
        let (on_its_way, before) = (now + self.round_trip, self.queue.len());
        self.queue.retain(|&(at, asked)| asked != block || at <= on_its_way);
        self.queue.len() < before
    }
}

struct Download {
    driver: Driver,
    models: Vec<Model>,
    received: u64,
    snubbed: Vec<PeerKey>,
}

impl Download {
    fn of(layout: Layout, models: Vec<Model>, seed: u64) -> Self {
        let driver = Driver { obliging: false, ..Driver::with(config(), layout, seed) };
        Self { driver, models, received: 0, snubbed: Vec::new() }
    }

    /// Joins all peers as seeds, and runs until all is stored. How long that takes.
    fn run(&mut self) -> Duration {
        for peer in (0..self.models.len() as u32).map(PeerKey) {
            let chunks = Bitfield::full(self.driver.scheduler.layout.chunk_count());
            self.tell(Event::PeerJoined { peer });
            self.tell(Event::HasChunks { peer, chunks });
            self.tell(Event::Unchoked { peer });
        }
        while !self.driver.scheduler.is_complete() {
            self.next();
        }
        self.driver.now.since_origin()
    }

    fn next(&mut self) {
        let arrivals = self.models.iter().zip(0..);
        let next = arrivals.filter_map(|(model, peer)| Some((model.queue.front()?.0, peer))).min();
        let timeout = self.driver.scheduler.poll_timeout();
        let due = timeout.into_iter().chain(next.map(|(at, _)| at)).min().expect("a next moment");
        self.driver.now = self.driver.now.max(due);
        match next.filter(|&(at, _)| at <= due) {
            Some((_, peer)) => {
                let (_, block) = self.models[peer as usize].queue.pop_front().unwrap();
                self.received += u64::from(block.length);
                let payload = payload(block);
                self.tell(Event::BlockArrived { peer: PeerKey(peer), block, payload });
            }
            None => {
                self.driver.scheduler.handle_timeout(self.driver.now);
                self.drain();
            }
        }
    }

    fn tell(&mut self, event: Event) {
        self.driver.scheduler.handle_event(self.driver.now, event);
        self.drain();
    }

    fn drain(&mut self) {
        for action in self.driver.drain() {
            match action {
                Action::Request { peer, block } => {
                    self.models[peer.0 as usize].ask(self.driver.now, block);
                }
                Action::Cancel { peer, block } => {
                    if self.models[peer.0 as usize].cancel(self.driver.now, block) {
                        self.tell(Event::Rejected { peer, block });
                    }
                }
                Action::ChunkComplete { chunk, .. } => self.tell(Event::ChunkStored { chunk }),
                Action::Snubbed { peer } => self.snubbed.push(peer),
                Action::Unrequested { peer } => panic!("{peer:?} did nothing wrong"),
                Action::Interest { .. } => {}
            }
        }
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[test]
fn links_of_all_kinds_are_filled() {
    for (rate, round_trip_ms) in [(1, 20), (10, 1), (10, 100), (50, 20), (50, 200)] {
        let length = rate * MIB * 10;
        let layout = Layout::new(length, 1 << 20).unwrap();
        let took = Download::of(layout, vec![Model::new(rate * MIB, round_trip_ms)], 1).run();
        assert!(seconds(took) < 11.5, "{rate} MiB/s, {round_trip_ms} ms: {took:?} for 10 s");
    }
}

#[test]
fn unequal_peers_add_up() {
    let layout = Layout::new(160 * MIB, 1 << 20).unwrap();
    let models = [(10, 20), (5, 100), (4, 50), (1, 300)];
    let models = models.map(|(rate, round_trip_ms)| Model::new(rate * MIB, round_trip_ms));
    let mut download = Download::of(layout, models.into(), 1);
    let took = download.run();
    assert!(seconds(took) < 9.2, "{took:?} for 8 s");
    let waste = download.received - 160 * MIB;
    assert!(waste < 4 * MIB, "{waste} bytes came twice");
    assert_eq!(download.snubbed, []);
}

#[test]
fn a_very_slow_peer_does_not_hold_the_end() {
    let layout = Layout::new(40 * MIB, 1 << 20).unwrap();
    let models = vec![Model::new(10 * MIB, 20), Model::new(8 << 10, 20)];
    let took = Download::of(layout, models, 1).run();
    assert!(seconds(took) < 5.0, "{took:?} for 4 s");
}

#[test]
fn peers_that_fall_silent_do_not_stop_a_download() {
    let layout = Layout::new(40 * MIB, 1 << 20).unwrap();
    let silent = (0..8).map(|blocks| Model::new(10 * MIB, 20).silent_after(blocks));
    let models = silent.chain([Model::new(4 * MIB, 20)]).collect();
    let mut download = Download::of(layout, models, 1);
    let took = download.run();
    assert!(seconds(took) < 15.0, "{took:?} for 10 s");
    assert!(!download.snubbed.contains(&PeerKey(8)));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let layout = Layout::new(32 * MIB, 1 << 20).unwrap();
        let models = vec![Model::new(10 * MIB, 20), Model::new(3 * MIB, 50)];
        let mut download = Download::of(layout, models, seed);
        (download.run(), download.received)
    };
    assert_eq!(run(5), run(5));
}
