//! Does what a host's swarm wants, as `node::swarm_driver` does.

use std::net::SocketAddr;

use super::engine::{Event, Simulation};
use super::host::{NO_END, PORT, State, Storing, Verdict, host_at};
use super::link::latency;
use super::parcel::Parcel;
use super::scenario::{Conduct, Reach, Role};
use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::Block;
use crate::swarm::{self, Action};
use crate::wire::Frame;

/// Round trips until a connection is open: TCP, then TLS with the proofs.
const DIAL_ROUND_TRIPS: u64 = 2;
/// Until it is clear that nobody is there any more.
const GONE_AFTER: u64 = 1_000_000_000;
/// Until a dial to a peer behind a NAT, that answers nothing, is given up.
const SILENT_AFTER: u64 = 5_000_000_000;
/// Checking and storing where the disk does not say otherwise, in bytes a second.
const STORE_RATE: u64 = 400_000_000;

impl Simulation {
    pub(super) fn carry_out(&mut self, host: u32, action: Action) {
        match action {
            Action::Dial { address } => self.dial(host, address),
            Action::Disconnect { peer, .. } => {
                if let Some(end) = self.hosts[host as usize].end(peer) {
                    self.hang_up(end);
                }
            }
            Action::Send { frame: Frame::Choke(false), .. } if self.rides_free(host) => {}
            Action::Send { peer, frame } => self.send(host, peer, frame),
            Action::SendBlock { peer, block } => self.send_block(host, peer, block),
            // Everybody here has the manifest.
            Action::SendManifest { .. } => {}
            Action::VerifyChunk { chunk, blocks } => self.store(host, chunk, blocks),
            Action::Completed => self.completed(host),
        }
    }

    fn rides_free(&self, host: u32) -> bool {
        self.hosts[host as usize].spec.conduct == Conduct::FreeRider
    }

    fn dial(&mut self, from: u32, address: SocketAddr) {
        let known = host_at(address, self.hosts.len()).filter(|_| address.port() == PORT);
        // Nobody names other addresses: they cannot be the answer's either.
        let Some(to) = known else { return };
        let there = &self.hosts[to as usize];
        let (after, event) = match (there.state, there.spec.reach) {
            (State::Up, Reach::Open) => {
                let ports = (from as usize, to as usize);
                let round_trip = 2 * latency(&self.ports, ports);
                (DIAL_ROUND_TRIPS * round_trip, Event::Open { from, to })
            }
            (State::Up, Reach::Natted) => (SILENT_AFTER, Event::DialFailed { from, to }),
            (State::Absent | State::Left | State::Crashed, _) => {
                (GONE_AFTER, Event::DialFailed { from, to })
            }
        };
        self.queue.push(self.now + after, event);
    }

    /// Closes a connection from this end: what waits is dropped, what is under way still comes.
    pub(super) fn hang_up(&mut self, end: u32) {
        let Some((host, _)) = self.close_end(end) else { return };
        let there = self.ends[(end ^ 1) as usize].host;
        let latency = latency(&self.ports, (host as usize, there as usize));
        let at = self.ends[end as usize].arrives_at.max(self.now + latency);
        self.queue.push(at, Event::Closed { end: end ^ 1 });
    }

    /// Whose end it was and by which key; none if it was closed before.
    pub(super) fn close_end(&mut self, end: u32) -> Option<(u32, PeerKey)> {
        let here = &mut self.ends[end as usize];
        let open = std::mem::replace(&mut here.open, false);
        here.close();
        self.hosts[here.host as usize].ends[here.key.0 as usize] = NO_END;
        open.then_some((here.host, here.key))
    }

    fn send(&mut self, host: u32, peer: PeerKey, frame: Frame) {
        let Some(end) = self.hosts[host as usize].end(peer) else { return };
        if let Frame::Request(block) = &frame {
            self.check_request(host, end, *block);
        }
        self.ends[end as usize].frames.push_back(frame.into());
        self.check_frames(end);
        self.want_turn(end);
    }

    fn send_block(&mut self, host: u32, peer: PeerKey, block: Block) {
        self.check_served(host, block);
        let sender = &mut self.hosts[host as usize];
        let Some(end) = sender.end(peer) else { return };
        sender.blocks_sent += 1;
        let lies = match sender.spec.conduct {
            Conduct::Liar { every_nth_block } => {
                sender.blocks_sent.is_multiple_of(every_nth_block.max(1).into())
            }
            Conduct::Honest | Conduct::FreeRider => false,
        };
        let parcel = if lies { Parcel::Lie(block) } else { Parcel::Data(block) };
        self.ends[end as usize].blocks.push_back(parcel);
        self.check_blocks(end);
        self.want_turn(end);
    }

