//! One end of a connection: what waits to be sent, and what is under way to the other end.

use std::collections::VecDeque;

use super::parcel::{KINDS, Lengths, Parcel};
use crate::bitfield::Bitfield;
use crate::id::PeerKey;
use crate::layout::Block;

/// One end of a connection. The ends of a connection have the numbers 2n and 2n + 1.
#[derive(Debug)]
pub(super) struct End {
    /// Whose it is.
    pub(super) host: u32,
    /// What that host's swarm calls it.
    pub(super) key: PeerKey,
    /// Whether the host still has it.
    pub(super) open: bool,
    /// Whether nobody acknowledges any more: nothing is sent.
    pub(super) deaf: bool,
    /// Whether it waits for a turn at the uplink.
    pub(super) in_ring: bool,
    /// Frames without payload: they go before blocks that have not begun.
    pub(super) frames: VecDeque<Parcel>,
    pub(super) blocks: VecDeque<Parcel>,
    begun: Option<Begun>,
    /// Sent and not delivered, in order.
    pub(super) flying: VecDeque<Parcel>,
    /// Bytes of those, and of the block that has begun.
    pub(super) in_flight_bytes: u32,
    /// Bytes sent of the block that has begun.
    partial_bytes: u32,
    /// When the last segment arrives: nothing overtakes it.
    pub(super) arrives_at: u64,
    /// What the other end was told that this one has.
    pub(super) announced: Option<Bitfield>,
}

/// A block of which a part is sent.
#[derive(Debug)]
struct Begun {
    parcel: Parcel,
    rest: u32,
    told: bool,
}

/// What an end put into a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) bytes: u32,
    /// Frames that are whole with it, and bytes of those.
    pub(super) parcels: u32,
    pub(super) parcel_bytes: u32,
}

/// What was sent, of all kinds.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    pub(super) frames: u64,
    /// All but payload of the content.
    pub(super) control_bytes: u64,
    pub(super) kinds: [u64; KINDS.len()],
}

impl Traffic {
    fn count(&mut self, parcel: &Parcel, length: u32) {
        self.frames += 1;
        self.control_bytes += u64::from(length);
        self.kinds[parcel.kind()] += 1;
    }
}

impl End {
    pub(super) fn new(host: u32, key: PeerKey, announced: Option<Bitfield>) -> Self {
        Self {
            host,
            key,
            open: true,
            deaf: false,
            in_ring: false,
            frames: VecDeque::new(),
            blocks: VecDeque::new(),
            begun: None,
            flying: VecDeque::new(),
            in_flight_bytes: 0,
            partial_bytes: 0,
            arrives_at: 0,
            announced,
        }
    }

    /// Whether it has something to send and may.
    pub(super) fn wants_turn(&self, window_bytes: u32) -> bool {
        let something = self.begun.is_some() || !self.frames.is_empty() || !self.blocks.is_empty();
        something && self.open && !self.deaf && self.in_flight_bytes < window_bytes
    }

    /// Takes what fits into a segment of about `segment_bytes`; only a frame without payload may
    /// reach beyond. Blocks of which no more than `buffer_bytes` remain are added to `sent`.
    pub(super) fn load(
        &mut self,
        segment_bytes: u32,
        buffer_bytes: u32,
        lengths: &mut Lengths,
        traffic: &mut Traffic,
        mut sent: impl FnMut(Block),
    ) -> Load {
        let mut load = Load::default();
        while load.bytes < segment_bytes {
            if let Some(begun) = &mut self.begun {
                let taken = begun.rest.min(segment_bytes - load.bytes);
                begun.rest -= taken;
                load.bytes += taken;
                self.partial_bytes += taken;
                if begun.rest <= buffer_bytes && !std::mem::replace(&mut begun.told, true) {
                    begun.parcel.block().into_iter().for_each(&mut sent);
                }
                if begun.rest == 0
                    && let Some(begun) = self.begun.take()
                {
                    self.depart(begun.parcel, &mut load);
                }
            } else if let Some(parcel) = self.frames.pop_front() {
                let length = lengths.of(&parcel);
                traffic.count(&parcel, length);
                load.bytes += length;
                self.partial_bytes = length;
                self.depart(parcel, &mut load);
            } else if let Some(parcel) = self.blocks.pop_front() {
                let length = lengths.of(&parcel);
                traffic.count(&parcel, length);
                let payload = parcel.block().map_or(0, |block| block.length);
                self.begun = Some(Begun { parcel, rest: length + payload, told: false });
            } else {
                break;
            }
        }
        self.in_flight_bytes += load.bytes;
        load
    }

    fn depart(&mut self, parcel: Parcel, load: &mut Load) {
        self.flying.push_back(parcel);
        load.parcels += 1;
        load.parcel_bytes += std::mem::take(&mut self.partial_bytes);
    }

    /// Nothing more is sent or taken.
    pub(super) fn close(&mut self) {
        self.open = false;
        self.frames = VecDeque::new();
        self.blocks = VecDeque::new();
        self.begun = None;
        self.announced = None;
    }
}
