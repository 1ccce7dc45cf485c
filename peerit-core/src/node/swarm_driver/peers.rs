//! Who is connected, who is to be, and how they are found.

use std::net::SocketAddr;
use std::sync::Arc;

use super::super::announcer::Found;
use super::super::connection::Connection;
use super::super::context::DIAL_TIMEOUT;
use super::super::input::{Input, Opened};
use super::SwarmDriver;
use crate::id::{PeerId, PeerKey};
use crate::nat;
use crate::runtime::timeout;
use crate::swarm::Event;
use crate::time::Timestamp;

/// Most addresses whose peers are remembered: as many as a swarm remembers itself.
pub(super) const NAMED_MAX: usize = 1_000;

/// Most of them that are dialled at once when a peer is lost: as many as a tracker keeps of a peer.
const ADDRESSES_OF_PEER_MAX: usize = 4;

impl SwarmDriver<'_> {
    /// Remembers who is said to be where, for dials that need more than an address.
    pub(super) fn found(&mut self, now: Timestamp, peers: Vec<Found>) {
        let addresses = peers.iter().map(|(_, address)| *address).collect();
        for (peer, address) in peers {
            self.named.insert(peer, address);
        }
        self.swarm.handle_event(now, Event::AddressesFound { addresses });
    }

    /// A connection is gone; if it was the last one to its peer, nobody looks for a better one.
    pub(super) fn disconnect(&mut self, peer: PeerKey) {
        self.connections.remove(&peer);
        let Some(id) = self.connected.remove(&peer) else { return };
        if self.is_connected(id) {
            return;
        }
        self.reports.remove(&id);
        if let Some(paths) = &self.context.paths {
            let topic = self.share.content_id().topic();
            paths.event(nat::Event::Disconnected { topic, peer: id });
        }
    }

    /// The path to a peer may be dead, as its address or ours has changed: it is looked for at once, in all ways,
    /// where the swarm would wait before it dials the same address again. One that was killed is asked for in vain,
    /// which costs three signals.
    pub(super) fn look_again(&mut self, peer: PeerKey) {
        let id = self.connected.get(&peer).copied();
        self.disconnect(peer);
        let lost = id.filter(|id| !*self.paused && !self.is_connected(*id));
        if let (Some(paths), Some(peer)) = (&self.context.paths, lost) {
            self.context.announcer.path_lost();
            let topic = self.share.content_id().topic();
            let at_it = self.named.iter().filter(|(named, _)| *named == peer);
            let addresses = at_it.map(|(_, address)| address).take(ADDRESSES_OF_PEER_MAX).collect();
            paths.event(nat::Event::Want { topic, peer, addresses });
        }
    }

    fn is_connected(&self, id: PeerId) -> bool {
        self.connected.values().any(|connected| *connected == id)
    }

    pub(super) fn open(&mut self, now: Timestamp, Opened { stream, direction, .. }: Opened) {
        let peer = PeerKey(*self.next_peer);
        *self.next_peer += 1;
        let event = Event::Connected {
            peer,
            id: stream.peer_id,
            address: stream.address,
            direction,
            path: stream.path,
        };
        self.trouble = None;
        self.connected.insert(peer, stream.peer_id);
        self.connections.insert(peer, Connection::start(peer, *stream, self.source.clone()));
        self.swarm.handle_event(now, event);
    }

    /// Keeps what was tried to reach a peer while it is connected; what was tried in vain is told while nobody is.
    /// One that is gone again, banned say, was `reached` all the same.
    pub(super) fn tried(&mut self, peer: PeerId, reached: bool, report: nat::Report) {
        if self.is_connected(peer) {
            self.reports.insert(peer, report);
        } else if !reached {
            self.trouble = Some(format!("a peer is not reached: {report}"));
        }
    }

    /// A peer that a tracker has named is looked for in all ways; of another one there is only the address.
    pub(super) fn dial(&mut self, address: SocketAddr) {
        let named = self.named.at(address);
        if let (Some(paths), Some(peer)) = (&self.context.paths, named) {
            let topic = self.share.content_id().topic();
            if self.is_connected(peer) {
                let now = self.context.clock.now();
                self.swarm.handle_event(now, Event::DialFailed { address });
            } else {
                paths.want(topic, peer, address);
            }
            return;
        }
        let context = Arc::clone(&self.context);
        let (inputs, content_id) = (self.source.inputs.clone(), self.share.content_id());
        self.context.runtime.spawn(Box::pin(async move {
            let dialled =
                timeout(&*context.runtime, DIAL_TIMEOUT, context.dial(address, content_id));
            let input = match dialled.await {
                Ok(Ok(stream)) => Input::Opened(Opened::dialled(stream)),
                failed => {
                    let why = failed.map(|result| result.err().map(|error| error.to_string()));
                    log::debug!("dialling {address} failed: {why:?}");
                    Input::Swarm(Event::DialFailed { address })
                }
            };
            // Fails when the share has ended: then nobody needs to know.
            let _ = inputs.send(input).await;
        }));
    }
}
