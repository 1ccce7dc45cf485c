//! One connection: frames in, frames out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_util::{FutureExt, select_biased};

use super::background::Background;
use super::clock::Clock;
use super::input::Input;
use super::rate_limit::Bounds;
use super::workers::Workers;
use crate::block_buffer::BlockBuffer;
use crate::id::PeerKey;
use crate::layout::{Block, CHUNK_COUNT_MAX};
use crate::manifest::Manifest;
use crate::runtime::{Runtime, timeout};
use crate::store::{Store, StoreError};
use crate::swarm::Event;
use crate::tracker::relay::RelayEnd;
use crate::transport::{Carrier, FrameError, FrameReader, FrameWriter, PeerStream};
use crate::wire::Frame;

/// Frames that may wait for one connection: a Have for each chunk, and some requests. About 6 MiB
/// at most. The queue takes memory as it fills: a bounded channel would take all of it at once.
const OUTGOING_MAX: usize = CHUNK_COUNT_MAX as usize + 8_192;
/// How long a connection that is not wanted any more may take to send what waits, and that it ends.
/// A peer that reads nothing would keep it for ever.
const FAREWELL: Duration = Duration::from_secs(5);

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
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) manifest: Manifest,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) readers: Workers,
    pub(crate) clock: Clock,
    pub(crate) bounds: Bounds,
    pub(crate) inputs: Sender<Input>,
}

/// A running connection. Dropping it ends the connection: nothing more is read, what waits is sent
/// if that is quick.
pub(crate) struct Connection {
    pub(crate) carrier: Carrier,
    outgoing: Sender<Outgoing>,
    _wanted: Sender<Infallible>,
}

impl Connection {
    /// Runs a connection in a task of its own.
    pub(crate) fn start(peer: PeerKey, stream: PeerStream, source: Source) -> Self {
        let (outgoing, queue) = async_channel::unbounded();
        let (wanted, unwanted) = async_channel::bounded(1);
        let (runtime, carrier) = (Arc::clone(&source.runtime), stream.carrier);
        runtime.spawn(Box::pin(run(peer, stream, queue, unwanted, FAREWELL, source)));
        Self { carrier, outgoing, _wanted: wanted }
    }

    /// Sends behind what waits already; false when too much does.
    pub(crate) fn send(&self, outgoing: Outgoing) -> bool {
        let room = self.outgoing.len() < OUTGOING_MAX;
        if room {
            // Fails when the connection has just ended: it says so itself.
            let _ = self.outgoing.try_send(outgoing);
        }
        room
    }
}

async fn run(
    peer: PeerKey,
    stream: PeerStream,
    outgoing: Receiver<Outgoing>,
    unwanted: Receiver<Infallible>,
    farewell: Duration,
    source: Source,
) {
    let mut reading = pin!(read(peer, stream.reader, &source).fuse());
    let mut writing = pin!(write(peer, stream.writer, outgoing, &source).fuse());
    let ended = select_biased! {
        // Nothing is ever sent: the `Connection` is gone, and with it the sender of `outgoing`.
        _ = unwanted.recv().fuse() => {
            timeout(&*source.runtime, farewell, writing).await.unwrap_or(Ok(()))
        }
        ended = reading => ended,
        ended = writing => ended,
    };
    let input = match ended {
        Err(FrameError::Io(error)) => {
            log::debug!("connection {} is broken: {error}", peer.0);
            let said = error.get_ref().and_then(|error| error.downcast_ref::<RelayEnd>());
            Input::Broken { peer, why: said.copied() }
        }
        Err(error) => {
            log::debug!("connection {}: {error}", peer.0);
            Input::Swarm(Event::Disconnected { peer })
        }
        Ok(()) => Input::Swarm(Event::Disconnected { peer }),
    };
    // Fails when the share has ended: then nobody needs to know.
    let _ = source.inputs.send(input).await;
}

async fn read(peer: PeerKey, mut reader: FrameReader, source: &Source) -> Result<(), FrameError> {
    loop {
        let mut received = 0;
        let event = match reader.next().await? {
            (Frame::Data(block), Some(payload)) => {
                received = block.length;
                Event::BlockReceived { peer, block, payload }
            }
            (frame, _) => Event::Received { peer, frame },
        };
        if source.inputs.send(Input::Swarm(event)).await.is_err() {
            return Ok(());
        }
        // What is not read keeps its place in the socket's buffer, and the peer has to wait.
        source.bounds.down(&*source.runtime, received).await;
    }
}

