//! What a frame of a peer means.

use bytes::Bytes;

use super::peers::Stage;
use super::{Misbehaviour, Swarm};
use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::{BLOCK_LENGTH_MAX, Block};
use crate::scheduler;
use crate::wire::{Frame, Hello};

/// Most requests for parts of the manifest over one connection, and most bytes asked for: the greatest
/// manifest (64 MiB, 256 requests of 256 KiB) twice, in parts of 32 KiB and more. They are handed to
/// the driver as they come, so this is also what it may have to queue: 8 bytes each, 32 KiB.
const MANIFEST_REQUESTS_MAX: u32 = 4_096;
const MANIFEST_BYTES_MAX: u64 = 128 << 20;

impl Swarm {
    /// A peer has said something.
    pub(super) fn received(&mut self, key: PeerKey, frame: Frame) -> Result<(), Misbehaviour> {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return Ok(()) };
        peer.heard_at = now;
        match (&peer.stage, frame) {
            (Stage::Greeting, Frame::Hello(hello)) => self.greeted(key, hello),
            (Stage::FetchesManifest { .. }, Frame::ManifestRequest { offset, length }) => {
                self.manifest_requested(key, offset, length)
            }
            // These keep the connection alive.
            (Stage::FetchesManifest { .. }, Frame::Interest(_) | Frame::Unknown) => {
                self.signalled(key)
            }
            (Stage::Trades { .. }, frame) => self.traded(key, frame),
            _ => Err(Misbehaviour::OutOfOrder),
        }
    }

    /// Now we know what the peer is, it learns what we have.
    fn greeted(&mut self, key: PeerKey, hello: Hello) -> Result<(), Misbehaviour> {
        let Some(peer) = self.peers.get_mut(key) else { return Ok(()) };
        peer.agent = hello.agent;
        peer.complete = hello.complete;
        if hello.chunk_count == 0 {
            peer.stage = Stage::FetchesManifest { requests: 0, bytes: 0 };
            return Ok(());
        }
        if hello.chunk_count != self.layout.chunk_count() {
            return Err(Misbehaviour::ChunkCount(hello.chunk_count));
        }
        peer.stage = Stage::Trades { told_chunks: false };
        self.tell(scheduler::Event::PeerJoined { peer: key });
        self.tell_chunks(key);
        self.note_wish();
        self.note_listener(key, hello.listen_port);
        self.note_if_useless(key);
        self.upkeep_at = Some(self.now);
        Ok(())
    }

    /// A frame of a peer that takes part.
    fn traded(&mut self, key: PeerKey, frame: Frame) -> Result<(), Misbehaviour> {
        match frame {
            Frame::Bitfield(bits) => self.chunks_told(key, &bits),
            Frame::Have(chunks) if chunks.is_empty() => self.signalled(key),
            Frame::Have(chunks) => {
                chunks.into_iter().try_for_each(|chunk| self.chunk_told(key, chunk))
            }
            Frame::Interest(interested) => self.interest_told(key, interested),
            Frame::Choke(choked) => self.choke_told(key, choked),
            Frame::Request(block) => self.requested(key, block),
            Frame::Cancel(block) => self.cancelled(key, block),
            Frame::Reject(block) => {
                self.tell(scheduler::Event::Rejected { peer: key, block });
                self.signalled(key)
            }
            Frame::PeerExchange(addresses) => self.addresses_told(key, &addresses),
            Frame::Unknown => self.signalled(key),
            Frame::Knock { .. }
            | Frame::Welcome { .. }
            | Frame::Hello(_)
            | Frame::Data(_)
            | Frame::ManifestRequest { .. }
            | Frame::ManifestData { .. } => Err(Misbehaviour::OutOfOrder),
        }
    }

    fn chunks_told(&mut self, key: PeerKey, bits: &[u8]) -> Result<(), Misbehaviour> {
        if self.told_chunks(key) {
            return Err(Misbehaviour::OutOfOrder);
        }
        let chunks = Bitfield::from_bytes(bits, self.layout.chunk_count());
        let chunks = chunks.ok_or(Misbehaviour::Bitfield)?;
        let before = self.scheduler.peer_chunks(key);
        if before.is_some_and(|before| before.iter().any(|chunk| !chunks.contains(chunk))) {
            return Err(Misbehaviour::Bitfield);
        }
        chunks.iter().for_each(|chunk| self.seen_at(key, chunk));
        self.tell(scheduler::Event::HasChunks { peer: key, chunks });
        self.note_if_useless(key);
        Ok(())
    }

    fn chunk_told(&mut self, key: PeerKey, chunk: ChunkIndex) -> Result<(), Misbehaviour> {
        if chunk.0 >= self.layout.chunk_count() {
            return Err(Misbehaviour::NoSuchBlock);
        }
        let known = self.scheduler.peer_chunks(key).is_some_and(|chunks| chunks.contains(chunk));
        if !known {
            self.seen_at(key, chunk);
        }
        // One that is known is offered again: it may have been refused.
        self.tell(scheduler::Event::HasChunk { peer: key, chunk });
        if known {
            return self.signalled(key);
        }
        self.note_if_useless(key);
        Ok(())
    }

    /// Notes that a peer has sent its bitfield; returns whether it had before.
    fn told_chunks(&mut self, key: PeerKey) -> bool {
        match self.peers.get_mut(key).map(|peer| &mut peer.stage) {
            Some(Stage::Trades { told_chunks }) => std::mem::replace(told_chunks, true),
            _ => false,
        }
    }

    fn choke_told(&mut self, key: PeerKey, choked: bool) -> Result<(), Misbehaviour> {
        let Some(peer) = self.peers.get_mut(key) else { return Ok(()) };
        if std::mem::replace(&mut peer.choking_us, choked) != choked {
            self.tell(if choked {
                scheduler::Event::Choked { peer: key }
            } else {
                scheduler::Event::Unchoked { peer: key }
            });
        }
        self.signalled(key)
    }

    fn manifest_requested(
        &mut self,
        key: PeerKey,
        offset: u32,
        length: u32,
    ) -> Result<(), Misbehaviour> {
        if !(1..=BLOCK_LENGTH_MAX).contains(&length) {
            return Err(Misbehaviour::NoSuchBlock);
        }
        let stage = self.peers.get_mut(key).map(|peer| &mut peer.stage);
        if let Some(Stage::FetchesManifest { requests, bytes }) = stage {
            *requests += 1;
            *bytes += u64::from(length);
            if *requests > MANIFEST_REQUESTS_MAX || *bytes > MANIFEST_BYTES_MAX {
                return Err(Misbehaviour::TooManyRequests);
            }
            self.actions.push_back(super::Action::SendManifest { peer: key, offset, length });
        }
        Ok(())
    }

    /// A block has come.
    pub(super) fn block_received(
        &mut self,
        key: PeerKey,
        block: Block,
        payload: Bytes,
    ) -> Result<(), Misbehaviour> {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return Ok(()) };
        if !peer.trades() {
            return Err(Misbehaviour::OutOfOrder);
        }
        if !self.layout.contains(block) || payload.len() != block.length as usize {
            return Err(Misbehaviour::NoSuchBlock);
        }
        peer.heard_at = now;
        peer.snubbed = false;
        peer.downloaded.add(now, block.length.into());
        self.downloaded.add(now, block.length.into());
        self.tell(scheduler::Event::BlockArrived { peer: key, block, payload });
        Ok(())
    }

    /// Counts a small frame that costs us work.
    pub(super) fn signalled(&mut self, key: PeerKey) -> Result<(), Misbehaviour> {
        let now = self.now;
        let within = self.peers.get_mut(key).is_none_or(|peer| peer.signals.take(now));
        if within { Ok(()) } else { Err(Misbehaviour::Flood) }
    }
}
