//! A frame on its way, in 24 bytes where a [`Frame`] takes 72.

use bytes::BytesMut;

use crate::id::ChunkIndex;
use crate::layout::Block;
use crate::wire::{Frame, encode_frame};

/// A frame on its way.
#[derive(Clone, Debug)]
pub(super) enum Parcel {
    Have(Box<[ChunkIndex]>),
    Interest(bool),
    Choke(bool),
    Request(Block),
    Cancel(Block),
    Reject(Block),
    /// A block as it is.
    Data(Block),
    /// A block with a wrong byte.
    Lie(Block),
    /// All that is rare.
    Other(Box<Frame>),
}

/// The names of the kinds, in the order of [`Parcel::kind`].
pub(super) const KINDS: [&str; 15] = [
    "have",
    "interest",
    "choke",
    "request",
    "cancel",
    "reject",
    "data",
    "hello",
    "bitfield",
    "peer_exchange",
    "manifest_request",
    "manifest_data",
    "knock",
    "welcome",
    "unknown",
];

impl Parcel {
    /// Of one with payload: the block.
    pub(super) fn block(&self) -> Option<Block> {
        match self {
            Self::Data(block) | Self::Lie(block) => Some(*block),
            _ => None,
        }
    }

    /// Its place in [`KINDS`].
    pub(super) fn kind(&self) -> usize {
        match self {
            Self::Have(_) => 0,
            Self::Interest(_) => 1,
            Self::Choke(_) => 2,
            Self::Request(_) => 3,
            Self::Cancel(_) => 4,
            Self::Reject(_) => 5,
            Self::Data(_) | Self::Lie(_) => 6,
            Self::Other(frame) => match **frame {
                Frame::Hello(_) => 7,
                Frame::Bitfield(_) => 8,
                Frame::PeerExchange(_) => 9,
                Frame::ManifestRequest { .. } => 10,
                Frame::ManifestData { .. } => 11,
                Frame::Knock { .. } => 12,
                Frame::Welcome { .. } => 13,
                _ => 14,
            },
        }
    }
}

impl From<Frame> for Parcel {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Have(chunks) => Self::Have(chunks.into()),
            Frame::Interest(interested) => Self::Interest(interested),
            Frame::Choke(choked) => Self::Choke(choked),
            Frame::Request(block) => Self::Request(block),
            Frame::Cancel(block) => Self::Cancel(block),
            Frame::Reject(block) => Self::Reject(block),
            Frame::Data(block) => Self::Data(block),
            other => Self::Other(Box::new(other)),
        }
    }
}

impl From<Parcel> for Frame {
    fn from(parcel: Parcel) -> Self {
        match parcel {
            Parcel::Have(chunks) => Self::Have(chunks.into()),
            Parcel::Interest(interested) => Self::Interest(interested),
            Parcel::Choke(choked) => Self::Choke(choked),
            Parcel::Request(block) => Self::Request(block),
            Parcel::Cancel(block) => Self::Cancel(block),
            Parcel::Reject(block) => Self::Reject(block),
            Parcel::Data(block) | Parcel::Lie(block) => Self::Data(block),
            Parcel::Other(frame) => *frame,
        }
    }
}

/// Encoded lengths of frames in bytes, as the codec makes them.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    buffer: BytesMut,
}

impl Lengths {
    /// Without payload.
    pub(super) fn of(&mut self, parcel: &Parcel) -> u32 {
        match parcel {
            Parcel::Other(frame) => self.encoded(frame),
            small => self.encoded(&small.clone().into()),
        }
    }

    fn encoded(&mut self, frame: &Frame) -> u32 {
        self.buffer.clear();
        encode_frame(frame, &mut self.buffer);
        u32::try_from(self.buffer.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Hello;

    #[test]
    fn a_frame_survives_its_parcel_and_keeps_its_length() {
        let block = Block { chunk: ChunkIndex(300), offset: 16_384, length: 16_384 };
        let hello = Hello { agent: "x".into(), listen_port: 1, chunk_count: 9, complete: false };
        let frames = [
            Frame::Have(vec![ChunkIndex(70_000), ChunkIndex(0)]),
            Frame::Interest(true),
            Frame::Choke(false),
            Frame::Request(block),
            Frame::Cancel(block),
            Frame::Reject(block),
            Frame::Data(block),
            Frame::Hello(hello),
            Frame::Unknown,
        ];
        let mut lengths = Lengths::default();
        for frame in frames {
            let mut buffer = BytesMut::new();
            encode_frame(&frame, &mut buffer);
            let parcel = Parcel::from(frame.clone());
            assert_eq!(lengths.of(&parcel) as usize, buffer.len(), "{}", KINDS[parcel.kind()]);
            assert_eq!(Frame::from(parcel), frame);
        }
        assert_eq!(size_of::<Parcel>(), 24);
    }
}
