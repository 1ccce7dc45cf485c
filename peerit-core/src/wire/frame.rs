//! One message between peers.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::id::{ChunkIndex, Topic};
use crate::layout::Block;

/// One message between peers; see `peerit/wire/v1/wire.proto` for each field's unit and limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// First frame of the dialling side.
    Knock {
        /// The swarm asked for.
        topic: Topic,
        /// See [`crate::wire::proof`].
        proof: [u8; 32],
    },
    /// First frame of the answering side.
    Welcome {
        /// See [`crate::wire::proof`].
        proof: [u8; 32],
    },
    /// What the sender is.
    Hello(Hello),
    /// The chunks the sender has, in the form of [`crate::bitfield::Bitfield::to_bytes`].
    Bitfield(Bytes),
    /// More chunks that the sender has; at most [`crate::wire::HAVE_MAX`].
    Have(Vec<ChunkIndex>),
    /// Whether the sender wants anything.
    Interest(bool),
    /// Whether the sender serves no requests.
    Choke(bool),
    /// Asks for a block.
    Request(Block),
    /// A block; its payload follows the frame.
    Data(Block),
    /// Takes a request back.
    Cancel(Block),
    /// A request will not be served.
    Reject(Block),
    /// Addresses of other peers; at most [`crate::wire::PEER_EXCHANGE_MAX`].
    PeerExchange(Vec<SocketAddr>),
    /// Asks for a part of the manifest.
    ManifestRequest {
        /// Where the part starts, in bytes.
        offset: u32,
        /// Its length in bytes.
        length: u32,
    },
    /// A part of the manifest; its payload follows the frame.
    ManifestData {
        /// Where the part starts, in bytes.
        offset: u32,
        /// Its length in bytes.
        length: u32,
        /// Length of the whole in bytes.
        total_length: u32,
    },
    /// A body this version does not know.
    Unknown,
}

impl Frame {
    /// How many bytes of payload follow the frame; 0 for all but `Data` and `ManifestData`.
    #[must_use]
    pub fn payload_length(&self) -> u32 {
        match self {
            Self::Data(block) => block.length,
            &Self::ManifestData { length, .. } => length,
            _ => 0,
        }
    }
}

/// What a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Program and version for people; at most [`crate::wire::AGENT_LENGTH_MAX`] bytes.
    pub agent: String,
    /// TCP port on which it takes connections; 0: none.
    pub listen_port: u16,
    /// Chunks in the content; 0: it has no manifest yet.
    pub chunk_count: u32,
    /// Whether it has every chunk, though it may not say so of each: see super-seeding.
    pub complete: bool,
}
