//! One connection: frames in, frames out.

mod writer;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_util::{FutureExt, select_biased};

use super::clock::Clock;
use super::input::Input;
use super::rate_limit::Bounds;
use super::workers::Workers;
use crate::id::PeerKey;
use crate::layout::{Block, CHUNK_COUNT_MAX};
use crate::manifest::Manifest;
use crate::runtime::{Runtime, timeout};
use crate::store::Store;
use crate::swarm::Event;
use crate::tracker::relay::RelayEnd;
use crate::transport::{Carrier, FrameError, FrameReader, PeerStream};
use crate::wire::Frame;
use writer::Writer;

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
    let mut writing = pin!(Writer::new(peer, stream.writer, outgoing, &source).run().fuse());
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_io::{AsyncRead, AsyncWrite};

    use super::super::rate_limit::{Limits, RateLimits};
    use super::*;
    use crate::hash::HashAlgorithm;
    use crate::id::{ChunkIndex, PeerId};
    use crate::manifest::{Draft, DraftFile, EnvelopeFields};
    use crate::path::Path;
    use crate::runtime::testing::on_each_runtime;
    use crate::runtime::{BoxStream, ByteStream};
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
            let source = source(&runtime, Vec::new(), inputs);
            let (outgoing, queue) = async_channel::unbounded();
            let (wanted, unwanted) = async_channel::bounded(1);
            outgoing.try_send(Outgoing::Frame(Frame::Interest(true))).unwrap();
            drop((outgoing, wanted));
            run(peer, stream, queue, unwanted, Duration::ZERO, source).await;
            let ended = events.try_recv();
            assert!(matches!(ended, Ok(Input::Swarm(Event::Disconnected { peer: PeerKey(7) }))));
        });
    }

    #[test]
    fn frames_overtake_blocks_and_all_is_sent_before_the_end() {
        on_each_runtime(|runtime| async move {
            let (here, there) = connected(&*runtime).await;
            let ((_reader, writer), (mut reader, _writer)) = (framed(here), framed(there));
            let (inputs, events) = async_channel::unbounded();
            let source = source(&runtime, vec![7; 20], inputs);
            let info_length = u32::try_from(source.manifest.info_bytes().len()).unwrap();
            let block = |offset| Block { chunk: ChunkIndex(0), offset, length: 10 };
            let (outgoing, queue) = async_channel::unbounded();
            for wanted in [
                Outgoing::Block(block(0)),
                Outgoing::Frame(Frame::Interest(true)),
                Outgoing::Block(block(10)),
                Outgoing::Manifest { offset: 1, length: u32::MAX },
                Outgoing::Manifest { offset: info_length, length: 1 },
            ] {
                outgoing.try_send(wanted).unwrap();
            }
            drop(outgoing);
            Writer::new(PeerKey(7), writer, queue, &source).run().await.unwrap();

            let part = Frame::ManifestData {
                offset: 1,
                length: info_length - 1,
                total_length: info_length,
            };
            let data = [0, 10].map(|offset| Frame::Data(block(offset)));
            for frame in [Frame::Interest(true), part].into_iter().chain(data) {
                assert_eq!(reader.next().await.unwrap().0, frame);
            }
            assert!(matches!(reader.next().await, Err(FrameError::Closed)));
            let sent = std::iter::from_fn(|| events.try_recv().ok());
            let of_blocks =
                sent.filter(|input| matches!(input, Input::Swarm(Event::BlockSent { .. })));
            assert_eq!(of_blocks.count(), 2);
        });
    }

    async fn connected(runtime: &dyn Runtime) -> (BoxStream, BoxStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener = runtime.tcp_listener(listener).unwrap();
        let here = runtime.connect_tcp(address).await.unwrap();
        (here, listener.accept().await.unwrap().0)
    }

    fn source(runtime: &Arc<dyn Runtime>, content: Vec<u8>, inputs: Sender<Input>) -> Source {
        Source {
            manifest: manifest(),
            store: Arc::new(MemoryStore::with_content(content)),
            readers: Workers::new(Arc::clone(runtime), 1),
            clock: Clock::start(),
            bounds: unlimited(),
            inputs,
            runtime: Arc::clone(runtime),
        }
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
