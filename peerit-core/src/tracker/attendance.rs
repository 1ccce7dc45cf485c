//! TCP connections that peers keep open, so that signals can be pushed to them where UDP is blocked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::host::{Host, uncount};

/// How long such a connection is kept after a request. Peers say something every minute, so one lost segment does no
/// harm, and NATs keep TCP connections for longer than that (RFC 5382, REQ-5: two hours; few do less than five
/// minutes).
pub const ATTENDED_IDLE_MAX: Duration = Duration::from_secs(120);

/// Most of them: half of the 1,024 that a tracker takes, so that there is room for requests.
const ATTENDED_MAX: usize = 512;

/// Most of them with one host, of 16 that it may have: a carrier's NAT has many homes behind it, and few of them
/// networks that block UDP. 64 hosts are needed to take them all.
const ATTENDED_PER_HOST_MAX: u32 = 8;

/// Which connections are attended: at most 512, about 100 bytes each.
///
/// Who may have signals pushed is decided by announces alone, as over UDP: a connection gets those for the peers that
/// were announced by it, so nobody attends as another than he could announce himself as.
#[derive(Default)]
pub(super) struct Attendance {
    connections: BTreeMap<u64, Host>,
    /// How many each host has.
    hosts: BTreeMap<Host, u32>,
}

impl Attendance {
    /// Attends a connection from now on; false if there is no room.
    pub(super) fn begin(&mut self, connection: u64, host: Host) -> bool {
        let count = self.hosts.get(&host).copied().unwrap_or(0);
        let has_room = self.connections.len() < ATTENDED_MAX && count < ATTENDED_PER_HOST_MAX;
        if has_room {
            self.connections.insert(connection, host);
            self.hosts.insert(host, count + 1);
        }
        has_room
    }

    pub(super) fn is_attended(&self, connection: u64) -> bool {
        self.connections.contains_key(&connection)
    }

    /// A connection is gone.
    pub(super) fn ended(&mut self, connection: u64) {
        if let Some(host) = self.connections.remove(&connection) {
            uncount(&mut self.hosts, host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_gets_eight_and_all_together_512() {
        let host = |number: u8| Host::of([198, 51, 100, number].into());
        let mut attendance = Attendance::default();
        let taken = (0..20).filter(|connection| attendance.begin(*connection, host(1)));
        assert_eq!(taken.count(), 8);
        attendance.ended(7);
        attendance.ended(7);
        assert!(!attendance.is_attended(7) && attendance.is_attended(6));
        assert!(attendance.begin(20, host(1)) && !attendance.begin(21, host(1)));
        let others = (100..1_000).filter(|n| attendance.begin(*n, host((n % 250) as u8 + 2)));
        assert_eq!(others.count(), 504);
        (0..1_000).for_each(|connection| attendance.ended(connection));
        assert!(attendance.connections.is_empty() && attendance.hosts.is_empty());
    }
}
