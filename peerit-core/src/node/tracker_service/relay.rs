//! The tracker as a relay: joins two connections and copies between them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_util::future::join;
use futures_util::io::{ReadHalf, WriteHalf};
use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt, select, select_biased};

use super::super::clock::Clock;
use crate::runtime::{BoxStream, Runtime, timeout};
use crate::tracker::relay::{
    RELAY_FRAME_MAX, RelayConfig, RelayCounters, RelayEnd, RelayOpen, RelayRefusal, RelayTable,
    RelayToken, encode_answer,
};
use crate::transport::messages::write_message;

/// Bytes of each direction that are read and not yet written: two full TLS records. More goes over
/// the socket once these are taken, so a slow reader slows the writer down and costs no memory.
const BUFFER_LENGTH: usize = 32 << 10;
const _: () = assert!(BUFFER_LENGTH <= RELAY_FRAME_MAX);

/// Length of a frame's head.
const HEAD_LENGTH: usize = 2;

/// A connection whose peer wants to be joined with another.
pub(super) struct Side {
    pub(super) stream: BoxStream,
    pub(super) from: SocketAddr,
    pub(super) transaction: u64,
}

/// Joins connections.
pub(super) struct Relay {
    runtime: Arc<dyn Runtime>,
    clock: Clock,
    /// How long a peer may take to read an answer, or why its session ends.
    deadline: Duration,
    /// Locked for one look at a time, never while something is awaited.
    table: Mutex<RelayTable<Sender<Side>>>,
}

impl Relay {
    pub(super) fn new(
        runtime: Arc<dyn Runtime>,
        deadline: Duration,
        config: RelayConfig,
        key: [u8; 32],
    ) -> Self {
        let table = Mutex::new(RelayTable::new(config, key));
        Self { runtime, clock: Clock::start(), deadline, table }
    }

    pub(super) fn counters(&self) -> RelayCounters {
        self.table().counters()
    }

    /// Serves a side that has come: until it is refused, or handed to the other side's task, or the
    /// session is over. The task of the side that came first serves both.
    pub(super) async fn serve(&self, mut side: Side, open: RelayOpen) {
        let (seat, partner) = async_channel::bounded(1);
        let opened = self.table().open(self.clock.now(), side.from.ip(), open, seat);
        match opened {
            Ok(None) => match self.wait(&mut side, open.token, &partner).await {
                Some(other) => self.join(side, other, open.token).await,
                None => {
                    log::debug!("relay: nobody came to meet {}", side.from);
                    self.answer(&mut side, Err(RelayRefusal::Unknown)).await;
                }
            },
            Ok(Some(seat)) => {
                // An error means that its task was stopped: all are.
                let _stopped = seat.try_send(side);
            }
            Err(refusal) => {
                log::debug!("relay: {} is refused: {refusal}", side.from);
                self.answer(&mut side, Err(refusal)).await;
            }
        }
    }

    /// The other side; none if it does not come in time, or this one goes first.
    async fn wait(
        &self,
        side: &mut Side,
        token: RelayToken,
        partner: &Receiver<Side>,
    ) -> Option<Side> {
        let patience = self.table().wait_max();
        let mut unasked = [0];
        select! {
            other = partner.recv().fuse() => return other.ok(),
            // Its end, or bytes that nobody has asked for yet.
            _ = side.stream.read(&mut unasked).fuse() => {}
            () = self.runtime.sleep(patience).fuse() => {}
        }
        // Somebody may have come just now: then that task is about to hand over its side.
        let is_alone = self.table().leave(token);
        if is_alone { None } else { partner.recv().await.ok() }
    }

    async fn answer(&self, side: &mut Side, answer: Result<(), RelayRefusal>) -> bool {
        let message = encode_answer(side.transaction, answer);
        let written = write_message(&mut side.stream, &message);
        matches!(timeout(&*self.runtime, self.deadline, written).await, Ok(Ok(())))
    }

