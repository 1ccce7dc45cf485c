//! One swarm; the test plays its peers.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::*;
use crate::layout::Block;
use crate::wire::Hello;

/// Chunks of the content.
pub(super) const CHUNKS: u32 = 10;
/// The id of the swarm under test: neither the smallest nor the greatest.
pub(super) const OWN_ID: PeerId = PeerId([100; 32]);

pub(super) struct Alone {
    pub(super) now: Timestamp,
    pub(super) swarm: Swarm,
}

pub(super) fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 5_000))
}

pub(super) fn block(chunk: u32) -> Block {
    Block { chunk: ChunkIndex(chunk), offset: 0, length: 1_000 }
}

pub(super) fn key(number: u8) -> PeerKey {
    PeerKey(number.into())
}

impl Alone {
    pub(super) fn new(have: Bitfield) -> Self {
        Self::with(have, Config::default())
    }

    pub(super) fn seed() -> Self {
        Self::new(Bitfield::full(CHUNKS))
    }

    pub(super) fn leech() -> Self {
        Self::new(Bitfield::empty(CHUNKS))
    }

    pub(super) fn with(have: Bitfield, config: Config) -> Self {
        let (layout, _) = super::content(CHUNKS);
        let now = Timestamp::from_origin(Duration::from_secs(1_000));
        Self { now, swarm: Swarm::new(config, layout, have, OWN_ID, 1) }
    }

    /// What the swarm wants done after an event.
    pub(super) fn on(&mut self, event: Event) -> Vec<Action> {
        self.swarm.handle_event(self.now, event);
        self.actions()
    }

    pub(super) fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.swarm.poll()).collect()
    }

    /// What the swarm wants done while time passes.
    pub(super) fn wait(&mut self, seconds: u64) -> Vec<Action> {
        self.wait_ms(seconds * 1_000)
    }

    pub(super) fn wait_ms(&mut self, ms: u64) -> Vec<Action> {
        let end = self.now + Duration::from_millis(ms);
        let mut actions = Vec::new();
        while let Some(at) = self.swarm.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.swarm.handle_timeout(self.now);
            assert_ne!(self.swarm.poll_timeout(), Some(at), "a timeout that was handled stays");
            actions.extend(self.actions());
        }
        self.now = end;
        actions
    }

    pub(super) fn frame(&mut self, number: u8, frame: Frame) -> Vec<Action> {
        self.on(Event::Received { peer: key(number), frame })
    }

    /// A connection to the peer with this number, key, id and address.
    pub(super) fn connect(&mut self, number: u8, direction: Direction) -> Vec<Action> {
        self.connect_as(number, number, direction)
    }

    pub(super) fn connect_as(&mut self, number: u8, id: u8, direction: Direction) -> Vec<Action> {
        self.on(Event::Connected {
            peer: key(number),
            id: PeerId([id; 32]),
            address: address(number),
            direction,
            path: Path::Direct,
        })
    }

    pub(super) fn hello(&mut self, number: u8, chunk_count: u32) -> Vec<Action> {
        let agent = format!("peer/{number}");
        self.frame(
            number,
            Frame::Hello(Hello { agent, listen_port: 6_000, chunk_count, complete: false }),
        )
    }

    /// A peer that has connected to us, said Hello, and has these chunks.
    pub(super) fn join(&mut self, number: u8, chunks: &Bitfield) -> Vec<Action> {
        self.connect(number, Direction::Answered);
        let mut actions = self.hello(number, CHUNKS);
        actions.extend(self.frame(number, Frame::Bitfield(chunks.to_bytes().into())));
        actions
    }

    /// A peer without chunks that wants ours.
    pub(super) fn join_interested(&mut self, number: u8) -> Vec<Action> {
        let mut actions = self.join(number, &Bitfield::empty(CHUNKS));
        actions.extend(self.frame(number, Frame::Interest(true)));
        actions
    }
}

pub(super) fn disconnect(number: u8, reason: DisconnectReason) -> Action {
    Action::Disconnect { peer: key(number), reason }
}

pub(super) fn misbehaviour(number: u8, misbehaviour: Misbehaviour) -> Action {
    disconnect(number, DisconnectReason::Misbehaviour(misbehaviour))
}

pub(super) fn send(number: u8, frame: Frame) -> Action {
    Action::Send { peer: key(number), frame }
}

/// The frames for one peer among actions.
pub(super) fn frames(number: u8, actions: &[Action]) -> Vec<Frame> {
    let to = |action: &Action| match action {
        Action::Send { peer, frame } if *peer == key(number) => Some(frame.clone()),
        _ => None,
    };
    actions.iter().filter_map(to).collect()
}
