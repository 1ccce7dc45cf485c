//! One connection: frames in, frames out.

use std::pin::pin;
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use futures_util::future::{self, Either};

use super::input::Input;
use super::workers::Workers;
use crate::id::PeerKey;
use crate::layout::Block;
use crate::manifest::Manifest;
use crate::store::{Store, StoreError};
use crate::swarm::Event;
use crate::transport::{FrameError, FrameReader, FrameWriter, PeerStream};
use crate::wire::Frame;

/// What a connection is asked to send.
pub(crate) enum Outgoing {
    /// A frame without payload.
    Frame(Frame),
    /// A block of the content.
    Block(Block),
    /// A part of the manifest.
    Manifest { offset: u32, length: u32 },
}

/// What every connection of a share works with.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) manifest: Manifest,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) readers: Workers,
    pub(crate) inputs: Sender<Input>,
}

/// Runs a connection until either side ends it: when `outgoing` is closed, or the stream is.
pub(crate) async fn run(
    peer: PeerKey,
    stream: PeerStream,
    outgoing: Receiver<Outgoing>,
    source: Source,
) {
    let reading = pin!(read(peer, stream.reader, &source.inputs));
    let writing = pin!(write(peer, stream.writer, outgoing, &source));
    let ended = match future::select(reading, writing).await {
        Either::Left((ended, _)) | Either::Right((ended, _)) => ended,
    };
    if let Err(error) = ended {
        log::debug!("connection {}: {error}", peer.0);
    }
    // Fails when the share has ended: then nobody needs to know.
    let _ = source.inputs.send(Input::Swarm(Event::Disconnected { peer })).await;
}

async fn read(
    peer: PeerKey,
    mut reader: FrameReader,
    inputs: &Sender<Input>,
) -> Result<(), FrameError> {
    loop {
        let event = match reader.next().await? {
            (Frame::Data(block), Some(payload)) => Event::BlockReceived { peer, block, payload },
            (frame, _) => Event::Received { peer, frame },
        };
        if inputs.send(Input::Swarm(event)).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    peer: PeerKey,
    mut writer: FrameWriter,
    outgoing: Receiver<Outgoing>,
    source: &Source,
) -> Result<(), FrameError> {
    let mut buffer = Vec::new();
    while let Ok(next) = outgoing.recv().await {
        let mut next = Some(next);
        while let Some(item) = next {
            match item {
                Outgoing::Frame(frame) => writer.send(&frame).await?,
                Outgoing::Manifest { offset, length } => {
                    send_manifest(&mut writer, source.manifest.info_bytes(), offset, length)
                        .await?;
                }
                Outgoing::Block(block) => {
                    buffer = match read_block(source, block, buffer).await {
                        Ok(buffer) => buffer,
                        Err(error) => {
                            let _ = source.inputs.send(Input::StoreFailed(error)).await;
                            return Ok(());
                        }
                    };
                    writer.send_with_payload(&Frame::Data(block), &buffer).await?;
                    let sent = Event::BlockSent { peer, block };
                    let _ = source.inputs.send(Input::Swarm(sent)).await;
                }
            }
            next = outgoing.try_recv().ok();
        }
        writer.flush().await?;
    }
    writer.close().await
}

/// Reads a block into `buffer`, on a thread that may block.
async fn read_block(
    source: &Source,
    block: Block,
    mut buffer: Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    let store = Arc::clone(&source.store);
    let start = source.manifest.layout().chunk_start(block.chunk) + u64::from(block.offset);
    let read = source.readers.run(move || {
        buffer.resize(block.length as usize, 0);
        store.read(start, &mut buffer).map(|()| buffer)
    });
    read.await
}

/// Answers a request for a part of the manifest, cut to what there is.
async fn send_manifest(
    writer: &mut FrameWriter,
    info: &[u8],
    offset: u32,
    length: u32,
) -> Result<(), FrameError> {
    let rest = info.get(offset as usize..).unwrap_or_default();
    let part = &rest[..rest.len().min(length as usize)];
    // A manifest has 64 MiB at most, so its length fits; beyond its end there is nothing to say.
    let lengths = (u32::try_from(part.len()), u32::try_from(info.len()));
    let (Ok(length @ 1..), Ok(total_length)) = lengths else { return Ok(()) };
    let frame = Frame::ManifestData { offset, length, total_length };
    writer.send_with_payload(&frame, part).await
}