    /// A session, from its first byte to its last.
    async fn join(&self, mut one: Side, mut two: Side, token: RelayToken) {
        let session = Session::new(self, token);
        log::debug!("relay: {} and {} meet", one.from, two.from);
        let (ready, other) =
            join(self.answer(&mut one, Ok(())), self.answer(&mut two, Ok(()))).await;
        if !(ready && other) {
            session.end(RelayEnd::Lost);
        }
        let ((from_one, to_one), (from_two, to_two)) = (one.stream.split(), two.stream.split());
        let both = join(session.carry(from_one, to_two), session.carry(from_two, to_one));
        select! {
            _ = both.fuse() => {}
            () = session.watch().fuse() => {}
        }
        let end = session.why.get().copied();
        let bytes = self.table().close(token, end);
        let why = end.map_or("its peers ended it".to_owned(), |end| end.to_string());
        log::debug!("relay: {} and {} part after {bytes} bytes: {why}", one.from, two.from);
        log::info!("relay: {}", self.counters());
    }

    fn table(&self) -> MutexGuard<'_, RelayTable<Sender<Side>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two sides that have met.
struct Session<'a> {
    relay: &'a Relay,
    token: RelayToken,
    /// Why the relay ends it.
    why: OnceLock<RelayEnd>,
    /// Closed when it does; nothing is ever sent.
    over: (Sender<Infallible>, Receiver<Infallible>),
}

impl<'a> Session<'a> {
    fn new(relay: &'a Relay, token: RelayToken) -> Self {
        Self { relay, token, why: OnceLock::new(), over: async_channel::bounded(1) }
    }

    /// Ends both directions; the first reason counts.
    fn end(&self, why: RelayEnd) {
        let _first = self.why.set(why);
        self.over.0.close();
    }

    async fn ended(&self) {
        let _closed = self.over.1.recv().await;
    }

    /// One direction, until its writer writes no more or the session ends; its reader is told which.
    async fn carry(&self, mut from: ReadHalf<BoxStream>, mut to: WriteHalf<BoxStream>) {
        if self.copy(&mut from, &mut to).await.is_err() {
            self.end(RelayEnd::Lost);
        }
        let Some(why) = self.why.get() else {
            // The other direction goes on; that it cannot be told it will notice itself.
            let _gone = to.close().await;
            return;
        };
        // Who is gone needs not be told.
        let _gone = to.write_all(&[0, 0, why.to_byte()]).await;
        let _gone = to.close().await;
        // A connection that is closed with bytes unread is reset, and what was written is lost.
        let _gone = futures_util::io::copy(from, &mut futures_util::io::sink()).await;
    }

    async fn copy(
        &self,
        from: &mut ReadHalf<BoxStream>,
        to: &mut WriteHalf<BoxStream>,
    ) -> io::Result<()> {
        let mut buffer = vec![0; HEAD_LENGTH + BUFFER_LENGTH];
        loop {
            let length = select_biased! {
                () = self.ended().fuse() => return Ok(()),
                read = from.read(&mut buffer[HEAD_LENGTH..]).fuse() => read?,
            };
            let Some(head) = u16::try_from(length).ok().filter(|length| *length > 0) else {
                return Ok(());
            };
            let carried = self.relay.table().carry(self.relay.clock.now(), self.token, length);
            if let Err(why) = carried {
                self.end(why);
                return Ok(());
            }
            buffer[..HEAD_LENGTH].copy_from_slice(&head.to_be_bytes());
            to.write_all(&buffer[..HEAD_LENGTH + length]).await?;
            to.flush().await?;
        }
    }

    /// Ends the session when its time is over; resolves when nobody needs to wait for its end any
    /// more, be it that a peer does not read.
    async fn watch(&self) {
        loop {
            let now = self.relay.clock.now();
            let deadline = self.relay.table().deadline(now, self.token);
            match deadline {
                Ok(at) => select! {
                    () = self.ended().fuse() => break,
                    () = self.relay.clock.sleep_until(&*self.relay.runtime, Some(at)).fuse() => {}
                },
                Err(why) => {
                    self.end(why);
                    break;
                }
            }
        }
        self.relay.runtime.sleep(self.relay.deadline).await;
    }
}