async fn write(
    peer: PeerKey,
    mut writer: FrameWriter,
    outgoing: Receiver<Outgoing>,
    source: &Source,
) -> Result<(), FrameError> {
    // Each is read while those before it are sent. A few at most: the swarm hands out the next one
    // when one is sent.
    let mut blocks = VecDeque::new();
    // Of the first of them.
    let mut turn = None;
    let mut background = None;
    while let Ok(next) = outgoing.recv().await {
        let mut next = Some(next);
        while next.is_some() || !blocks.is_empty() {
            match next {
                // A frame is short and often urgent: it does not wait for blocks.
                Some(Outgoing::Frame(frame)) => writer.send(&frame).await?,
                Some(Outgoing::Manifest { offset, length }) => {
                    send_manifest(&mut writer, source.manifest.info_bytes(), offset, length)
                        .await?;
                }
                Some(Outgoing::Block(block)) => {
                    blocks.push_back((block, read_block(source, block)));
                }
                None => {
                    let Some(&(Block { length, .. }, _)) = blocks.front() else { break };
                    let waiting = turn.get_or_insert_with(|| {
                        Box::pin(source.bounds.up(&*source.runtime, length))
                    });
                    next = until_turn(waiting.as_mut(), &mut writer, &outgoing).await?;
                    if next.is_some() {
                        continue;
                    }
                    turn = None;
                    let Some((block, payload)) = blocks.pop_front() else { break };
                    let payload = match payload.await {
                        Ok(payload) => payload,
                        Err(error) => {
                            let _ = source.inputs.send(Input::StoreFailed(error)).await;
                            return Ok(());
                        }
                    };
                    let data = Frame::Data(block);
                    if source.bounds.is_background() {
                        let pace =
                            background.get_or_insert_with(|| Background::new(source.clock.now()));
                        send_in_background(&mut writer, &data, &payload, pace, source).await?;
                    } else {
                        background = None;
                        writer.send_with_payload(&data, &payload).await?;
                    }
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

/// Sends a block little by little, as the path has room for it beside other traffic.
async fn send_in_background(
    writer: &mut FrameWriter,
    data: &Frame,
    payload: &[u8],
    pace: &mut Background,
    source: &Source,
) -> Result<(), FrameError> {
    writer.begin(data);
    let mut left = payload;
    while !left.is_empty() {
        let (part, rest) = left.split_at(pace.part_length().min(left.len()));
        let now = source.clock.now();
        // A block has 256 KiB at most.
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        let at = pace.reserve(now, length, writer.round_trip());
        if at > now {
            source.clock.sleep_until(&*source.runtime, Some(at)).await;
        }
        writer.send_part(part).await?;
        left = rest;
    }
    Ok(())
}

/// Waits until a block may be sent, or for what else there is to send: that does not wait for blocks.
async fn until_turn(
    mut turn: Pin<&mut impl Future<Output = ()>>,
    writer: &mut FrameWriter,
    outgoing: &Receiver<Outgoing>,
) -> Result<Option<Outgoing>, FrameError> {
    if turn.as_mut().now_or_never().is_some() {
        return Ok(None);
    }
    writer.flush().await?;
    select_biased! {
        () = turn.as_mut().fuse() => return Ok(None),
        more = outgoing.recv().fuse() => if let Ok(more) = more {
            return Ok(Some(more));
        },
    }
    // There will be nothing else.
    turn.await;
    Ok(None)
}

/// Reads a block, from now on, on a thread that may block.
fn read_block(
    source: &Source,
    block: Block,
) -> impl Future<Output = Result<BlockBuffer, StoreError>> + use<> {
    let store = Arc::clone(&source.store);
    let start = source.manifest.layout().chunk_start(block.chunk) + u64::from(block.offset);
    source.readers.run(move || {
        let mut buffer = BlockBuffer::new(block.length as usize);
        store.read(start, &mut buffer).map(|()| buffer)
    })
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::task::{Context, Poll};

    use futures_io::{AsyncRead, AsyncWrite};

    use super::super::rate_limit::{Limits, RateLimits};
    use super::*;
    use crate::hash::HashAlgorithm;
    use crate::id::PeerId;
    use crate::manifest::{Draft, DraftFile, EnvelopeFields};
    use crate::path::Path;
    use crate::runtime::ByteStream;
    use crate::runtime::testing::on_each_runtime;
    use crate::store::MemoryStore;
    use crate::transport::{Carrier, framed};

    /// A peer that neither says nor takes anything.
    struct Stuck;

    impl ByteStream for Stuck {}

    impl AsyncRead for Stuck {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Stuck {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn a_peer_that_reads_nothing_is_let_go() {
        on_each_runtime(|runtime| async move {
            let (reader, writer) = framed(Box::new(Stuck));
            let (peer, address) = (PeerKey(7), SocketAddr::from(([10, 0, 0, 1], 1)));
            let peer_id = PeerId([1; 32]);
            let (path, carrier) = (Path::Direct, Carrier::Other);
            let stream = PeerStream { peer_id, address, path, carrier, reader, writer };
            let (inputs, events) = async_channel::bounded(1);
            let source = Source {
                manifest: manifest(),
                store: Arc::new(MemoryStore::with_content(Vec::new())),
                readers: Workers::new(Arc::clone(&runtime), 1),
                clock: Clock::start(),
                bounds: unlimited(),
                inputs,
                runtime: Arc::clone(&runtime),
            };
            let (outgoing, queue) = async_channel::unbounded();
            let (wanted, unwanted) = async_channel::bounded(1);
            outgoing.try_send(Outgoing::Frame(Frame::Interest(true))).unwrap();
            drop((outgoing, wanted));
            run(peer, stream, queue, unwanted, Duration::ZERO, source).await;
            let ended = events.try_recv();
            assert!(matches!(ended, Ok(Input::Swarm(Event::Disconnected { peer: PeerKey(7) }))));
        });
    }

    fn unlimited() -> Bounds {
        let limits = || Arc::new(Limits::new(Clock::start(), RateLimits::default()));
        Bounds { share: limits(), node: limits() }
    }

    fn manifest() -> Manifest {
        let file = DraftFile { path: String::new(), length: 0, executable: false };
        let draft = Draft {
            name: "empty".into(),
            files: vec![file],
            empty_folders: Vec::new(),
            chunk_length: 65_536,
            hash_algorithm: HashAlgorithm::Blake3,
        };
        draft.build(&[], EnvelopeFields::default()).unwrap()
    }
}
