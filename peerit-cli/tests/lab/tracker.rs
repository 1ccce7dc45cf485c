//! The tracker of a lab.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Stdio};

use crate::bench::tracker_program;
use crate::namespace::Namespace;

const PORT: u16 = 59_000;

/// A `peerit-tracker` that is killed when dropped.
pub(crate) struct Tracker(Child);

impl Tracker {
    /// Starts one in the namespace, and returns when it listens. On all addresses (`::`) it answers datagrams
    /// from the address that is nearest to the receiver, which may not be the one that was asked.
    pub(crate) fn start(namespace: &Namespace, listen: impl Into<IpAddr>) -> Self {
        let mut command = namespace.command(tracker_program());
        command.args(["--listen", &Self::address(listen), "--relay"]);
        let mut tracker = Self(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(tracker.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("listens on"), "the tracker does not start: {line}");
        tracker
    }

    /// How it is named where it runs at `ip`.
    pub(crate) fn address(ip: impl Into<IpAddr>) -> String {
        SocketAddr::new(ip.into(), PORT).to_string()
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
