//! The tracker's TCP connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use bytes::Bytes;
use futures_util::{AsyncReadExt, FutureExt, select};

use super::super::places::{Place, Places};
use super::relay::{Relay, Side};
use super::{ERROR_PAUSE, Life};
use crate::runtime::{BoxStream, Runtime, TcpListener, timeout};
use crate::tracker::relay::{RelayOpen, RelayRefusal, encode_answer};
use crate::tracker::{ATTENDED_IDLE_MAX, DATAGRAM_MAX};
use crate::transport::messages::{read_message, write_message};
use crate::wire::address::canonical;

/// Most connections at once. Each holds a task, a descriptor and at most 1,200 + 4,096 bytes: 6 MiB
/// in all.
const CONNECTIONS_MAX: u32 = 1_024;

/// Most connections of one host at once: 64 hosts are needed to take them all. A client opens one for its requests, so
/// sixteen behind the same NAT may ask at a time.
const CONNECTIONS_PER_HOST_MAX: u32 = 16;

/// What connections tell the server.
pub(super) enum Word {
    Request(StreamRequest),
    /// One that was attended has ended.
    Closed {
        connection: u64,
    },
}

/// A request that came over TCP.
pub(super) struct StreamRequest {
    pub(super) connection: u64,
    pub(super) from: SocketAddr,
    pub(super) request: Bytes,
    pub(super) verdict: Sender<Verdict>,
}

/// What becomes of a connection after a request.
pub(super) enum Verdict {
    Reply(Bytes),
    /// It is kept open from now on for what is pushed.
    Attend {
        reply: Bytes,
        pushed: Receiver<Bytes>,
    },
    Silence,
    Relay {
        transaction: u64,
        open: RelayOpen,
    },
    Close,
}

/// Takes connections.
pub(super) struct Acceptor {
    runtime: Arc<dyn Runtime>,
    life: Life,
    deadline: Duration,
    requests: Sender<Word>,
    places: Arc<Places>,
    relay: Option<Arc<Relay>>,
}

impl Acceptor {
    pub(super) fn new(
        runtime: Arc<dyn Runtime>,
        life: Life,
        deadline: Duration,
        requests: Sender<Word>,
        relay: Option<Arc<Relay>>,
    ) -> Self {
        let places = Places::new(CONNECTIONS_MAX, CONNECTIONS_PER_HOST_MAX);
        Self { runtime, life, deadline, requests, places, relay }
    }

    pub(super) async fn run(self, listener: Arc<dyn TcpListener>) {
        for number in 0.. {
            let accepted = select! {
                () = self.life.over().fuse() => return,
                accepted = listener.accept().fuse() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    if let Some(place) = self.places.take(from.ip()) {
                        self.spawn(number, stream, from, place);
                    }
                }
                Err(error) => {
                    // Too many open files, or a connection that ended before we had it.
                    log::warn!("tracker: cannot take a connection: {error}");
                    self.runtime.sleep(ERROR_PAUSE).await;
                }
            }
        }
    }

    fn spawn(&self, number: u64, stream: BoxStream, from: SocketAddr, place: Place) {
        let (life, relay) = (self.life.clone(), self.relay.clone());
        let conversation = Conversation {
            runtime: self.runtime.clone(),
            deadline: self.deadline,
            connection: number,
            from,
            requests: self.requests.clone(),
            relays: relay.is_some(),
        };
        self.runtime.spawn(Box::pin(async move {
            let served = async {
                let wish = conversation.hold(stream).await;
                // What is relayed has places of its own.
                drop(place);
                if let (Some((side, open)), Some(relay)) = (wish, relay) {
                    relay.serve(side, open).await;
                }
            };
            select! {
                () = life.over().fuse() => {}
                () = served.fuse() => {}
            }
        }));
    }
}

/// A connection whose requests are answered.
struct Conversation {
    runtime: Arc<dyn Runtime>,
    deadline: Duration,
    connection: u64,
    from: SocketAddr,
    requests: Sender<Word>,
    /// Whether there is a relay.
    relays: bool,
}

impl Conversation {
    /// Answers requests until the peer ends, errs, dawdles, or wants to be relayed.
    async fn hold(&self, mut stream: BoxStream) -> Option<(Side, RelayOpen)> {
        let (runtime, deadline) = (&*self.runtime, self.deadline);
        loop {
            let message = timeout(runtime, deadline, read_message(&mut stream, DATAGRAM_MAX)).await;
            let Ok(Ok(Some(request))) = message else { return None };
            let reply = match self.judge(request).await {
                Verdict::Reply(response) => response,
                Verdict::Silence => continue,
                Verdict::Attend { reply, pushed } => {
                    self.attend(stream, reply, &pushed).await;
                    let closed = Word::Closed { connection: self.connection };
                    // An error means that the service has ended.
                    let _ended = self.requests.send(closed).await;
                    return None;
                }
                Verdict::Relay { transaction, open } if self.relays => {
                    return Some((Side { stream, from: canonical(self.from), transaction }, open));
                }
                Verdict::Relay { transaction, .. } => {
                    encode_answer(transaction, Err(RelayRefusal::Off))
                }
                Verdict::Close => return None,
            };
            let written = write_message(&mut stream, &reply);
            let Ok(Ok(())) = timeout(runtime, deadline, written).await else { return None };
        }
    }

    /// Answers requests and hands on what is pushed, until the peer ends, errs, or is silent for two minutes.
    async fn attend(&self, stream: BoxStream, reply: Bytes, pushed: &Receiver<Bytes>) {
        let (mut reader, mut writer) = stream.split();
        let (answer, answers) = async_channel::bounded(1);
        let answering = async {
            let mut reply = reply;
            while answer.send(reply).await.is_ok() {
                reply = loop {
                    let message = read_message(&mut reader, DATAGRAM_MAX);
                    let message = timeout(&*self.runtime, ATTENDED_IDLE_MAX, message).await;
                    let Ok(Ok(Some(request))) = message else { return };
                    match self.judge(request).await {
                        Verdict::Reply(reply) => break reply,
                        Verdict::Silence => {}
                        _ => return,
                    }
                };
            }
        };
        let writing = async {
            loop {
                let message = select! {
                    reply = answers.recv().fuse() => reply,
                    pushed = pushed.recv().fuse() => pushed,
                };
                let Ok(message) = message else { return };
                let written = write_message(&mut writer, &message);
                let Ok(Ok(())) = timeout(&*self.runtime, self.deadline, written).await else {
                    return;
                };
            }
        };
        select! {
            () = answering.fuse() => {}
            () = writing.fuse() => {}
        }
    }

    async fn judge(&self, request: Bytes) -> Verdict {
        let (verdict, judged) = async_channel::bounded(1);
        let (connection, from) = (self.connection, self.from);
        let request = StreamRequest { connection, from, request, verdict };
        // An error means that the service has ended.
        match self.requests.send(Word::Request(request)).await {
            Ok(()) => judged.recv().await.unwrap_or(Verdict::Close),
            Err(_) => Verdict::Close,
        }
    }
}
