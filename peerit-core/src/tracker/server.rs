//! The tracker's side.

mod event;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
pub use event::{Action, Event};
use peerit_proto::Message;
use peerit_proto::tracker::v1 as proto;
use proto::request::Body as RequestBody;
use proto::response::Body as ResponseBody;

use super::attendance::Attendance;
use super::codec::{self, Announce, Ask};
use super::rate::RateLimiter;
use super::stun::{self, AnswerFrom};
use super::table::{Asker, Full, Reach, Table};
use super::token::Tokens;
use super::{DATAGRAM_MAX, INTERVAL_MAX, INTERVAL_MIN, STREAM_RESPONSE_MAX};
use crate::host::Host;
use crate::id::{PeerId, Topic};
use crate::rng::Rng;
use crate::time::Timestamp;

/// Answers per host to STUN requests that are shorter than their answers: one every half second, 16
/// at once.
///
/// Plain clients send 20 bytes and get 32 (44 for IPv6). With forged sources that would make a
/// reflector of gain 1.6 to 2.2; at this rate a victim gets 88 bytes a second at most, and all
/// victims together 4,096 times that (the buckets of a [`RateLimiter`]), 360 kB/s. A client with
/// its seven retransmissions (RFC 8489, section 6.2.1) never notices.
const STUN_INTERVAL: Duration = Duration::from_millis(500);
const STUN_BURST: u32 = 16;

/// Signals per host, sent and received apart: ten a second, 100 at once. A peer that meets a full
/// swarm sends one or two for each of 50 peers.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(100);
const SIGNAL_BURST: u32 = 100;

/// The announce interval while the tracker is young: it has been announced to for less than one interval, so
/// that there are peers that it does not know yet.
///
/// After a restart everybody is known within one interval, when they come as they were told to before. Those
/// that came first, and that nobody can dial, would wait for another one until they hear of the others; so they do
/// for 30 s. It costs a tracker with the default interval at most 120 / 30 = 4 times the announces: with a full
/// table 262,144 / 30 s = 8,700 a second, whose answers of 1,200 bytes at most make 10 MB/s. Peers that came to
/// a young tracker then come within the same 30 s of each interval; that clients come up to a tenth early spreads
/// them again.
const YOUNG_INTERVAL: Duration = Duration::from_secs(30);

/// How a tracker works; the limits bound its memory (0.5 to 0.9 KiB a peer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// How often peers announce; kept within 10 s and 1 h. During the first interval of the tracker's life
    /// every 30 s, if that is less. Default 2 min: a peer that died is told
    /// of for at most 5 min (it expires after 2.5 intervals, so that one lost announce does no
    /// harm), and a full table of 262,144 peers is 2,200 announces a second.
    pub interval: Duration,
    /// Most peers of all topics. Default 262,144: at most 240 MB.
    pub peers_max: usize,
    /// Most topics. Default 65,536.
    pub topics_max: usize,
    /// Most peers of one topic. Default 65,536: a quarter of the table.
    pub peers_per_topic_max: usize,
    /// Most peers of all topics with an address of one host (an IPv4 address, or the /64 of an IPv6
    /// address). Default 4,096: room for a carrier's NAT or a seedbox of many shares, but 64 hosts
    /// are needed to fill the table or its topics, and 16 to fill one topic.
    pub peers_per_host_max: u32,
    /// UDP port of the same address that the driver listens on beside the main one; 0: none, the default. A host
    /// that is seen at two addresses from two ports is behind a NAT with endpoint-dependent mapping. Peers are told of
    /// it, and only STUN is answered there.
    pub other_port: u16,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(120),
            peers_max: 262_144,
            topics_max: 65_536,
            peers_per_topic_max: 65_536,
            peers_per_host_max: 4_096,
            other_port: 0,
        }
    }
}

impl ServerConfig {
    /// How long a peer is told of after its last announce.
    pub(super) fn lifetime(&self) -> Duration {
        self.interval * 5 / 2
    }

