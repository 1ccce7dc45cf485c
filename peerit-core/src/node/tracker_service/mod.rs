//! A tracker on sockets: UDP and TCP on the same number.

mod bind;
mod connection;
mod relay;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use bytes::Bytes;
use futures_util::{FutureExt, select};

use self::bind::{bind, bind_other};
use self::connection::{Acceptor, StreamRequest, Verdict, Word};
use self::relay::Relay;
use super::clock::Clock;
use crate::runtime::{Runtime, UdpSocket};
use crate::tracker::relay::{RelayConfig, RelayCounters};
use crate::tracker::{
    DATAGRAM_MAX, DEFAULT_PORT, ServerAction, ServerConfig, ServerEvent, TrackerServer,
};

/// Requests of TCP connections that wait for the server; then the connections wait.
const REQUESTS_MAX: usize = 64;

/// Signals that wait for a connection to take them; further ones are dropped, as peers repeat them.
const PUSHED_MAX: usize = 16;

/// Pause after an error of a socket, so that one that lasts does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// How a tracker is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerServiceConfig {
    /// Where to listen, UDP and TCP. Default 0.0.0.0:59000. With port 0 the system chooses a number
    /// that is free for both; `[::]` takes IPv4 as well where the system allows it (Linux does). A machine with
    /// several addresses of a family answers datagrams from the one nearest to the receiver, which NATs
    /// drop if another was asked: name one address there.
    ///
    /// The next number, or any where that is taken, is a UDP port beside it that answers STUN: what two ports see of a
    /// peer tells what its NAT does. Where no datagram comes to it, as a firewall is in between, only that is missing.
    pub listen: SocketAddr,
    /// How long a TCP connection may take to send a request, and to read the answer. Default 10 s:
    /// a client on a bad line needs a second or two, and 1,024 idle ones are as many as are taken.
    pub stream_deadline: Duration,
    /// What the tracker does.
    pub server: ServerConfig,
    /// What it gives as a relay. Default none: to carry strangers' bytes is for an operator to offer,
    /// who pays for them; a tracker inside a daemon never does.
    pub relay: Option<RelayConfig>,
}

impl Default for TrackerServiceConfig {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::UNSPECIFIED, DEFAULT_PORT).into(),
            stream_deadline: Duration::from_secs(10),
            server: ServerConfig::default(),
            relay: None,
        }
    }
}

/// Why a tracker cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TrackerServiceError {
    /// The address cannot be had.
    #[error("cannot listen on {address} for {protocol}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// "TCP" or "UDP".
        protocol: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// There is no secret to make tokens with.
    #[error("no random numbers from the system: {0}")]
    Random(String),
}

/// A tracker that runs in the background until it is shut down or dropped.
///
/// One task owns the [`TrackerServer`]; one more takes TCP connections, and each has its own: at
/// most 1,024, and 16 of one host (an IPv4 address or an IPv6 /64), further ones are closed at once. Those
/// that are relayed do not count: a [`RelayConfig`] has limits of its own.
pub struct TrackerService {
    local_address: SocketAddr,
    stop: Sender<Infallible>,
    ended: Receiver<Infallible>,
    relay: Option<Arc<Relay>>,
}

/// What every task holds: it ends when `stop` is closed, and says so by dropping `alive`.
#[derive(Clone)]
struct Life {
    stop: Receiver<Infallible>,
    _alive: Sender<Infallible>,
}

impl Life {
    /// Resolves when the service is shut down.
    async fn over(&self) {
        // Nothing is ever sent.
        let _closed = self.stop.recv().await;
    }
}

impl TrackerService {
    /// Opens the sockets and starts to serve.
    ///
    /// # Errors
    /// When the address cannot be had, or the system has no random numbers.
    pub fn start(
        runtime: Arc<dyn Runtime>,
        config: TrackerServiceConfig,
    ) -> Result<Self, TrackerServiceError> {
        let secret = secret()?;
        let relay = match config.relay {
            Some(limits) => {
                let deadline = config.stream_deadline;
                Some(Arc::new(Relay::new(runtime.clone(), deadline, limits, self::secret()?)))
            }
            None => None,
        };
        let (listener, socket, local_address) = bind(&*runtime, config.listen)?;
        let (other, other_port) = bind_other(&*runtime, local_address)?;

        let (stop, stopped) = async_channel::bounded(1);
        let (alive, ended) = async_channel::bounded(1);
        let life = Life { stop: stopped, _alive: alive };
        let (sender, words) = async_channel::bounded(REQUESTS_MAX);
        let server = TrackerServer::new(ServerConfig { other_port, ..config.server }, secret);
        let clock = Clock::start();
        let service = Service {
            runtime: runtime.clone(),
            clock,
            server,
            socket,
            other,
            words,
            attended: BTreeMap::new(),
            life: life.clone(),
        };
        runtime.spawn(Box::pin(service.run()));
        let spawner = runtime.clone();
        let deadline = config.stream_deadline;
        let acceptor = Acceptor::new(runtime, life, deadline, sender, relay.clone());
        spawner.spawn(Box::pin(acceptor.run(listener)));
        Ok(Self { local_address, stop, ended, relay })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// What it has done as a relay; none if it is not one.
    #[must_use]
    pub fn relay_counters(&self) -> Option<RelayCounters> {
        self.relay.as_ref().map(|relay| relay.counters())
    }

    /// Closes everything; when this resolves, the address is free again. Cancel safe: it goes on in
    /// the background.
    pub async fn shutdown(&self) {
        self.stop.close();
        // Nothing is ever sent: this is the end of the last task.
        let _closed = self.ended.recv().await;
    }
}

/// Random, and known to nobody else.
fn secret() -> Result<[u8; 32], TrackerServiceError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| TrackerServiceError::Random(error.to_string()))?;
    Ok(secret)
}

