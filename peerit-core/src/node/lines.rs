//! A node's TCP connections to trackers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use bytes::Bytes;
use futures_util::{AsyncReadExt, FutureExt, select_biased};

use crate::runtime::{Runtime, timeout};
use crate::tracker::{ClientEvent, STREAM_RESPONSE_MAX};
use crate::transport::messages::{MessageError, read_message, write_message};

/// How long a connection may take to open, and a message to be taken.
const DEADLINE: Duration = Duration::from_secs(10);

/// Messages that wait for a connection: what a client says at once, 100 signals and 8 requests. With more it is lost.
const MESSAGES_MAX: usize = 128;

/// What came and waits to be taken; then trackers wait.
const HEARD_MAX: usize = 64;

/// One connection to each tracker's address.
pub(super) struct Lines {
    runtime: Arc<dyn Runtime>,
    open: BTreeMap<SocketAddr, Line>,
    opened: u64,
    heard: Receiver<Heard>,
    hears: Sender<Heard>,
}

struct Line {
    number: u64,
    /// It ends when this is dropped, after what waits there.
    messages: Sender<Bytes>,
}

/// What came over a connection; none: it has ended.
struct Heard {
    number: u64,
    from: SocketAddr,
    message: Option<Bytes>,
}

impl Lines {
    pub(super) fn new(runtime: Arc<dyn Runtime>) -> Self {
        let (hears, heard) = async_channel::bounded(HEARD_MAX);
        Self { runtime, open: BTreeMap::new(), opened: 0, heard, hears }
    }

    /// Sends a message, over a new connection if there is none.
    pub(super) fn send(&mut self, to: SocketAddr, message: Bytes) {
        let line = self.open.remove(&to).unwrap_or_else(|| self.connect(to));
        if line.messages.try_send(message).is_err() {
            log::debug!("tracker {to} takes nothing over TCP");
        }
        self.open.insert(to, line);
    }

    pub(super) fn close(&mut self, to: SocketAddr) {
        self.open.remove(&to);
    }

    /// What comes next of those that are open. Cancel safe.
    pub(super) async fn next(&mut self) -> ClientEvent {
        loop {
            // They cannot all be gone: one is here.
            let Ok(Heard { number, from, message }) = self.heard.recv().await else { continue };
            // Another one may have been opened since.
            if self.open.get(&from).is_none_or(|line| line.number != number) {
                continue;
            }
            let Some(message) = message else {
                self.open.remove(&from);
                return ClientEvent::StreamLost { to: from };
            };
            return ClientEvent::StreamMessage { from, message };
        }
    }

    fn connect(&mut self, to: SocketAddr) -> Line {
        self.opened += 1;
        let number = self.opened;
        let (messages, queue) = async_channel::bounded(MESSAGES_MAX);
        let (runtime, hears) = (self.runtime.clone(), self.hears.clone());
        self.runtime.spawn(Box::pin(async move {
            if let Err(error) = hold(&*runtime, to, number, &queue, &hears).await {
                log::debug!("tracker {to} over TCP: {error}");
            }
            // An error means that nobody listens any more.
            let _ended = hears.send(Heard { number, from: to, message: None }).await;
        }));
        Line { number, messages }
    }
}

/// Carries messages both ways until one side ends, or errs.
async fn hold(
    runtime: &dyn Runtime,
    to: SocketAddr,
    number: u64,
    queue: &Receiver<Bytes>,
    hears: &Sender<Heard>,
) -> Result<(), MessageError> {
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let stream = timeout(runtime, DEADLINE, runtime.connect_tcp(to)).await.map_err(late)??;
    let (mut reader, mut writer) = stream.split();
    let listening = async {
        while let Some(message) = read_message(&mut reader, STREAM_RESPONSE_MAX).await? {
            let heard = Heard { number, from: to, message: Some(message) };
            if hears.send(heard).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let speaking = async {
        while let Ok(message) = queue.recv().await {
            let written = write_message(&mut writer, &message);
            timeout(runtime, DEADLINE, written).await.map_err(late)??;
        }
        Ok(())
    };
    select_biased! {
        ended = listening.fuse() => ended,
        ended = speaking.fuse() => ended,
    }
}
