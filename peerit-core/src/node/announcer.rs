//! A [`TrackerClient`] on the node's UDP socket.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use bytes::Bytes;
use futures_util::{FutureExt, select};

use super::clock::Clock;
use super::lines::Lines;
use crate::id::{PeerId, Topic};
use crate::nat;
use crate::runtime::{Runtime, UdpSocket};
use crate::time::Timestamp;
use crate::tracker::{
    ClientAction, ClientEvent, DATAGRAM_MAX, STREAM_RESPONSE_MAX, TrackerClient, TrackerKey,
    TrackerStatus,
};
use crate::transport::messages::{MessageError, read_message, write_message};
use crate::wire::address::{canonical, mapped};

/// Lists of peers that wait for a swarm to take them; further ones are dropped, as there will be
/// more.
const LISTS_MAX: usize = 16;

/// How long trackers have at shutdown to hear that we leave: two datagrams.
const FAREWELL: Duration = Duration::from_secs(2);

/// Pause after an error of the socket, so that one that lasts does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// A peer that a tracker has named, and where.
pub type Found = (PeerId, SocketAddr);

/// What trackers say beside that waits to be taken; more is dropped, as all of it is said again.
const WORDS_MAX: usize = 256;

/// Announces topics to trackers in the background, and hands on the peers they know.
///
/// Cheap to clone. When the last one is dropped, trackers are told that we leave, as at
/// [`Announcer::shutdown`].
#[derive(Clone)]
pub struct Announcer {
    /// Without a bound: only this program's own calls are in it.
    commands: Sender<Command>,
}

enum Command {
    Join { topic: Topic, trackers: Vec<String>, part: (u16, bool), peers: Sender<Vec<Found>> },
    Completed(Topic),
    Signal { topic: Topic, receiver: PeerId, sealed: Bytes },
    NetworkChanged,
    PathLost,
    Mapped(Option<SocketAddr>),
    Follow(Sender<nat::Event>),
    Leave(Topic),
    Status(Topic, Sender<Vec<TrackerStatus>>),
    Shutdown(Sender<()>),
}

impl Announcer {
    /// Starts without topics. `seed` should be random. Nobody else may receive from the socket,
    /// unless it is one that shares out datagrams by their first byte: 0x09 is a tracker's.
    ///
    /// Trackers are asked over IPv4 on an IPv4 socket, over both on one bound to `[::]`.
    #[must_use]
    pub fn start(
        runtime: Arc<dyn Runtime>,
        socket: Arc<dyn UdpSocket>,
        own: PeerId,
        seed: u64,
    ) -> Self {
        let (commands, inbox) = async_channel::unbounded();
        let (outcomes, results) = async_channel::unbounded();
        let family = socket.local_address().map_or(Family::V4, Family::of_socket);
        let spawner = runtime.clone();
        let driver = Driver {
            runtime,
            socket,
            family,
            clock: Clock::start(),
            client: TrackerClient::new(own, seed),
            swarms: BTreeMap::new(),
            words: None,
            outcomes,
            results,
            lines: Lines::new(spawner.clone()),
            ending: None,
            waiting: Vec::new(),
        };
        spawner.spawn(Box::pin(driver.run(inbox)));
        Self { commands }
    }

    /// Announces a topic to all of its trackers ("host:port"), in place of those it was announced
    /// to before.
    ///
    /// The receiver yields what they know, again and again, and ends when the topic is left.
    /// Dropping it does not leave the topic.
    #[must_use]
    pub fn join(
        &self,
        topic: Topic,
        trackers: Vec<String>,
        listen_port: u16,
        seed: bool,
    ) -> Receiver<Vec<Found>> {
        let (peers, receiver) = async_channel::bounded(LISTS_MAX);
        self.send(Command::Join { topic, trackers, part: (listen_port, seed), peers });
        receiver
    }

    /// Sends a signal of at most 900 bytes, sealed, to a peer of a topic that is joined. Whether it arrives, only an
    /// answer tells.
    pub fn signal(&self, topic: Topic, receiver: PeerId, sealed: Bytes) {
        self.send(Command::Signal { topic, receiver, sealed });
    }

    /// Tells all trackers at once that this machine has other addresses now.
    pub fn network_changed(&self) {
        self.send(Command::NetworkChanged);
    }

    /// A path to a peer is dead: trackers are asked whether our own address is another one.
    pub fn path_lost(&self) {
        self.send(Command::PathLost);
    }

    /// The router leads this address to the port on which peers are taken, or none: those trackers that see us there
    /// name that port to others.
    pub fn mapped(&self, external: Option<SocketAddr>) {
        self.send(Command::Mapped(external));
    }