/// The task that owns the server.
struct Service {
    runtime: Arc<dyn Runtime>,
    clock: Clock,
    server: TrackerServer,
    socket: Arc<dyn UdpSocket>,
    /// Beside the main one, for STUN.
    other: Arc<dyn UdpSocket>,
    words: Receiver<Word>,
    /// What is pushed down connections.
    attended: BTreeMap<u64, Sender<Bytes>>,
    /// Last, so that it is dropped after the socket.
    life: Life,
}

impl Service {
    async fn run(mut self) {
        // One byte more than a datagram may have shows one that was cut.
        let (mut buffer, mut other_buffer) = ([0; DATAGRAM_MAX + 1], [0; DATAGRAM_MAX + 1]);
        loop {
            let deadline = self.server.poll_timeout();
            let mut verdict = None;
            let mut failed = false;
            select! {
                () = self.life.over().fuse() => return,
                received = self.socket.recv_from(&mut buffer).fuse() => {
                    failed = !self.received(received, &buffer, |from, datagram| {
                        ServerEvent::Datagram { from, datagram }
                    });
                }
                received = self.other.recv_from(&mut other_buffer).fuse() => {
                    failed = !self.received(received, &other_buffer, |from, datagram| {
                        ServerEvent::OtherPort { from, datagram }
                    });
                }
                word = self.words.recv().fuse() => verdict = word.ok().and_then(|word| self.hear(word)),
                () = self.clock.sleep_until(&*self.runtime, deadline).fuse() => {
                    self.server.handle_timeout(self.clock.now());
                }
            }
            let outcome = self.act().await;
            if let Some(verdict) = verdict {
                // An error means that the connection is gone.
                let _gone = verdict.try_send(outcome);
            }
            if failed {
                self.runtime.sleep(ERROR_PAUSE).await;
            }
        }
    }

    /// Takes in what came to a socket. False if nothing can.
    fn received(
        &mut self,
        received: io::Result<(usize, SocketAddr)>,
        buffer: &[u8],
        event: impl FnOnce(SocketAddr, Bytes) -> ServerEvent,
    ) -> bool {
        match received {
            Ok((length, from)) => {
                let event = event(from, Bytes::copy_from_slice(&buffer[..length]));
                self.server.handle_event(self.clock.now(), event);
                true
            }
            Err(error) => {
                log::warn!("tracker: cannot receive: {error}");
                false
            }
        }
    }

    /// Takes in what a connection tells; who waits for the verdict.
    fn hear(&mut self, word: Word) -> Option<Sender<Verdict>> {
        let (event, verdict) = match word {
            Word::Request(StreamRequest { connection, from, request, verdict }) => {
                (ServerEvent::Request { connection, from, request }, Some(verdict))
            }
            Word::Closed { connection } => {
                self.attended.remove(&connection);
                (ServerEvent::Closed { connection }, None)
            }
        };
        self.server.handle_event(self.clock.now(), event);
        verdict
    }

    /// Does what the server wants done; what that means for the connection whose request it just
    /// had.
    async fn act(&mut self) -> Verdict {
        let mut verdict = Verdict::Silence;
        let mut attended = None;
        while let Some(action) = self.server.poll() {
            match action {
                ServerAction::Send { to, datagram } => send(&self.socket, to, &datagram).await,
                ServerAction::SendFromOther { to, datagram } => {
                    send(&self.other, to, &datagram).await;
                }
                ServerAction::Reply { response, .. } => {
                    verdict = match attended.take() {
                        Some(pushed) => Verdict::Attend { reply: response, pushed },
                        None => Verdict::Reply(response),
                    };
                }
                ServerAction::Attend { connection } => {
                    let (push, pushed) = async_channel::bounded(PUSHED_MAX);
                    self.attended.insert(connection, push);
                    attended = Some(pushed);
                }
                ServerAction::Push { connection, response } => {
                    if let Some(push) = self.attended.get(&connection) {
                        // An error means that its peer is slow.
                        let _dropped = push.try_send(response);
                    }
                }
                ServerAction::Relay { transaction, open, .. } => {
                    verdict = Verdict::Relay { transaction, open };
                }
                ServerAction::Close { .. } => verdict = Verdict::Close,
            }
        }
        verdict
    }
}

async fn send(socket: &Arc<dyn UdpSocket>, to: SocketAddr, datagram: &[u8]) {
    if let Err(error) = socket.send_to(datagram, to).await {
        log::debug!("tracker: cannot send to {to}: {error}");
    }
}
