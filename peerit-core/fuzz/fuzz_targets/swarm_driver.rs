//! A swarm, and a driver that checks what it is told to do.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peerit_core::bitfield::Bitfield;
use peerit_core::id::{ChunkIndex, PeerId, PeerKey};
use peerit_core::layout::{BLOCK_LENGTH_MAX, Block, Layout};
use peerit_core::swarm::{Action, Config, Event, Swarm};
use peerit_core::time::Timestamp;
use peerit_core::wire::Frame;

/// Two blocks each, the last one of one block.
pub const CHUNK_COUNT: u32 = 9;
const CHUNK_LENGTH: u32 = 2 * BLOCK_LENGTH_MAX;
const CONTENT_LENGTH: u64 = (CHUNK_COUNT as u64 - 1) * CHUNK_LENGTH as u64 + 1_000;

/// More actions after one event, or timeouts at one moment, than this are an endless loop.
const ACTIONS_MAX: usize = 10_000;
const TIMEOUTS_MAX: usize = 100;

pub struct Driver {
    swarm: Swarm,
    now: Timestamp,
    have: Bitfield,
    completed: bool,
    next_peer: u32,
    connected: BTreeSet<PeerKey>,
    /// Requests of ours that are not answered.
    asked: Vec<(PeerKey, Block)>,
    /// Blocks that are being read and sent.
    sending: Vec<(PeerKey, Block)>,
    /// Chunks that are being verified.
    checking: Vec<(ChunkIndex, Vec<Bytes>)>,
}

impl Driver {
    /// The bits of `have` are the chunks that are there from the start.
    pub fn new(have: u32) -> Self {
        let mut chunks = Bitfield::empty(CHUNK_COUNT);
        for chunk in (0..CHUNK_COUNT).filter(|chunk| have >> chunk & 1 == 1) {
            chunks.insert(ChunkIndex(chunk));
        }
        let config = Config { peers_max: 8, dials_max: 4, upload_slots: 3, ..Config::default() };
        Self {
            swarm: Swarm::new(config, layout(), chunks.clone(), PeerId([0; 32]), 1),
            now: Timestamp::ZERO,
            completed: chunks.is_full(),
            have: chunks,
            next_peer: 0,
            connected: BTreeSet::new(),
            asked: Vec::new(),
            sending: Vec::new(),
            checking: Vec::new(),
        }
    }

    pub fn tell(&mut self, event: Event) {
        match &event {
            Event::Connected { peer, .. } => drop(self.connected.insert(*peer)),
            Event::Disconnected { peer } => self.forget(*peer),
            Event::ChunkStored { chunk, .. } => drop(self.have.insert(*chunk)),
            _ => {}
        }
        self.swarm.handle_event(self.now, event);
        self.drain();
    }

    /// Lets time pass; what falls due on the way happens when it is due.
    pub fn wait(&mut self, ms: u16) {
        let end = self.now + Duration::from_millis(ms.into());
        let mut at_once = 0;
        while let Some(due) = self.swarm.poll_timeout().filter(|&due| due <= end) {
            at_once = if due <= self.now { at_once + 1 } else { 0 };
            assert!(at_once < TIMEOUTS_MAX, "a timeout that never passes");
            self.now = self.now.max(due);
            self.swarm.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        for count in 0.. {
            let Some(action) = self.swarm.poll() else { break };
            assert!(count < ACTIONS_MAX, "endless actions");
            self.check(action);
        }
        let _report = self.swarm.peers(self.now);
    }

    fn check(&mut self, action: Action) {
        match action {
            Action::Dial { .. } => {}
            Action::Disconnect { peer, .. } => {
                assert!(self.connected.contains(&peer));
                self.forget(peer);
            }
            Action::Send { peer, frame } => {
                assert!(self.connected.contains(&peer));
                match frame {
                    Frame::Request(block) => {
                        assert!(layout().contains(block) && !self.have.contains(block.chunk));
                        self.asked.push((peer, block));
                    }
                    Frame::Have(chunks) => {
                        assert!(chunks.iter().all(|&chunk| self.have.contains(chunk)));
                    }
                    frame => assert_eq!(frame.payload_length(), 0),
                }
            }
            Action::SendBlock { peer, block } => {
                assert!(self.connected.contains(&peer));
                assert!(layout().contains(block) && self.have.contains(block.chunk));
                self.sending.push((peer, block));
            }
            Action::SendManifest { peer, .. } => assert!(self.connected.contains(&peer)),
            Action::VerifyChunk { chunk, blocks } => {
                let length: usize = blocks.iter().map(Bytes::len).sum();
                assert_eq!(length, layout().length_of(chunk) as usize);
                assert!(!self.have.contains(chunk));
                self.checking.push((chunk, blocks));
            }
            Action::Completed => {
                assert!(self.have.is_full() && !self.completed);
                self.completed = true;
            }
        }
    }

    fn forget(&mut self, peer: PeerKey) {
        self.connected.remove(&peer);
        self.asked.retain(|&(of, _)| of != peer);
        self.sending.retain(|&(to, _)| to != peer);
    }

    /// The key of a new connection.
    pub fn new_peer(&mut self) -> PeerKey {
        self.next_peer += 1;
        PeerKey(self.next_peer)
    }

    /// Somebody who is, was or never was connected.
    pub fn peer(&self, pick: u8) -> PeerKey {
        PeerKey(u32::from(pick) % (self.next_peer + 2))
    }

    pub fn take_request(&mut self, pick: u8) -> Option<(PeerKey, Block)> {
        take(&mut self.asked, pick)
    }

    pub fn take_sending(&mut self, pick: u8) -> Option<(PeerKey, Block)> {
        take(&mut self.sending, pick)
    }

    pub fn take_checking(&mut self, pick: u8) -> Option<(ChunkIndex, Vec<Bytes>)> {
        take(&mut self.checking, pick)
    }
}

fn take<T>(items: &mut Vec<T>, pick: u8) -> Option<T> {
    let count = items.len();
    (count > 0).then(|| items.swap_remove(usize::from(pick) % count))
}

/// What honest peers send, and what liars do.
pub fn payload(block: Block, honest: bool) -> Bytes {
    static HONEST: [u8; BLOCK_LENGTH_MAX as usize] = [0; BLOCK_LENGTH_MAX as usize];
    static LIE: [u8; BLOCK_LENGTH_MAX as usize] = [1; BLOCK_LENGTH_MAX as usize];
    let payload = if honest { &HONEST } else { &LIE };
    Bytes::from_static(&payload[..block.length as usize])
}

pub fn layout() -> Layout {
    Layout::new(CONTENT_LENGTH, CHUNK_LENGTH).expect("the chunk length is a power of two")
}

/// One of 256 addresses.
pub fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, number], 6_881))
}
