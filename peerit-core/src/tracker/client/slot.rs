//! What is known of one topic at one address.

use std::time::Duration;

use peerit_proto::tracker::v1::AnnounceEvent;

use super::super::INTERVAL_MIN;
use super::Part;
use crate::time::Timestamp;

/// With fewer other peers than this, a leech asks again after 10, 20, 40 s and so on up to the
/// interval: peers of a young swarm find each other soon, those of a lonely one cost their tracker
/// little.
const FEW_PEERS: u32 = 8;

/// One topic at one address.
pub(super) struct Slot {
    pub(super) part: Part,
    /// What the tracker is to be told.
    pub(super) event: AnnounceEvent,
    /// None while a request is on its way.
    pub(super) due: Option<Timestamp>,
    /// Whether the tracker may have us in its table.
    pub(super) announced: bool,
    /// The port that the tracker was told last.
    pub(super) told_port: u16,
    /// Answers with few peers since we joined.
    pub(super) lonely: u32,
    pub(super) seeds: u32,
    pub(super) leeches: u32,
    /// Why the tracker refused the last request; empty: it did not.
    pub(super) refusal: &'static str,
}

impl Slot {
    pub(super) fn new(part: Part, announced: bool) -> Self {
        Self {
            part,
            event: AnnounceEvent::Started,
            due: None,
            announced,
            told_port: part.listen_port,
            lonely: 0,
            seeds: 0,
            leeches: 0,
            refusal: "",
        }
    }

    /// When to announce again, if the tracker's interval is this.
    pub(super) fn wait(&mut self, interval: Duration) -> Duration {
        // The tracker counts us too.
        let others = self.seeds.saturating_add(self.leeches).saturating_sub(1);
        if self.part.seed || others >= FEW_PEERS {
            return interval;
        }
        let wait = INTERVAL_MIN * 2_u32.pow(self.lonely.min(10));
        self.lonely += 1;
        wait.min(interval)
    }
}