    pub(super) fn is_fresh(&self, now: Timestamp, seen: Timestamp) -> bool {
        now - seen < self.lifetime()
    }
}

/// Where a request came from, and the answer goes.
#[derive(Clone, Copy)]
enum Channel {
    Datagram { from: SocketAddr },
    Stream { connection: u64, from: SocketAddr },
}

impl Channel {
    fn from(self) -> SocketAddr {
        match self {
            Self::Datagram { from } | Self::Stream { from, .. } => from,
        }
    }
}

/// A tracker: which peers are in which swarm.
///
/// Every event makes two actions at most, so its queue is as long as the driver lets it be.
///
/// Of no use as a reflector: without a valid token nothing is stored, and a datagram is answered
/// with at most as many bytes; what is no request at all is not answered. The one exception are
/// plain STUN binding requests, as all standard clients send them: their answer is 12 or 24 bytes
/// longer, so each host gets only two a second, after a burst of 16. Requests as long as their
/// answer, such as [`stun::request`], are always answered.
pub struct TrackerServer {
    config: ServerConfig,
    tokens: Tokens,
    table: Table,
    attendance: Attendance,
    /// When it was announced to for the first time.
    first_announce: Option<Timestamp>,
    stun_rate: RateLimiter,
    sender_rate: RateLimiter,
    receiver_rate: RateLimiter,
    rng: Rng,
    actions: VecDeque<Action>,
}

impl TrackerServer {
    /// A tracker without peers. `secret` must be random, and known to nobody else: tokens are made
    /// with it.
    #[must_use]
    pub fn new(mut config: ServerConfig, secret: [u8; 32]) -> Self {
        config.interval = config.interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
        let key = |purpose: &[u8]| *blake3::keyed_hash(&secret, purpose).as_bytes();
        let seed = key(b"seed").first_chunk().copied().unwrap_or_default();
        Self {
            tokens: Tokens::new(key(b"tokens")),
            table: Table::new(config.clone()),
            attendance: Attendance::default(),
            config,
            first_announce: None,
            stun_rate: RateLimiter::new(key(b"stun"), STUN_INTERVAL, STUN_BURST),
            sender_rate: RateLimiter::new(key(b"sender"), SIGNAL_INTERVAL, SIGNAL_BURST),
            receiver_rate: RateLimiter::new(key(b"receiver"), SIGNAL_INTERVAL, SIGNAL_BURST),
            rng: Rng::from_seed(u64::from_be_bytes(seed)),
            actions: VecDeque::new(),
        }
    }

    /// Takes in what arrived.
    pub fn handle_event(&mut self, now: Timestamp, event: Event) {
        self.table.expire(now);
        match event {
            Event::Datagram { from, datagram } if stun::is_stun(&datagram) => {
                self.answer_stun(now, from, &datagram, false);
            }
            Event::Datagram { from, datagram } => self.answer_datagram(now, from, datagram),
            Event::OtherPort { from, datagram } => self.answer_stun(now, from, &datagram, true),
            Event::Request { connection, from, request } => {
                let channel = Channel::Stream { connection, from };
                match codec::decode_request(request) {
                    Some(proto::Request { transaction, body: Some(body), .. }) => {
                        self.answer(now, channel, transaction, body);
                    }
                    _ => self.actions.push_back(Action::Close { connection }),
                }
            }
            Event::Closed { connection } => self.attendance.ended(connection),
        }
    }