    /// What trackers push and see from now on: [`nat::Event::Signal`] and [`nat::Event::Observed`]. They go to the
    /// last receiver that was asked for; 256 wait at most.
    #[must_use]
    pub fn follow(&self) -> Receiver<nat::Event> {
        let (words, receiver) = async_channel::bounded(WORDS_MAX);
        self.send(Command::Follow(words));
        receiver
    }

    /// Tells the trackers that we have all chunks now.
    pub fn completed(&self, topic: Topic) {
        self.send(Command::Completed(topic));
    }

    /// Tells the trackers that we leave.
    pub fn leave(&self, topic: Topic) {
        self.send(Command::Leave(topic));
    }

    /// How the trackers of a topic answered last; empty if it is not joined. Cancel safe.
    pub async fn status(&self, topic: Topic) -> Vec<TrackerStatus> {
        let (sender, receiver) = async_channel::bounded(1);
        self.send(Command::Status(topic, sender));
        receiver.recv().await.unwrap_or_default()
    }

    /// Leaves all topics; resolves when the trackers know, after 2 s at the latest. Cancel safe: it
    /// goes on in the background.
    pub async fn shutdown(&self) {
        let (sender, receiver) = async_channel::bounded(1);
        self.send(Command::Shutdown(sender));
        // An error means that it has ended already.
        let _ended = receiver.recv().await;
    }

    fn send(&self, command: Command) {
        // An error means that it has ended.
        let _ended = self.commands.try_send(command);
    }
}

/// Which addresses a socket reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
    Both,
}

impl Family {
    fn of_socket(local: SocketAddr) -> Self {
        match local.ip() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(ip) if ip.is_unspecified() => Self::Both,
            IpAddr::V6(_) => Self::V6,
        }
    }

    fn reaches(self, address: SocketAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
            Self::Both => true,
        }
    }

    /// The address as the socket wants it.
    fn outward(self, address: SocketAddr) -> SocketAddr {
        match self {
            Self::Both => mapped(address).into(),
            Self::V4 | Self::V6 => address,
        }
    }
}

/// The task that owns the client.
struct Driver {
    runtime: Arc<dyn Runtime>,
    socket: Arc<dyn UdpSocket>,
    family: Family,
    clock: Clock,
    client: TrackerClient,
    swarms: BTreeMap<Topic, Sender<Vec<Found>>>,
    words: Option<Sender<nat::Event>>,
    /// What lookups came to; at most one for each that the client asked for.
    outcomes: Sender<ClientEvent>,
    results: Receiver<ClientEvent>,
    lines: Lines,
    /// At shutdown: until when trackers may be told.
    ending: Option<Timestamp>,
    /// Who waits for the end.
    waiting: Vec<Sender<()>>,
}

impl Driver {
    async fn run(mut self, commands: Receiver<Command>) {
        // One byte more than a datagram may have shows one that was cut.
        let mut buffer = [0; DATAGRAM_MAX + 1];
        while !self.has_ended() {
            let deadline = self.client.poll_timeout().into_iter().chain(self.ending).min();
            let ending = self.ending.is_some();
            // A closed channel is always ready: once that is known, it is not asked again.
            let command = async {
                if ending && commands.is_closed() {
                    std::future::pending().await
                } else {
                    commands.recv().await
                }
            };
            let mut failed = false;
            select! {
                command = command.fuse() => self.obey(command.ok()),
                result = self.results.recv().fuse() => result.into_iter().for_each(|event| self.tell(event)),
                event = self.lines.next().fuse() => self.tell(event),
                received = self.socket.recv_from(&mut buffer).fuse() => match received {
                    Ok((length, from)) => {
                        let from = canonical(from);
                        let datagram = Bytes::copy_from_slice(&buffer[..length]);
                        self.tell(ClientEvent::Datagram { from, datagram });
                    }
                    Err(error) => {
                        log::warn!("cannot receive from trackers: {error}");
                        failed = true;
                    }
                },
                () = self.clock.sleep_until(&*self.runtime, deadline).fuse() => {
                    self.client.handle_timeout(self.clock.now());
                }
            }
            self.act().await;
            if failed {
                self.runtime.sleep(ERROR_PAUSE).await;
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.ending.is_some_and(|until| self.client.is_idle() || self.clock.now() >= until)
    }

    fn tell(&mut self, event: ClientEvent) {
        self.client.handle_event(self.clock.now(), event);
    }

    /// None: there is nobody left to command.
    fn obey(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Join { topic, trackers, part: (listen_port, seed), peers }) => {
                self.swarms.insert(topic, peers);
                let trackers = trackers.iter().map(|tracker| tracker.as_str().into()).collect();
                self.tell(ClientEvent::Join { topic, trackers, listen_port, seed });
            }
            Some(Command::Completed(topic)) => self.tell(ClientEvent::Completed { topic }),
            Some(Command::Leave(topic)) => self.leave(topic),
            Some(Command::Signal { topic, receiver, sealed }) => {
                self.tell(ClientEvent::Signal { topic, receiver, sealed });
            }
            Some(Command::NetworkChanged) => self.tell(ClientEvent::NetworkChanged),
            Some(Command::PathLost) => self.tell(ClientEvent::PathLost),
            Some(Command::Mapped(external)) => self.tell(ClientEvent::Mapped { external }),
            Some(Command::Follow(words)) => self.words = Some(words),
            Some(Command::Status(topic, sender)) => {
                // An error means that nobody waits any more.
                let _gone = sender.try_send(self.client.status(topic));
            }
            Some(Command::Shutdown(sender)) => {
                self.waiting.push(sender);
                self.end();
            }
            None => self.end(),
        }
    }

