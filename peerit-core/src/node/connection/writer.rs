//! The writing side of a connection.

use std::collections::VecDeque;
use std::sync::Arc;

use async_channel::Receiver;
use futures_util::{FutureExt, select_biased};

use super::super::background::Background;
use super::super::input::Input;
use super::{Outgoing, Source};
use crate::block_buffer::BlockBuffer;
use crate::id::PeerKey;
use crate::layout::Block;
use crate::runtime::BoxFuture;
use crate::store::StoreError;
use crate::swarm::Event;
use crate::transport::{FrameError, FrameWriter};
use crate::wire::Frame;

/// Sends what a connection is asked to send.
pub(super) struct Writer<'a> {
    peer: PeerKey,
    frames: FrameWriter,
    outgoing: Receiver<Outgoing>,
    source: &'a Source,
    /// Each is read while those before it are sent. A few at most: the swarm hands out the next one
    /// when one is sent.
    blocks: VecDeque<(Block, BoxFuture<'static, Result<BlockBuffer, StoreError>>)>,
    /// Of the first of them.
    turn: Option<BoxFuture<'a, ()>>,
    /// Of blocks that give way to other traffic.
    pace: Option<Background>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        peer: PeerKey,
        frames: FrameWriter,
        outgoing: Receiver<Outgoing>,
        source: &'a Source,
    ) -> Self {
        Self { peer, frames, outgoing, source, blocks: VecDeque::new(), turn: None, pace: None }
    }

    /// Writes until nobody can ask for more, and then ends this direction; or until content cannot be read.
    pub(super) async fn run(mut self) -> Result<(), FrameError> {
        while let Ok(first) = self.outgoing.recv().await {
            self.take(first).await?;
            loop {
                if let Ok(more) = self.outgoing.try_recv() {
                    self.take(more).await?;
                } else if self.blocks.is_empty() {
                    break;
                } else if let Some(more) = self.until_turn().await? {
                    self.take(more).await?;
                } else if !self.send_block().await? {
                    return Ok(());
                }
            }
            self.frames.flush().await?;
        }
        self.frames.close().await
    }

    async fn take(&mut self, outgoing: Outgoing) -> Result<(), FrameError> {
        match outgoing {
            // A frame is short and often urgent: it does not wait for blocks.
            Outgoing::Frame(frame) => self.frames.send(&frame).await,
            Outgoing::Manifest { offset, length } => self.send_manifest(offset, length).await,
            Outgoing::Block(block) => {
                self.blocks.push_back((block, read_block(self.source, block)));
                Ok(())
            }
        }
    }

    /// Waits until the first block may be sent, or for what else there is to send: that does not wait for blocks.
    async fn until_turn(&mut self) -> Result<Option<Outgoing>, FrameError> {
        let Some(&(Block { length, .. }, _)) = self.blocks.front() else { return Ok(None) };
        let source = self.source;
        let turn =
            self.turn.get_or_insert_with(|| Box::pin(source.bounds.up(&*source.runtime, length)));
        if turn.as_mut().now_or_never().is_none() {
            self.frames.flush().await?;
            select_biased! {
                () = turn.as_mut().fuse() => {}
                more = self.outgoing.recv().fuse() => match more {
                    Ok(more) => return Ok(Some(more)),
                    // There will be nothing else.
                    Err(_) => turn.as_mut().await,
                },
            }
        }
        self.turn = None;
        Ok(None)
    }

    /// Sends the first block, whose turn it is; false when it cannot be read.
    async fn send_block(&mut self) -> Result<bool, FrameError> {
        let Some((block, payload)) = self.blocks.pop_front() else { return Ok(true) };
        let payload = match payload.await {
            Ok(payload) => payload,
            Err(error) => {
                let _ = self.source.inputs.send(Input::StoreFailed(error)).await;
                return Ok(false);
            }
        };
        let data = Frame::Data(block);
        if self.source.bounds.is_background() {
            self.send_in_background(&data, &payload).await?;
        } else {
            self.pace = None;
            self.frames.send_with_payload(&data, &payload).await?;
        }
        let sent = Event::BlockSent { peer: self.peer, block };
        let _ = self.source.inputs.send(Input::Swarm(sent)).await;
        Ok(true)
    }

    /// Sends a block little by little, as the path has room for it beside other traffic.
    async fn send_in_background(&mut self, data: &Frame, payload: &[u8]) -> Result<(), FrameError> {
        let clock = self.source.clock;
        let pace = self.pace.get_or_insert_with(|| Background::new(clock.now()));
        self.frames.begin(data);
        let mut left = payload;
        while !left.is_empty() {
            let (part, rest) = left.split_at(pace.part_length().min(left.len()));
            let now = clock.now();
            // A block has 256 KiB at most.
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            let at = pace.reserve(now, length, self.frames.round_trip());
            if at > now {
                clock.sleep_until(&*self.source.runtime, Some(at)).await;
            }
            self.frames.send_part(part).await?;
            left = rest;
        }
        Ok(())
    }

    /// Answers a request for a part of the manifest, cut to what there is.
    async fn send_manifest(&mut self, offset: u32, length: u32) -> Result<(), FrameError> {
        let info = self.source.manifest.info_bytes();
        let rest = info.get(offset as usize..).unwrap_or_default();
        let part = &rest[..rest.len().min(length as usize)];
        // A manifest has 64 MiB at most, so its length fits; beyond its end there is nothing to say.
        let lengths = (u32::try_from(part.len()), u32::try_from(info.len()));
        let (Ok(length @ 1..), Ok(total_length)) = lengths else { return Ok(()) };
        let frame = Frame::ManifestData { offset, length, total_length };
        self.frames.send_with_payload(&frame, part).await
    }
}

/// Reads a block, from now on, on a thread that may block.
fn read_block(
    source: &Source,
    block: Block,
) -> BoxFuture<'static, Result<BlockBuffer, StoreError>> {
    let store = Arc::clone(&source.store);
    let start = source.manifest.layout().chunk_start(block.chunk) + u64::from(block.offset);
    Box::pin(source.readers.run(move || {
        let mut buffer = BlockBuffer::new(block.length as usize);
        store.read(start, &mut buffer).map(|()| buffer)
    }))
}