    /// The next frames from an end come to the other one.
    pub(super) fn deliver(&mut self, end: u32, parcels: u32, bytes: u32) {
        let there = end ^ 1;
        let host = self.ends[there as usize].host;
        for _ in 0..parcels {
            let Some(parcel) = self.ends[end as usize].flying.pop_front() else { break };
            if self.ends[there as usize].open {
                self.receive(host, there, parcel);
            }
        }
        self.settle(host);
        let sender = &mut self.ends[end as usize];
        if !sender.deaf {
            sender.in_flight_bytes -= bytes;
            let host = sender.host;
            self.want_turn(end);
            self.serve(host);
        }
    }

    fn receive(&mut self, host: u32, end: u32, parcel: Parcel) {
        let peer = self.ends[end as usize].key;
        self.mix(parcel.kind() as u64);
        let event = match parcel {
            Parcel::Data(block) | Parcel::Lie(block) => {
                let start = self.content.layout.chunk_start(block.chunk) + u64::from(block.offset);
                self.hosts[host as usize].count_received(start, block.length);
                let lie = matches!(parcel, Parcel::Lie(_));
                let payload = if lie { self.content.lie(block) } else { self.content.block(block) };
                swarm::Event::BlockReceived { peer, block, payload }
            }
            other => {
                self.note_announced(end ^ 1, &other);
                swarm::Event::Received { peer, frame: other.into() }
            }
        };
        self.tell(host, event);
    }

    /// Remembers what the other end was told that this one has.
    fn note_announced(&mut self, end: u32, parcel: &Parcel) {
        let Some(announced) = &mut self.ends[end as usize].announced else { return };
        match parcel {
            Parcel::Have(chunks) => chunks.iter().for_each(|&chunk| {
                announced.insert(chunk);
            }),
            Parcel::Other(frame) => {
                if let Frame::Bitfield(bits) = &**frame
                    && let Some(bits) = Bitfield::from_bytes(bits, announced.len())
                {
                    *announced = bits;
                }
            }
            _ => {}
        }
    }

    /// The uplink has taken the last byte of a block.
    pub(super) fn block_departed(&mut self, host: u32, end: u32, block: Block) {
        let there = self.ends[(end ^ 1) as usize].host;
        let to_leech = self.hosts[there as usize].spec.role == Role::Leech;
        let sender = &mut self.hosts[host as usize];
        let before = sender.uploaded_bytes;
        sender.uploaded_bytes += u64::from(block.length);
        let after = sender.uploaded_bytes;
        if sender.spec.role == Role::Leech && to_leech {
            self.progress.forwarded(self.now);
        }
        self.await_fates_of_upload(host, before, after);
        let end = &self.ends[end as usize];
        if end.open {
            let peer = end.key;
            self.tell(host, swarm::Event::BlockSent { peer, block });
        }
    }

    /// Hands a chunk to the disk, which checks and stores one after another.
    fn store(&mut self, host: u32, chunk: ChunkIndex, blocks: Vec<bytes::Bytes>) {
        let matches = self.content.matches(chunk, &blocks);
        let length = u64::from(self.content.layout.length_of(chunk));
        let peer = &mut self.hosts[host as usize];
        let disk = peer.spec.disk;
        let fails = disk.fails_after_bytes.is_some_and(|most| peer.disk_written + length > most);
        let verdict = match (matches, fails) {
            (false, _) => Verdict::Corrupt,
            (true, true) => Verdict::NoRoom,
            (true, false) => Verdict::Stored,
        };
        if verdict == Verdict::Stored {
            peer.disk_written += length;
        }
        let rate = disk.write_bytes_per_second.unwrap_or(STORE_RATE).max(1);
        peer.disk_free_at = peer.disk_free_at.max(self.now) + length * 1_000_000_000 / rate;
        peer.storing.push_back(Storing { chunk, blocks, verdict });
        self.queue.push(peer.disk_free_at, Event::Stored { host });
    }

    pub(super) fn disk_done(&mut self, host: u32) {
        let peer = &mut self.hosts[host as usize];
        let Some(Storing { chunk, blocks, verdict }) = peer.storing.pop_front() else { return };
        if peer.state != State::Up {
            return;
        }
        let event = match verdict {
            Verdict::Stored => {
                peer.stored.insert(chunk);
                swarm::Event::ChunkStored { chunk, blocks }
            }
            Verdict::Corrupt => swarm::Event::ChunkCorrupt { chunk, blocks },
            Verdict::NoRoom => swarm::Event::ChunkNotStored { chunk },
        };
        self.tell(host, event);
        self.settle(host);
    }

    fn completed(&mut self, host: u32) {
        self.check_completed(host);
        let peer = &mut self.hosts[host as usize];
        peer.completed_at = Some(self.now);
        self.waiting_for -= usize::from(peer.spec.is_to_finish());
        self.progress.completed(self.now);
        self.await_fates_of_completion(host);
        self.tell_tracker_completed(host);
    }
}
