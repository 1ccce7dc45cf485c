//! Signals at one address of a tracker: those on their way out, and those pushed to us.

use std::collections::VecDeque;

use bytes::Bytes;
use peerit_proto::tracker::v1 as proto;

use super::super::codec::{self, SEALED_MAX};
use super::Action;
use crate::allowance::Allowance;
use crate::id::{PeerId, Topic};
use crate::time::Timestamp;

/// Signals that may come back with a new token, the last ones; at 1 KB each 16 KB an address.
const SENT_MAX: usize = 16;

/// Signals that a tracker may push: 100 at once as when a swarm meets us, then 20 a second; twice what trackers
/// let one host send, as several may speak to us.
const PUSHED_BURST: u32 = 100;
const PUSHED_PER_SECOND: u32 = 20;

/// The signals of one address.
pub(super) struct Signals {
    sent: VecDeque<(u64, proto::Signal)>,
    pushed: Allowance,
}

impl Signals {
    pub(super) fn new() -> Self {
        let pushed = Allowance::new(Timestamp::ZERO, PUSHED_BURST, PUSHED_PER_SECOND);
        Self { sent: VecDeque::new(), pushed }
    }

    /// Remembers what went out, for the case that its token is no longer good.
    pub(super) fn sent(&mut self, transaction: u64, signal: proto::Signal) {
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((transaction, signal));
    }

    /// What went out in this transaction. Once, so that a tracker cannot make us repeat it for ever.
    pub(super) fn take(&mut self, transaction: u64) -> Option<proto::Signal> {
        let place = self.sent.iter().position(|(known, _)| *known == transaction)?;
        self.sent.remove(place).map(|(_, signal)| signal)
    }

    /// What a tracker has pushed, if it is for us.
    pub(super) fn pushed(
        &mut self,
        now: Timestamp,
        own: PeerId,
        signal: &proto::Signal,
    ) -> Option<Action> {
        let topic = Topic::try_from(signal.topic.as_ref()).ok()?;
        let sender = PeerId::try_from(signal.sender.as_ref()).ok()?;
        let receiver = PeerId::try_from(signal.receiver.as_ref()).ok()?;
        let is_ours = receiver == own && sender != own && signal.sealed.len() <= SEALED_MAX;
        // What is not ours takes nothing of the allowance.
        let sealed = signal.sealed.clone();
        let sender_address = signal.sender_address.as_ref().and_then(codec::decode_address);
        let action = Action::Signal { topic, sender, sender_address, sealed };
        (is_ours && self.pushed.take(now)).then_some(action)
    }
}

/// A signal in the form of the schema.
pub(super) fn encoded(topic: Topic, own: PeerId, receiver: PeerId, sealed: Bytes) -> proto::Signal {
    let bytes = |id: [u8; 32]| Bytes::copy_from_slice(&id);
    let (topic, sender, receiver) = (bytes(topic.0), bytes(own.0), bytes(receiver.0));
    proto::Signal { topic, sender, receiver, sealed, sender_address: None }
}
