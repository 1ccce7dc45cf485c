//! The tracker's TCP connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use bytes::Bytes;
use futures_util::{FutureExt, select};

use super::super::places::{Place, Places};
use super::{ERROR_PAUSE, Life};
use crate::runtime::{BoxStream, Runtime, TcpListener, timeout};
use crate::tracker::DATAGRAM_MAX;
use crate::transport::messages::{read_message, write_message};

/// Most connections at once. Each holds a task, a descriptor and at most 1,200 + 4,096 bytes: 6 MiB
/// in all.
const CONNECTIONS_MAX: usize = 1_024;

/// Most connections of one host at once: 64 hosts are needed to take them all. A client opens 8 at
/// most.
const CONNECTIONS_PER_HOST_MAX: usize = 16;

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
    Silence,
    Close,
}

/// Takes connections.
pub(super) struct Acceptor {
    runtime: Arc<dyn Runtime>,
    life: Life,
    deadline: Duration,
    requests: Sender<StreamRequest>,
    places: Arc<Places>,
}

impl Acceptor {
    pub(super) fn new(
        runtime: Arc<dyn Runtime>,
        life: Life,
        deadline: Duration,
        requests: Sender<StreamRequest>,
    ) -> Self {
        let places = Places::new(CONNECTIONS_MAX, CONNECTIONS_PER_HOST_MAX);
        Self { runtime, life, deadline, requests, places }
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
        let (life, requests) = (self.life.clone(), self.requests.clone());
        let (runtime, deadline) = (self.runtime.clone(), self.deadline);
        self.runtime.spawn(Box::pin(async move {
            select! {
                () = life.over().fuse() => {}
                () = converse(&*runtime, deadline, stream, number, from, requests).fuse() => {}
            }
            drop(place);
        }));
    }
}

/// Answers requests until the peer ends, errs or dawdles.
async fn converse(
    runtime: &dyn Runtime,
    deadline: Duration,
    mut stream: BoxStream,
    connection: u64,
    from: SocketAddr,
    requests: Sender<StreamRequest>,
) {
    loop {
        let message = timeout(runtime, deadline, read_message(&mut stream, DATAGRAM_MAX)).await;
        let Ok(Ok(Some(request))) = message else { return };
        let (verdict, judged) = async_channel::bounded(1);
        let request = StreamRequest { connection, from, request, verdict };
        if requests.send(request).await.is_err() {
            return;
        }
        match judged.recv().await {
            Ok(Verdict::Reply(response)) => {
                let written = write_message(&mut stream, &response);
                let Ok(Ok(())) = timeout(runtime, deadline, written).await else { return };
            }
            Ok(Verdict::Silence) => {}
            Ok(Verdict::Close) | Err(_) => return,
        }
    }
}