    /// Lets peers expire.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.table.expire(now);
    }

    /// The next thing to do; none until the next event.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When the next peer expires; none while there are no peers.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.table.next_expiry()
    }

    #[cfg(test)]
    pub(super) fn size(&self, topic: Topic) -> (usize, usize) {
        self.table.size(topic)
    }

    fn answer_stun(&mut self, now: Timestamp, from: SocketAddr, request: &[u8], at_other: bool) {
        let has_other = self.config.other_port != 0;
        let Some((answer_from, datagram)) = stun::answer(request, from, has_other) else { return };
        if datagram.len() > request.len() && !self.stun_rate.allow(now, Host::of(from.ip())) {
            return;
        }
        self.actions.push_back(if at_other == (answer_from == AnswerFrom::OtherPort) {
            Action::Send { to: from, datagram }
        } else {
            Action::SendFromOther { to: from, datagram }
        });
    }

    fn answer_datagram(&mut self, now: Timestamp, from: SocketAddr, datagram: Bytes) {
        let length = datagram.len();
        let Some(request) = codec::decode_request(datagram) else { return };
        let proto::Request { transaction, body: Some(body), token, .. } = request else { return };
        if self.tokens.accepts(now, from, &token) {
            self.answer(now, Channel::Datagram { from }, transaction, body);
            return;
        }
        let token = Bytes::copy_from_slice(&self.tokens.issue(now, from));
        let body = Some(ResponseBody::Token(proto::Token { token }));
        let datagram = Bytes::from(proto::Response { transaction, body }.encode_to_vec());
        if datagram.len() <= length {
            self.actions.push_back(Action::Send { to: from, datagram });
        }
    }

    /// Answers a sender that has proved its address.
    fn answer(&mut self, now: Timestamp, channel: Channel, transaction: u64, body: RequestBody) {
        let body = match codec::checked(body) {
            Some(Ask::Announce(announce)) => self.announce(now, channel, &announce),
            Some(Ask::Scrape(topics)) => self.scrape(channel.from(), &topics),
            Some(Ask::Signal(signal)) => match (self.pass_on(now, channel.from(), signal), channel)
            {
                (Some(refusal), _) => refusal,
                // One that asks over TCP waits for a word.
                (None, Channel::Stream { .. }) => ResponseBody::SignalTaken(proto::SignalTaken {}),
                (None, Channel::Datagram { .. }) => return,
            },
            Some(Ask::Relay(open)) => match channel {
                Channel::Stream { connection, .. } => {
                    self.actions.push_back(Action::Relay { connection, transaction, open });
                    return;
                }
                // Streams are relayed, and only they prove their address at once.
                Channel::Datagram { .. } => refusal(proto::RefusalReason::Malformed),
            },
            None => refusal(proto::RefusalReason::Malformed),
        };
        let response = proto::Response { transaction, body: Some(body) }.encode_to_vec().into();
        self.actions.push_back(match channel {
            Channel::Datagram { from } => Action::Send { to: from, datagram: response },
            Channel::Stream { connection, .. } => Action::Reply { connection, response },
        });
    }

    fn announce(&mut self, now: Timestamp, channel: Channel, announce: &Announce) -> ResponseBody {
        let (from, limit) = match channel {
            Channel::Datagram { from } => (from, DATAGRAM_MAX),
            Channel::Stream { from, .. } => (from, STREAM_RESPONSE_MAX),
        };
        let reach = self.reach(channel, announce);
        if announce.stopped {
            self.table.stop(announce.topic, announce.peer_id, from);
        } else if self.table.announce(now, from, reach, announce) == Err(Full) {
            return refusal(proto::RefusalReason::Full);
        }
        let (seeds, leeches) = self.table.size(announce.topic);
        let mut reply = proto::AnnounceReply {
            interval_ms: saturated(self.interval(now).as_millis()),
            seeds: saturated(seeds),
            leeches: saturated(leeches),
            observed: Some(codec::encode_address(from)),
            peers: Vec::new(),
            attended: matches!(reach, Some(Reach::Stream(_))),
            other_port: self.config.other_port.into(),
        };
        if !announce.stopped {
            let peers = self.peers_for(now, from, announce);
            codec::fill_peers(&mut reply, peers, limit);
        }
        ResponseBody::AnnounceReply(reply)
    }

    /// How signals will reach a peer that announces.
    fn reach(&mut self, channel: Channel, announce: &Announce) -> Option<Reach> {
        match channel {
            Channel::Datagram { .. } => Some(Reach::Datagram),
            Channel::Stream { connection, from } if announce.attend && !announce.stopped => {
                if !self.attendance.is_attended(connection) {
                    if !self.attendance.begin(connection, Host::of(from.ip())) {
                        return None;
                    }
                    self.actions.push_back(Action::Attend { connection });
                }
                Some(Reach::Stream(connection))
            }
            Channel::Stream { .. } => None,
        }
    }

    /// When a peer that announces now is to do so again.
    fn interval(&mut self, now: Timestamp) -> Duration {
        let interval = self.config.interval;
        let first = *self.first_announce.get_or_insert(now);
        if now - first < interval { interval.min(YOUNG_INTERVAL) } else { interval }
    }

    fn peers_for(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        announce: &Announce,
    ) -> Vec<proto::Peer> {
        let asker = Asker {
            topic: announce.topic,
            id: announce.peer_id,
            from,
            seed: announce.seed,
            wanted: announce.peers_wanted,
        };
        let sample = self.table.sample(now, &mut self.rng, &asker);
        let encoded = sample.into_iter().map(|peer| proto::Peer {
            peer_id: Bytes::copy_from_slice(&peer.id.0),
            address: Some(codec::encode_address(peer.address)),
            seed: peer.seed,
        });
        encoded.collect()
    }

    fn scrape(&self, from: SocketAddr, topics: &[Topic]) -> ResponseBody {
        let swarms = topics.iter().map(|topic| {
            let (seeds, leeches) = self.table.size(*topic);
            proto::SwarmSize { seeds: saturated(seeds), leeches: saturated(leeches) }
        });
        let swarms = swarms.collect();
        let observed = topics.is_empty().then(|| codec::encode_address(from));
        let other_port = observed.as_ref().map_or(0, |_| self.config.other_port.into());
        ResponseBody::ScrapeReply(proto::ScrapeReply { swarms, observed, other_port })
    }

    /// Passes a signal on to where the receiver's last datagram came from, or down the connection that it keeps open
    /// for that; its answer is the receiver's signal, if any.
    ///
    /// Only peers of the topic have a voice: the sender must have announced from the same host. Where that is seen goes with
    /// the signal.
    fn pass_on(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        mut signal: proto::Signal,
    ) -> Option<ResponseBody> {
        let unknown = Some(refusal(proto::RefusalReason::UnknownPeer));
        let topic = Topic::try_from(signal.topic.as_ref()).ok()?;
        let sender = PeerId::try_from(signal.sender.as_ref()).ok()?;
        let receiver = PeerId::try_from(signal.receiver.as_ref()).ok()?;
        if !self.table.is_at(topic, sender, from) {
            return unknown;
        }
        let is_open = |connection| self.attendance.is_attended(connection);
        let Some((to, reach)) = self.table.reach(now, topic, receiver, is_open) else {
            return unknown;
        };
        if self.sender_rate.allow(now, Host::of(from.ip()))
            && self.receiver_rate.allow(now, Host::of(to.ip()))
        {
            let transaction = self.rng.next_u64().max(1);
            signal.sender_address = Some(codec::encode_address(from));
            let body = Some(ResponseBody::Signal(signal));
            let signal = proto::Response { transaction, body }.encode_to_vec().into();
            self.actions.push_back(match reach {
                Reach::Datagram => Action::Send { to, datagram: signal },
                Reach::Stream(connection) => Action::Push { connection, response: signal },
            });
        }
        None
    }
}

fn refusal(reason: proto::RefusalReason) -> ResponseBody {
    ResponseBody::Refusal(proto::Refusal { reason: reason.into() })
}

fn saturated<N>(count: N) -> u32
where
    u32: TryFrom<N>,
{
    u32::try_from(count).unwrap_or(u32::MAX)
}