    fn leave(&mut self, topic: Topic) {
        self.swarms.remove(&topic);
        self.tell(ClientEvent::Leave { topic });
    }

    fn end(&mut self) {
        for topic in self.swarms.keys().copied().collect::<Vec<_>>() {
            self.leave(topic);
        }
        self.ending = self.ending.or(Some(self.clock.now() + FAREWELL));
    }

    async fn act(&mut self) {
        while let Some(action) = self.client.poll() {
            match action {
                ClientAction::Send { to, datagram } => {
                    let to = self.family.outward(to);
                    if let Err(error) = self.socket.send_to(&datagram, to).await {
                        log::debug!("cannot send to tracker {to}: {error}");
                    }
                }
                ClientAction::Resolve { tracker } => self.resolve(tracker),
                ClientAction::SendStream { to, message } => self.lines.send(to, message),
                ClientAction::CloseStream { to } => self.lines.close(to),
                ClientAction::Peers { topic, addresses } => {
                    if let Some(swarm) = self.swarms.get(&topic) {
                        // An error means that the swarm has more than it takes, or is gone.
                        let _dropped = swarm.try_send(addresses);
                    }
                }
                ClientAction::Observed { tracker: observer, address, other_port } => {
                    self.say(nat::Event::Observed { observer, address, other_port });
                }
                ClientAction::Signal { topic, sender, sender_address, sealed } => {
                    self.say(nat::Event::Signal { topic, sender, sender_address, sealed });
                }
            }
        }
    }

    fn say(&self, word: nat::Event) {
        if let Some(words) = &self.words {
            // An error means that nobody takes them, or not that fast.
            let _dropped = words.try_send(word);
        }
    }

    /// On a thread that may block: the system's resolver does.
    fn resolve(&self, tracker: TrackerKey) {
        let (outcomes, family) = (self.outcomes.clone(), self.family);
        self.runtime.spawn_blocking(Box::new(move || {
            let event = match tracker.as_str().to_socket_addrs() {
                Ok(addresses) => {
                    let addresses = addresses.filter(|address| family.reaches(*address)).collect();
                    ClientEvent::Resolved { tracker, addresses }
                }
                Err(error) => ClientEvent::ResolveFailed { tracker, reason: error.to_string() },
            };
            // An error means that it has ended.
            let _ended = outcomes.try_send(event);
        }));
    }
}

/// One request to a tracker over TCP; none if it closes without an answer.
pub(super) async fn ask(
    runtime: &dyn Runtime,
    address: SocketAddr,
    request: &[u8],
) -> Result<Option<Bytes>, MessageError> {
    let mut stream = runtime.connect_tcp(address).await?;
    write_message(&mut stream, request).await?;
    read_message(&mut stream, STREAM_RESPONSE_MAX).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_reaches_the_addresses_of_its_family() {
        let v4: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::1]:1".parse().unwrap();
        let family = |local: &str| Family::of_socket(local.parse().unwrap());
        let reaches = |local| (family(local).reaches(v4), family(local).reaches(v6));
        assert_eq!(reaches("0.0.0.0:1"), (true, false));
        assert_eq!(reaches("[::1]:1"), (false, true));
        assert_eq!(reaches("[::]:1"), (true, true));
        assert_eq!(family("[::]:1").outward(v4), "[::ffff:192.0.2.1]:1".parse().unwrap());
        assert_eq!(family("0.0.0.0:1").outward(v4), v4);
    }
}
