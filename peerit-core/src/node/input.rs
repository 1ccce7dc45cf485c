//! What the task of a share is told.

use async_channel::Sender;

use super::announcer::Found;
use super::places::Place;
use crate::id::{PeerId, PeerKey};
use crate::nat;
use crate::store::StoreError;
use crate::swarm::{Direction, Event};
use crate::tracker::relay::RelayEnd;
use crate::transport::PeerStream;

/// What the task of a share is told: by connections, workers, the tracker and the share's handles.
pub(crate) enum Input {
    /// Something the swarm's state machine must know.
    Swarm(Event),
    /// Trackers know these peers.
    Found(Vec<Found>),
    /// A connection is open and both sides have proved that they know the manifest.
    Opened(Opened),
    /// This was tried to reach a peer, or to reach it without a relay.
    Tried { peer: PeerId, reached: bool, report: nat::Report },
    /// A connection has broken: nothing comes from the peer any more. A relay that has ended it says why.
    Broken { peer: PeerKey, why: Option<RelayEnd> },
    /// Content could not be read or written.
    StoreFailed(StoreError),
    /// The files are final.
    Finished,
    /// A handle wants something; `done` is dropped once it is so, or will not be.
    Command { command: Command, done: Sender<()> },
}

/// An open connection to a peer, and which side of it we are.
pub(crate) struct Opened {
    pub(crate) stream: Box<PeerStream>,
    pub(crate) direction: Direction,
    /// Where strangers wait until a swarm has taken them or let them go: their number is bounded.
    _place: Option<Place>,
}

impl Opened {
    pub(crate) fn dialled(stream: PeerStream) -> Self {
        Self { stream: Box::new(stream), direction: Direction::Dialled, _place: None }
    }

    /// One that both sides have looked for, and that the other one has dialled.
    pub(crate) fn answered(stream: PeerStream) -> Self {
        Self { stream: Box::new(stream), direction: Direction::Answered, _place: None }
    }

    /// One of a stranger.
    pub(crate) fn accepted(stream: PeerStream, place: Place) -> Self {
        Self { _place: Some(place), ..Self::answered(stream) }
    }
}

/// What a handle can want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Pause,
    Resume,
    Stop,
}
