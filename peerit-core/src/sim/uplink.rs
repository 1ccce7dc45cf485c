//! Uplinks at work: whose turn it is, and what goes out.

use super::engine::{Event, Simulation};
use super::host::State;
use super::link::transit;

impl Simulation {
    /// Puts an end into the ring of its host's uplink, if it has something to send and is not there.
    pub(super) fn want_turn(&mut self, end: u32) {
        let here = &mut self.ends[end as usize];
        if !here.in_ring && here.wants_turn(self.scenario.window_bytes) {
            here.in_ring = true;
            self.hosts[here.host as usize].ring.push_back(end);
        }
    }

    /// Gives an idle uplink a segment to send, or several short ones.
    pub(super) fn serve(&mut self, host: u32) {
        let sender = &self.hosts[host as usize];
        if sender.sending || sender.state != State::Up || sender.ring.is_empty() {
            return;
        }
        let segment_bytes = self.scenario.segment_bytes.max(1);
        let (mut free_at, mut total) = (self.now, 0);
        while total < segment_bytes {
            let Some(end) = self.hosts[host as usize].ring.pop_front() else { break };
            self.ends[end as usize].in_ring = false;
            if self.ends[end as usize].wants_turn(self.scenario.window_bytes) {
                let (bytes, taken_at) = self.send_segment(host, end, segment_bytes, free_at);
                (total, free_at) = (total + bytes, taken_at);
                self.want_turn(end);
            }
        }
        self.hosts[host as usize].sending = total > 0;
        if total > 0 {
            self.queue.push(free_at, Event::UplinkFree { host });
        }
    }

    /// Sends a segment of an end from `start` on; returns its length and when it is taken.
    fn send_segment(&mut self, host: u32, end: u32, segment_bytes: u32, start: u64) -> (u32, u64) {
        let there = self.ends[(end ^ 1) as usize].host;
        let here = &mut self.ends[end as usize];
        let sender = &mut self.hosts[host as usize];
        let load = here.load(
            segment_bytes,
            self.scenario.socket_buffer_bytes,
            &mut self.lengths,
            &mut sender.traffic,
            |block| sender.departing.push((end, block)),
        );
        sender.sent_bytes += u64::from(load.bytes);
        let path = (host as usize, there as usize);
        let passage = transit(&mut self.ports, path, start, load.bytes.into(), &mut self.rng);
        here.arrives_at = here.arrives_at.max(passage.arrives_at);
        if load.parcels > 0 {
            let (parcels, bytes) = (load.parcels, load.parcel_bytes);
            self.queue.push(here.arrives_at, Event::Deliver { end, parcels, bytes });
        }
        (load.bytes, passage.taken_at)
    }

    /// The uplink has taken what it was given.
    pub(super) fn uplink_free(&mut self, host: u32) {
        let sender = &mut self.hosts[host as usize];
        sender.sending = false;
        let mut departing = std::mem::take(&mut sender.departing);
        if sender.state == State::Crashed {
            return;
        }
        for (end, block) in departing.drain(..) {
            self.block_departed(host, end, block);
        }
        let sender = &mut self.hosts[host as usize];
        if sender.departing.is_empty() {
            sender.departing = departing;
        }
        self.settle(host);
    }
}
