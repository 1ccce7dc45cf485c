//! What is to be simulated.

use std::time::Duration;

use crate::swarm;

/// A swarm, its links and what goes wrong in it. The same scenario gives the same run, event for
/// event.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Seed of all randomness: identities, choices of swarms, loss, jitter. Default: 0.
    pub seed: u64,
    /// Length of the content in bytes. Default: 16 MiB.
    pub content_bytes: u64,
    /// Chunk length in bytes, a power of two from 64 KiB to 16 MiB; none (the default): what a share
    /// of that length gets by itself.
    pub chunk_length: Option<u32>,
    /// Seeds and leeches, in any order. Default: nobody.
    pub peers: Vec<PeerSpec>,
    /// What a connection may send before it is another one's turn, in bytes, at least 1. Default:
    /// 16 KiB, a TLS record. Less is fairer and costs more events.
    pub segment_bytes: u32,
    /// What the system takes off a writer's hands, in bytes: a block counts as sent when no more of
    /// it remains. Default: 0.
    pub socket_buffer_bytes: u32,
    /// Most bytes of a connection that are under way, one way. Default: 4 MiB, what Linux lets a
    /// TCP receiver grow to. A full downlink slows its senders through this.
    pub window_bytes: u32,
    /// When to give up, in virtual time from the start: who has not finished by then makes the run
    /// fail. Default: 1 h.
    pub deadline: Duration,
    /// Whether each request is checked against what the peer has announced on that connection: an
    /// eighth of a byte for each chunk and end of a connection, and some time. Default: true.
    pub check_announcements: bool,
    /// What every swarm works with. Its `listen_port` is set by the simulator.
    pub swarm: swarm::Config,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 0,
            content_bytes: 16 << 20,
            chunk_length: None,
            peers: Vec::new(),
            segment_bytes: 16 << 10,
            socket_buffer_bytes: 0,
            window_bytes: 4 << 20,
            deadline: Duration::from_secs(3_600),
            check_announcements: true,
            swarm: swarm::Config::default(),
        }
    }
}

/// One peer.
#[derive(Clone, Debug)]
pub struct PeerSpec {
    /// What it has when it joins.
    pub role: Role,
    /// How it is connected to the world.
    pub link: Link,
    /// Whether others can dial it.
    pub reach: Reach,
    /// When it joins, from the start of the run.
    pub joins_at: Duration,
    /// What happens to it; each entry once, the first time its moment comes.
    pub fate: Vec<(When, Fate)>,
    /// How it behaves.
    pub conduct: Conduct,
    /// Where it stores chunks.
    pub disk: Disk,
}

impl PeerSpec {
    /// An honest one with everything from the start of the run, whom nothing happens.
    #[must_use]
    pub fn seed(link: Link) -> Self {
        Self { role: Role::Seed, ..Self::leech(link) }
    }

    /// An honest one with nothing from the start of the run, whom nothing happens.
    #[must_use]
    pub fn leech(link: Link) -> Self {
        Self {
            role: Role::Leech,
            link,
            reach: Reach::Open,
            joins_at: Duration::ZERO,
            fate: Vec::new(),
            conduct: Conduct::Honest,
            disk: Disk::default(),
        }
    }

    /// Whether the run waits for it: an honest leech that is there until it has everything, with a
    /// disk that takes it.
    pub(super) fn is_to_finish(&self) -> bool {
        let parts = |(when, fate): &(When, Fate)| {
            !matches!(when, When::Complete(_)) && matches!(fate, Fate::Leave | Fate::Crash)
        };
        self.role == Role::Leech
            && self.conduct == Conduct::Honest
            && self.disk.fails_after_bytes.is_none()
            && !self.fate.iter().any(parts)
    }
}

/// What a peer has when it joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Seed,
    /// Nothing.
    Leech,
}

/// How a peer is connected to the world; the model is in `link`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Uplink, at least 1 bit/s.
    pub up_bits_per_second: u64,
    /// Downlink, at least 1 bit/s.
    pub down_bits_per_second: u64,
    /// One way, to the core of the network, where all links meet.
    pub latency: Duration,
    /// Most that a segment takes longer than that; how much is drawn for each.
    pub jitter: Duration,
    /// Which part of the packets of 1,448 bytes is lost, from 0 to 0.5.
    pub loss: f64,
}

impl Link {
    /// A link of these rates in Mbit/s with 10 ms to the core, that loses nothing.
    #[must_use]
    pub fn mbit(up: u64, down: u64) -> Self {
        Self {
            up_bits_per_second: up * 1_000_000,
            down_bits_per_second: down * 1_000_000,
            latency: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: 0.0,
        }
    }
}

/// Whether others can dial a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anybody can.
    Open,
    /// Nobody can; it dials others. Two of these cannot connect.
    Natted,
}

/// When something happens to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after the start of the run.
    At(Duration),
    /// When it has sent that much payload, in bytes.
    Uploaded(u64),
    /// So long after it has stored everything. Never for a seed.
    Complete(Duration),
}

/// What happens to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It closes its connections, tells the tracker, and is gone.
    Leave,
    /// It vanishes without a word; others notice by its silence.
    Crash,
    /// It does nothing for so long: neither reads nor sends nor stores.
    Stall(Duration),
}

/// How a peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// As the swarm says.
    Honest,
    /// Takes and serves nobody: its unchokes are never sent.
    FreeRider,
    /// Every so many-th block that it sends has a wrong byte; 0 counts as 1.
    Liar {
        /// 1: every block.
        every_nth_block: u32,
    },
}

/// Where a peer stores chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// How fast chunks are checked and stored, one after another. Default (none): 400 MB/s, hashing
    /// and writing a new file on one core.
    pub write_bytes_per_second: Option<u64>,
    /// After that many bytes nothing more can be stored. Default (none): there is always room.
    pub fails_after_bytes: Option<u64>,
}
